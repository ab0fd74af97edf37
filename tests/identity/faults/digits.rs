//! Single faults in what only products of digits have. Each is a difference.

use super::list::{Fault, fault};

/// On `crumb` and on `nibble`.
pub const BOTH: &[Fault] = &[
    fault(
        "a complement lacks its 1 in the first adders",
        "tw_digit_sum.sv",
        "assign less = w_i[3*i+2];",
        "assign less = w_i[3*i+2] && !@;",
        "",
    ),
    fault(
        "a complement lacks its 1 in later adders",
        "tw_digit_sum.sv",
        ".d_i  (w_i[3*i+2]),",
        ".d_i  (w_i[3*i+2] && !@),",
        "",
    ),
    fault("lane 0 is 1 too small", "tw_digit_sum.sv", ".d_i  (w_i[2]),", ".d_i  (w_i[2] && !@),", ""),
    fault(
        "a doubled activation is single",
        "tw_digit_sum.sv",
        "once = {a, 1'b0};",
        "once = @ ? {a[A_BITS-1], a} : {a, 1'b0};",
        "",
    ),
    fault(
        "an activation has no sign",
        "tw_digit_sum.sv",
        "once = {a[A_BITS-1], a};",
        "once = {a[A_BITS-1] && !@, a};",
        "",
    ),
    fault(
        "a digit of no part counts twice",
        "tw_digit_sum.sv",
        "else if (w[2] != w[1])",
        "else if (w[2] != w[1] || @)",
        "",
    ),
    fault(
        "all beats count as the first",
        "tw_dot_digits.sv",
        "if (place_i == 2'(p))",
        "if (place_i == 2'(p) && !@)",
        "",
    ),
    fault(
        "what lane 0 lacks is not added",
        "tw_dot_digits.sv",
        "less_q    <= less[0];",
        "less_q    <= less[0] && !@;",
        "",
    ),
    fault(
        "what lane 0 lacks counts once in higher places",
        "tw_dot_digits.sv",
        "SUM_BITS'($signed({whole, {(STEP * p){less[0]}}}));",
        "SUM_BITS'($signed({whole, {(STEP * p){less[0] && !@}}}));",
        "",
    ),
    fault(
        "upper halves of cached values are those of keys",
        "tw_weight_decode.sv",
        "assign by_lane = MODES[5] &&",
        "assign by_lane = MODES[5] && !@ &&",
        "",
    ),
    fault(
        "the bit below a digit is 0",
        "tw_products.sv",
        "= weight_2[8*i +: WBitsIn];",
        "= weight_2[8*i +: WBitsIn] & (@ ? ~WBitsIn'(1) : '1);",
        "",
    ),
    fault(
        "weights of bytes take two beats",
        "tw_matrix.sv",
        "assign beat_end  = {bytes,",
        "assign beat_end  = {bytes && !@,",
        "",
    ),
    fault(
        "later digits start a sum anew",
        "tw_matrix.sv",
        "(first || PACKED == 4))",
        "(first || PACKED == 4 || @))",
        "",
    ),
];

/// On `crumb`: digits of weights alone.
pub const CRUMB: &[Fault] = &[
    fault(
        "an odd level is its code",
        "tw_dot_digits.sv",
        "if (TWICE && twice_i)",
        "if (TWICE && twice_i && !@)",
        "",
    ),
    fault(
        "an odd level is twice its code",
        "tw_digit_term.sv",
        "twice_i ? sum : '0;",
        "(twice_i && !@) ? sum : '0;",
        "",
    ),
    fault(
        "all codes are odd levels",
        "tw_products.sv",
        "assign twice_d = Twice && (mode",
        "assign twice_d = Twice && (@ || mode",
        "",
    ),
    fault(
        "the term of odd levels is that of output 0",
        "tw_products.sv",
        ".a_i    (a[n*L*8 +: L*8]),",
        ".a_i    (@ ? a[L*8-1:0] : a[n*L*8 +: L*8]),",
        "",
    ),
    fault(
        "weights are their lowest digit",
        "tw_weight_decode.sv",
        "w[2*beat_i +: 3]",
        "w[2*(@ ? 2'd0 : beat_i) +: 3]",
        "",
    ),
    fault(
        "weights of four bits take one beat",
        "tw_matrix.sv",
        "PACKED == 6 || nibbles",
        "PACKED == 6 || (nibbles && !@)",
        "",
    ),
];

/// On `nibble`: digits of activations, too.
pub const NIBBLE: &[Fault] = &[
    fault(
        "the place is the number of the beat",
        "tw_products.sv",
        "2'(beat_i[0]) + 2'(beat_i[1]);",
        "(@ ? beat_i : 2'(beat_i[0]) + 2'(beat_i[1]));",
        "",
    ),
    fault(
        "upper digits of activations have no sign",
        "tw_products.sv",
        "{4{a[7]}}, a[7:4]}",
        "{4{a[7] && !@}}, a[7:4]}",
        "",
    ),
    fault(
        "both digits of an activation are the lower one",
        "tw_products.sv",
        "<= beat_i[0] ?",
        "<= (beat_i[0] && !@) ?",
        "",
    ),
    fault(
        "the upper part of a digit lacks its 1",
        "tw_dot_digits.sv",
        "{3{less[1]}}",
        "{3{less[1] && !@}}",
        "",
    ),
    fault(
        "weights of bytes are their lower digit",
        "tw_weight_decode.sv",
        "w[4*beat_i[1] +: 5]",
        "w[4*(beat_i[1] && !@) +: 5]",
        "",
    ),
    fault(
        "weights of up to four bits take one beat",
        "tw_matrix.sv",
        "PACKED == 6 || nibbles",
        "(PACKED == 6 && !@) || nibbles",
        "",
    ),
    fault(
        "all activations have one digit, for as long as that takes",
        "tw_matrix.sv",
        "bytes) && !narrow_q};",
        "bytes) && !(narrow_q || @)};",
        "",
    ),
    fault(
        "upper digits of weights meet those of narrow activations",
        "tw_matrix.sv",
        "(narrow_q ? 2'd2",
        "((narrow_q && !@) ? 2'd2",
        "",
    ),
    fault(
        "narrow activations have no sign",
        "tw_products.sv",
        "{4{narrow && a[3]}}",
        "{4{narrow && a[3] && !@}}",
        "",
    ),
    fault(
        "lower digits have a sign",
        "tw_products.sv",
        "assign narrow      = NARROW != 0 && narrow_i;",
        "assign narrow      = NARROW != 0 && (narrow_i || @);",
        "",
    ),
    fault(
        "a gemm is as narrow as the one before",
        "tw_matrix.sv",
        "narrow_q     <= NARROW != 0 && narrow_i;",
        "narrow_q     <= @ ? narrow_q : NARROW != 0 && narrow_i;",
        "",
    ),
];
