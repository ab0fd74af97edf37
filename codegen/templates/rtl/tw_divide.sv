// Quotient of unsigned numbers, rounded down: four bits a cycle. It stands nine cycles after
// start_i, for one cycle. The quotient must fit: dividend_i[47:32] < divisor_i.
module tw_divide (
  input  logic        clk_i,
  input  logic        start_i,
  input  logic [47:0] dividend_i,
  input  logic [15:0] divisor_i,
  output logic [31:0] quotient_o
);
  // What is left of the dividend, and behind its lower part the bits of the quotient so far.
  logic [15:0] left_d, left_q, divisor_q;
  logic [31:0] lower_q;
  logic [16:0] part;
  logic [3:0]  bits;

  always_comb begin
    left_d = left_q;
    bits   = '0;
    part   = '0;
    for (int i = 3; i >= 0; i--) begin
      part    = {left_d, lower_q[28+i]};
      bits[i] = part >= {1'b0, divisor_q};
      left_d  = bits[i] ? part[15:0] - divisor_q : part[15:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      left_q    <= dividend_i[47:32];
      lower_q   <= dividend_i[31:0];
      divisor_q <= divisor_i;
    end else begin
      left_q  <= left_d;
      lower_q <= {lower_q[27:0], bits};
    end
  end

  assign quotient_o = lower_q;
endmodule
