// tw_dsp_pair and both slices, for all operands at all times: each multiplier gets the operands of
// one lane, packed, and each sum is that of the lanes' products of 4 cycles before.
//
// The products themselves are cut: of the 45 bits it is assumed only that they are x + y*2^18 with x
// and y in the range of a product, which the sweep over all operands (tb_pair.sv) shows of tw_mul.
module proof_pair #(
  parameter int W_BITS = 8
) (
  input logic                clk_i,
  input logic [15:0]         a_i,
  input logic [2*W_BITS-1:0] w0_i,
  input logic [2*W_BITS-1:0] w1_i
);

  localparam int Most = 1 << (W_BITS + 6);

  logic [15:0]              w0, w1;
  logic signed [W_BITS+8:0] sum0, sum1;

  assign w0 = {8'($signed(w0_i[2*W_BITS-1:W_BITS])), 8'($signed(w0_i[W_BITS-1:0]))};
  assign w1 = {8'($signed(w1_i[2*W_BITS-1:W_BITS])), 8'($signed(w1_i[W_BITS-1:0]))};

  tw_dsp_pair #(
    .W_BITS(W_BITS)
  ) dut (
    .clk_i,
    .y_i(a_i),
    .x0_i(w0),
    .x1_i(w1),
    .sum0_o(sum0),
    .sum1_o(sum1)
  );

  // Operands of 1 and 2 cycles before: both slices' multipliers, the second a cycle later.
  logic [15:0] a_1, a_2, w0_1, w0_2, w1_1, w1_2;
  logic [2:0]  age_q = '0;

  always_ff @(posedge clk_i) begin
    {a_2, w0_2, w1_2} <= {a_1, w0_1, w1_1};
    {a_1, w0_1, w1_1} <= {a_i, w0, w1};
    if (age_q != 3'd4) age_q <= age_q + 3'd1;
  end

  (* hierconn *) wire [26:0] \dut.u_first.u_slice.ad ;
  (* hierconn *) wire [17:0] \dut.u_first.u_slice.b ;
  (* hierconn *) wire [44:0] \dut.u_first.u_slice.m_d ;
  (* hierconn *) wire [26:0] \dut.u_second.u_slice.ad ;
  (* hierconn *) wire [17:0] \dut.u_second.u_slice.b ;
  (* hierconn *) wire [44:0] \dut.u_second.u_slice.m_d ;

  logic signed [26:0] packed_1, packed_2;

  assign packed_1 = 27'($signed(w0_1[7:0])) + {w1_1[7], w1_1[7:0], 18'd0};
  assign packed_2 = 27'($signed(w0_2[15:8])) + {w1_2[15], w1_2[15:8], 18'd0};

  always_comb begin
    if (age_q >= 3'd1) begin
      assert (\dut.u_first.u_slice.ad == packed_1);
      assert (\dut.u_first.u_slice.b == 18'($signed(a_1[7:0])));
    end
    if (age_q >= 3'd2) begin
      assert (\dut.u_second.u_slice.ad == packed_2);
      assert (\dut.u_second.u_slice.b == 18'($signed(a_2[15:8])));
    end
  end

  // The products: of the first slice a cycle before those of the second one.
  logic signed [17:0] x0, x1;
  logic signed [26:0] y0, y1;
  logic signed [31:0] x0_q, y0_q, x0_q2, y0_q2, x1_q, y1_q, want0_q, want1_q;

  assign x0 = \dut.u_first.u_slice.m_d [17:0];
  assign y0 = 27'(\dut.u_first.u_slice.m_d [44:18]) + 27'(x0[17]);
  assign x1 = \dut.u_second.u_slice.m_d [17:0];
  assign y1 = 27'(\dut.u_second.u_slice.m_d [44:18]) + 27'(x1[17]);

  always_comb begin
    assume (32'(x0) >= -Most && 32'(x0) <= Most && 32'(y0) >= -Most && 32'(y0) <= Most);
    assume (32'(x1) >= -Most && 32'(x1) <= Most && 32'(y1) >= -Most && 32'(y1) <= Most);
  end

  always_ff @(posedge clk_i) begin
    x0_q    <= 32'(x0);
    y0_q    <= 32'(y0);
    x0_q2   <= x0_q;
    y0_q2   <= y0_q;
    x1_q    <= 32'(x1);
    y1_q    <= 32'(y1);
    want0_q <= x0_q2 + x1_q;
    want1_q <= y0_q2 + y1_q;
  end

  always_comb begin
    if (age_q == 3'd4) begin
      assert (32'(sum0) == want0_q);
      assert (32'(sum1) == want1_q);
    end
  end

endmodule
