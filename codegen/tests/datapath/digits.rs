//! Products of digits, in adders: exact for all operands, and what matrix engines of them take of a device.

use crate::bench::Bench;
use crate::synthesis::cells;

/// Kinds of weights (`tb_digits.sv`), of both kinds of digits and of narrow activations: all pairs of operands in each lane, whatever
/// the other lanes hold.
#[test]
fn products_of_digits_are_exact() {
    std::thread::scope(|scope| {
        for (name, packed, narrow) in [("crumbs", 5, 0), ("nibbles", 6, 0), ("nibbles", 6, 1)] {
            scope.spawn(move || exact(name, packed, narrow));
        }
    });
}

fn exact(name: &str, packed: u32, narrow: u32) {
    let machine = hw::presets::load(name).unwrap();
    for (kind, bits) in [(0, 10), (1, 10), (2, 12), (3, 16), (4, 12), (5, 16)] {
        // Weights of odd levels and of bytes say all about trees of other depths.
        // Trees of other depths: weights of odd levels and of bytes have all that differs between kinds. Of narrow activations trees
        // and the other decoders are the same.
        let trees: &[u32] = match (narrow, kind) {
            (0, 0) => &[1, 3],
            (0, 3) => &[3, 8],
            (0, _) | (_, 0 | 2 | 3) => &[3],
            _ => &[],
        };
        for &lanes in trees {
            let parameters = [("PACKED", packed), ("NARROW", narrow), ("KIND", kind), ("L", lanes)];
            let (events, _) = Bench::build("digits", &machine, &parameters).run(1, 0, &[], &[]);
            assert_eq!(events.done, [u64::from(lanes) << bits], "{name}: kind {kind}, {lanes} lanes");
        }
    }
    if narrow != 0 {
        return;
    }
    // Two lanes of all operands there are.
    let parameters = [("PACKED", packed), ("KIND", 0), ("L", 2), ("ALL", 1)];
    let (events, _) = Bench::build("digits", &machine, &parameters).run(1, 0, &[], &[]);
    assert_eq!(events.done, [1 << 20], "{name}: kind 0, two lanes");
}

/// Products and group sums of an engine of 16 x 16 products, without decoding of weights, buffers, group scales and epilogue: one
/// token. `PLACES` 1: of digits of 2 bits in their only beat; `TWICE` 1: also odd levels; `PRUNED` 1: each output selects its
/// activations, and adds up its own if `TWICE`.
const ENGINE: &str = "module engine #(parameter int L = 16, parameter int N = 16, parameter int TWICE = 0, parameter int PLACES = 1,
    parameter int PRUNED = 0) (
  input logic clk_i, first_i, valid_i, twice_i, input logic [1:0] place_i, input logic [2*L*8-1:0] a_i,
  input logic [N*L*2-1:0] pick_i, input logic [N*L*3-1:0] w_i, output logic [N*28-1:0] group_o);
  logic [11:0] shared;
  if (TWICE != 0 && PRUNED == 0) begin : gen_term
    tw_digit_term #(.L(L), .LP(L)) u_term (.clk_i, .a_i(a_i[L*8-1:0]), .twice_i, .term_o(shared));
  end else begin : gen_no_term
    assign shared = '0;
  end
  for (genvar n = 0; n < N; n++) begin : gen_output
    logic [L*8-1:0] a;
    logic [L*3-1:0] w;
    logic [11:0] term;
    logic signed [19:0] sum;
    logic signed [27:0] group_q;
    if (PRUNED != 0) begin : gen_kept
      tw_gather #(.L(L), .DENSE(0)) u_gather (.a_i, .pick_i(pick_i[n*L*2 +: L*2]), .a_o(a));
    end else begin : gen_all
      assign a = a_i[L*8-1:0];
    end
    if (TWICE != 0 && PRUNED != 0) begin : gen_own
      tw_digit_term #(.L(L), .LP(L)) u_term (.clk_i, .a_i(a), .twice_i, .term_o(term));
    end else begin : gen_shared
      assign term = shared;
    end
    // Without wider weights the bit below a digit is 0.
    for (genvar l = 0; l < L; l++) begin : gen_lane
      assign w[3*l +: 3] = {w_i[3*(n*L+l)+1 +: 2], PLACES > 1 && w_i[3*(n*L+l)]};
    end
    tw_dot_digits #(.L(L), .LP(L), .A_BITS(8), .PARTS(1), .STEP(2), .PLACES(PLACES), .TWICE(TWICE != 0),
      .TERM_BITS(12), .SUM_BITS(20)) u_dot (.clk_i, .a_i(a), .w_i(w), .place_i, .twice_i, .term_i(term), .sum_o(sum));
    always_ff @(posedge clk_i) if (valid_i) group_q <= sum + (first_i ? 28'sd0 : group_q);
    assign group_o[n*28 +: 28] = group_q;
  end
endmodule";

/// No slice at all, and no more than so many LUTs for each product.
#[test]
fn an_engine_of_crumbs_is_small() {
    let machine = hw::presets::load("crumbs").unwrap();
    for (twice, places, pruned, what, most) in [
        (0, 1, 0, "8 x 2", 27.0),
        (1, 1, 0, "8 x 2 of odd levels", 29.0),
        (1, 4, 0, "all widths", 20.0),
        (0, 1, 1, "kept 8 x 2", 35.0),
        (1, 4, 1, "kept or all, of all widths", 36.0),
    ] {
        let before = format!("chparam -set TWICE {twice} -set PLACES {places} -set PRUNED {pruned} engine");
        let cells = cells(&machine, ENGINE, &before, "engine");
        let of = |kind: &str| cells.iter().filter(|c| c.0.starts_with(kind)).map(|c| c.1).sum::<u64>();
        let (luts, flip_flops) = (of("LUT") as f64 / 256.0, of("FD") as f64 / 256.0);
        println!("{what}: {luts:.2} LUT and {flip_flops:.2} flip-flops for each of 256 products");
        assert_eq!(of("DSP48E2"), 0);
        assert!(luts <= most, "{luts} LUT for each product of {what}");
    }
}
