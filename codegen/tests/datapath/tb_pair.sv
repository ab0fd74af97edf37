// tw_dsp_pair against plain products: every pair of weights with every activation in one lane, and
// in the other lane what a generator draws, extremes often. Prints how many sums were compared.
module tb_pair #(
  parameter int W_BITS = 8
);
  localparam int Latency = 4;
  localparam int Last = 1 << (8 + 2 * W_BITS);

  logic        clk = 1'b0;
  logic [31:0] n = 0, seed = 32'd1;
  logic [15:0] a, w0, w1;
  logic signed [W_BITS+8:0] sum0, sum1;
  logic signed [31:0] want0 [Latency+1];
  logic signed [31:0] want1 [Latency+1];
  int compared = 0;

  tw_dsp_pair #(.W_BITS(W_BITS)) dut (
    .clk_i(clk), .y_i(a), .x0_i(w0), .x1_i(w1), .sum0_o(sum0), .sum1_o(sum1)
  );

  function automatic logic [7:0] weight(input logic [W_BITS-1:0] code);
    weight = 8'($signed(code));
  endfunction

  function automatic logic [7:0] drawn(input logic [9:0] bits);
    case (bits[9:8])
      2'd0: drawn = 8'h80;
      2'd1: drawn = 8'h7f;
      default: drawn = bits[7:0];
    endcase
  endfunction

  always #1 clk = !clk;

  // Both lanes take turns at the sweep.
  logic [7:0] all_a, all_w0, all_w1, some_a, some_w0, some_w1;
  always_comb begin
    all_a   = n[7:0];
    all_w0  = weight(n[8 +: W_BITS]);
    all_w1  = weight(n[8+W_BITS +: W_BITS]);
    some_a  = drawn(seed[9:0]);
    some_w0 = weight(W_BITS'(drawn(seed[19:10]) >>> (8 - W_BITS)));
    some_w1 = weight(W_BITS'(drawn(seed[29:20]) >>> (8 - W_BITS)));
    a  = seed[31] ? {all_a, some_a} : {some_a, all_a};
    w0 = seed[31] ? {all_w0, some_w0} : {some_w0, all_w0};
    w1 = seed[31] ? {all_w1, some_w1} : {some_w1, all_w1};
  end

  function automatic logic signed [31:0] plain(input logic [15:0] x, input logic [15:0] y);
    plain = 32'($signed(x[7:0])) * 32'($signed(y[7:0])) + 32'($signed(x[15:8])) * 32'($signed(y[15:8]));
  endfunction

  always @(posedge clk) begin
    want0[0] <= plain(a, w0);
    want1[0] <= plain(a, w1);
    for (int i = 1; i <= Latency; i++) begin
      want0[i] <= want0[i-1];
      want1[i] <= want1[i-1];
    end
    n    <= n + 1;
    seed <= seed * 32'd1664525 + 32'd1013904223;
    if (n > Latency && n <= Last + Latency) begin
      if (32'(sum0) != want0[Latency-1] || 32'(sum1) != want1[Latency-1]) begin
        $fatal(1, "%0d: %0d %0d instead of %0d %0d", n, sum0, sum1, want0[Latency-1], want1[Latency-1]);
      end
      compared <= compared + 2;
    end
    if (n == Last + Latency + 1) begin
      $display("done %0d", compared);
      $finish;
    end
  end
endmodule
