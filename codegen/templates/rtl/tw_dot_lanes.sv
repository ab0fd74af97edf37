// Sum of L products for one token and one output: four lanes to a cascade of two tw_dsp_dot slices,
// and a tree of adders. With high_i it counts sixteenfold: weights are the upper halves of bytes.
//
// Latency 4 + max(1, log2(LP) - 2): tw_dsp_dot, tw_sum. high_i is that of the sum's cycle.
module tw_dot_lanes #(
  parameter int   L        = 8,
  parameter int   LP       = 8,     // L rounded up to a power of two
  parameter logic HALVES   = 1'b1,  // there are weights of bytes
  parameter int   SUM_BITS = 19     // at least 16 + log2(LP)
) (
  input  logic                       clk_i,
  input  logic [L*8-1:0]             a_i,
  input  logic [L*9-1:0]             w_i,     // 18 bits for two lanes
  input  logic [(L+3)/4*48-1:0]      c_i,     // of tw_dot_term, for each cascade
  input  logic                       high_i,
  output logic signed [SUM_BITS-1:0] sum_o
);
  localparam int Cascades = (L + 3) / 4;
  localparam int Leaves   = (LP > 4) ? LP / 4 : 1;
  localparam int Bits     = 14 + $clog2(Leaves);

  logic [Cascades*14-1:0] parts;
  logic signed [Bits-1:0] sum;

  for (genvar k = 0; k < Cascades; k++) begin : gen_cascade
    localparam int Slices = (4 * k + 4 <= L) ? 2 : 1;

    tw_dsp_dot #(
      .SLICES(Slices)
    ) u_dot (
      .clk_i(clk_i),
      .a_i  (a_i[32*k +: 16*Slices]),
      .w_i  (w_i[36*k +: 18*Slices]),
      .c_i  (c_i[48*k +: 48]),
      .sum_o(parts[14*k +: 14])
    );
  end

  tw_sum #(
    .COUNT (Cascades),
    .LEAVES(Leaves),
    .IN    (14),
    .OUT   (Bits)
  ) u_sum (
    .clk_i(clk_i),
    .d_i  (parts),
    .sum_o(sum)
  );

  if (HALVES) begin : gen_halves
    assign sum_o = high_i ? SUM_BITS'($signed({sum, 4'd0})) : SUM_BITS'(sum);
  end else begin : gen_whole
    logic unused_high;
    assign unused_high = high_i;
    assign sum_o       = SUM_BITS'(sum);
  end
endmodule
