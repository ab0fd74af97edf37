// Two DSP48E2 in a cascade: for each of two outputs the exact sum of two products of signed
// operands, activations of 8 bits and weights of W_BITS, at most 8.
//
// The weights of output 0 and output 1 for a lane share a multiplier: pre-adder w0 + w1*2^18, times
// the lane's activation. The sum of output 0 lies in bits 17:0 of P and may be negative, which
// would borrow from the sum of output 1 above it. So the first slice adds the constant 2^17: the
// lower part is then never negative, and both sums stand in P without correction. (2^15 is the most
// that they reach.)
//
// The second slice has an additional register in each operand path, which makes up for the register
// between the slices. Latency 4: operands; products; first sum, products; sums.
module tw_dsp_pair #(
  parameter int W_BITS = 8
) (
  input  logic                     clk_i,
  input  logic [15:0]              a_i,   // activations of lanes 0 and 1
  input  logic [15:0]              w0_i,  // weights of output 0, a byte each
  input  logic [15:0]              w1_i,  // weights of output 1
  output logic signed [W_BITS+8:0] sum0_o,
  output logic signed [W_BITS+8:0] sum1_o
);
  localparam logic [47:0] Offset = 48'h0000_0002_0000;

  logic [47:0] cascade, p, unused_cascade, unused_p;

  // M, plus the constant RND in the first slice, plus the cascade in the second one.
  tw_dsp #(
    .OPMODE(9'b10_000_01_01),
    .RND   (Offset),
    .DEEP  (1'b0)
  ) u_first (
    .clk_i (clk_i),
    .a_i   ({ {22{w0_i[7]}}, w0_i[7:0]}),
    .b_i   ({ {10{a_i[7]}}, a_i[7:0]}),
    .d_i   ({w1_i[7], w1_i[7:0], 18'd0}),
    .pc_i  (48'd0),
    .pc_o  (cascade),
    .p_o   (unused_p)
  );

  tw_dsp #(
    .OPMODE(9'b00_001_01_01),
    .RND   (48'd0),
    .DEEP  (1'b1)
  ) u_second (
    .clk_i (clk_i),
    .a_i   ({ {22{w0_i[15]}}, w0_i[15:8]}),
    .b_i   ({ {10{a_i[15]}}, a_i[15:8]}),
    .d_i   ({w1_i[15], w1_i[15:8], 18'd0}),
    .pc_i  (cascade),
    .pc_o  (unused_cascade),
    .p_o   (p)
  );

  logic unused_bits;
  assign unused_bits = ^{unused_p, unused_cascade, p};

  assign sum0_o = p[0 +: W_BITS+9];
  assign sum1_o = p[18 +: W_BITS+9];
endmodule
