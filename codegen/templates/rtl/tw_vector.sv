// Vector engine: runs `vec`.
//
// Each vector (token, sub) goes through passes over its rows, one row a cycle; after the last row
// of a pass its pipeline empties, and with it the reductions and scalar functions that the next
// pass needs. A pass is over when its last row leaves stage 24.
//   copy      COPY                     add       ADD                each then QUANT if there is a
//   rms_norm  ABS, SQUARE, NORM        softmax   TOP, WEIGH         quantised output
//   rope      ROPE                     others    POINT
//   layer_norm  MEAN, then as rms_norm      rope_pairs  PAIRS      requantise  QUANT alone, of a
//   sum       SUM                      top_k     RANK, k times; neither has rows of results
// QUANT reads the int32 result back. ROPE reads rows in pairs: j and rows/2 + j.
//
// start_i: the instruction fields are valid in this cycle; allowed only while free_o. done_o: one
// pulse, one cycle after the last pass is over. Reads: data are taken in the cycle after their
// enable. The instruction is resolved: registers are added; tokens, subs and rows are at least 1.
//
// A vector that lies across SLICES (across_i) is reduced in all of them at once: what each has
// found leaves as max_o, sum_o and code_o, and what all have found together is back CROSSING
// cycles later (tw_across). Every pass is that much longer, and QUANT goes over its rows once for
// each slice.
//
// Stages of a row, in cycles after its reads are issued (stage 0):
//   1   data taken                    14  sums stand                  19  codes to activations
//   2   operands, lanes from here     18  result written              20  codes staged
//   11  summands                      21  maxima stand; scale written with the last row of QUANT
// With the last row of SUM and RANK: 22 word written, 23 its place.
module tw_vector #(
  parameter int T  = 2,
  parameter int N  = 8,
  parameter int L  = 8,
  parameter int NP = 8,  // N and L rounded up to powers of two
  parameter int LP = 8,
  parameter int FUNCTIONS = -1,  // bit f: function f is there
  parameter int SLICES = 1,
  parameter int CROSSING = 0
) (
  input  logic             clk_i,
  input  logic             rst_ni,

  input  logic             start_i,
  output logic             free_o,
  output logic             done_o,
  input  logic [4:0]       fun_i,
  input  logic             gated_i,
  input  logic [2:0]       out_i,
  input  logic [5:0]       tokens_i,
  input  logic [5:0]       subs_i,
  input  logic [15:0]      rows_i,
  input  logic [31:0]      len_i,
  input  logic             inc_i,
  input  logic [17:0]      a_i,
  input  logic [9:0]       a_stride_i,
  input  logic             a_half_i,
  input  logic [17:0]      b_i,
  input  logic [9:0]       b_stride_i,
  input  logic [17:0]      d_i,
  input  logic [9:0]       d_stride_i,
  input  logic [17:0]      o_i,
  input  logic [9:0]       o_step_i,
  input  logic [4:0]       o_token_i,
  input  logic [7:0]       shift_i,
  input  logic [31:0]      imm_i,
  input  logic             across_i,

  // to and from all slices
  output logic [6:0]       turn_o,  // whose codes they are
  output logic [31:0]      max_o,
  output logic [55:0]      sum_o,
  output logic [LP*8-1:0]  code_o,
  input  logic [31:0]      max_i,
  input  logic [55:0]      sum_i,
  input  logic [LP*8-1:0]  code_i,

  output logic             a_en_o,
  output logic [17:0]      a_addr_o,
  input  logic [LP*32-1:0] a_data_i,
  output logic             b_en_o,
  output logic [17:0]      b_addr_o,
  input  logic [LP*32-1:0] b_data_i,
  output logic             d_en_o,
  output logic [17:0]      d_addr_o,
  output logic [LP*4-1:0]  d_strb_o,
  output logic [LP*32-1:0] d_data_o,
  output logic             act_en_o,
  output logic [15:0]      act_row_o,
  output logic [4:0]       act_token_o,
  output logic [LP*8-1:0]  act_data_o,
  output logic             s_en_o,
  output logic [7:0]       s_slot_o,
  output logic [23:0]      s_data_o
);
  // Outputs by number: 8 bits are odd, 4 bits even; keys and values go to staging rows.
  localparam logic [2:0] OutQ4  = 3'd2;
  localparam logic [2:0] OutQ4k = 3'd4;

  // Known to tw_vlane too.
  localparam logic [3:0] PassCopy   = 4'd0;
  localparam logic [3:0] PassAbs    = 4'd1;
  localparam logic [3:0] PassSquare = 4'd2;
  localparam logic [3:0] PassNorm   = 4'd3;
  localparam logic [3:0] PassRope   = 4'd4;
  localparam logic [3:0] PassPoint  = 4'd5;
  localparam logic [3:0] PassTop    = 4'd6;
  localparam logic [3:0] PassWeigh  = 4'd7;
  localparam logic [3:0] PassQuant  = 4'd8;
  localparam logic [3:0] PassAdd    = 4'd9;
  localparam logic [3:0] PassMean   = 4'd10;
  localparam logic [3:0] PassPairs  = 4'd11;
  localparam logic [3:0] PassSum    = 4'd12;
  localparam logic [3:0] PassRank   = 4'd13;

  localparam logic HasRank = FUNCTIONS[tw_pkg::FUN_TOP_K];

  // Rows are counted in 16 bits, addressed in 14; lanes beyond L do not exist.
  logic unused_bits;
  assign unused_bits = ^{rows_q[15], a_data_i, b_data_i};

  // ------------------------------------------------------------------ instruction

  logic [4:0]  fun_q;
  logic        gated_q, across_q;
  logic [2:0]  out_q;
  logic [5:0]  token_last_q, sub_last_q;
  logic [15:0] rows_q, row_last_q;
  logic        inc_q, a_half_q;
  logic [17:14] a_bank_q, b_bank_q, d_bank_q;
  logic [9:0]  a_stride_q, b_stride_q, d_stride_q;
  logic [7:0]  shift_q;
  logic [31:0] imm_q;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      fun_q        <= fun_i;
      gated_q      <= gated_i || fun_i == tw_pkg::FUN_MUL || fun_i == tw_pkg::FUN_LOG_NP;
      out_q        <= out_i;
      token_last_q <= tokens_i - 6'd1;
      sub_last_q   <= subs_i - 6'd1;
      rows_q       <= rows_i;
      row_last_q   <= rows_i - 16'd1;
      inc_q        <= inc_i;
      a_half_q     <= a_half_i;
      a_bank_q     <= a_i[17:14];
      b_bank_q     <= b_i[17:14];
      d_bank_q     <= d_i[17:14];
      a_stride_q   <= a_stride_i;
      b_stride_q   <= b_stride_i;
      d_stride_q   <= d_stride_i;
      shift_q      <= shift_i;
      imm_q        <= imm_i;
      across_q     <= (SLICES > 1) && across_i;
    end
  end

  // ------------------------------------------------------------------ passes, vectors

  logic        active_d, active_q;  // an instruction occupies the unit
  logic        issue_d, issue_q;    // the rows of a pass are issued
  logic        is_words, is_rank, words_end;
  logic        round_last, turn_last, row_last, pass_end, vector_end, sub_last, last_end;
  logic        done_q;
  logic [3:0]  pass_q, pass_next, pass_first, start_pass;
  logic        is_result, is_quant, is_rope, is_given;
  logic [15:0] row_q;
  logic [5:0]  rounds_q;  // that are left, this one too
  logic [11:0] word_q;    // of the token
  logic [5:0]  sub_q, token_q;
  logic [24+CROSSING:1] valid_d, valid_q, last_q;
  logic [18:1] first_q;

  function automatic logic [3:0] first_pass(input logic [4:0] fun);
    case (fun)
      tw_pkg::FUN_COPY:     first_pass = PassCopy;
      tw_pkg::FUN_RMS_NORM: first_pass = PassAbs;
      tw_pkg::FUN_ROPE:     first_pass = PassRope;
      tw_pkg::FUN_SOFTMAX:  first_pass = PassTop;
      tw_pkg::FUN_ADD:      first_pass = PassAdd;
      tw_pkg::FUN_LAYER_NORM: first_pass = PassMean;
      tw_pkg::FUN_ROPE_PAIRS: first_pass = PassPairs;
      tw_pkg::FUN_REQUANTISE: first_pass = PassQuant;
      tw_pkg::FUN_SUM:        first_pass = PassSum;
      tw_pkg::FUN_TOP_K:      first_pass = PassRank;
      default:              first_pass = PassPoint;
    endcase
  endfunction

  always_comb begin
    case (pass_q)
      PassMean:   pass_next = PassAbs;
      PassAbs:    pass_next = PassSquare;
      PassSquare: pass_next = PassNorm;
      PassTop:    pass_next = PassWeigh;
      PassSum:    pass_next = PassSum;
      PassRank:   pass_next = PassRank;
      default:    pass_next = PassQuant;
    endcase
  end

  assign is_quant   = pass_q == PassQuant;
  assign is_rope    = FUNCTIONS[tw_pkg::FUN_ROPE] && (pass_q == PassRope);
  assign is_given   = FUNCTIONS[tw_pkg::FUN_REQUANTISE] && (fun_q == tw_pkg::FUN_REQUANTISE);
  assign is_rank    = HasRank && pass_q == PassRank;
  assign is_words   = is_rank || (FUNCTIONS[tw_pkg::FUN_SUM] && pass_q == PassSum);
  assign words_end  = is_words && (!is_rank || rounds_q == 6'd1);
  assign is_result  = !is_quant && (pass_next == PassQuant);
  assign round_last = row_q == row_last_q;
  assign row_last   = round_last && turn_last;
  assign pass_end   = across_q ? valid_q[24+CROSSING] && last_q[24+CROSSING]
                               : valid_q[24] && last_q[24];
  assign vector_end = pass_end && (is_quant || words_end || (is_result && out_q == '0));
  assign sub_last   = sub_q == sub_last_q;
  assign last_end   = vector_end && sub_last && (token_q == token_last_q);
  assign pass_first = first_pass(fun_q);
  assign start_pass = first_pass(fun_i);
  assign free_o     = !active_q || last_end;

  always_comb begin
    active_d = active_q;
    issue_d  = issue_q;
    if (row_last) issue_d = 1'b0;
    if (pass_end) issue_d = !last_end;
    if (last_end) active_d = 1'b0;
    if (start_i) begin
      active_d = 1'b1;
      issue_d  = 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      issue_q  <= 1'b0;
      done_q   <= 1'b0;
      valid_q  <= '0;
    end else begin
      active_q <= active_d;
      issue_q  <= issue_d;
      done_q   <= last_end;
      valid_q  <= valid_d;
    end
  end

  // Behind stage 24 nothing is left of the rows of one slice when others come.
  assign valid_d = (24+CROSSING)'({valid_q, issue_q}) &
                   (across_q ? '1 : (24+CROSSING)'(24'hff_ffff));

  assign done_o = done_q;

  always_ff @(posedge clk_i) begin
    first_q <= {first_q[17:1], row_q == '0};
    last_q  <= {last_q[23+CROSSING:1], row_last};
    if (start_i) begin
      pass_q  <= start_pass;
      sub_q   <= '0;
      token_q <= '0;
    end else if (vector_end) begin
      pass_q <= pass_first;
      sub_q  <= sub_last ? '0 : sub_q + 6'd1;
      if (sub_last) token_q <= token_q + 6'd1;
    end else if (pass_end) begin
      pass_q <= pass_next;
    end
    if (start_i || pass_end || (issue_q && round_last)) row_q <= '0;
    else if (issue_q) row_q <= row_q + 16'd1;
    if (start_i) rounds_q <= imm_i[5:0];
    else if (vector_end) rounds_q <= imm_q[5:0];
    else if (pass_end) rounds_q <= rounds_q - 6'd1;
    if (start_i || (vector_end && sub_last)) word_q <= '0;
    else if (pass_end) word_q <= word_q + 12'd1;
  end

  // ------------------------------------------------------------------ reads
  // First rows of the token and of the vector; the row in the vector jumps between halves in ROPE.

  // Rows of int16 are twice as many as rows of a bank: one more bit.
  logic [14:0] a_token_q, a_vector_q, b_token_q, a_token_next;
  logic [13:0] d_token_q, d_vector_q, d_token_next;
  logic [14:0] offset_q, half_rows, a_row, b_row;
  logic        again;  // the result is read
  logic        b_half, a_half_1, a_upper_1, b_upper_1;
  logic [31:0] len_q;

  assign half_rows    = rows_q[15:1];
  assign a_token_next = a_token_q + 15'(a_stride_q);
  assign d_token_next = d_token_q + 14'(d_stride_q);

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      a_token_q  <= 15'(a_i[13:0]);
      a_vector_q <= 15'(a_i[13:0]);
      b_token_q  <= 15'(b_i[13:0]);
      d_token_q  <= d_i[13:0];
      d_vector_q <= d_i[13:0];
      len_q      <= len_i;
    end else if (vector_end) begin
      a_vector_q <= a_vector_q + rows_q[14:0];
      d_vector_q <= d_vector_q + rows_q[13:0];
      if (sub_last) begin
        a_token_q  <= a_token_next;
        a_vector_q <= a_token_next;
        b_token_q  <= b_token_q + 15'(b_stride_q);
        d_token_q  <= d_token_next;
        d_vector_q <= d_token_next;
        len_q      <= len_q + 32'(inc_q);
      end
    end
    if (start_i || pass_end || (issue_q && round_last)) offset_q <= '0;
    else if (issue_q && is_rope && !row_q[0]) offset_q <= offset_q + half_rows;
    else if (issue_q && is_rope) offset_q <= offset_q - half_rows + 15'd1;
    else if (issue_q) offset_q <= offset_q + 15'd1;
  end

  assign b_half   = fun_q == tw_pkg::FUN_RMS_NORM;
  assign again    = is_quant && !is_given;
  assign a_row    = (again ? 15'(d_vector_q) : a_vector_q) + offset_q;
  assign b_row    = b_token_q + (is_rope ? row_q[15:1] : row_q[14:0]);
  assign a_half_1 = a_half_q && !is_quant;

  assign a_en_o   = issue_q;
  assign a_addr_o = {again ? d_bank_q : a_bank_q, a_half_1 ? a_row[14:1] : a_row[13:0]};
  assign b_en_o   = issue_q && (pass_q == PassNorm || pass_q == PassRope || pass_q == PassWeigh ||
                                pass_q == PassAdd || pass_q == PassPairs ||
                                (pass_q == PassPoint && gated_q));
  assign b_addr_o = {b_bank_q, b_half ? b_row[14:1] : b_row[13:0]};

  always_ff @(posedge clk_i) begin
    a_upper_1 <= a_row[0];
    b_upper_1 <= b_row[0];
  end

  // Valid elements of the row at stage 2: those below what is left of len.
  logic [31:0] left_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[1]) begin
      if (first_q[1]) left_q <= len_q;
      else left_q <= (left_q > 32'(L)) ? left_q - 32'(L) : '0;
    end
  end

  // ------------------------------------------------------------------ lanes, reductions, scalars

  logic              odd_3, odd_9, odd_13, q4, staged, values;
  logic [L*32-1:0]   y_18, summand_11;
  logic [L*8-1:0]    code_19;
  logic [31:0]       top;
  logic [15:0]       place, place_q;
  logic              ranked_q;  // an element of the vector
  logic signed [5:0] pre;
  logic signed [7:0] half;
  logic [16:0]       factor;
  logic [23:0]       scale;
  logic signed [9:0] shift_d, lane_shift_q;
  logic              is_mul, centred;

  tw_delay #(
    .WIDTH(1),
    .DEPTH(3)
  ) u_odd_3 (
    .clk_i(clk_i),
    .d_i  (row_q[0]),
    .q_o  (odd_3)
  );
  tw_delay #(
    .WIDTH(1),
    .DEPTH(6)
  ) u_odd_9 (
    .clk_i(clk_i),
    .d_i  (odd_3),
    .q_o  (odd_9)
  );
  tw_delay #(
    .WIDTH(1),
    .DEPTH(4)
  ) u_odd_13 (
    .clk_i(clk_i),
    .d_i  (odd_9),
    .q_o  (odd_13)
  );

  assign is_mul = fun_q == tw_pkg::FUN_MUL;
  assign centred = fun_q == tw_pkg::FUN_LAYER_NORM && pass_q != PassMean && !is_quant;
  assign q4     = !out_q[0];
  assign staged = out_q > OutQ4;
  assign values = out_q > OutQ4k;

  always_comb begin
    case (pass_q)
      PassCopy, PassAdd:   shift_d = 10'($signed(shift_q));
      PassNorm:            shift_d = 10'($signed(shift_q)) + 10'(half);
      PassRope, PassPairs, PassWeigh: shift_d = 10'sd15;
      PassPoint:           shift_d = is_mul ? 10'($signed(shift_q)) : 10'sd16;
      PassQuant:           shift_d = 10'sd31;
      default:             shift_d = '0;
    endcase
  end

  always_ff @(posedge clk_i) lane_shift_q <= shift_d;

  // Of each lane what its neighbour needs.
  logic [L*32-1:0] pair_u_9;
  logic [L*18-1:0] pair_k_9;

  for (genvar l = 0; l < L; l++) begin : gen_lane
    localparam int Neighbour = (l % 2 == 0 && l + 1 < L) ? l + 1 : l - l % 2;

    logic [31:0] a_2, b_2;
    logic [15:0] a_part, b_part;
    logic        valid_2;

    always_ff @(posedge clk_i) begin
      a_2 <= a_half_1 ? 32'($signed(a_part)) : a_data_i[32*l +: 32];
      b_2 <= b_half ? 32'($signed(b_part)) : b_data_i[32*l +: 32];
    end

    assign a_part  = a_upper_1 ? a_data_i[16*(LP+l) +: 16] : a_data_i[16*l +: 16];
    assign b_part  = b_upper_1 ? b_data_i[16*(LP+l) +: 16] : b_data_i[16*l +: 16];
    assign valid_2 = left_q > 32'(l);

    tw_vlane #(
      .FUNCTIONS(FUNCTIONS),
      .ODD      (l % 2 == 1)
    ) u_lane (
      .clk_i     (clk_i),
      .pass_i    (pass_q),
      .fun_i     (fun_q),
      .gated_i   (gated_q),
      .a_i       (a_2),
      .b_i       (b_2),
      .valid_i   (valid_2),
      .centred_i (centred),
      .position_i(len_q[15:0]),
      .top_i     (top),
      .pre_i     (pre),
      .factor_i  (factor),
      .shift_i   (lane_shift_q),
      .q4_i      (q4),
      .odd_2_i   (odd_3),
      .odd_8_i   (odd_9),
      .odd_12_i  (odd_13),
      .pair_u_i  (pair_u_9[32*Neighbour +: 32]),
      .pair_k_i  (pair_k_9[18*Neighbour +: 18]),
      .pair_u_o  (pair_u_9[32*l +: 32]),
      .pair_k_o  (pair_k_9[18*l +: 18]),
      .summand_o (summand_11[32*l +: 32]),
      .y_o       (y_18[32*l +: 32]),
      .code_o    (code_19[8*l +: 8])
    );
  end

  tw_vreduce #(
    .L   (L),
    .LP  (LP),
    .RANK(HasRank)
  ) u_reduce (
    .clk_i    (clk_i),
    .signed_i (pass_q == PassTop || is_rank),
    .rank_i   (is_rank),
    .len_i    (len_q[15:0]),
    .ranked_i (ranked_q),
    .top_i    (top),
    .place_i  (place_q),
    .y_valid_i(valid_q[18]),
    .y_first_i(first_q[18]),
    .y_i      (y_18),
    .s_valid_i(valid_q[11]),
    .s_first_i(first_q[11]),
    .s_i      (summand_11),
    .max_o    (max_o),
    .place_o  (place),
    .sum_o    (sum_o)
  );

  logic max_stands, sum_stands;
  // A given scale is a word: its exponent stands above its mantissa.
  logic [7:0] exponent;
  assign exponent = shift_q + (is_given ? len_q[23:16] : 8'd0);

  assign max_stands = across_q ? valid_q[21+CROSSING] && last_q[21+CROSSING]
                               : valid_q[21] && last_q[21];
  assign sum_stands = across_q ? valid_q[14+CROSSING] && last_q[14+CROSSING]
                               : valid_q[14] && last_q[14];

  always_ff @(posedge clk_i) begin
    if (start_i || vector_end) ranked_q <= 1'b0;
    else if (max_stands) ranked_q <= 1'b1;
    if (max_stands) place_q <= place;
  end

  logic [15:0] elements;  // that a mean is of
  assign elements = (across_q && !is_given) ? 16'(len_q[15:0] * SLICES) : len_q[15:0];

  tw_scalar #(
    .RSQRT(FUNCTIONS[tw_pkg::FUN_RMS_NORM] || FUNCTIONS[tw_pkg::FUN_LAYER_NORM]),
    .MEAN (FUNCTIONS[tw_pkg::FUN_LAYER_NORM]),
    .GIVEN(FUNCTIONS[tw_pkg::FUN_REQUANTISE]),
    .TOTAL(FUNCTIONS[tw_pkg::FUN_SUM])
  ) u_scalar (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .take_top_i   (max_stands && (pass_q == PassTop || is_rank)),
    .take_total_i (sum_stands && pass_q == PassSum),
    .take_length_i(max_stands && pass_q == PassAbs),
    .take_square_i(sum_stands && pass_q == PassSquare),
    .take_mean_i  (sum_stands && pass_q == PassMean),
    .take_sum_i   (sum_stands && pass_q == PassWeigh),
    .take_scale_i (max_stands && is_result),
    .take_given_i (issue_q && row_q == '0 && is_given),
    .given_i      (is_given),
    .exponent_i   (exponent),
    .ratio_i      (fun_q == tw_pkg::FUN_SOFTMAX && out_q != '0 && !staged),
    .max_i        (across_q ? max_i : max_o),
    .sum_i        (across_q ? sum_i : sum_o),
    .len_i        (elements),
    .eps_i        (imm_q),
    .top_o        (top),
    .pre_o        (pre),
    .factor_o     (factor),
    .half_o       (half),
    .scale_o      (scale)
  );

  // ------------------------------------------------------------------ results and codes
  logic        act_en;
  logic [15:0] act_row;
  logic [4:0]  act_token;

  tw_vwrite #(
    .T (T),
    .N (N),
    .L (L),
    .NP(NP),
    .LP(LP)
  ) u_write (
    .clk_i       (clk_i),
    .start_i     (start_i),
    .o_i         (o_i),
    .o_step_i    (o_step_i),
    .o_token_i   (o_token_i),
    .d_bank_i    (d_bank_q),
    .d_token_i   (d_token_q),
    .d_vector_i  (d_vector_q),
    .scale_row_i (imm_q[13:0]),
    .half_rows_i (half_rows[13:0]),
    .result_i    (is_result),
    .rope_i      (is_rope),
    .quant_i     (is_quant),
    .words_i     (is_words),
    .rank_i      (is_rank),
    .q4_i        (q4),
    .staged_i    (staged),
    .values_i    (values),
    .pass_end_i  (pass_end),
    .vector_end_i(vector_end),
    .sub_last_i  (sub_last),
    .sub_i       (sub_q),
    .word_i      (word_q),
    .valid_i     (valid_q[23:18]),
    .last_i      (last_q[23:18]),
    .y_18_i      (y_18),
    .code_19_i   (code_19),
    .scale_i     (scale),
    .top_i       (top),
    .place_i     (place_q),
    .d_en_o      (d_en_o),
    .d_addr_o    (d_addr_o),
    .d_strb_o    (d_strb_o),
    .d_data_o    (d_data_o),
    .act_en_o    (act_en),
    .act_row_o   (act_row),
    .act_token_o (act_token),
    .act_data_o  (code_o),
    .s_en_o      (s_en_o),
    .s_slot_o    (s_slot_o),
    .s_data_o    (s_data_o)
  );

  tw_vturn #(
    .SLICES  (SLICES),
    .CROSSING(CROSSING),
    .WIDTH   (LP * 8)
  ) u_turn (
    .clk_i      (clk_i),
    .rst_ni     (rst_ni),
    .across_i   (across_q),
    .restart_i  (start_i || pass_end),
    .quant_i    (is_quant),
    .round_end_i(issue_q && round_last),
    .turn_last_o(turn_last),
    .turn_o     (turn_o),
    .en_i       (act_en),
    .row_i      (act_row),
    .token_i    (act_token),
    .own_i      (code_o),
    .code_i     (code_i),
    .en_o       (act_en_o),
    .row_o      (act_row_o),
    .token_o    (act_token_o),
    .code_o     (act_data_o)
  );
endmodule
