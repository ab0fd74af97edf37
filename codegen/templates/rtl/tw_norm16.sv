// m = about mant_o * 2^exponent_o, mant_o in [2^15, 2^16), rounded up; (2^15, -15) for 0. Latency
// 3. length_o is the bit length of m, one cycle after it.
module tw_norm16 (
  input  logic              clk_i,
  input  logic [63:0]       m_i,
  output logic [6:0]        length_o,
  output logic [15:0]       mant_o,
  output logic signed [7:0] exponent_o
);
  // Bit length, by halves: at each step the upper half decides one bit (cycle 0 -> 1).
  logic [6:0]  length_d, length_q, length_q2;
  logic [63:0] m_q;
  logic [31:0] part32;
  logic [15:0] part16;
  logic [7:0]  part8;
  logic [3:0]  part4;
  logic [1:0]  part2;
  logic        top32, top16, top8, top4, top2;

  assign top32  = m_i[63:32] != '0;
  assign part32 = top32 ? m_i[63:32] : m_i[31:0];
  assign top16  = part32[31:16] != '0;
  assign part16 = top16 ? part32[31:16] : part32[15:0];
  assign top8   = part16[15:8] != '0;
  assign part8  = top8 ? part16[15:8] : part16[7:0];
  assign top4   = part8[7:4] != '0;
  assign part4  = top4 ? part8[7:4] : part8[3:0];
  assign top2   = part4[3:2] != '0;
  assign part2  = top2 ? part4[3:2] : part4[1:0];

  assign length_d =
      (part2 == '0) ? '0 : {1'b0, top32, top16, top8, top4, top2, part2[1]} + 7'd1;

  // Left-justified (1 -> 2): the upper 16 bits, and whether anything is below.
  logic [63:0] justified;
  logic [15:0] mant_q2;
  logic        rest_q2;

  assign justified = m_q << (6'd0 - length_q[5:0]);

  // Rounded up (2 -> 3).
  logic [16:0]       raised;
  logic [15:0]       mant_q;
  logic signed [7:0] exponent_q;

  assign raised = {1'b0, mant_q2} + 17'(rest_q2);

  always_ff @(posedge clk_i) begin
    m_q        <= m_i;
    length_q   <= length_d;
    mant_q2    <= justified[63:48];
    rest_q2    <= justified[47:0] != '0;
    length_q2  <= length_q;
    mant_q     <= raised[15:0];
    exponent_q <= $signed({1'b0, length_q2}) - 8'sd16;
    if (length_q2 == '0) begin
      mant_q     <= 16'h8000;
      exponent_q <= -8'sd15;
    end else if (raised[16]) begin
      mant_q     <= 16'h8000;
      exponent_q <= $signed({1'b0, length_q2}) - 8'sd15;
    end
  end

  assign length_o   = length_q;
  assign mant_o     = mant_q;
  assign exponent_o = exponent_q;
endmodule
