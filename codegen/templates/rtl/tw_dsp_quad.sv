// Four products in a DSP48E2: two weights, 18 bits apart on the pre-adder, times two activations,
// 9 bits apart on the other operand. Or two products of 8 x 8 bits: one activation, sign-extended.
//
//   P = (w0 + w1*2^18) * (a0 + a1*2^9) + 255 * (1 + 2^9 + 2^18 + 2^27)
//
// Each lane of 9 bits holds one product plus 255. Of weights of 2 bits, -2 to 1, and activations of
// 8 bits that is 1 to 511, of 4 x 4 bits 199 to 319: never negative, so nothing is borrowed from
// the lane above, and lanes need no correction. With one activation two neighbouring lanes are
// one of 18 bits, which holds a product of 8 x 8 bits plus 255 * 513, never negative either.
//
// b_i is what tw_quad_pack makes. Latency 3: operands, products, sum.
module tw_dsp_quad (
  input  logic        clk_i,
  input  logic [7:0]  w0_i,
  input  logic [7:0]  w1_i,
  input  logic [17:0] b_i,
  output logic [35:0] lanes_o
);
  localparam logic [47:0] Offset = 48'h0007_fbfd_feff;

  logic [47:0] p, unused_cascade;
  logic        unused_bits;

  tw_dsp #(
    .OPMODE(9'b10_000_01_01),
    .RND   (Offset),
    .DEEP  (1'b0)
  ) u_slice (
    .clk_i(clk_i),
    .a_i  ({ {22{w0_i[7]}}, w0_i}),
    .b_i  (b_i),
    .d_i  ({w1_i[7], w1_i, 18'd0}),
    .c_i  (48'd0),
    .pc_i (48'd0),
    .pc_o (unused_cascade),
    .p_o  (p)
  );

  assign unused_bits = ^{unused_cascade, p};
  assign lanes_o     = p[35:0];
endmodule
