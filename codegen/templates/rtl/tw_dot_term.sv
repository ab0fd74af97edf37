// What tw_dsp_dot adds to its products, for one token: 2^13 below the sum, which makes that part
// positive, and what its weights lack. Of weights of four bits (offset_i) those of odd lanes are
// 8 too large; of the low halves of bytes (low_i), which are not negative, those of even lanes are
// 8 too small. The result is the same for all outputs.
//
// Latency 1, of a single slice 2, as tw_dsp_dot takes it.
module tw_dot_term #(
  parameter int SLICES = 2
) (
  input  logic                 clk_i,
  input  logic [SLICES*16-1:0] a_i,
  input  logic                 offset_i,
  input  logic                 low_i,
  output logic [47:0]          c_o
);
  logic [31:0] a;
  logic [7:0]  x, y;
  logic [8:0]  sum;
  logic [10:0] term_d, term;  // in units of 8

  assign a = 32'(a_i);

  // -v is the complement of v, plus one.
  assign x   = low_i ? a[7:0] : ~a[15:8];
  assign y   = low_i ? a[23:16] : ~a[31:24];
  assign sum = 9'($signed(x)) + 9'($signed(y));

  assign term_d = ((offset_i || low_i) ? 11'($signed(sum)) : 11'd0) + {9'd0, offset_i, 1'b0};

  tw_delay #(
    .WIDTH(11),
    .DEPTH(3 - SLICES)
  ) u_term (
    .clk_i(clk_i),
    .d_i  (term_d),
    .q_o  (term)
  );

  assign c_o = {20'd0, term, 3'd0, 14'h2000};
endmodule
