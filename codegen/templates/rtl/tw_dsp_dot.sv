// Two lanes of one output in a DSP48E2, one or two slices in a cascade: the sum of 2*SLICES
// products of a signed byte and a weight.
//
//   P = (a0 + a1*2^14) * (w1 + w0*2^14) + C
//
// The sum a0*w0 + a1*w1 stands in bits 27:14, of two slices, too: a product is at most 15*128, so
// four are within 14 signed bits. Below it is a0*w1, which C makes positive with 2^13: nothing is
// borrowed from the sum. Above it is a1*w0, which nobody reads. Weights w1 + w0*2^14 are within 18
// bits if w0 is -8 to 7 and w1 is 0 to 15, or both are codes of two bits: tw_weight_decode.
//
// c_i adds to the sum from bit 14 on, and is that of the cycle behind the operands; of a single
// slice, two cycles behind. Latency 4: operands; products; first sum, products; sums. The second
// slice, and a single one, has one more register in each operand path.
module tw_dsp_dot #(
  parameter int SLICES = 2
) (
  input  logic                 clk_i,
  input  logic [SLICES*16-1:0] a_i,  // lane by lane
  input  logic [SLICES*18-1:0] w_i,
  input  logic [47:0]          c_i,
  output logic signed [13:0]   sum_o
);
  logic [(SLICES+1)*48-1:0] cascade;  // into each slice, and out of the last one
  logic [SLICES*48-1:0]     p;
  logic                     unused_bits;

  assign cascade[47:0] = '0;

  for (genvar k = 0; k < SLICES; k++) begin : gen_slice
    logic [7:0]  a0, a1;
    logic [47:0] c;

    assign a0 = a_i[16*k +: 8];
    assign a1 = a_i[16*k+8 +: 8];
    assign c  = (k == 0) ? c_i : 48'd0;

    // The product, plus C in the first slice, plus the cascade in the second one.
    tw_dsp #(
      .OPMODE((k == 0) ? 9'b00_011_01_01 : 9'b00_001_01_01),
      .RND   (48'd0),
      .DEEP  (k == SLICES - 1)
    ) u_slice (
      .clk_i(clk_i),
      .a_i  ({ {22{a0[7]}}, a0}),
      .b_i  (w_i[18*k +: 18]),
      .d_i  ({ {5{a1[7]}}, a1, 14'd0}),
      .c_i  (c),
      .pc_i (cascade[48*k +: 48]),
      .pc_o (cascade[48*(k+1) +: 48]),
      .p_o  (p[48*k +: 48])
    );
  end

  assign sum_o       = p[48*(SLICES-1)+14 +: 14];
  assign unused_bits = ^{cascade, p};
endmodule
