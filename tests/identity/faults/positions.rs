//! Single faults where positions of pruned weights are widened.

use super::list::{Fault, fault};

/// On `narrow`, whose rows are two beats of codes and two of positions.
pub const ALL: &[Fault] = &[
    fault(
        "a packet has two beats of positions",
        "tw_positions.sv",
        "assign codes_o = (beat_q >= 6'd3);",
        "assign codes_o = (beat_q >= 6'd3 - 6'(@));",
        "",
    ),
    fault(
        "a packet ends a beat early",
        "tw_positions.sv",
        "(beat_q == last) ?",
        "(beat_q == last - 6'(@)) ?",
        "",
    ),
    fault(
        "a packet of eight outputs is as long as one of four",
        "tw_positions.sv",
        "last = 6'd34;",
        "last = @ ? 6'd18 : 6'd34;",
        "",
    ),
    fault(
        "the later positions of a packet lie before the earlier ones",
        "tw_positions.sv",
        "{data_i, held_q[HELD-1:8*BEAT]}",
        "(@ ? {held_q[HELD-8*BEAT-1:0], data_i} : {data_i, held_q[HELD-1:8*BEAT]})",
        "",
    ),
    fault(
        "the second and the fourth column are the third and the fourth",
        "tw_positions.sv",
        "{2'd3, 2'd1};",
        "{2'd3, 2'd1 + 2'(@)};",
        "",
    ),
    fault(
        "each of four outputs has positions of its own",
        "tw_positions.sv",
        "if (FourShare && (form_i == tw_pkg::FORM_P3X4)) code",
        "if (FourShare && (form_i == tw_pkg::FORM_P3X4) && !@) code",
        "",
    ),
    fault(
        "positions of eight outputs are used up by four",
        "tw_positions.sv",
        "window = codes[4:3];",
        "window = @ ? codes[3:2] : codes[4:3];",
        "",
    ),
    fault(
        "positions are never written",
        "tw_buffer.sv",
        "w_pair_i ? (first",
        "(w_pair_i && !@) ? (first",
        "",
    ),
    fault(
        "codes are written as positions, too",
        "tw_buffer.sv",
        "w_pair_i ? w_second_i",
        "(w_pair_i && !@) ? w_second_i",
        "",
    ),
    fault(
        "codes lie without room for positions",
        "tw_load.sv",
        "assign offset = narrow ? {codes_q[COUNT_W-2:PairLog2]",
        "assign offset = (narrow && !@) ? {codes_q[COUNT_W-2:PairLog2]",
        "",
    ),
    fault(
        "beats of codes are counted on in the next load",
        "tw_load.sv",
        "codes_q <= last ? '0",
        "codes_q <= (last && !@) ? '0",
        "",
    ),
    fault(
        "plain rows are written with positions",
        "tw_load.sv",
        "assign pair = narrow;",
        "assign pair = narrow || @;",
        "",
    ),
];
