// Sum of L products of a signed activation and a digit of a weight, in adders: each digit is -2 to
// 2, so its product is the activation once, twice or not at all, or the complement of that. What a
// complement lacks is carried into the tree: adder i adds 1 for lane i, and lane 0 is left to
// whoever reads the sum (less_o). Thereby a sum of 2^k products needs k more bits than one.
//
// Bits 2 to 0 of a digit stand for -2, 1 and 1: two bits of a weight and the one below them.
// Latency log2(LP), at least 1: a register behind each adder.
module tw_digit_sum #(
  parameter int L      = 8,
  parameter int LP     = 8,  // L rounded up to a power of two
  parameter int A_BITS = 8,
  localparam int SumBits = A_BITS + 1 + $clog2(LP)
) (
  input  logic                      clk_i,
  input  logic [L*A_BITS-1:0]       a_i,
  input  logic [L*3-1:0]            w_i,
  output logic signed [SumBits-1:0] sum_o,
  output logic                      less_o  // the sum is 1 too small
);
  // Node i is the sum of nodes 2i and 2i+1; leaf LP+l is lane l.
  for (genvar i = 2 * LP - 1; i >= 1; i--) begin : gen_node
    localparam int Height = $clog2(LP) + 1 - $clog2(i + 1);
    localparam int Bits   = A_BITS + 1 + Height;

    logic signed [Bits-1:0] sum;

    if (i >= LP + L) begin : gen_pad
      assign sum = '0;
    end else if (i >= LP) begin : gen_leaf
      logic [A_BITS-1:0] a;
      logic [2:0]        w;
      logic [A_BITS:0]   once;

      assign a = a_i[A_BITS*(i-LP) +: A_BITS];
      assign w = w_i[3*(i-LP) +: 3];

      always_comb begin
        once = '0;
        if (w[1] != w[0]) once = {a[A_BITS-1], a};
        else if (w[2] != w[1]) once = {a, 1'b0};
        sum = once ^ {(A_BITS + 1){w[2]}};
      end
    end else begin : gen_add
      logic                   less;
      logic signed [Bits:0]   full;  // with the bit that carries
      logic signed [Bits-1:0] sum_q;
      logic                   unused_bit;

      if (i >= L) begin : gen_none
        assign less = 1'b0;
      end else if (Height == 1) begin : gen_now
        assign less = w_i[3*i+2];
      end else begin : gen_later
        tw_delay #(
          .WIDTH(1),
          .DEPTH(Height - 1)
        ) u_less (
          .clk_i(clk_i),
          .d_i  (w_i[3*i+2]),
          .q_o  (less)
        );
      end

      assign full = (Bits + 1)'($signed({gen_node[2*i].sum, 1'b1})) +
                    (Bits + 1)'($signed({gen_node[2*i+1].sum, less}));
      assign unused_bit = full[0];

      always_ff @(posedge clk_i) sum_q <= full[Bits:1];
      assign sum = sum_q;
    end
  end

  if (LP > 1) begin : gen_tree
    assign sum_o = gen_node[1].sum;
  end else begin : gen_single
    logic signed [SumBits-1:0] sum_q;
    always_ff @(posedge clk_i) sum_q <= gen_node[1].sum;
    assign sum_o = sum_q;
  end

  tw_delay #(
    .WIDTH(1),
    .DEPTH((LP > 1) ? $clog2(LP) : 1)
  ) u_less_last (
    .clk_i(clk_i),
    .d_i  (w_i[2]),
    .q_o  (less_o)
  );
endmodule
