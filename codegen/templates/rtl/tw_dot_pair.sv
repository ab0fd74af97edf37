// Two sums of L products each, of x0 * y and of x1 * y: one DSP48E2 for each lane, two lanes in a
// cascade.
// Operands are signed and a byte each; on one side they are weights of no more than W_BITS.
//
// Latency 4 + max(1, log2(LP) - 1): tw_dsp_pair, tw_sum. New operands every cycle.
module tw_dot_pair #(
  parameter int L        = 8,
  parameter int LP       = 8,  // L rounded up to a power of two
  parameter int W_BITS   = 8,
  parameter int SUM_BITS = 19  // at least 8 + W_BITS + log2(LP)
) (
  input  logic                       clk_i,
  input  logic [L*8-1:0]             y_i,
  input  logic [2*L*8-1:0]           x_i,  // x0, x1
  output logic signed [SUM_BITS-1:0] sum0_o,
  output logic signed [SUM_BITS-1:0] sum1_o
);
  localparam int Pairs    = (L + 1) / 2;
  localparam int Leaves   = (LP > 1) ? LP / 2 : 1;
  localparam int PartBits = W_BITS + 9;
  localparam int AllBits  = PartBits + $clog2(Leaves);

  // A lane that is missing in the last pair multiplies zeros.
  logic [Pairs*16-1:0]       y, x0, x1;
  logic [Pairs*PartBits-1:0] part0, part1;
  logic signed [AllBits-1:0] sum0, sum1;

  assign y  = (Pairs * 16)'(y_i);
  assign x0 = (Pairs * 16)'(x_i[L*8-1:0]);
  assign x1 = (Pairs * 16)'(x_i[2*L*8-1:L*8]);

  for (genvar k = 0; k < Pairs; k++) begin : gen_pair
    tw_dsp_pair #(
      .W_BITS(W_BITS)
    ) u_pair (
      .clk_i (clk_i),
      .y_i   (y[16*k +: 16]),
      .x0_i  (x0[16*k +: 16]),
      .x1_i  (x1[16*k +: 16]),
      .sum0_o(part0[PartBits*k +: PartBits]),
      .sum1_o(part1[PartBits*k +: PartBits])
    );
  end

  tw_sum #(
    .COUNT (Pairs),
    .LEAVES(Leaves),
    .IN    (PartBits),
    .OUT   (AllBits)
  ) u_sum0 (
    .clk_i(clk_i),
    .d_i  (part0),
    .sum_o(sum0)
  );
  tw_sum #(
    .COUNT (Pairs),
    .LEAVES(Leaves),
    .IN    (PartBits),
    .OUT   (AllBits)
  ) u_sum1 (
    .clk_i(clk_i),
    .d_i  (part1),
    .sum_o(sum1)
  );

  assign sum0_o = SUM_BITS'(sum0);
  assign sum1_o = SUM_BITS'(sum1);
endmodule
