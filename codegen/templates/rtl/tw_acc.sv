// Accumulator of one output of one token: exact group sum, times its group scale, summed over
// groups; and the shadow that holds a finished tile's accumulator while it drains and the next tile
// accumulates.
//
// Cycle 0 is that of sum_i of the last step of a group:
//   0  sum_valid_i; sum_first_i starts a group
//   1  scale_i of the group is used
//   2  group_valid_i; group_first_i starts a tile, tile_last_i ends it
//   3  shadow_o holds the tile
module tw_acc #(
  parameter int SUM_BITS   = 19,
  parameter int GROUP_BITS = 27,  // SUM_BITS plus 8: at most 255 steps
  parameter int ACC_BITS   = 40
) (
  input  logic                       clk_i,
  input  logic                       sum_valid_i,
  input  logic                       sum_first_i,
  input  logic signed [SUM_BITS-1:0] sum_i,
  input  logic [7:0]                 scale_i,
  input  logic                       group_valid_i,
  input  logic                       group_first_i,
  input  logic                       tile_last_i,
  output logic [ACC_BITS-1:0]        shadow_o
);
  logic signed [GROUP_BITS-1:0] group_d, group_q;
  logic signed [GROUP_BITS+8:0] scaled, scaled_q;
  logic signed [ACC_BITS-1:0]   acc_d, acc_q, shadow_q;

  // The operand without a choice stands first, and all is signed: then a carry chain takes it as it
  // is, and the choice is part of the LUT in front of each bit.
  assign group_d = GROUP_BITS'(sum_i) + (sum_first_i ? GROUP_BITS'(1'sd0) : group_q);

  tw_mul #(
    .A_BITS(GROUP_BITS),
    .B_BITS(9)
  ) u_scale (
    .a_i(group_q),
    .b_i({1'b0, scale_i}),
    .p_o(scaled)
  );

  // A narrow accumulator takes the low bits: sums are modulo 2^ACC_BITS.
  logic unused_high;
  assign unused_high = ^scaled_q;

  assign acc_d = ACC_BITS'(scaled_q) + (group_first_i ? ACC_BITS'(1'sd0) : acc_q);

  always_ff @(posedge clk_i) begin
    if (sum_valid_i) group_q <= group_d;
    scaled_q <= scaled;
    if (group_valid_i) acc_q <= acc_d;
    if (group_valid_i && tile_last_i) shadow_q <= acc_d;
  end

  assign shadow_o = shadow_q;
endmodule
