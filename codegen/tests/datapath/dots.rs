//! Two lanes of an output in a DSP48E2: exact for all operands, and what matrix engines of them take of a device.

use crate::bench::Bench;
use crate::synthesis::cells;

/// Kinds of weights, and how many sums of two lanes and of four are compared: all there are, of more than 24 bits a part.
#[test]
fn dots_of_lanes_are_exact() {
    let machine = hw::presets::load("gemv").unwrap();
    for (kind, two) in [(0, 1 << 20), (1, 1 << 20), (2, 1 << 24), (3, 1 << 24)] {
        for (lanes, sums) in [(2, two), (4, 1 << 24)] {
            let parameters = [("KIND", kind), ("LANES", lanes)];
            let (events, _) = Bench::build("dot", &machine, &parameters).run(1, 0, &[], &[]);
            assert_eq!(events.done, [sums], "kind {kind}, {lanes} lanes");
        }
    }
}

/// Products and group sums of an engine of 16 x 16 products, without decoding of weights, buffers, group scales and epilogue: one
/// token. `PRUNED` 1: each output selects its activations, 2: or takes them as they are; `KIND` 1: also weights of 4 bits, 2: and of bytes.
const ENGINE: &str = "module engine #(parameter int L = 16, parameter int N = 16, parameter int PRUNED = 0, parameter int KIND = 0) (
  input logic clk_i, first_i, valid_i, offset_i, low_i, high_i, input logic [2*L*8-1:0] a_i, input logic [N*L*2-1:0] pick_i,
  input logic [N*L*9-1:0] w_i, output logic [N*28-1:0] group_o);
  logic [L/4*48-1:0] term;
  for (genvar k = 0; k < L / 4; k++) begin : gen_term
    tw_dot_term #(.SLICES(2)) u_term (.clk_i, .a_i(a_i[32*k +: 32]), .offset_i(offset_i && KIND > 0),
      .low_i(low_i && KIND > 1), .c_o(term[48*k +: 48]));
  end
  for (genvar n = 0; n < N; n++) begin : gen_output
    logic [L*8-1:0] a;
    logic signed [19:0] sum;
    logic signed [27:0] group_q;
    if (PRUNED != 0) begin : gen_kept
      tw_gather #(.L(L), .DENSE(PRUNED - 1)) u_gather (.a_i, .pick_i(pick_i[n*L*2 +: L*2]), .a_o(a));
    end else begin : gen_all
      assign a = a_i[L*8-1:0];
    end
    tw_dot_lanes #(.L(L), .LP(L), .HALVES(KIND > 1), .SUM_BITS(20)) u_dot (
      .clk_i, .a_i(a), .w_i(w_i[n*L*9 +: L*9]), .c_i(term), .high_i, .sum_o(sum));
    always_ff @(posedge clk_i) if (valid_i) group_q <= sum + (first_i ? 28'sd0 : group_q);
    assign group_o[n*28 +: 28] = group_q;
  end
endmodule";

/// Half a slice for each product, of kept weights too, and no more than so many LUTs.
#[test]
fn an_engine_of_dots_is_small() {
    let machine = hw::presets::load("gemv").unwrap();
    for (pruned, kind, what, most) in [
        (0, 0, "8 x 2", 6.0),
        (0, 1, "8 x 2 or 8 x 4", 7.0),
        (1, 0, "kept 8 x 2", 14.0),
        (2, 2, "kept or all, of all widths", 15.0),
    ] {
        let before = format!("chparam -set PRUNED {pruned} -set KIND {kind} engine");
        let cells = cells(&machine, ENGINE, &before, "engine");
        let of = |kind: &str| cells.iter().filter(|c| c.0.starts_with(kind)).map(|c| c.1).sum::<u64>();
        let (luts, flip_flops) = (of("LUT") as f64 / 256.0, of("FD") as f64 / 256.0);
        let dsps = of("DSP48E2");
        println!(
            "{what}: {dsps} DSP48E2, {luts:.2} LUT and {flip_flops:.2} flip-flops for each of 256 products"
        );
        assert_eq!(dsps, 128);
        assert!(luts <= most, "{luts} LUT for each product of {what}");
    }
}
