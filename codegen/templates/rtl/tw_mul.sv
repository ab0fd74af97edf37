// Signed multiplier, combinational. Every product of the machine is an instance of this module, so
// the multipliers of a machine can be counted. Registers around it belong to its user.
module tw_mul #(
  parameter int A_BITS = 8,
  parameter int B_BITS = 8
) (
  input  logic signed [A_BITS-1:0]        a_i,
  input  logic signed [B_BITS-1:0]        b_i,
  output logic signed [A_BITS+B_BITS-1:0] p_o
);
  assign p_o = a_i * b_i;
endmodule
