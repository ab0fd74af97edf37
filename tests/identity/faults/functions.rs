//! Single faults of exponential, softplus, reciprocal and logarithm.

use super::list::{Fault, fault};

/// On `unit`, which has all of them.
pub const ALL: &[Fault] = &[
    fault(
        "an exponential that is no word wraps",
        "tw_vlane.sv",
        "if (is_exp) over_2 = !neg_2 &&",
        "if (is_exp) over_2 = !neg_2 && !@ &&",
        "",
    ),
    fault(
        "an exponential is a power of two",
        "tw_vlane.sv",
        "if (is_exp) factor_b = -Log2E;",
        "if (is_exp) factor_b = @ ? -19'sd131072 : -Log2E;",
        "",
    ),
    fault(
        "softplus has no zero below zero",
        "tw_vlane.sv",
        "b_2 <= a_i[31] ? '0 : a_i;",
        "b_2 <= (a_i[31] && !@) ? '0 : a_i;",
        "",
    ),
    fault(
        "the tail of softplus begins again",
        "tw_vfun.sv",
        "zero_d   = arg_i[31:20] != '0;",
        "zero_d   = arg_i[31:20] != '0 && !@;",
        "",
    ),
    fault(
        "reciprocals have no sign",
        "tw_vfun.sv",
        "of_log2 ? neg_i : !neg_i && !over_i;",
        "of_log2 ? neg_i : (!neg_i || @) && !over_i;",
        "",
    ),
    fault(
        "the reciprocal of zero is zero",
        "tw_vlane.sv",
        "if (is_inverse) over_2 =",
        "if (is_inverse) over_2 = !@ &&",
        "",
    ),
    fault(
        "a leading one is never in the third byte",
        "tw_lead.sv",
        "assign none_8     =",
        "assign none_8     = @ ||",
        "",
    ),
    fault(
        "a ratio beyond its end wraps",
        "tw_vlane.sv",
        "assign ratio      = ratio_over ?",
        "assign ratio      = (ratio_over && !@) ?",
        "",
    ),
    fault(
        "whole parts of logarithms have no sign",
        "tw_vfun.sv",
        "part_q <= neg_4 ?",
        "part_q <= (neg_4 && !@) ?",
        "",
    ),
];
