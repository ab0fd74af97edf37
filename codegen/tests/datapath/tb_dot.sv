// tw_dot_lanes behind tw_weight_decode and tw_dot_term against plain products, of one output and one token. LANES is 2:
// exhaustive over the operands of KIND, one slice; else four lanes, two slices in a cascade, of all extremes and of operands
// drawn from a linear congruential generator. KIND: 0 w2, 1 s2, 2 w4, 3 both halves of w8, which come one after the other.
// Prints how many sums were compared.
module tb_dot #(
  parameter int KIND  = 0,
  parameter int LANES = 2
);
  localparam int Width   = (KIND < 2) ? 2 : (KIND == 2) ? 4 : 8;  // of a weight
  localparam int Bits    = LANES * (8 + Width);
  localparam int Counts  = (Bits > 24) ? 24 : Bits;
  localparam int Last    = 1 << Counts;
  localparam int Latency = 5 + 1;  // weights decoded, tw_dot_lanes

  logic               clk = 1'b0;
  logic [31:0]        n = 0;
  logic [63:0]        walk = '0;
  logic               second = 1'b0;
  logic [LANES*8-1:0] a, a_q;
  logic [31:0]        row;
  logic [LANES*8-1:0] w;
  logic [LANES*9-1:0] packed_w;
  logic [47:0]        c;
  logic               offset_d, low_d, offset_q, low_q;
  logic               seconds [Latency+1];
  logic signed [18:0] sum;
  logic signed [31:0] want [Latency+1];
  logic signed [31:0] first;
  logic               unused_bits;
  int                 compared = 0;

  // Operands, lane by lane: of all that there are, or, in one of two, of what is greatest.
  logic [63:0] mixed;
  logic        extreme;
  assign mixed   = (Bits > 24) ? walk ^ (walk >> 32) : walk;
  assign extreme = Bits > 24 && walk[60];

  function automatic logic [7:0] activation(input int l);
    activation = extreme ? (mixed[l] ? 8'h80 : 8'h7f) : mixed[l*(8+Width) +: 8];
  endfunction
  function automatic logic [Width-1:0] weight(input int l);
    weight = mixed[l*(8+Width)+8 +: Width];
    if (extreme) begin
      case (mixed[8+2*l +: 2])
        2'd0, 2'd1: weight = 1 << (Width - 1);        // the least
        2'd2:       weight = (1 << (Width - 1)) - 1;  // the greatest
        default:    weight = '1;
      endcase
    end
  endfunction
  function automatic logic signed [31:0] value(input logic [Width-1:0] code);
    value = (KIND == 0) ? 2 * 32'(code) - 3 : 32'($signed(code));
  endfunction

  always_comb begin
    a   = '0;
    row = '0;
    for (int l = 0; l < LANES; l++) begin
      a[8*l +: 8]           = activation(l);
      row[Width*l +: Width] = weight(l);
    end
  end

  localparam logic [2:0] Mode = 3'(KIND);

  tw_weight_decode #(
    .N(1), .L(LANES), .NP(1), .LP(LANES), .ROW(4), .MODES(15), .PACKED(3)
  ) decode (
    .clk_i(clk), .mode_i(Mode), .beat_i({1'b0, second}), .row_i(row), .w_o(w), .pick_o()
  );

  for (genvar i = 0; i < LANES / 2; i++) begin : gen_weights
    assign packed_w[18*i +: 18] = {w[16*i +: 4], {10{w[16*i+12]}}, w[16*i+8 +: 4]};
  end

  assign low_d    = KIND == 3 && !second;
  assign offset_d = KIND == 2 || (KIND == 3 && second);

  tw_dot_term #(
    .SLICES(LANES / 2)
  ) u_term (
    .clk_i(clk), .a_i(a_q), .offset_i(offset_q), .low_i(low_q), .c_o(c)
  );

  tw_dot_lanes #(
    .L(LANES), .LP(LANES), .HALVES(KIND == 3), .SUM_BITS(19)
  ) dut (
    .clk_i(clk), .a_i(a_q), .w_i(packed_w), .c_i(c), .high_i(seconds[Latency-1]), .sum_o(sum)
  );

  always #1 clk = !clk;

  // Plain products of the operands of this cycle.
  logic signed [31:0] plain;
  always_comb begin
    plain = 0;
    for (int l = 0; l < LANES; l++) plain = plain + 32'($signed(a[8*l +: 8])) * value(row[Width*l +: Width]);
  end

  logic last_beat;
  assign last_beat   = KIND != 3 || second;
  assign unused_bits = ^{w, walk};

  always @(posedge clk) begin
    {a_q, offset_q, low_q} <= {a, offset_d, low_d};
    seconds[0] <= second;
    want[0]    <= plain;
    for (int i = 1; i <= Latency; i++) begin
      want[i]    <= want[i-1];
      seconds[i] <= seconds[i-1];
    end
    second <= KIND == 3 && !second;
    if (last_beat) begin
      n    <= n + 1;
      walk <= (Bits > 24) ? (walk * 64'd6364136223846793005 + 64'd1442695040888963407) : 64'(n) + 1;
    end
    if (n > Latency) begin
      if (KIND != 3) begin
        if (32'(sum) != want[Latency-1]) $fatal(1, "%0d: %0d instead of %0d", n, sum, want[Latency-1]);
        compared <= compared + 1;
      end else if (seconds[Latency-1]) begin
        if (first + 32'(sum) != want[Latency-1]) $fatal(1, "%0d: %0d instead of %0d", n, first + 32'(sum), want[Latency-1]);
        compared <= compared + 1;
      end
    end
    first <= 32'(sum);
    if (n == Last + 2 * Latency) begin
      if (compared < Last) $fatal(1, "only %0d", compared);
      $display("done %0d", Last);
      $finish;
    end
  end
endmodule
