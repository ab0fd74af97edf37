// Reductions of the vector engine over the lanes and rows of a pass: the largest element or
// magnitude, and the sum of unsigned summands.
//
// Latency 3 each: by row, y_valid_i to max_o and s_valid_i to sum_o; *_first_i starts a pass. max_o
// is the largest y with signed_i (a constant of the pass), else the largest |y|.
module tw_vreduce #(
  parameter int L  = 8,
  parameter int LP = 8  // L rounded up to a power of two
) (
  input  logic            clk_i,
  input  logic            signed_i,
  input  logic            y_valid_i,
  input  logic            y_first_i,
  input  logic [L*32-1:0] y_i,
  input  logic            s_valid_i,
  input  logic            s_first_i,
  input  logic [L*32-1:0] s_i,
  output logic [31:0]     max_o,
  output logic [55:0]     sum_o
);
  // Node i of each tree joins nodes 2i and 2i+1; leaf LP+l is lane l. The level that holds nodes
  // Split..2*Split-1 is registered. Keys order as unsigned numbers.
  localparam int Split   = (LP > 8) ? LP / 8 : 1;
  localparam int SumBits = 32 + $clog2(LP);

  for (genvar i = 2 * LP - 1; i >= Split; i--) begin : gen_low
    logic [31:0]        key;
    logic [SumBits-1:0] sum;

    if (i >= LP + L) begin : gen_pad
      assign key = '0;
      assign sum = '0;
    end else if (i >= LP) begin : gen_lane
      logic [31:0] y, key_q;
      assign y = y_i[32*(i-LP) +: 32];
      always_ff @(posedge clk_i) begin
        if (signed_i) key_q <= {!y[31], y[30:0]};
        else key_q <= y[31] ? -y : y;
      end
      assign key = key_q;
      assign sum = SumBits'(s_i[32*(i-LP) +: 32]);
    end else begin : gen_join
      assign key = (gen_low[2*i].key > gen_low[2*i+1].key) ? gen_low[2*i].key : gen_low[2*i+1].key;
      assign sum = gen_low[2*i].sum + gen_low[2*i+1].sum;
    end
  end

  for (genvar i = 2 * Split - 1; i >= 1; i--) begin : gen_high
    logic [31:0]        key;
    logic [SumBits-1:0] sum;

    if (i >= Split) begin : gen_partial
      logic [31:0]        key_q;
      logic [SumBits-1:0] sum_q;
      always_ff @(posedge clk_i) begin
        key_q <= gen_low[i].key;
        sum_q <= gen_low[i].sum;
      end
      assign key = key_q;
      assign sum = sum_q;
    end else begin : gen_join
      assign key = (gen_high[2*i].key > gen_high[2*i+1].key) ? gen_high[2*i].key
                                                             : gen_high[2*i+1].key;
      assign sum = gen_high[2*i].sum + gen_high[2*i+1].sum;
    end
  end

  // The sum's tree has no register for its leaves; one after the tree makes both latencies equal.
  logic               y_valid_q, y_first_q, y_valid_q2, y_first_q2;
  logic               s_valid_q, s_first_q, s_valid_q2, s_first_q2;
  logic [SumBits-1:0] row_sum_q;
  logic [31:0]        max_q;
  logic [55:0]        sum_q;

  always_ff @(posedge clk_i) begin
    y_valid_q  <= y_valid_i;
    y_first_q  <= y_first_i;
    y_valid_q2 <= y_valid_q;
    y_first_q2 <= y_first_q;
    s_valid_q  <= s_valid_i;
    s_first_q  <= s_first_i;
    s_valid_q2 <= s_valid_q;
    s_first_q2 <= s_first_q;
    row_sum_q  <= gen_high[1].sum;
    if (y_valid_q2 && (y_first_q2 || gen_high[1].key > max_q)) max_q <= gen_high[1].key;
    if (s_valid_q2) sum_q <= (s_first_q2 ? '0 : sum_q) + 56'(row_sum_q);
  end

  assign max_o = {max_q[31] ^ signed_i, max_q[30:0]};
  assign sum_o = sum_q;
endmodule
