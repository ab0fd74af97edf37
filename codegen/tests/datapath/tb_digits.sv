// tw_products of digits (PACKED 5: of 2 bits, 6: of 4) against plain products, of one output and one token. Every lane in turn
// meets all operands of KIND while the others hold operands drawn from a linear congruential generator, of which half are
// extremes; with ALL, two lanes meet all that there are. KIND is the operand mode: 0 w2, 1 s2, 2 w4, 3 w8, 4 v4, 5 v8. Prints how
// many sums were compared; a sum is that of all beats of a step. With NARROW the low four bits of an
// activation count, and its beats are those of the lower digit.
module tb_digits #(
  parameter int PACKED = 5,
  parameter int KIND   = 0,
  parameter int NARROW = 0,
  parameter int L      = 2,
  parameter int ALL    = 0
);
  localparam int Width  = (KIND < 2) ? 2 : (KIND == 2 || KIND == 4) ? 4 : 8;  // of a weight
  localparam int Bits   = 8 + Width;
  localparam int LP     = 1 << $clog2(L);
  localparam int Levels = (LP > 1) ? $clog2(LP) : 1;
  localparam int Last   = (ALL != 0) ? 1 << (2 * Bits) : L << Bits;
  localparam int Stride = (NARROW != 0) ? 2 : 1;
  localparam int Beats  = (PACKED == 5) ? Width / 2 : (Width == 8) ? 4 : 2;
  // From operands' cycle to the sum's: tw_products.
  localparam int Latency = 4 + Levels;
  localparam int SumBits = 16 + $clog2(LP);
  localparam int Outputs = (LP > 4) ? LP : 4;  // a row is as wide as that of all modes

  logic                     clk = 1'b0;
  logic [31:0]              n = 0;
  logic [1:0]               beat = '0;
  logic [63:0]              walk = 64'd1;
  logic [LP*8-1:0]          a;
  logic [Outputs*16*8-1:0]  row;
  logic [SumBits-1:0]       sum;
  logic [2:0]               mode;
  logic signed [31:0]       want [Latency+1];
  logic                     ends [Latency+1] = '{default: 1'b0};
  logic                     starts [Latency+1];
  logic signed [31:0]       plain, total, so_far;
  int                       compared = 0;

  assign mode = 3'(KIND);

  function automatic logic [7:0] activation(input int l);
    activation = walk[63-l] ? {walk[8+l], {7{!walk[8+l]}}} : 8'(walk >> (11 + 5 * l));
    if (ALL != 0) activation = 8'(n >> (l * Bits));
    else if (32'(l) == n >> Bits) activation = n[7:0];
  endfunction
  function automatic logic [Width-1:0] weight(input int l);
    weight = walk[54-l] ? {walk[30+l], {(Width - 1){!walk[30+l]}}} : Width'(walk >> (17 + 4 * l));
    if (ALL != 0) weight = Width'(n >> (l * Bits + 8));
    else if (32'(l) == n >> Bits) weight = n[Bits-1:8];
  endfunction
  function automatic logic signed [31:0] value(input logic [Width-1:0] code);
    value = (KIND == 0) ? 2 * 32'(code) - 3 : 32'($signed(code));
  endfunction

  function automatic logic signed [31:0] factor(input logic [7:0] a);
    factor = (NARROW != 0) ? 32'($signed(a[3:0])) : 32'($signed(a));
  endfunction

  always_comb begin
    a     = '0;
    row   = '0;
    plain = 0;
    for (int l = 0; l < L; l++) begin
      a[8*l +: 8] = activation(l);
      // Cached values of one output: a lane fills whole bytes.
      if (KIND == 4) row[8*l +: 4] = weight(l);
      else row[Width*l +: Width] = weight(l);
      plain = plain + factor(activation(l)) * value(weight(l));
    end
  end

  // The operands' cycle is that of read data.
  tw_products #(
    .T(1), .N(1), .L(L), .TP(1), .NP(1), .LP(LP), .MODES(63), .PACKED(PACKED), .NARROW(NARROW), .A_WIDTH(LP),
    .W_ROW(Outputs * 16), .LATER(Levels - 1), .SUM_BITS(SumBits)
  ) dut (
    .clk_i(clk), .mode_i(mode), .beat_i(beat), .narrow_i(NARROW != 0), .a_data_i(a), .w_data_i(row), .sum_o(sum)
  );

  always #1 clk = !clk;

  logic last_beat;
  assign so_far    = (starts[Latency-1] ? 0 : total) + 32'($signed(sum));
  assign last_beat = 32'(beat) == Beats - Stride;

  always @(posedge clk) begin
    want[0] <= plain;
    ends[0] <= last_beat && n < Last;
    starts[0] <= beat == '0;
    for (int i = 1; i <= Latency; i++) begin
      want[i] <= want[i-1];
      ends[i] <= ends[i-1];
      starts[i] <= starts[i-1];
    end
    beat <= last_beat ? '0 : beat + 2'(Stride);
    if (last_beat) begin
      n    <= n + 1;
      walk <= walk * 64'd6364136223846793005 + 64'd1442695040888963407;
    end
    total <= so_far;
    if (ends[Latency-1] === 1'b1) begin
      if (so_far != want[Latency-1])
        $fatal(1, "%0d: %0d instead of %0d", compared, so_far, want[Latency-1]);
      compared <= compared + 1;
    end
    if (n == Last + 2 * Latency) begin
      if (compared != Last) $fatal(1, "only %0d", compared);
      $display("done %0d", Last);
      $finish;
    end
  end
endmodule
