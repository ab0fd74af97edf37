// Two DSP48E2 in a cascade: two exact sums over two lanes, of x0 * y and of x1 * y. Operands are
// signed and a byte each; either y or x0 and x1 are weights of no more than W_BITS.
//
// x0 and x1 of a lane share a multiplier: pre-adder x0 + x1*2^18, times y. Sum 0 lies in bits 17:0
// of P and may be negative, which would borrow from sum 1 above it. So the first slice adds the
// constant 2^17: the lower part is then never negative, and both sums stand in P without
// correction. (2^15 is the most that they reach.)
//
// The second slice has an additional register in each operand path, which makes up for the register
// between the slices. Latency 4: operands; products; first sum, products; sums.
module tw_dsp_pair #(
  parameter int W_BITS = 8
) (
  input  logic                     clk_i,
  input  logic [15:0]              y_i,   // of lanes 0 and 1
  input  logic [15:0]              x0_i,
  input  logic [15:0]              x1_i,
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
    .a_i   ({ {22{x0_i[7]}}, x0_i[7:0]}),
    .b_i   ({ {10{y_i[7]}}, y_i[7:0]}),
    .d_i   ({x1_i[7], x1_i[7:0], 18'd0}),
    .c_i   (48'd0),
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
    .a_i   ({ {22{x0_i[15]}}, x0_i[15:8]}),
    .b_i   ({ {10{y_i[15]}}, y_i[15:8]}),
    .d_i   ({x1_i[15], x1_i[15:8], 18'd0}),
    .c_i   (48'd0),
    .pc_i  (cascade),
    .pc_o  (unused_cascade),
    .p_o   (p)
  );

  logic unused_bits;
  assign unused_bits = ^{unused_p, unused_cascade, p};

  assign sum0_o = p[0 +: W_BITS+9];
  assign sum1_o = p[18 +: W_BITS+9];
endmodule
