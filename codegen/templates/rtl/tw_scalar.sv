// What the vector engine computes once per vector and pass, from the reductions of its rows.
//
//   take_top_i     top_o = largest element, for differences to it
//   take_mean_i    top_o = mean of len elements, each summed 2^31 too large, rounded half up
//   take_total_i   top_o = the same sum / 2^exponent_i, rounded half up and saturated
//   take_length_i  pre_o = bit length of the largest magnitude - 15
//   take_square_i  norm16(sum of squares + eps / 4^pre): factor_o = rsqrt, half_o = exponent / 2
//   take_sum_i     norm16(sum of weights) and its recip, kept for the ratio
//   take_scale_i   norm16(largest magnitude): pre_o = exponent, factor_o = recip, scale_o; with
//                  ratio_i scale_o = norm16(mantissa * recip of the sum), exponents combined
//   take_given_i   the same of len * 2^exponent_i instead, for as long as given_i
// Each is a pulse in the cycle in which the reduction stands; pulses that use norm16 are at least
// six cycles apart. Then, at the latest: pre_o 5 cycles later, factor_o 8, top_o 10, scale_o 11.
// Each holds until the next pulse of its kind.
module tw_scalar #(
  parameter logic RSQRT = 1'b1,  // take_square_i is used
  parameter logic MEAN  = 1'b1,  // take_mean_i is used
  parameter logic GIVEN = 1'b1,  // take_given_i is used
  parameter logic TOTAL = 1'b1   // take_total_i is used
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               take_top_i,
  input  logic               take_length_i,
  input  logic               take_square_i,
  input  logic               take_mean_i,
  input  logic               take_total_i,
  input  logic               take_sum_i,
  input  logic               take_scale_i,
  input  logic               take_given_i,
  input  logic               given_i,
  input  logic [7:0]         exponent_i,
  input  logic               ratio_i,
  input  logic [31:0]        max_i,
  input  logic [55:0]        sum_i,
  input  logic [15:0]        len_i,
  input  logic [31:0]        eps_i,
  output logic [31:0]        top_o,
  output logic signed [5:0]  pre_o,
  output logic [16:0]        factor_o,
  output logic signed [7:0]  half_o,
  output logic [23:0]        scale_o
);
  // What is at each stage of norm16 (0 to 3) and of the table (4 to 6).
  logic [1:0] length_at_q;
  logic [6:0] square_at_q, sum_at_q, scale_at_q;
  logic [3:0] ratio_at_q;
  logic       ratio_launch_q, ratio_launch_q2;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      length_at_q     <= '0;
      square_at_q     <= '0;
      sum_at_q        <= '0;
      scale_at_q      <= '0;
      ratio_at_q      <= '0;
      ratio_launch_q  <= 1'b0;
      ratio_launch_q2 <= 1'b0;
    end else begin
      length_at_q     <= {length_at_q[0], take_length_i};
      square_at_q     <= {square_at_q[5:0], take_square_i};
      sum_at_q        <= {sum_at_q[5:0], take_sum_i};
      scale_at_q      <= {scale_at_q[5:0], take_scale_i || (GIVEN && take_given_i)};
      ratio_launch_q  <= scale_at_q[3] && ratio_i;
      ratio_launch_q2 <= ratio_launch_q;
      ratio_at_q      <= {ratio_at_q[2:0], ratio_launch_q2};
    end
  end

  // ------------------------------------------------------------------ norm16

  logic signed [5:0] pre_q;
  logic [5:0]        eps_places;
  logic [61:0]       eps_d, eps_q;
  logic [63:0]       m_d, m_q;
  logic [32:0]       ratio_q;
  logic [6:0]        length_1;
  logic [15:0]       mant_3;
  logic signed [7:0] exponent_3;

  // eps / 4^pre = eps * 2^30 / 4^(pre + 15), pre + 15 in 0..32; a shift by 64 leaves nothing.
  assign eps_places = 6'(pre_q) + 6'd15;
  assign eps_d      = {eps_i, 30'd0} >> {eps_places, 1'b0};

  always_comb begin
    m_d = 64'(max_i);
    if (take_square_i) m_d = 64'(sum_i) + 64'(eps_q);
    if (take_sum_i) m_d = 64'(sum_i[31:0]);
    if (GIVEN && take_given_i) m_d = 64'(len_i);
    if (ratio_launch_q2) m_d = 64'(ratio_q);
  end

  always_ff @(posedge clk_i) begin
    eps_q <= eps_d;
    m_q   <= m_d;
  end

  tw_norm16 u_norm16 (
    .clk_i     (clk_i),
    .m_i       (m_q),
    .length_o  (length_1),
    .mant_o    (mant_3),
    .exponent_o(exponent_3)
  );

  // ------------------------------------------------------------------ recip, rsqrt

  logic [16:0]        recip_base, rsqrt_base, base_q, value_6;
  logic signed [11:0] recip_rise, rsqrt_rise, rise_q;
  logic [11:0]        frac_q;

  tw_rom_recip u_recip (
    .index_i(mant_3[14:7]),
    .base_o (recip_base),
    .rise_o (recip_rise)
  );

  if (RSQRT) begin : gen_rsqrt
    tw_rom_rsqrt u_rsqrt (
      .index_i({exponent_3[0], mant_3[14:8]}),
      .base_o (rsqrt_base),
      .rise_o (rsqrt_rise)
    );
  end else begin : gen_no_rsqrt
    assign {rsqrt_base, rsqrt_rise} = '0;
  end

  tw_interp u_interp (
    .clk_i  (clk_i),
    .base_i (base_q),
    .rise_i (rise_q),
    .frac_i (frac_q),
    .value_o(value_6)
  );

  always_ff @(posedge clk_i) begin
    base_q <= square_at_q[3] ? rsqrt_base : recip_base;
    rise_q <= square_at_q[3] ? rsqrt_rise : recip_rise;
    frac_q <= square_at_q[3] ? {mant_3[7:0], 4'd0} : {mant_3[6:0], 5'd0};
  end

  // ------------------------------------------------------------------ mean
  // Of a negative sum the complement is divided, and the quotient complemented: rounded down, too.

  logic        mean_stands;
  logic [31:0] mean;

  logic [55:0] total;

  assign total = sum_i - {9'd0, len_i, 31'd0};

  if (MEAN) begin : gen_mean
    logic [8:0]  at_q;
    logic        neg_q;
    logic [55:0] signed_sum, magnitude;
    logic [31:0] quotient;
    logic        unused_magnitude;

    assign signed_sum       = total + 56'(len_i[15:1]);
    assign magnitude        = signed_sum[55] ? ~signed_sum : signed_sum;
    assign unused_magnitude = ^magnitude[55:48];

    tw_divide u_divide (
      .clk_i     (clk_i),
      .start_i   (take_mean_i),
      .dividend_i(magnitude[47:0]),
      .divisor_i (len_i),
      .quotient_o(quotient)
    );

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) at_q <= '0;
      else at_q <= {at_q[7:0], take_mean_i};
    end

    always_ff @(posedge clk_i) begin
      if (take_mean_i) neg_q <= signed_sum[55];
    end

    assign mean_stands = at_q[8];
    assign mean        = neg_q ? ~quotient : quotient;
  end else begin : gen_no_mean
    logic unused_mean;
    assign unused_mean = ^{take_mean_i, len_i};
    assign mean_stands = 1'b0;
    assign mean        = '0;
  end

  // ------------------------------------------------------------------ total

  logic        total_stands;
  logic [31:0] rounded;

  if (TOTAL) begin : gen_total
    tw_round u_round (
      .clk_i  (clk_i),
      .f_i    (64'($signed(total))),
      .shift_i(10'($signed(exponent_i))),
      .bias_i (21'sd0),
      .y_o    (rounded)
    );
    tw_delay #(
      .WIDTH(1),
      .DEPTH(4)
    ) u_stands (
      .clk_i(clk_i),
      .d_i  (take_total_i),
      .q_o  (total_stands)
    );
  end else begin : gen_no_total
    logic unused_total;
    assign unused_total = ^{take_total_i, total, exponent_i};
    assign total_stands = 1'b0;
    assign rounded      = '0;
  end

  // ------------------------------------------------------------------ results

  logic [31:0]        top_q;
  logic [16:0]        factor_q, sum_recip_q;
  logic signed [7:0]  half_q, sum_exponent_q, scale_exponent_q;
  logic [15:0]        scale_mant_q;
  logic [23:0]        result_q;
  logic signed [34:0] product;
  logic               unused_bits;

  tw_mul #(
    .A_BITS(17),
    .B_BITS(18)
  ) u_ratio (
    .a_i({1'b0, scale_mant_q}),
    .b_i({1'b0, sum_recip_q}),
    .p_o(product)
  );

  assign unused_bits = ^{product[34:33], length_1[6]};

  // Exponents of a ratio lie in -63..33: no saturation is needed.
  always_ff @(posedge clk_i) begin
    ratio_q <= product[32:0];
    if (take_top_i) top_q <= max_i;
    if (mean_stands) top_q <= mean;
    if (total_stands) top_q <= rounded;
    if (length_at_q[1]) pre_q <= 6'(length_1) - 6'd15;
    if (square_at_q[3]) half_q <= exponent_3 >>> 1;
    if (sum_at_q[3]) sum_exponent_q <= exponent_3;
    if (sum_at_q[6]) sum_recip_q <= value_6;
    if (square_at_q[6] || scale_at_q[6]) factor_q <= value_6;
    if (scale_at_q[3]) begin
      pre_q            <= exponent_3[5:0];
      scale_mant_q     <= mant_3;
      scale_exponent_q <= exponent_3;
      result_q         <= {exponent_3, mant_3};
    end
    if (ratio_at_q[3]) begin
      result_q <= {exponent_3 + scale_exponent_q - sum_exponent_q - 8'sd16, mant_3};
    end
    // norm16 of a mantissa is the mantissa.
    if (GIVEN && given_i) begin
      pre_q           <= exponent_i[5:0];
      result_q[23:16] <= exponent_i;
    end
  end

  assign top_o    = top_q;
  assign pre_o    = pre_q;
  assign factor_o = factor_q;
  assign half_o   = half_q;
  assign scale_o  = result_q;
endmodule
