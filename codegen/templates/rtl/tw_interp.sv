// Line between two table points: base + rise * frac / 2^12, rounded half up. Latency 2.
module tw_interp (
  input  logic               clk_i,
  input  logic [16:0]        base_i,
  input  logic signed [11:0] rise_i,
  input  logic [11:0]        frac_i,
  output logic [16:0]        value_o
);
  logic signed [24:0] product_d, product_q, step;
  logic [16:0]        base_q, value_q;
  logic               unused_bits;

  tw_mul #(
    .A_BITS(12),
    .B_BITS(13)
  ) u_mul (
    .a_i(rise_i),
    .b_i({1'b0, frac_i}),
    .p_o(product_d)
  );

  assign step        = product_q + 25'sd2048;
  assign unused_bits = ^step[11:0];

  always_ff @(posedge clk_i) begin
    product_q <= product_d;
    base_q    <= base_i;
    value_q   <= base_q + 17'($signed(step[24:12]));
  end

  assign value_o = value_q;
endmodule
