// tw_dsp_quad behind tw_quad_pack against plain products, exhaustive over the operands of KIND:
// 0: weights -2 to 1, two activations of 8 bits; 1: two weights of 8 bits, one activation of 8 bits,
// in turn that of the first token and of the second; 2: two weights and two activations of 4 bits.
// Prints how many products were compared.
module tb_quad #(
  parameter int KIND = 0
);
  localparam int Bits = (KIND == 0) ? 20 : (KIND == 1) ? 24 : 16;
  localparam int Last = 1 << Bits;
  localparam int Latency = 3;

  logic        clk = 1'b0;
  logic [31:0] n = 0;
  logic [7:0]  w0, w1, a0, a1;
  logic [17:0] b;
  logic [35:0] lanes;
  logic signed [31:0] want [Latency+1][4];
  int compared = 0;

  tw_quad_pack pack (
    .a0_i(a0), .a1_i(a1), .both_i(KIND != 1), .second_i(n[0]), .b_o(b)
  );
  tw_dsp_quad dut (.clk_i(clk), .w0_i(w0), .w1_i(w1), .b_i(b), .lanes_o(lanes));

  always_comb begin
    case (KIND)
      0: {w1, w0, a1, a0} = {8'($signed(n[19:18])), 8'($signed(n[17:16])), n[15:0]};
      2: {w1, w0, a1, a0} = {8'($signed(n[15:12])), 8'($signed(n[11:8])),
                             8'($signed(n[7:4])), 8'($signed(n[3:0]))};
      default: {w1, w0, a1, a0} = {n[23:8], n[0] ? n[7:0] : ~n[7:0], n[0] ? ~n[7:0] : n[7:0]};
    endcase
  end

  function automatic logic signed [31:0] lane(input int k);
    lane = 32'(lanes[9*k +: 9]) - 255;
  endfunction

  always #1 clk = !clk;

  always @(posedge clk) begin
    if (KIND == 1) begin
      want[0][0] <= 32'($signed(w0)) * 32'($signed(n[0] ? a1 : a0));
      want[0][1] <= 32'($signed(w1)) * 32'($signed(n[0] ? a1 : a0));
    end else begin
      want[0][0] <= 32'($signed(w0)) * 32'($signed(a0));
      want[0][1] <= 32'($signed(w0)) * 32'($signed(a1));
      want[0][2] <= 32'($signed(w1)) * 32'($signed(a0));
      want[0][3] <= 32'($signed(w1)) * 32'($signed(a1));
    end
    for (int i = 1; i <= Latency; i++) want[i] <= want[i-1];
    n <= n + 1;
    if (n >= Latency && n < Last + Latency) begin
      if (KIND == 1) begin
        for (int k = 0; k < 2; k++) begin
          if (lane(2*k) + 512 * (lane(2*k+1)) != want[Latency-1][k]) $fatal(1, "%0d, output %0d", n, k);
        end
        compared <= compared + 2;
      end else begin
        for (int k = 0; k < 4; k++) begin
          if (lane(k) != want[Latency-1][k]) $fatal(1, "%0d, lane %0d", n, k);
        end
        compared <= compared + 4;
      end
    end
    if (n == Last + Latency) begin
      $display("done %0d", compared);
      $finish;
    end
  end
endmodule
