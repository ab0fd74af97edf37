// Sum of the L activations that an output meets, or nothing: what twice a code lacks of odd levels.
//
// Latency 2 + max(1, log2(LP)), one less than tw_dot_digits, to whose shifted sum it is added.
// twice_i is that of the last cycle but one.
module tw_digit_term #(
  parameter int L  = 8,
  parameter int LP = 8,  // L rounded up to a power of two
  localparam int Bits = 8 + $clog2(LP)
) (
  input  logic                   clk_i,
  input  logic [L*8-1:0]         a_i,
  input  logic                   twice_i,
  output logic signed [Bits-1:0] term_o
);
  logic [L*8-1:0]         a_q;
  logic signed [Bits-1:0] sum;

  always_ff @(posedge clk_i) a_q <= a_i;

  tw_sum #(
    .COUNT (L),
    .LEAVES(LP),
    .IN    (8),
    .OUT   (Bits)
  ) u_sum (
    .clk_i(clk_i),
    .d_i  (a_q),
    .sum_o(sum)
  );

  always_ff @(posedge clk_i) term_o <= twice_i ? sum : '0;
endmodule
