// Sum of COUNT signed numbers: an adder tree with a register behind every adder, so that each adder
// is one carry chain. Latency log2(LEAVES), at least 1.
module tw_sum #(
  parameter int COUNT  = 8,
  parameter int LEAVES = 8,  // COUNT rounded up to a power of two
  parameter int IN     = 16,
  parameter int OUT    = 19
) (
  input  logic                  clk_i,
  input  logic [COUNT*IN-1:0]   d_i,
  output logic signed [OUT-1:0] sum_o
);
  // Node i is the sum of nodes 2i and 2i+1; leaf LEAVES+k is number k.
  for (genvar i = 2 * LEAVES - 1; i >= 1; i--) begin : gen_node
    logic signed [OUT-1:0] sum;

    if (i >= LEAVES + COUNT) begin : gen_pad
      assign sum = '0;
    end else if (i >= LEAVES) begin : gen_leaf
      logic signed [IN-1:0] leaf;
      assign leaf = d_i[IN*(i-LEAVES) +: IN];
      assign sum  = OUT'(leaf);
    end else begin : gen_add
      logic signed [OUT-1:0] sum_q;
      always_ff @(posedge clk_i) sum_q <= gen_node[2*i].sum + gen_node[2*i+1].sum;
      assign sum = sum_q;
    end
  end

  if (LEAVES > 1) begin : gen_tree
    assign sum_o = gen_node[1].sum;
  end else begin : gen_single
    logic signed [OUT-1:0] sum_q;
    always_ff @(posedge clk_i) sum_q <= gen_node[1].sum;
    assign sum_o = sum_q;
  end
endmodule
