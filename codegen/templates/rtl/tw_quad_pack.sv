// The activations of two tokens as the operand of tw_dsp_quad: both, 9 bits apart, or one alone.
module tw_quad_pack (
  input  logic [7:0]  a0_i,
  input  logic [7:0]  a1_i,
  input  logic        both_i,
  input  logic        second_i,  // which one, if it is alone
  output logic [17:0] b_o
);
  logic signed [8:0] a0, a1, one;

  assign a0  = 9'($signed(a0_i));
  assign a1  = 9'($signed(a1_i));
  assign one = second_i ? a1 : a0;

  // A negative lower part borrows from the upper one.
  assign b_o = both_i ? {a1 - {8'd0, a0[8]}, a0} : { {9{one[8]}}, one};
endmodule
