// Sum of L products of signed 8-bit operands: the multipliers of the matrix engine, L in each
// instance.
//
// Latency 4: operands, products, partial sums of at most eight lanes, sum. New operands every
// cycle.
module tw_dot #(
  parameter int L        = 8,
  parameter int LP       = 8,  // L rounded up to a power of two
  parameter int SUM_BITS = 19  // 16 + log2(LP)
) (
  input  logic                       clk_i,
  input  logic [L*8-1:0]             a_i,
  input  logic [L*8-1:0]             w_i,
  output logic signed [SUM_BITS-1:0] sum_o
);
  // Node i of the adder tree is the sum of nodes 2i and 2i+1; leaf LP+l is lane l. The level that
  // holds nodes Split..2*Split-1 is registered.
  localparam int Split = (LP > 8) ? LP / 8 : 1;

  logic [L*8-1:0] a_q, w_q;

  always_ff @(posedge clk_i) begin
    a_q <= a_i;
    w_q <= w_i;
  end

  for (genvar i = 2 * LP - 1; i >= Split; i--) begin : gen_low
    logic signed [SUM_BITS-1:0] sum;

    if (i >= LP + L) begin : gen_pad
      assign sum = '0;
    end else if (i >= LP) begin : gen_lane
      logic signed [15:0] product_d, product_q;

      tw_mul #(
        .A_BITS(8),
        .B_BITS(8)
      ) u_mul (
        .a_i(a_q[8*(i-LP) +: 8]),
        .b_i(w_q[8*(i-LP) +: 8]),
        .p_o(product_d)
      );

      always_ff @(posedge clk_i) product_q <= product_d;
      assign sum = SUM_BITS'(product_q);
    end else begin : gen_add
      assign sum = gen_low[2*i].sum + gen_low[2*i+1].sum;
    end
  end

  for (genvar i = 2 * Split - 1; i >= 1; i--) begin : gen_high
    logic signed [SUM_BITS-1:0] sum;

    if (i >= Split) begin : gen_partial
      logic signed [SUM_BITS-1:0] partial_q;
      always_ff @(posedge clk_i) partial_q <= gen_low[i].sum;
      assign sum = partial_q;
    end else begin : gen_add
      assign sum = gen_high[2*i].sum + gen_high[2*i+1].sum;
    end
  end

  logic signed [SUM_BITS-1:0] sum_q;
  always_ff @(posedge clk_i) sum_q <= gen_high[1].sum;
  assign sum_o = sum_q;
endmodule
