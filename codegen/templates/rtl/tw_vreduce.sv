// Reductions of the vector engine over the lanes and rows of a pass: the largest element or
// magnitude, and the sum of unsigned summands.
//
// Latency 3 each: by row, y_valid_i to max_o and s_valid_i to sum_o; *_first_i starts a pass. max_o
// is the largest y with signed_i (a constant of the pass), else the largest |y|. With rank_i only
// elements below len_i count and, with ranked_i, of these only those behind top_i at place_i, which
// are smaller, or equal and farther on. place_o is the place of max_o, the first of equals.
module tw_vreduce #(
  parameter int   L    = 8,
  parameter int   LP   = 8,    // L rounded up to a power of two
  parameter logic RANK = 1'b1  // rank_i is used
) (
  input  logic            clk_i,
  input  logic            signed_i,
  input  logic            rank_i,
  input  logic [15:0]     len_i,
  input  logic            ranked_i,
  input  logic [31:0]     top_i,
  input  logic [15:0]     place_i,
  input  logic            y_valid_i,
  input  logic            y_first_i,
  input  logic [L*32-1:0] y_i,
  input  logic            s_valid_i,
  input  logic            s_first_i,
  input  logic [L*32-1:0] s_i,
  output logic [31:0]     max_o,
  output logic [15:0]     place_o,
  output logic [55:0]     sum_o
);
  // Node i of each tree joins nodes 2i and 2i+1; leaf LP+l is lane l. The level that holds nodes
  // Split..2*Split-1 is registered. Keys order as unsigned numbers:
  // whether it counts, value, lane from behind.
  localparam int Split   = (LP > 8) ? LP / 8 : 1;
  localparam int SumBits = 32 + $clog2(LP);
  localparam int Below   = RANK ? $clog2(LP) : 0;  // bits of a key below its value
  localparam int KeyBits = RANK ? 33 + Below : 32;

  // Place of the first element of a row.
  logic [15:0] base, base_next_q, base_q, base_q2;

  assign base = y_first_i ? '0 : base_next_q;

  always_ff @(posedge clk_i) begin
    if (y_valid_i) base_next_q <= base + 16'(L);
    base_q  <= base;
    base_q2 <= base_q;
  end

  for (genvar i = 2 * LP - 1; i >= Split; i--) begin : gen_low
    logic [KeyBits-1:0] key;
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
      if (RANK) begin : gen_rank
        logic [15:0] place;
        logic        behind, counts_q;
        assign place  = base + 16'(i - LP);
        assign behind = $signed(y) < $signed(top_i) || (y == top_i && place > place_i);
        always_ff @(posedge clk_i) counts_q <= !rank_i || (place < len_i && (behind || !ranked_i));
        if (LP > 1) begin : gen_lanes
          assign key = {counts_q, key_q, Below'(2 * LP - 1 - i)};
        end else begin : gen_one
          assign key = {counts_q, key_q};
        end
      end else begin : gen_no_rank
        assign key = key_q;
      end
      assign sum = SumBits'(s_i[32*(i-LP) +: 32]);
    end else begin : gen_join
      assign key = (gen_low[2*i].key > gen_low[2*i+1].key) ? gen_low[2*i].key : gen_low[2*i+1].key;
      assign sum = gen_low[2*i].sum + gen_low[2*i+1].sum;
    end
  end

  for (genvar i = 2 * Split - 1; i >= 1; i--) begin : gen_high
    logic [KeyBits-1:0] key;
    logic [SumBits-1:0] sum;

    if (i >= Split) begin : gen_partial
      logic [KeyBits-1:0] key_q;
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
  logic [KeyBits-1:0] max_q;
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
    if (y_valid_q2 && (y_first_q2 || larger)) max_q <= gen_high[1].key;
    if (s_valid_q2) sum_q <= 56'(row_sum_q) + (s_first_q2 ? 56'sd0 : sum_q);
  end

  // Of equal rows the first stays.
  logic larger;
  assign larger = gen_high[1].key[KeyBits-1:Below] > max_q[KeyBits-1:Below];

  if (RANK) begin : gen_place
    logic [15:0] row_q;  // place of the first element of the row that max_q is from

    always_ff @(posedge clk_i) begin
      if (y_valid_q2 && (y_first_q2 || larger)) row_q <= base_q2;
    end

    if (LP > 1) begin : gen_lanes
      assign place_o = row_q + 16'(Below'(~max_q[Below-1:0]));
    end else begin : gen_one
      assign place_o = row_q;
    end
  end else begin : gen_no_place
    logic unused_rank;
    assign unused_rank = ^{rank_i, len_i, ranked_i, top_i, place_i, base_q2};
    assign place_o     = '0;
  end

  assign max_o = {max_q[Below+31] ^ signed_i, max_q[Below +: 31]};
  assign sum_o = sum_q;
endmodule
