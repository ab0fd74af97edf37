// Weight-buffer row to operands: one signed 8-bit operand for each output n and lane l, at byte
// n*L+l of w_o.
//
// Rows are packed with strides of powers of two; outputs N..NP-1 and lanes L..LP-1 of a row are
// not looked at.
//   w2: 2-bit code c of (n, l) at bits 2*(n*LP+l), level 2c-3
//   k4: int4 of (n, l) at nibble n*max(2,LP)+l
//   v4: int4 of (n, l) at nibble l*max(2,NP)+n
// The result is registered: valid one cycle after the row.
module tw_weight_decode #(
  parameter int N       = 8,
  parameter int L       = 8,
  parameter int NP      = 8,
  parameter int LP      = 8,
  parameter int W2_BITS = 128,
  parameter int K4_BITS = 256,
  parameter int V4_BITS = 256
) (
  input  logic               clk_i,
  input  logic               k4_i,
  input  logic               v4_i,
  input  logic [W2_BITS-1:0] w2_row_i,
  input  logic [K4_BITS-1:0] k4_row_i,
  input  logic [V4_BITS-1:0] v4_row_i,
  output logic [N*L*8-1:0]   w_o
);
  localparam int K4Stride = (LP > 2) ? LP : 2;
  localparam int V4Stride = (NP > 2) ? NP : 2;

  logic unused_bits;
  assign unused_bits = ^{w2_row_i, k4_row_i, v4_row_i};

  for (genvar n = 0; n < N; n++) begin : gen_output
    for (genvar l = 0; l < L; l++) begin : gen_lane
      logic [1:0] code;
      logic [3:0] nibble_d, nibble_q;

      assign code = w2_row_i[2*(n*LP+l) +: 2];

      always_comb begin
        nibble_d = {~code[1], ~code[1], code[0], 1'b1};
        if (k4_i) nibble_d = k4_row_i[4*(n*K4Stride+l) +: 4];
        if (v4_i) nibble_d = v4_row_i[4*(l*V4Stride+n) +: 4];
      end

      always_ff @(posedge clk_i) nibble_q <= nibble_d;

      assign w_o[8*(n*L+l) +: 8] = { {4{nibble_q[3]}}, nibble_q};
    end
  end
endmodule
