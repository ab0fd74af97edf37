//! Four products in a DSP48E2: exact for all operands, and what matrix engines of them take of a device.

use crate::bench::Bench;
use crate::synthesis::cells;

#[test]
fn quads_of_products_are_exact() {
    let machine = hw::presets::load("quads").unwrap();
    for (kind, products) in [(0, 4 << 20), (1, 2 << 24), (2, 4 << 16)] {
        let (events, _) = Bench::build("quad", &machine, &[("KIND", kind)]).run(1, 0, &[], &[]);
        assert_eq!(events.done, [products], "kind {kind}");
    }
}

/// Products and group sums of an engine of 256 products, without buffers, group scales and epilogue: two tokens, `2 * P` outputs.
/// `KIND` 0: weights of 2 bits, -2 to 1; 1: also those of odd levels, and pairs of 8 x 8 bits, switched in each step; 2: 4 x 4 bits;
/// 3: all of that; bytes of activations become numbers of 4 bits in front of the register that a decoded operand has.
const ENGINE: &str = "module engine #(parameter int L = 16, parameter int P = 4, parameter int KIND = 0) (
  input logic clk_i, first_i, valid_i, second_i, narrow_i, input logic [1:0] mode_i, input logic [2*L*8-1:0] a_i,
  input logic [2*P*L*8-1:0] w_i, output logic [4*P*28-1:0] group_o);
  logic pair, levels;
  assign pair   = (KIND % 2 == 1) && mode_i[0];
  assign levels = (KIND % 2 == 1) && mode_i[1];
  logic [L*18-1:0] b_q;
  logic [2*L*8-1:0] a;
  logic [2*P*L*8-1:0] w;
  for (genvar i = 0; i < 2 * L; i++) begin : gen_narrow
    if (KIND == 3) begin : gen_either
      always_ff @(posedge clk_i)
        a[8*i +: 8] <= {narrow_i ? {4{a_i[8*i+3]}} : a_i[8*i+4 +: 4], a_i[8*i +: 4]};
    end else begin : gen_one
      assign a[8*i +: 8] = {(KIND == 2) ? {4{a_i[8*i+3]}} : a_i[8*i+4 +: 4], a_i[8*i +: 4]};
    end
  end
  for (genvar i = 0; i < 2 * P * L; i++) begin : gen_weight
    assign w[8*i +: 8] = {(KIND == 2) ? {4{w_i[8*i+3]}} : w_i[8*i+4 +: 4], w_i[8*i +: 4]};
  end
  for (genvar l = 0; l < L; l++) begin : gen_pack
    logic [17:0] b;
    tw_quad_pack u_pack (.a0_i(a[8*l +: 8]), .a1_i(a[8*(L+l) +: 8]), .both_i(!pair), .second_i, .b_o(b));
    always_ff @(posedge clk_i) b_q[18*l +: 18] <= b;
  end
  logic [2*20-1:0] term_q;
  for (genvar t = 0; t < 2; t++) begin : gen_term
    logic signed [11:0] sum;
    tw_sum #(.COUNT(L), .LEAVES(L), .IN(8), .OUT(12)) u_sum (.clk_i, .d_i(a[8*L*t +: 8*L]), .sum_o(sum));
    always_ff @(posedge clk_i)
      term_q[20*t +: 20] <= pair ? -20'(255*513*L) : levels ? 20'(sum) - 20'(510*L) : -20'(255*L);
  end
  for (genvar p = 0; p < P; p++) begin : gen_output
    logic [4*20-1:0] sums;
    tw_dot_quad #(.L(L), .LP(L), .SUM_BITS(20)) u_dot (
      .clk_i, .b_i(b_q), .w_i(w[16*L*p +: 16*L]), .pair_i(pair), .levels_i(levels), .term_i(term_q), .sum_o(sums));
    for (genvar i = 0; i < 4; i++) begin : gen_group
      logic signed [27:0] group_q;
      always_ff @(posedge clk_i) if (valid_i) group_q <= (first_i ? '0 : group_q) + 28'($signed(sums[20*i +: 20]));
      assign group_o[28*(4*p+i) +: 28] = group_q;
    end
  end
endmodule";

/// A quarter of a slice for each product of 2-bit weights or of 4 x 4 bits, and no more than so many LUTs.
#[test]
fn an_engine_of_quads_is_small() {
    let machine = hw::presets::load("quads").unwrap();
    for (kind, what, most) in [
        (0, "8 x 2", 12.0),
        (1, "8 x 2 or 8 x 8", 18.0),
        (2, "4 x 4", 12.0),
        (3, "8 x 2, 4 x 4 or 8 x 8", 18.0),
    ] {
        let cells = cells(&machine, ENGINE, &format!("chparam -set KIND {kind} engine"), "engine");
        let of = |kind: &str| cells.iter().filter(|c| c.0.starts_with(kind)).map(|c| c.1).sum::<u64>();
        let (luts, flip_flops) = (of("LUT") as f64 / 256.0, of("FD") as f64 / 256.0);
        println!(
            "{what}: {} DSP48E2, {luts:.2} LUT and {flip_flops:.2} flip-flops for each of 256 products",
            of("DSP48E2")
        );
        assert_eq!(of("DSP48E2"), 64);
        assert!(luts <= most, "{luts} LUT for each product of {what}");
    }
}
