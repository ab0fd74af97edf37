// Products of a step, summed over its lanes: a weight row and activations are decoded, each output
// of each token meets its own.
//
// Cycles count from the step's issue: read data and what belongs to them are here in cycle 1, sums
// in cycle 6 + LATER. Of later beats read data are those of the first.
module tw_products #(
  parameter int T        = 2,
  parameter int N        = 8,
  parameter int L        = 8,
  parameter int TP       = 2,  // T, N, L rounded up to powers of two
  parameter int NP       = 8,
  parameter int LP       = 8,
  parameter int MODES    = 63,  // bit m: operand mode m is there
  parameter int PACKED   = 1,   // products that share a DSP48E2: 2, 4; 3: two of one output;
                                // 5, 6: digits of 2 and of 4 bits, in adders
  parameter int NARROW   = 0,   // activations can have 4 bits: of quads and digits of 4 bits
  parameter int A_WIDTH  = 16,  // bytes of activations in a read: a row, or two for pruned modes
  parameter int W_ROW    = 64,  // bytes of the widest weight row
  parameter int LATER    = 0,
  parameter int SUM_BITS = 19
) (
  input  logic                    clk_i,
  input  logic [2:0]              mode_i,
  input  logic [1:0]              beat_i,  // of a step: odd tokens of quads; halves; digits
  input  logic                    narrow_i,  // of activations the low 4 bits count, signed
  input  logic [A_WIDTH*8-1:0]    a_data_i,
  input  logic [W_ROW*8-1:0]      w_data_i,
  output logic [T*N*SUM_BITS-1:0] sum_o
);
  // Of a weight operand: w8 and v8; w4 and v4; a level of 2 bits is at most 3.
  localparam int WBits = ((MODES & 40) != 0) ? 8 : ((MODES & 20) != 0) ? 4 : 3;
  localparam int Rows  = A_WIDTH / (TP * LP);  // of activations in a step, at most

  logic [N*L*8-1:0]      weight_2;
  logic [N*L*2-1:0]      pick_2;
  logic [T*Rows*L*8-1:0] a_2;
  logic [T*N*L*8-1:0]    operand_2;  // activations of each token as each output meets them
  logic                  narrow;
  logic                  unused_bits;

  assign narrow      = NARROW != 0 && narrow_i;
  assign unused_bits = ^{beat_i, narrow, a_data_i, pick_2, operand_2};

  tw_weight_decode #(
    .N     (N),
    .L     (L),
    .NP    (NP),
    .LP    (LP),
    .ROW   (W_ROW),
    .MODES (MODES),
    .PACKED(PACKED)
  ) u_decode (
    .clk_i   (clk_i),
    .mode_i  (mode_i),
    .beat_i  (beat_i),
    .row_i   (w_data_i),
    .w_o     (weight_2),
    .pick_o  (pick_2)
  );

  for (genvar i = 0; i < T * Rows; i++) begin : gen_row
    localparam int Place = (i % Rows * TP + i / Rows) * LP;  // of its first activation

    if (PACKED == 6) begin : gen_a_digits
      for (genvar l = 0; l < L; l++) begin : gen_lane
        logic [7:0] a;

        assign a = a_data_i[(Place+l)*8 +: 8];

        always_ff @(posedge clk_i)
          a_2[(i*L+l)*8 +: 8] <= beat_i[0] ? { {4{a[7]}}, a[7:4]} : { {4{narrow && a[3]}}, a[3:0]};
      end
    end else if (NARROW != 0) begin : gen_a_narrow
      for (genvar l = 0; l < L; l++) begin : gen_lane
        logic [7:0] a;

        assign a = a_data_i[(Place+l)*8 +: 8];

        always_ff @(posedge clk_i) a_2[(i*L+l)*8 +: 8] <= {narrow ? {4{a[3]}} : a[7:4], a[3:0]};
      end
    end else begin : gen_a_bytes
      always_ff @(posedge clk_i) a_2[i*L*8 +: L*8] <= a_data_i[Place*8 +: L*8];
    end
  end

  for (genvar t = 0; t < T; t++) begin : gen_token
    for (genvar n = 0; n < N; n++) begin : gen_output
      if (Rows > 1) begin : gen_kept
        tw_gather #(
          .L    (L),
          .DENSE(MODES & 63)
        ) u_gather (
          .a_i   (a_2[t*2*L*8 +: 2*L*8]),
          .pick_i(pick_2[n*L*2 +: L*2]),
          .a_o   (operand_2[(t*N+n)*L*8 +: L*8])
        );
      end else begin : gen_all
        assign operand_2[(t*N+n)*L*8 +: L*8] = a_2[t*L*8 +: L*8];
      end
    end
  end

  if (PACKED == 4) begin : gen_quads
    localparam int SumA = 8 + $clog2(LP);  // of a token's activations

    logic both_d, levels_d, both_2, second_2, both_x, levels_x, pair, levels;

    assign both_d   = mode_i == tw_pkg::MODE_W2 || mode_i == tw_pkg::MODE_S2 ||
                      (narrow && (mode_i == tw_pkg::MODE_W4 || mode_i == tw_pkg::MODE_V4));
    assign levels_d = MODES[0] && mode_i == tw_pkg::MODE_W2;

    // Cycle x is that of the sums of activations, three before that of the slices' sums.
    tw_delay #(
      .WIDTH(2),
      .DEPTH(1)
    ) u_second (
      .clk_i(clk_i),
      .d_i  ({both_d, beat_i[0]}),
      .q_o  ({both_2, second_2})
    );
    tw_delay #(
      .WIDTH(2),
      .DEPTH(1 + LATER)
    ) u_kind (
      .clk_i(clk_i),
      .d_i  ({both_d, levels_d}),
      .q_o  ({both_x, levels_x})
    );
    tw_delay #(
      .WIDTH(2),
      .DEPTH(3)
    ) u_sums_kind (
      .clk_i(clk_i),
      .d_i  ({!both_x, levels_x}),
      .q_o  ({pair, levels})
    );

    for (genvar i = 0; i < T / 2; i++) begin : gen_tokens
      localparam int First = 2 * i;

      logic [L*18-1:0]       packed_2;
      logic [2*SUM_BITS-1:0] term;

      for (genvar l = 0; l < L; l++) begin : gen_lane
        tw_quad_pack u_pack (
          .a0_i    (a_2[(First*L+l)*8 +: 8]),
          .a1_i    (a_2[((First+1)*L+l)*8 +: 8]),
          .both_i  (both_2),
          .second_i(second_2),
          .b_o     (packed_2[18*l +: 18])
        );
      end

      for (genvar k = 0; k < 2; k++) begin : gen_term
        logic [SumA-1:0]     sum;
        logic [SUM_BITS-1:0] term_d;

        tw_sum #(
          .COUNT (L),
          .LEAVES(LP),
          .IN    (8),
          .OUT   (SumA)
        ) u_sum (
          .clk_i(clk_i),
          .d_i  (a_2[(First+k)*L*8 +: L*8]),
          .sum_o(sum)
        );

        always_comb begin
          term_d = -SUM_BITS'(255 * L);
          if (!both_x) term_d = -SUM_BITS'(255 * 513 * L);
          if (levels_x) term_d = SUM_BITS'($signed(sum)) - SUM_BITS'(510 * L);
        end

        tw_delay #(
          .WIDTH(SUM_BITS),
          .DEPTH(3)
        ) u_term (
          .clk_i(clk_i),
          .d_i  (term_d),
          .q_o  (term[SUM_BITS*k +: SUM_BITS])
        );
      end

      for (genvar j = 0; j < N / 2; j++) begin : gen_outputs
        tw_dot_quad #(
          .L       (L),
          .LP      (LP),
          .SUM_BITS(SUM_BITS)
        ) u_dot (
          .clk_i   (clk_i),
          .b_i     (packed_2),
          .w_i     (weight_2[2*j*L*8 +: 2*L*8]),
          .pair_i  (pair),
          .levels_i(levels),
          .term_i  (term),
          .sum_o   ({sum_o[((First+1)*N+2*j)*SUM_BITS +: 2*SUM_BITS],
                     sum_o[(First*N+2*j)*SUM_BITS +: 2*SUM_BITS]})
        );
      end
    end
  end else if (PACKED == 3) begin : gen_dots
    localparam int   Cascades = (L + 3) / 4;
    localparam logic Halves   = MODES[3] || MODES[5];

    logic             halves, offset_d, low_d, offset_2, low_2, high;
    logic [N*L*9-1:0] packed_2;
    logic             unused_weight;

    assign halves   = mode_i == tw_pkg::MODE_W8 || mode_i == tw_pkg::MODE_V8;
    assign low_d    = Halves && halves && !beat_i[0];
    assign offset_d = (Halves && halves && beat_i[0]) ||
                      (MODES[2] && mode_i == tw_pkg::MODE_W4) ||
                      (MODES[4] && mode_i == tw_pkg::MODE_V4);

    tw_delay #(
      .WIDTH(2),
      .DEPTH(1)
    ) u_term_kind (
      .clk_i(clk_i),
      .d_i  ({offset_d, low_d}),
      .q_o  ({offset_2, low_2})
    );
    tw_delay #(
      .WIDTH(1),
      .DEPTH(5 + LATER)
    ) u_high (
      .clk_i(clk_i),
      .d_i  (beat_i[0]),
      .q_o  (high)
    );

    // The lower half of a byte is a weight's, the upper one its sign.
    assign unused_weight = ^weight_2;

    for (genvar i = 0; i < N * L / 2; i++) begin : gen_weights
      assign packed_2[18*i +: 18] = {weight_2[16*i +: 4], {10{weight_2[16*i+12]}},
                                     weight_2[16*i+8 +: 4]};
    end

    for (genvar t = 0; t < T; t++) begin : gen_dot_token
      logic [Cascades*48-1:0] term;

      for (genvar k = 0; k < Cascades; k++) begin : gen_term
        localparam int Slices = (4 * k + 4 <= L) ? 2 : 1;

        tw_dot_term #(
          .SLICES(Slices)
        ) u_term (
          .clk_i   (clk_i),
          .a_i     (a_2[(t*Rows*L+4*k)*8 +: 16*Slices]),
          .offset_i(offset_2),
          .low_i   (low_2),
          .c_o     (term[48*k +: 48])
        );
      end

      for (genvar n = 0; n < N; n++) begin : gen_dot_output
        tw_dot_lanes #(
          .L       (L),
          .LP      (LP),
          .HALVES  (Halves),
          .SUM_BITS(SUM_BITS)
        ) u_dot (
          .clk_i (clk_i),
          .a_i   (operand_2[(t*N+n)*L*8 +: L*8]),
          .w_i   (packed_2[n*L*9 +: L*9]),
          .c_i   (term),
          .high_i(high),
          .sum_o (sum_o[(t*N+n)*SUM_BITS +: SUM_BITS])
        );
      end
    end
  end else if (PACKED >= 5) begin : gen_digits
    localparam logic Crumbs   = PACKED == 5;
    localparam int   ABits    = Crumbs ? 8 : 5;
    localparam int   Parts    = Crumbs ? 1 : 2;
    localparam int   WBitsIn  = 2 * Parts + 1;
    localparam logic Bytes    = MODES[3] || MODES[5];
    localparam int   Places   = Crumbs ? (Bytes ? 4 : (MODES[2] || MODES[4]) ? 2 : 1) :
                                (Bytes ? 3 : 2);
    localparam logic Twice    = Crumbs && (MODES[0] || MODES[6]);
    localparam int   Levels   = (LP > 1) ? $clog2(LP) : 1;
    localparam int   TermBits = Twice ? 8 + $clog2(LP) : 1;

    logic [1:0]           place_d, place;
    logic                 twice_d, twice;
    logic [N*L*WBitsIn-1:0] digit_2;
    logic                 unused_weight;

    // Beats of digits of 4 bits: bit 0 is the activation's digit, bit 1 the weight's.
    assign place_d = Crumbs ? beat_i : 2'(beat_i[0]) + 2'(beat_i[1]);
    assign twice_d = Twice && (mode_i == tw_pkg::MODE_W2 || mode_i == tw_pkg::MODE_W2P);

    tw_delay #(
      .WIDTH(3),
      .DEPTH(2 + Levels)
    ) u_place (
      .clk_i(clk_i),
      .d_i  ({place_d, twice_d}),
      .q_o  ({place, twice})
    );

    assign unused_weight = ^weight_2;

    for (genvar i = 0; i < N * L; i++) begin : gen_weights
      assign digit_2[WBitsIn*i +: WBitsIn] = weight_2[8*i +: WBitsIn];
    end

    for (genvar t = 0; t < T; t++) begin : gen_digit_token
      logic [L*N*ABits-1:0]  a;
      logic [N*TermBits-1:0] term;

      for (genvar i = 0; i < L * N; i++) begin : gen_operand
        assign a[ABits*i +: ABits] = operand_2[(t*N*L+i)*8 +: ABits];
      end

      // Twice a code is an odd level less 1: the activations that it meets are added.
      if (!Twice) begin : gen_no_term
        assign term = '0;
      end else if (MODES[6]) begin : gen_terms
        for (genvar n = 0; n < N; n++) begin : gen_term
          tw_digit_term #(
            .L (L),
            .LP(LP)
          ) u_term (
            .clk_i  (clk_i),
            .a_i    (a[n*L*8 +: L*8]),
            .twice_i(twice),
            .term_o (term[n*TermBits +: TermBits])
          );
        end
      end else begin : gen_shared_term
        tw_digit_term #(
          .L (L),
          .LP(LP)
        ) u_term (
          .clk_i  (clk_i),
          .a_i    (a[L*8-1:0]),
          .twice_i(twice),
          .term_o (term[TermBits-1:0])
        );
        for (genvar n = 1; n < N; n++) begin : gen_same
          assign term[n*TermBits +: TermBits] = term[TermBits-1:0];
        end
      end

      for (genvar n = 0; n < N; n++) begin : gen_digit_output
        tw_dot_digits #(
          .L        (L),
          .LP       (LP),
          .A_BITS   (ABits),
          .PARTS    (Parts),
          .STEP     (2 * Parts),
          .PLACES   (Places),
          .TWICE    (Twice),
          .TERM_BITS(TermBits),
          .SUM_BITS (SUM_BITS)
        ) u_dot (
          .clk_i  (clk_i),
          .a_i    (a[n*L*ABits +: L*ABits]),
          .w_i    (digit_2[n*L*WBitsIn +: L*WBitsIn]),
          .place_i(place),
          .twice_i(twice),
          .term_i (term[n*TermBits +: TermBits]),
          .sum_o  (sum_o[(t*N+n)*SUM_BITS +: SUM_BITS])
        );
      end
    end
  // Two tokens share a weight, if their number is even, else two outputs an activation.
  end else if (PACKED == 2 && T % 2 == 0) begin : gen_token_pairs
    for (genvar i = 0; i < T / 2 * N; i++) begin : gen_pair
      localparam int First  = i / N * 2 * N + i % N;  // output of the first token
      localparam int Second = First + N;

      tw_dot_pair #(
        .L       (L),
        .LP      (LP),
        .W_BITS  (WBits),
        .SUM_BITS(SUM_BITS)
      ) u_dot (
        .clk_i (clk_i),
        .y_i   (weight_2[i%N*L*8 +: L*8]),
        .x_i   ({operand_2[Second*L*8 +: L*8], operand_2[First*L*8 +: L*8]}),
        .sum0_o(sum_o[First*SUM_BITS +: SUM_BITS]),
        .sum1_o(sum_o[Second*SUM_BITS +: SUM_BITS])
      );
    end
  end else if (PACKED == 2) begin : gen_output_pairs
    for (genvar i = 0; i < T * N / 2; i++) begin : gen_pair
      tw_dot_pair #(
        .L       (L),
        .LP      (LP),
        .W_BITS  (WBits),
        .SUM_BITS(SUM_BITS)
      ) u_dot (
        .clk_i (clk_i),
        .y_i   (operand_2[2*i*L*8 +: L*8]),
        .x_i   (weight_2[2*i%N*L*8 +: 2*L*8]),
        .sum0_o(sum_o[2*i*SUM_BITS +: SUM_BITS]),
        .sum1_o(sum_o[(2*i+1)*SUM_BITS +: SUM_BITS])
      );
    end
  end else begin : gen_plain
    for (genvar i = 0; i < T * N; i++) begin : gen_dot
      tw_dot #(
        .L       (L),
        .LP      (LP),
        .SUM_BITS(SUM_BITS)
      ) u_dot (
        .clk_i(clk_i),
        .a_i  (operand_2[i*L*8 +: L*8]),
        .w_i  (weight_2[i%N*L*8 +: L*8]),
        .sum_o(sum_o[i*SUM_BITS +: SUM_BITS])
      );
    end
  end
endmodule
