// Matrix engine: runs `gemm`.
//
// For each output tile the steps of K are issued, one weight row and its activations each cycle (a
// row of them, or two in the pruned modes);
// the tile's accumulators then move to their shadow and drain through the epilogue, D outputs a
// cycle, while the next tile is issued. The last step of a tile waits for the drain of the tile
// before, so a tile takes max(steps, drain) cycles; of more beats, max(beats*steps, drain).
//
// Quads (PACKED is 4) multiply 2-bit weights for two tokens at once, and 4-bit ones if activations
// are narrow, others for one: then a step has two beats, of even and of odd tokens, if there are
// any. Its rows are read for the first and stay for the others. If PACKED is 3, weights of bytes
// have two beats, of lower and of upper halves. If it is 5 or 6, a step has a beat for each digit
// of 2 bits of its weights, or for each pair of digits of 4 bits of activations and weights: the
// activation's is bit 0 of the beat, the weight's bit 1. Narrow activations have the lower one.
//
// start_i: the instruction fields are valid in this cycle; allowed only while free_o. done_o: one
// pulse when the last result is written, MATRIX_LATENCY cycles after the last drain cycle. Reads:
// data are taken in the cycle after their enable. The instruction is resolved: registers are added;
// ntiles, groups, steps and tokens are at least 1.
//
// Packed multipliers sum their products Later cycles behind plain ones, and so does all that
// follows: stages are numbered without it.
//
// Pipeline, c = cycle of a step's issue, x = cycle of a drain slot (c + 1 for the first slot after
// a tile's last step):
//   c    activation and weight rows read        x+6   channel and token scales read
//   c+2  operands decoded                       x+9   accumulators selected, mantissas multiplied
//   c+5  group scales read                      x+11  product
//   c+6  lanes summed                           x+13  shifted; residual read
//   c+7  group sum                              x+15  rounded, saturated
//   c+9  accumulator, shadow                    x+16  residual added, written; done_o
module tw_matrix #(
  parameter int T        = 2,
  parameter int N        = 8,
  parameter int L        = 8,
  parameter int D        = 8,
  parameter int TP       = 2,  // T, N, L rounded up to powers of two
  parameter int NP       = 8,
  parameter int LP       = 8,
  parameter int ACC_BITS = 40,
  parameter int MODES    = 63,  // bit m: operand mode m is there
  parameter int PACKED   = 1,   // products that share a DSP48E2: 2, 4; 3: two of one output;
                                // 5, 6: digits of 2 and of 4 bits, in adders
  parameter int NARROW   = 0,   // activations can have 4 bits
  parameter int A_WIDTH  = 16,  // bytes of activations in a read: a row, or two for pruned modes
  parameter int W_ROW    = 64,  // bytes of the widest weight row
  // A row of channel scales is read in parts of what drains in a cycle, if parts are aligned.
  localparam int C_PARTS = ((D & (D - 1)) == 0) ? NP / D : 1,
  localparam int C_BITS  = $clog2(C_PARTS)
) (
  input  logic               clk_i,
  input  logic               rst_ni,

  input  logic               start_i,
  output logic               free_o,
  output logic               done_o,
  input  logic [2:0]         mode_i,
  input  logic [5:0]         tokens_i,
  input  logic [15:0]        ntiles_i,
  input  logic [15:0]        groups_i,
  input  logic [7:0]         steps_i,
  input  logic               scaled_i,
  input  logic               narrow_i,
  input  logic [15:0]        a_row_i,
  input  logic [15:0]        w_row_i,
  input  logic [11:0]        wn_stride_i,
  input  logic [11:0]        wk_stride_i,
  input  logic [13:0]        g_row_i,
  input  logic [11:0]        c_row_i,
  input  logic [17:0]        dst_i,
  input  logic [9:0]         dst_stride_i,
  input  logic [7:0]         slot_i,
  input  logic [7:0]         shift_i,
  input  logic               residual_i,
  input  logic [17:0]        res_i,

  output logic               a_en_o,
  output logic [15:0]        a_row_o,
  input  logic [A_WIDTH*8-1:0] a_data_i,
  output logic               w_en_o,
  output logic [2:0]         w_mode_o,
  output logic [15:0]        w_row_o,
  input  logic [W_ROW*8-1:0] w_data_i,
  output logic               g_en_o,
  output logic [13:0]        g_row_o,
  input  logic [NP*8-1:0]    g_data_i,
  output logic               c_en_o,
  output logic [11+C_BITS:0] c_row_o,  // number of the part
  input  logic [NP/C_PARTS*32-1:0] c_data_i,
  output logic               s_en_o,
  output logic [7:0]         s_slot_o,
  input  logic [23:0]        s_data_i,
  output logic               r_en_o,
  output logic [17:0]        r_addr_o,
  input  logic [LP*32-1:0]   r_data_i,
  output logic               d_en_o,
  output logic [17:0]        d_addr_o,
  output logic [LP-1:0]      d_strb_o,
  output logic [LP*32-1:0]   d_data_o
);
  localparam int RowsPerTile  = N / L;  // V rows of a tile and token
  localparam int PartsPerRow  = L / D;  // drain slots of a V row
  localparam int SlotsPerTile = T * RowsPerTile * PartsPerRow;
  localparam int RowBits      = (RowsPerTile > 1) ? $clog2(RowsPerTile) : 1;
  localparam int PartBits     = (PartsPerRow > 1) ? $clog2(PartsPerRow) : 1;
  localparam int SlotBits     = (SlotsPerTile > 1) ? $clog2(SlotsPerTile) : 1;
  localparam int ColBits      = (N / D > 1) ? $clog2(N / D) : 1;
  localparam int SumBits      = 16 + $clog2(LP);
  localparam int Levels       = $clog2(LP) - ((PACKED == 2) ? 1 : (PACKED == 3) ? 2 : 0);
  localparam int Later        = (PACKED == 1) ? 0 :
                                ((Levels > 1) ? Levels : 1) - ((PACKED >= 5) ? 1 : 0);
  localparam int BeatBits     = (PACKED >= 5) ? 2 : 1;
  localparam int GroupBits    = SumBits + 8;

  // Of rows that are padded to powers of two, and of reserved bits of scale words.
  logic unused_bits;
  assign unused_bits = ^{g_data_i, c_data_i, r_data_i, channel_8, sum_valid_6, halves};

  // ------------------------------------------------------------------ instruction

  logic [2:0]  mode_q;
  logic [5:0]  token_last_q;
  logic [15:0] tile_last_q, group_last_q;
  logic [7:0]  step_last_q;
  logic [15:0] a_first_q;
  logic [11:0] wn_stride_q, wk_stride_q;
  logic [17:0] dst_q, res_q;
  logic [9:0]  dst_stride_q;
  logic [7:0]  slot_first_q, shift_q;
  logic        residual_q, scaled_q, narrow_q;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      mode_q       <= mode_i;
      token_last_q <= tokens_i - 6'd1;
      tile_last_q  <= ntiles_i - 16'd1;
      group_last_q <= groups_i - 16'd1;
      step_last_q  <= steps_i - 8'd1;
      a_first_q    <= a_row_i;
      wn_stride_q  <= wn_stride_i;
      wk_stride_q  <= wk_stride_i;
      dst_q        <= dst_i;
      res_q        <= res_i;
      dst_stride_q <= dst_stride_i;
      slot_first_q <= slot_i;
      shift_q      <= shift_i;
      residual_q   <= residual_i;
      scaled_q     <= scaled_i;
      narrow_q     <= NARROW != 0 && narrow_i;
    end
  end

  // ------------------------------------------------------------------ issue of steps

  logic        active_d, active_q;  // an instruction occupies the unit
  logic        issue_d, issue_q;    // of which steps are left
  logic        drain_d, drain_q;    // a tile drains
  logic        drain_last;          // in its last slot
  logic        fire, step_last, group_last, tile_end, pruned;
  logic        alone, halves, nibbles, first, beat_last;
  logic [BeatBits-1:0] beat_end, beat_next, beat_q;
  logic [15:0] tile_q, group_q;
  logic [7:0]  step_q;
  logic [15:0] a_row_q;
  logic [15:0] w_row_q, w_tile_q, w_tile_next;
  logic [13:0] g_row_q;

  assign pruned      = mode_q == tw_pkg::MODE_W2P || mode_q == tw_pkg::MODE_S2P;
  assign nibbles     = (MODES[2] && mode_q == tw_pkg::MODE_W4) ||
                       (MODES[4] && mode_q == tw_pkg::MODE_V4);
  assign alone       = PACKED == 4 && !(nibbles && narrow_q) &&
                       mode_q != tw_pkg::MODE_W2 && mode_q != tw_pkg::MODE_S2;
  assign halves      = PACKED == 3 && (mode_q == tw_pkg::MODE_W8 || mode_q == tw_pkg::MODE_V8);
  assign first       = beat_q == '0;
  assign beat_last   = beat_q == beat_end;
  assign step_last   = step_q == step_last_q;
  assign group_last  = step_last && (group_q == group_last_q);
  assign tile_end    = fire && beat_last && group_last;
  assign fire        = issue_q && !(beat_last && group_last && drain_q && !drain_last);
  assign w_tile_next = w_tile_q + 16'(wn_stride_q);
  assign free_o      = !active_q || (drain_last && !issue_q);

  if (PACKED >= 5) begin : gen_digit_beats
    logic bytes;

    assign bytes     = (MODES[3] && mode_q == tw_pkg::MODE_W8) ||
                       (MODES[5] && mode_q == tw_pkg::MODE_V8);
    assign beat_end  = {bytes, (PACKED == 6 || nibbles || bytes) && !narrow_q};
    assign beat_next = beat_q + (narrow_q ? 2'd2 : 2'd1);
  end else begin : gen_two_beats
    assign beat_end  = halves || (alone && token_last_q != '0);
    assign beat_next = !beat_q;
  end

  always_comb begin
    active_d = active_q;
    issue_d  = issue_q;
    drain_d  = drain_q;
    if (drain_last) drain_d = 1'b0;
    if (free_o) active_d = 1'b0;
    if (tile_end) begin
      drain_d = 1'b1;
      if (tile_q == tile_last_q) issue_d = 1'b0;
    end
    if (start_i) begin
      active_d = 1'b1;
      issue_d  = 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      issue_q  <= 1'b0;
      drain_q  <= 1'b0;
    end else begin
      active_q <= active_d;
      issue_q  <= issue_d;
      drain_q  <= drain_d;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      tile_q   <= '0;
      group_q  <= '0;
      step_q   <= '0;
      a_row_q  <= a_row_i;
      w_row_q  <= w_row_i;
      w_tile_q <= w_row_i;
      g_row_q  <= g_row_i;
      beat_q   <= '0;
    end else if (fire && !beat_last) begin
      beat_q <= beat_next;
    end else if (fire) begin
      beat_q  <= '0;
      step_q  <= step_last ? '0 : step_q + 8'd1;
      a_row_q <= a_row_q + (pruned ? 16'd2 : 16'd1);
      w_row_q <= w_row_q + 16'(wk_stride_q);
      if (step_last) begin
        group_q <= group_q + 16'd1;
        g_row_q <= g_row_q + 14'd1;
      end
      if (tile_end) begin
        tile_q   <= tile_q + 16'd1;
        group_q  <= '0;
        a_row_q  <= a_first_q;
        w_row_q  <= w_tile_next;
        w_tile_q <= w_tile_next;
      end
    end
  end

  assign a_en_o   = fire && first;
  assign a_row_o  = a_row_q;
  assign w_en_o   = fire && first;
  assign w_mode_o = mode_q;
  assign w_row_o  = w_row_q;

  // What a step means, delayed to the stage that needs it.
  logic [6+Later:1] step_valid_q, odd_valid_q;  // of even tokens, of odd ones
  logic [8+Later:1] group_valid_q;  // last step of a group

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step_valid_q  <= '0;
      odd_valid_q   <= '0;
      group_valid_q <= '0;
    end else begin
      step_valid_q  <= {step_valid_q[5+Later:1], fire && (first || PACKED != 4)};
      odd_valid_q   <= {odd_valid_q[5+Later:1], fire && (!first || !alone)};
      group_valid_q <= {group_valid_q[7+Later:1], fire && beat_last && step_last};
    end
  end

  logic [2:0] mode_1;
  logic [BeatBits-1:0] beat_1;
  logic       narrow_1, scaled_5, scaled_6, sum_first_6, group_first_8, tile_last_8;

  tw_delay #(
    .WIDTH(4 + BeatBits),
    .DEPTH(1)
  ) u_mode (
    .clk_i(clk_i),
    .d_i  ({narrow_q, beat_q, mode_q}),
    .q_o  ({narrow_1, beat_1, mode_1})
  );
  tw_delay #(
    .WIDTH(1),
    .DEPTH(5 + Later)
  ) u_scaled_5 (
    .clk_i(clk_i),
    .d_i  (scaled_q),
    .q_o  (scaled_5)
  );
  tw_delay #(
    .WIDTH(1),
    .DEPTH(1)
  ) u_scaled_6 (
    .clk_i(clk_i),
    .d_i  (scaled_5),
    .q_o  (scaled_6)
  );
  tw_delay #(
    .WIDTH(1),
    .DEPTH(6 + Later)
  ) u_sum_first (
    .clk_i(clk_i),
    .d_i  (step_q == '0 && (first || PACKED == 4)),
    .q_o  (sum_first_6)
  );
  tw_delay #(
    .WIDTH(2),
    .DEPTH(8 + Later)
  ) u_group_first (
    .clk_i(clk_i),
    .d_i  ({group_q == '0, group_q == group_last_q}),
    .q_o  ({group_first_8, tile_last_8})
  );
  tw_delay #(
    .WIDTH(14),
    .DEPTH(5 + Later)
  ) u_g_row (
    .clk_i(clk_i),
    .d_i  (g_row_q),
    .q_o  (g_row_o)
  );
  assign g_en_o = group_valid_q[5+Later] && scaled_5;

  // ------------------------------------------------------------------ products and accumulators

  logic [T*N*SumBits-1:0]  sum_6;
  logic [1:0]              sum_valid_6;  // of even tokens, of odd ones
  logic [N*8-1:0]          scale_7;
  logic [T*N*ACC_BITS-1:0] shadow;

  tw_products #(
    .T       (T),
    .N       (N),
    .L       (L),
    .TP      (TP),
    .NP      (NP),
    .LP      (LP),
    .MODES   (MODES),
    .PACKED  (PACKED),
    .NARROW  (NARROW),
    .A_WIDTH (A_WIDTH),
    .W_ROW   (W_ROW),
    .LATER   (Later),
    .SUM_BITS(SumBits)
  ) u_products (
    .clk_i   (clk_i),
    .mode_i  (mode_1),
    .beat_i  (2'(beat_1)),
    .narrow_i(narrow_1),
    .a_data_i(a_data_i),
    .w_data_i(w_data_i),
    .sum_o   (sum_6)
  );

  always_ff @(posedge clk_i) scale_7 <= scaled_6 ? g_data_i[N*8-1:0] : {N{8'd1}};

  assign sum_valid_6 = {odd_valid_q[6+Later], step_valid_q[6+Later]};

  for (genvar i = 0; i < T * N; i++) begin : gen_sum
    tw_acc #(
      .SUM_BITS  (SumBits),
      .GROUP_BITS(GroupBits),
      .ACC_BITS  (ACC_BITS)
    ) u_acc (
      .clk_i        (clk_i),
      .sum_valid_i  (sum_valid_6[i/N%2]),
      .sum_first_i  (sum_first_6),
      .sum_i        (sum_6[i*SumBits +: SumBits]),
      .scale_i      (scale_7[(i%N)*8 +: 8]),
      .group_valid_i(group_valid_q[8+Later]),
      .group_first_i(group_first_8),
      .tile_last_i  (tile_last_8),
      .shadow_o     (shadow[i*ACC_BITS +: ACC_BITS])
    );
  end

  // ------------------------------------------------------------------ drain slots: tokens, rows,
  // parts of rows

  logic [5:0]          token_q;
  logic [RowBits-1:0]  row_q;
  logic [PartBits-1:0] part_q;
  logic [SlotBits-1:0] index_q;   // of the slot in its tile
  logic [ColBits-1:0]  col_q;     // of the slot in its token
  logic [13:0]         offset_q;  // V row of the slot, from dst and res
  logic [13:0]         token_offset_q, tile_offset_q, next_offset;
  logic [11:0]         c_row_q, tile_c_row_q;
  logic                part_last, row_last;

  assign part_last   = part_q == PartBits'(PartsPerRow - 1);
  assign row_last    = part_last && (row_q == RowBits'(RowsPerTile - 1));
  assign drain_last  = drain_q && row_last && (token_q == token_last_q);
  assign next_offset = token_offset_q + 14'(dst_stride_q);

  always_ff @(posedge clk_i) begin
    if (drain_q) begin
      part_q  <= part_q + PartBits'(1);
      col_q   <= col_q + ColBits'(1);
      index_q <= index_q + SlotBits'(1);
      if (part_last) begin
        part_q   <= '0;
        row_q    <= row_q + RowBits'(1);
        offset_q <= offset_q + 14'd1;
      end
      if (row_last) begin
        row_q          <= '0;
        col_q          <= '0;
        token_q        <= token_q + 6'd1;
        offset_q       <= next_offset;
        token_offset_q <= next_offset;
      end
    end
    if (start_i) begin
      tile_offset_q <= '0;
      tile_c_row_q  <= c_row_i;
    end else if (tile_end) begin
      tile_offset_q  <= tile_offset_q + 14'(RowsPerTile);
      tile_c_row_q   <= tile_c_row_q + 12'd1;
      part_q         <= '0;
      row_q          <= '0;
      col_q          <= '0;
      index_q        <= '0;
      token_q        <= '0;
      offset_q       <= tile_offset_q;
      token_offset_q <= tile_offset_q;
      c_row_q        <= tile_c_row_q;
    end
  end

  logic [16+Later:1] slot_valid_q;
  logic        done_16;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) slot_valid_q <= '0;
    else slot_valid_q <= {slot_valid_q[15+Later:1], drain_q};
  end

  logic [7:0]          shift_8;
  logic [SlotBits-1:0] index_8;
  logic [11+C_BITS:0]  c_part;
  logic [PartBits-1:0] part_14, part_16;
  logic                residual_13, residual_14;

  // A single part is number 0 of its row, and so is its column.
  assign c_part = (12 + C_BITS)'(c_row_q) << C_BITS |
                  ((C_PARTS > 1) ? (12 + C_BITS)'(col_q) : '0);

  tw_delay #(
    .WIDTH(20 + C_BITS),
    .DEPTH(6 + Later)
  ) u_scale_addr (
    .clk_i(clk_i),
    .d_i  ({c_part, slot_first_q + 8'(token_q)}),
    .q_o  ({c_row_o, s_slot_o})
  );
  tw_delay #(
    .WIDTH(SlotBits + 8),
    .DEPTH(8 + Later)
  ) u_index (
    .clk_i(clk_i),
    .d_i  ({index_q, shift_q}),
    .q_o  ({index_8, shift_8})
  );
  tw_delay #(
    .WIDTH(19),
    .DEPTH(13 + Later)
  ) u_res_addr (
    .clk_i(clk_i),
    .d_i  ({residual_q, res_q[17:14], res_q[13:0] + offset_q}),
    .q_o  ({residual_13, r_addr_o})
  );
  tw_delay #(
    .WIDTH(PartBits + 1),
    .DEPTH(14 + Later)
  ) u_part (
    .clk_i(clk_i),
    .d_i  ({residual_q, part_q}),
    .q_o  ({residual_14, part_14})
  );
  tw_delay #(
    .WIDTH(PartBits),
    .DEPTH(2)
  ) u_part_16 (
    .clk_i(clk_i),
    .d_i  (part_14),
    .q_o  (part_16)
  );
  tw_delay #(
    .WIDTH(19),
    .DEPTH(16 + Later)
  ) u_dst_addr (
    .clk_i(clk_i),
    .d_i  ({drain_last && !issue_q, dst_q[17:14], dst_q[13:0] + offset_q}),
    .q_o  ({done_16, d_addr_o})
  );

  assign c_en_o = slot_valid_q[6+Later];
  assign s_en_o = slot_valid_q[6+Later];
  assign r_en_o = slot_valid_q[13+Later] && residual_13;
  assign done_o = slot_valid_q[16+Later] && done_16;

  // ------------------------------------------------------------------ epilogue

  logic [D*32-1:0]       channel_7, channel_8, residual_14_row, residual_15, y_16;
  logic [23:0]           token_8;
  logic [D*ACC_BITS-1:0] acc_8, acc_9;

  if (NP / C_PARTS > D) begin : gen_channel
    logic [ColBits-1:0] col_7;

    tw_delay #(
      .WIDTH(ColBits),
      .DEPTH(7 + Later)
    ) u_col (
      .clk_i(clk_i),
      .d_i  (col_q),
      .q_o  (col_7)
    );
    tw_select #(
      .COUNT(N / D),
      .WIDTH(D * 32),
      .BITS (ColBits)
    ) u_channel (
      .sel_i(col_7),
      .d_i  (c_data_i[N*32-1:0]),
      .q_o  (channel_7)
    );
  end else begin : gen_channel_part
    assign channel_7 = c_data_i;
  end
  tw_select #(
    .COUNT(SlotsPerTile),
    .WIDTH(D * ACC_BITS),
    .BITS (SlotBits)
  ) u_shadow (
    .sel_i(index_8),
    .d_i  (shadow),
    .q_o  (acc_8)
  );
  tw_select #(
    .COUNT(PartsPerRow),
    .WIDTH(D * 32),
    .BITS (PartBits)
  ) u_residual (
    .sel_i(part_14),
    .d_i  (r_data_i[L*32-1:0]),
    .q_o  (residual_14_row)
  );

  always_ff @(posedge clk_i) begin
    channel_8   <= channel_7;
    token_8     <= s_data_i;
    acc_9       <= acc_8;
    residual_15 <= residual_14 ? residual_14_row : '0;
  end

  for (genvar i = 0; i < D; i++) begin : gen_drain
    tw_epilogue #(
      .ACC_BITS(ACC_BITS)
    ) u_epilogue (
      .clk_i     (clk_i),
      .channel_i (channel_8[32*i +: 24]),
      .token_i   (token_8),
      .shift_i   (shift_8),
      .acc_i     (acc_9[i*ACC_BITS +: ACC_BITS]),
      .residual_i(residual_15[32*i +: 32]),
      .y_o       (y_16[32*i +: 32])
    );
  end

  assign d_en_o = slot_valid_q[16+Later];

  for (genvar l = 0; l < LP; l++) begin : gen_result
    assign d_strb_o[l]          = (l < L) && (part_16 == PartBits'(l / D));
    assign d_data_o[32*l +: 32] = (l < L) ? y_16[32*(l%D) +: 32] : '0;
  end
endmodule
