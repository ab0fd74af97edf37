//! Two products in a DSP48E2: exact for all operands, and what a matrix engine of them takes of a device.

use crate::bench::Bench;
use crate::synthesis::cells;

#[test]
fn pairs_of_products_are_exact() {
    let machine = hw::presets::load("paired").unwrap();
    for (bits, sums) in [(8, 2 << 24), (4, 2 << 16)] {
        let (events, _) = Bench::build("pair", &machine, &[("W_BITS", bits)]).run(1, 0, &[], &[]);
        assert_eq!(events.done, [sums], "weights of {bits} bits");
    }
}

/// Products and group sums of an engine of 256 products, without buffers, group scales and epilogue.
const ENGINE: &str = "module engine #(parameter int L = 16, parameter int W = 8) (
  input logic clk_i, first_i, valid_i, input logic [L*8-1:0] a_i, input logic [16*L*8-1:0] w_i,
  output logic [16*28-1:0] group_o);
  for (genvar n = 0; n < 16; n += 2) begin : gen_output
    logic signed [19:0] sum0, sum1;
    logic signed [27:0] group0_q, group1_q;
    tw_dot_pair #(.L(L), .LP(L), .W_BITS(W), .SUM_BITS(20)) u_dot (
      .clk_i, .y_i(a_i), .x_i(w_i[n*L*8 +: 2*L*8]), .sum0_o(sum0), .sum1_o(sum1));
    always_ff @(posedge clk_i) if (valid_i) begin
      group0_q <= (first_i ? '0 : group0_q) + 28'(sum0);
      group1_q <= (first_i ? '0 : group1_q) + 28'(sum1);
    end
    assign group_o[n*28 +: 56] = {group1_q, group0_q};
  end
endmodule";

/// Half a slice for each product, and no more than so many LUTs: of weights of 8 bits and of 4.
#[test]
fn an_engine_of_pairs_is_small() {
    let machine = hw::presets::load("paired").unwrap();
    for (bits, most) in [(8, 20.0), (4, 10.0)] {
        let cells = cells(&machine, ENGINE, &format!("chparam -set W {bits} engine"), "engine");
        let of = |kind: &str| cells.iter().filter(|c| c.0.starts_with(kind)).map(|c| c.1).sum::<u64>();
        let (luts, flip_flops) = (of("LUT") as f64 / 256.0, of("FD") as f64 / 256.0);
        println!(
            "8 x {bits}: {} DSP48E2, {luts:.2} LUT and {flip_flops:.2} flip-flops for each of 256 products",
            of("DSP48E2")
        );
        assert_eq!(of("DSP48E2"), 128);
        assert!(luts <= most, "{luts} LUT for each product of 8 x {bits}");
    }
}
