// One lane of the vector engine: what each pass does to an element. A new element every cycle;
// pass_i, shift_i and the scalars are constant while the elements of a pass are in the pipeline.
//
//   COPY, ABS, TOP, RANK  y = a                ADD    y = a + b
//   SQUARE          square = x^2               WEIGH  weight = 2^-(top - a), y = weight * scale b
//   NORM            y = x * b * factor + bias  QUANT  code = clamp(x * factor * qmax)
//   MEAN, SUM       summand = a + 2^31
//   ROPE            y = x1 * cos - x2 * sin, then x2 * cos + x1 * sin
//   PAIRS           the same of an even lane (x1, cos) and the odd one behind it (x2, sin)
//   POINT           y = round(u * gate(a)) * v, u = a, a constant or a power of 2, v = b, a or 1;
//                   SOFTPLUS, LOG_NP: u * gate(a) + v
// with x = a / 2^pre (floor) and every y rounded by 2^shift to int32; with centred_i, a minus the
// mean stands for a. Elements of ROPE alternate between the halves of the vector: an element at
// odd_*_i is an x2, its x1 came in the cycle before. What POINT is follows from fun_i; gated_i: v
// is b. Passes of functions that FUNCTIONS lacks are not there. Of PAIRS a lane gives its element
// and its sine or cosine to its neighbour, by pair_*, at stage 8.
//
// Stage k holds what entered k - 1 cycles ago: a_i, b_i, valid_i at stage 1; summand_o at 10, y_o
// at 17, code_o at 18. An element that is not valid does not count in TOP and weighs nothing in
// WEIGH, MEAN or SUM, and is the mean if centred.
module tw_vlane #(
  parameter int   FUNCTIONS = -1,
  parameter logic ODD       = 1'b0
) (
  input  logic               clk_i,
  input  logic [3:0]         pass_i,
  input  logic [4:0]         fun_i,
  input  logic               gated_i,
  input  logic signed [31:0] a_i,
  input  logic signed [31:0] b_i,
  input  logic               valid_i,
  input  logic               centred_i,
  input  logic [15:0]        position_i,
  input  logic signed [31:0] top_i,
  input  logic signed [5:0]  pre_i,
  input  logic [16:0]        factor_i,
  input  logic signed [9:0]  shift_i,
  input  logic               q4_i,
  input  logic               odd_2_i,
  input  logic               odd_8_i,
  input  logic               odd_12_i,
  input  logic [31:0]        pair_u_i,
  input  logic [17:0]        pair_k_i,
  output logic [31:0]        pair_u_o,
  output logic [17:0]        pair_k_o,
  output logic [31:0]        summand_o,
  output logic signed [31:0] y_o,
  output logic [7:0]         code_o
);
  localparam logic HasExp      = FUNCTIONS[tw_pkg::FUN_EXP];
  localparam logic HasSoftplus = FUNCTIONS[tw_pkg::FUN_SOFTPLUS];
  localparam logic HasInverse  = FUNCTIONS[tw_pkg::FUN_RECIPROCAL];
  localparam logic HasLog      = FUNCTIONS[tw_pkg::FUN_LOG_NP];
  localparam logic HasLayer = FUNCTIONS[tw_pkg::FUN_LAYER_NORM];
  // Functions of POINT that have no factor a: their gate is the result, or added to it.
  localparam logic HasPlain = FUNCTIONS[tw_pkg::FUN_SIGMOID] ||
                              FUNCTIONS[tw_pkg::FUN_HARD_SIGMOID] ||
                              FUNCTIONS[tw_pkg::FUN_TANH] || HasSoftplus || HasLog;
  localparam logic HasNorm  = FUNCTIONS[tw_pkg::FUN_RMS_NORM] || HasLayer;
  localparam logic HasPoint =
      (FUNCTIONS & ~(32'd1 << tw_pkg::FUN_COPY | 32'd1 << tw_pkg::FUN_RMS_NORM |
                     32'd1 << tw_pkg::FUN_ROPE | 32'd1 << tw_pkg::FUN_SOFTMAX |
                     32'd1 << tw_pkg::FUN_ADD | 32'd1 << tw_pkg::FUN_LAYER_NORM |
                     32'd1 << tw_pkg::FUN_ROPE_PAIRS |
                     32'd1 << tw_pkg::FUN_REQUANTISE | 32'd1 << tw_pkg::FUN_SUM |
                     32'd1 << tw_pkg::FUN_TOP_K)) != '0;

  logic is_square, is_norm, is_rope, is_point, is_top, is_weigh, is_quant, is_add, is_mean;
  logic is_scaled, is_pairs, is_turn;
  logic is_plain, is_relu6, is_squared, is_exp, is_softplus, is_inverse, is_log, is_late, is_joined;

  assign is_square = HasNorm && (pass_i == 4'd2);
  assign is_norm   = HasNorm && (pass_i == 4'd3);
  assign is_rope   = FUNCTIONS[tw_pkg::FUN_ROPE] && (pass_i == 4'd4);
  assign is_point  = HasPoint && (pass_i == 4'd5);
  assign is_top    = FUNCTIONS[tw_pkg::FUN_SOFTMAX] && (pass_i == 4'd6);
  assign is_weigh  = FUNCTIONS[tw_pkg::FUN_SOFTMAX] && (pass_i == 4'd7);
  assign is_quant  = pass_i == 4'd8;
  assign is_add    = FUNCTIONS[tw_pkg::FUN_ADD] && (pass_i == 4'd9);
  assign is_mean   = (HasLayer && pass_i == 4'd10) ||
                     (FUNCTIONS[tw_pkg::FUN_SUM] && pass_i == 4'd12);
  assign is_pairs  = FUNCTIONS[tw_pkg::FUN_ROPE_PAIRS] && (pass_i == 4'd11);
  assign is_turn   = is_rope || is_pairs;
  assign is_scaled = is_square || is_norm || is_quant;

  assign is_exp      = HasExp && is_point && (fun_i == tw_pkg::FUN_EXP);
  assign is_softplus = HasSoftplus && is_point && (fun_i == tw_pkg::FUN_SOFTPLUS);
  assign is_inverse  = HasInverse && is_point && (fun_i == tw_pkg::FUN_RECIPROCAL);
  assign is_log      = HasLog && is_point && (fun_i == tw_pkg::FUN_LOG_NP);
  assign is_late     = is_inverse || is_log;
  assign is_joined   = is_softplus || is_log;
  assign is_plain    = is_joined ||
                       (HasPlain && (fun_i == tw_pkg::FUN_SIGMOID ||
                                     fun_i == tw_pkg::FUN_HARD_SIGMOID ||
                                     fun_i == tw_pkg::FUN_TANH));
  assign is_relu6   = FUNCTIONS[tw_pkg::FUN_RELU6] && (fun_i == tw_pkg::FUN_RELU6);
  assign is_squared = FUNCTIONS[tw_pkg::FUN_SQUARED_RELU] &&
                      (fun_i == tw_pkg::FUN_SQUARED_RELU);

  // ------------------------------------------------------------------ stages 1 to 3: operands
  // A factor of b, which is a phase, or of a: a in powers of 2, or a over the w of LOG_NP.
  localparam int                 FactorBits = HasExp ? 19 : 17;
  localparam logic signed [18:0] Log2E      = 19'sd189097;  // 17 fractional bits

  logic signed [31:0]            factor_a;
  logic        [18:0]            factor_b;
  logic signed [FactorBits+31:0] phase;

  always_comb begin
    factor_a = (is_exp || is_log) ? a_i : b_i;
    factor_b = {3'd0, position_i};
    if (is_log) factor_b = {3'd0, b_i[15:0]};
    if (is_exp) factor_b = -Log2E;
  end

  tw_mul #(
    .A_BITS(32),
    .B_BITS(FactorBits)
  ) u_phase (
    .a_i(factor_a),
    .b_i(factor_b[FactorBits-1:0]),
    .p_o(phase)
  );

  // a itself, x = a shifted to 16 bits and sign, or the scale word b as an integer of 31 bits. Only
  // under a scale that is given does x saturate: its code does so, too.

  logic [5:0]         pre_places;
  logic signed [48:0] pre_from, pre_value;
  logic               pre_over;
  logic signed [16:0] x;
  logic signed [32:0] from_mean;
  logic signed [31:0] centred;
  logic signed [7:0]  exponent;
  logic [5:0]         scale_places;
  logic [62:0]        scale_value;
  logic [46:0]        scale_2;
  logic [30:0]        scale_sat;
  logic [31:0]        arg_2;
  logic signed [31:0] a_2, b_2;
  logic               neg_2, zero_2;
  logic [47:0]        product_2;
  logic [5:0]         ratio_places, ratio_places_2;

  assign pre_places = is_log ? ratio_places_2 : 6'(pre_i) + 6'd15;
  assign pre_from   = is_log ? {product_2, 1'b0} : {{2{a_2[31]}}, a_2, 15'd0};
  assign pre_value  = pre_from >>> pre_places;
  assign pre_over   = FUNCTIONS[tw_pkg::FUN_REQUANTISE] &&
                      (pre_value[46:16] != '0) && (pre_value[46:16] != '1);
  assign x          = pre_over ? {pre_value[46], {16{!pre_value[46]}}} : pre_value[16:0];
  assign from_mean  = 33'(a_i) - 33'(top_i);
  assign centred    = (from_mean[32] != from_mean[31]) ?
                      {from_mean[32], {31{!from_mean[32]}}} : from_mean[31:0];
  assign exponent   = b_i[23:16];

  always_comb begin
    ratio_places = -exponent[5:0];
    if (exponent > 8'sd0) ratio_places = 6'd0;
    else if (exponent < -8'sd63) ratio_places = 6'd63;
    scale_places = exponent[5:0] + 6'd16;
    if (exponent > 8'sd31) scale_places = 6'd47;
    else if (exponent < -8'sd16) scale_places = 6'd0;
  end

  assign scale_value = 63'(b_i[15:0]) << scale_places;
  assign scale_sat   = (scale_2[46:31] != '0) ? '1 : scale_2[30:0];

  always_ff @(posedge clk_i) begin
    a_2     <= a_i;
    if (is_top || is_mean) a_2 <= valid_i ? a_i : 32'h8000_0000;
    if (HasLayer && centred_i) a_2 <= valid_i ? centred : '0;
    b_2     <= b_i;
    if (is_point && is_squared) b_2 <= a_i;
    else if (is_point && !gated_i) b_2 <= 32'sd65536;
    if (is_softplus) b_2 <= a_i[31] ? '0 : a_i;
    scale_2 <= scale_value[62:16];
    neg_2   <= is_exp ? !phase[FactorBits+31] : a_i[31];
    zero_2  <= !valid_i;
    if (is_turn) arg_2 <= phase[31:0];
    else if (is_exp) arg_2 <= phase[48:17];
    else if (is_point) arg_2 <= a_i[31] ? -a_i : a_i;
    else arg_2 <= top_i - a_i;
    product_2      <= phase[47:0];
    ratio_places_2 <= ratio_places;
  end

  // EXP and RECIPROCAL: u = -2^j, or beyond the last power the end of the words. 2^16 * e^a is
  // 2^(16 - d), d = arg_2; 2^32 / |a| is 2^(z + 1) times that of a without its z leading zeros.
  logic        over_2, seen;
  logic [4:0]  exp_places;
  logic [31:0] exp_u, inverse_u, power_u;

  assign exp_places = 5'd16 - arg_2[20:16];
  assign exp_u      = (neg_2 && arg_2[31:16] > 16'd16) ? '0 : 32'hffff_ffff << exp_places;

  always_comb begin
    seen = 1'b0;
    for (int i = 0; i < 32; i++) begin
      inverse_u[i] = seen;
      seen         = seen || arg_2[31-i];
    end
    over_2 = 1'b0;
    if (is_exp) over_2 = !neg_2 && (arg_2[31:20] != '1 || arg_2[19:16] == '0);
    if (is_inverse) over_2 = arg_2[31:2] == '0 && arg_2[1:0] != 2'd3;
    power_u = is_exp ? exp_u : inverse_u;
    if (over_2) power_u = {neg_2, {31{!neg_2}}};
  end

  // LOG_NP: 1 + |a| / w, rounded, |a| / w at most 2^15.
  logic        ratio_neg, ratio_over, ratio_up;
  logic [30:0] ratio;
  logic [32:0] ratio_sum;
  logic [31:0] number_3;
  logic        neg_3, over_3;

  assign ratio_neg  = pre_value[48];
  assign ratio_over = pre_value[48:32] != '0 && pre_value[48:32] != '1;
  assign ratio      = ratio_over ? '1 : pre_value[31:1] ^ {31{ratio_neg}};
  assign ratio_up   = ratio_over || (pre_value[0] != ratio_neg);
  assign ratio_sum  = {1'b0, ratio, ratio_up} + 33'h0_0002_0001;

  if (HasInverse || HasLog) begin : gen_number
    logic [31:0] number_q;
    logic        neg_q, over_q;

    always_ff @(posedge clk_i) begin
      number_q <= is_log ? ratio_sum[32:1] : arg_2;
      neg_q    <= neg_2;
      over_q   <= over_2;
    end
    assign {number_3, neg_3, over_3} = {number_q, neg_q, over_q};
  end else begin : gen_no_number
    assign {number_3, neg_3, over_3} = '0;
  end

  localparam logic signed [31:0] Six = 32'sd6 <<< 16;

  logic signed [31:0] u_3, u_7, u_8, u_9, b_8, b_10;
  logic signed [17:0] k_7, k_8, k_9;
  logic signed [4:0]  part_8, part_10;

  always_ff @(posedge clk_i) begin
    u_3 <= a_2;
    if (is_weigh) u_3 <= {1'b0, scale_sat};
    if (is_scaled) u_3 <= 32'(x);
    if (is_point && is_plain) u_3 <= 32'sd65536;
    if (is_point && is_relu6 && a_2 > Six) u_3 <= Six;
    if (is_exp || is_inverse) u_3 <= power_u;
  end

  tw_vfun #(
    .FUNCTIONS(FUNCTIONS)
  ) u_fun (
    .clk_i    (clk_i),
    .rope_i   (is_turn),
    .point_i  (is_point),
    .fun_i    (fun_i),
    .arg_i    (arg_2),
    .number_i (number_3),
    .quarter_i(is_pairs ? !ODD : odd_2_i),
    .neg_i    (is_late ? neg_3 : neg_2),
    .zero_i   (zero_2),
    .over_i   (is_late ? over_3 : over_2),
    .part_o   (part_8),
    .value_o  (k_7)
  );

  if (HasLog) begin : gen_part
    tw_delay #(
      .WIDTH(5),
      .DEPTH(2)
    ) u_part_10 (
      .clk_i(clk_i),
      .d_i  (part_8),
      .q_o  (part_10)
    );
  end else begin : gen_no_part
    assign part_10 = part_8;
  end

  tw_delay #(
    .WIDTH(32),
    .DEPTH(4)
  ) u_u_7 (
    .clk_i(clk_i),
    .d_i  (u_3),
    .q_o  (u_7)
  );
  tw_delay #(
    .WIDTH(32),
    .DEPTH(6)
  ) u_b_8 (
    .clk_i(clk_i),
    .d_i  (b_2),
    .q_o  (b_8)
  );
  tw_delay #(
    .WIDTH(32),
    .DEPTH(2)
  ) u_b_10 (
    .clk_i(clk_i),
    .d_i  (b_8),
    .q_o  (b_10)
  );

  always_ff @(posedge clk_i) begin
    u_8 <= u_7;
    u_9 <= u_8;
    k_8 <= k_7;
    k_9 <= k_8;
  end

  // ------------------------------------------------------------------ stages 8 to 13: products
  // ROPE: sine and cosine come one after the other, so both are there one stage late. PAIRS: one is
  // the neighbour's. RECIPROCAL, LOG_NP: their table is read one stage later, behind the leading
  // one.

  logic signed [31:0] first_a_9, second_a_9, second_a_10, second_a_11, second_b_11;
  logic signed [17:0] first_b_d, first_b_9, first_b_10, second_b_9, second_b_10;
  logic signed [49:0] first_d, first_10, first_11, first_12;
  logic signed [63:0] second_d, second_12, f_d, f_13;
  logic signed [31:0] point_10;

  always_comb begin
    first_b_d = 18'sd1;
    if (is_weigh || is_point) first_b_d = is_late ? k_7 : k_8;
    if (is_rope) first_b_d = odd_8_i ? k_8 : k_7;
    if (is_pairs) first_b_d = ODD ? pair_k_i : k_8;
    if (is_quant) first_b_d = {1'b0, factor_i};
    if (is_norm) first_b_d = 18'($signed(b_8[15:0]));
    if (is_square) first_b_d = u_8[17:0];
  end

  tw_mul #(
    .A_BITS(32),
    .B_BITS(18)
  ) u_first (
    .a_i(first_a_9),
    .b_i(first_b_9),
    .p_o(first_d)
  );
  tw_mul #(
    .A_BITS(32),
    .B_BITS(32)
  ) u_second (
    .a_i(second_a_11),
    .b_i(second_b_11),
    .p_o(second_d)
  );

  assign point_10 = first_10[47:16] + 32'(first_10[15]);

  always_ff @(posedge clk_i) begin
    first_a_9   <= u_8;
    first_b_9   <= first_b_d;
    second_a_9  <= odd_8_i ? u_9 : u_7;
    second_b_9  <= odd_8_i ? k_9 : k_8;
    if (is_pairs) begin
      second_a_9 <= pair_u_i;
      second_b_9 <= ODD ? k_8 : pair_k_i;
    end
    first_10    <= first_d;
    first_b_10  <= first_b_9;
    second_a_10 <= second_a_9;
    second_b_10 <= second_b_9;
    first_11    <= first_10;
    first_12    <= first_11;
    second_12   <= second_d;
    if (is_turn) begin
      second_a_11 <= second_a_10;
      second_b_11 <= 32'(second_b_10);
    end else if (is_point || is_add) begin
      second_a_11 <= is_add ? 32'sd1 : is_joined ? 32'sd65536 : point_10;
      second_b_11 <= is_log ? {{11{part_10[4]}}, part_10, 16'd0} : b_10;
    end else begin
      second_a_11 <= first_10[31:0];
      second_b_11 <= {15'd0, factor_i};
    end
  end

  // Times qmax = 127 or 7 is a shift and a difference.
  always_comb begin
    f_d = 64'(first_12);
    if (is_point || is_norm) f_d = second_12;
    if (is_add || is_joined) f_d = 64'(first_12) + second_12;
    if (is_turn) f_d = 64'(first_12) - second_12;
    if (is_turn && (is_pairs ? ODD : odd_12_i)) f_d = 64'(first_12) + second_12;
    if (is_quant) f_d = (64'(first_12) <<< (q4_i ? 3 : 7)) - 64'(first_12);
  end

  always_ff @(posedge clk_i) f_13 <= f_d;

  always_comb begin
    summand_o = 32'(first_b_10);
    if (is_square) summand_o = first_10[31:0];
    if (is_mean) summand_o = {!first_10[31], first_10[30:0]};
  end

  // ------------------------------------------------------------------ stages 13 to 18: results

  logic signed [31:0] limit;
  logic signed [31:0] y_17;
  logic [7:0]         code_d, code_q;

  // The upper half of b, in units of 2^-11.
  logic signed [15:0] bias_16;
  logic signed [20:0] bias;

  if (HasLayer) begin : gen_bias
    tw_delay #(
      .WIDTH(16),
      .DEPTH(6)
    ) u_bias_16 (
      .clk_i(clk_i),
      .d_i  (b_10[31:16]),
      .q_o  (bias_16)
    );
    assign bias = (is_norm && fun_i == tw_pkg::FUN_LAYER_NORM) ? {bias_16, 5'd0} : '0;
  end else begin : gen_no_bias
    assign bias_16 = '0;
    assign bias    = {bias_16, 5'd0};
  end

  tw_round u_round (
    .clk_i  (clk_i),
    .f_i    (f_13),
    .shift_i(shift_i),
    .bias_i (bias),
    .y_o    (y_17)
  );

  assign limit = q4_i ? 32'sd7 : 32'sd127;

  always_comb begin
    code_d = y_17[7:0];
    if (y_17 > limit) code_d = limit[7:0];
    else if (y_17 < -limit) code_d = -limit[7:0];
  end

  always_ff @(posedge clk_i) code_q <= code_d;

  logic unused_bits;
  assign unused_bits = ^{phase, factor_b, pre_value, ratio_sum, product_2, ratio_places_2, neg_3,
                         over_3, scale_value[15:0], pair_u_i, pair_k_i};
  assign pair_u_o    = u_8;
  assign pair_k_o    = k_8;
  assign y_o         = y_17;
  assign code_o      = code_q;
endmodule
