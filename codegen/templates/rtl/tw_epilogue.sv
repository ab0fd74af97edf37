// One drain lane: accumulator times channel scale times token scale, rounded half up, saturated,
// plus residual.
//
//   s = shift - exponent(channel) - exponent(token), p = mantissa(channel) * mantissa(token)
//   s >= 0: y = sat32((acc * p + half) >> s)      s < 0: y = 0 if acc = 0, else the int32 limit of
// acc's sign
//   y = sat32(y + residual)
// A product of two mantissas is 2^30 or more, so no left shifter is needed. A new value every
// cycle:
//   0  channel_i, token_i, shift_i      1  acc_i      7  residual_i      8  y_o
module tw_epilogue #(
  parameter int ACC_BITS = 40
) (
  input  logic                       clk_i,
  input  logic [23:0]                channel_i,
  input  logic [23:0]                token_i,
  input  logic [7:0]                 shift_i,
  input  logic signed [ACC_BITS-1:0] acc_i,
  input  logic signed [31:0]         residual_i,
  output logic signed [31:0]         y_o
);
  localparam int PBITS = ACC_BITS + 32;

  // Mantissas and exponents (cycle 0 -> 1).
  logic signed [33:0] scale;
  logic signed [32:0] scale_q;
  logic signed [9:0]  shift_d, shift_q;

  tw_mul #(
    .A_BITS(17),
    .B_BITS(17)
  ) u_scale (
    .a_i({1'b0, channel_i[15:0]}),
    .b_i({1'b0, token_i[15:0]}),
    .p_o(scale)
  );

  assign shift_d =
      10'($signed(shift_i)) - 10'($signed(channel_i[23:16])) - 10'($signed(token_i[23:16]));

  always_ff @(posedge clk_i) begin
    scale_q <= scale[32:0];
    shift_q <= shift_d;
  end

  // Product, two registers deep (1 -> 3); a shift of PBITS or more leaves nothing.
  logic signed [ACC_BITS+32:0] product;
  logic signed [PBITS-1:0]     product_q, product_q2;
  logic [6:0]                  right_d, right_q, right_q2;
  logic [5:2]                  limit_q;
  logic [5:2]                  negative_q;
  logic                        limit;
  logic                        unused_bits;

  tw_mul #(
    .A_BITS(ACC_BITS),
    .B_BITS(33)
  ) u_product (
    .a_i(acc_i),
    .b_i(scale_q),
    .p_o(product)
  );

  always_comb begin
    right_d = shift_q[6:0];
    if (shift_q[9]) right_d = '0;
    else if (shift_q > $signed(10'(PBITS))) right_d = 7'(PBITS);
  end

  assign unused_bits = ^{scale[33], product[PBITS]};  // copies of the sign
  assign limit = shift_q[9] && (acc_i != '0);

  always_ff @(posedge clk_i) begin
    product_q  <= product[PBITS-1:0];
    product_q2 <= product_q;
    right_q    <= right_d;
    right_q2   <= right_q;
    limit_q    <= {limit_q[4:2], limit};
    negative_q <= {negative_q[4:2], acc_i[ACC_BITS-1]};
  end

  // Shift by multiples of 16, then by 0 to 15 (3 -> 5). The bit below the point rounds.
  logic signed [PBITS:0] coarse_q, fine_q;
  logic [3:0]            right_q3;

  always_ff @(posedge clk_i) begin
    coarse_q <= $signed({product_q2, 1'b0}) >>> {right_q2[6:4], 4'b0};
    right_q3 <= right_q2[3:0];
    fine_q   <= coarse_q >>> right_q3;
  end

  // Round (5 -> 6), saturate (6 -> 7), residual (7 -> 8).
  logic signed [PBITS-1:0] rounded_q;
  logic                    limit_q6, negative_q6;
  logic signed [31:0]      value_d, value_q, y_d, y_q;
  logic signed [32:0]      total;

  always_comb begin
    value_d = rounded_q[31:0];
    if (limit_q6) begin
      value_d = {negative_q6, {31{!negative_q6}}};
    end else if (rounded_q[PBITS-1:31] != '0 && rounded_q[PBITS-1:31] != '1) begin
      value_d = {rounded_q[PBITS-1], {31{!rounded_q[PBITS-1]}}};
    end
  end

  assign total = 33'(value_q) + 33'(residual_i);

  always_comb begin
    y_d = total[31:0];
    if (total[32] != total[31]) y_d = {total[32], {31{!total[32]}}};
  end

  always_ff @(posedge clk_i) begin
    rounded_q   <= fine_q[PBITS:1] + PBITS'(fine_q[0]);
    limit_q6    <= limit_q[5];
    negative_q6 <= negative_q[5];
    value_q     <= value_d;
    y_q         <= y_d;
  end

  assign y_o = y_q;
endmodule
