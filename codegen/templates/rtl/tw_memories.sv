// Every buffer of the machine, with a port for each of its users.
//
// Weights, group scales and channels are loaded in beats and read in rows by the matrix engine;
// activations and token scales go from the vector engine to the matrix engine; the vector banks
// serve everyone. Data of a read follow their enable by one cycle. Enables of a load are one-hot by
// space, its addresses count beats of that space.
module tw_memories #(
  parameter int BEAT = tw_config_pkg::BEAT,
  localparam int LP = tw_config_pkg::LP,
  localparam int TP = tw_config_pkg::TP,
  localparam int NP = tw_config_pkg::NP,
  localparam int C_ADDR_W = 12 + $clog2(tw_config_pkg::C_PARTS)
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  // load and store
  input  logic [3:0]                         load_en_i,
  input  logic [3:0]                         load_bank_i,
  input  logic [20:0]                        load_beat_i,
  input  logic [BEAT*8-1:0]                  load_data_i,
  input  logic                               load_pair_i,
  input  logic [BEAT*8-1:0]                  load_positions_i,
  input  logic                               store_en_i,
  input  logic [3:0]                         store_bank_i,
  input  logic [20:0]                        store_beat_i,
  output logic [BEAT*8-1:0]                  store_data_o,
  // matrix: operands and scales
  input  logic                               a_en_i,
  input  logic [15:0]                        a_row_i,
  output logic [tw_config_pkg::A_WIDTH*8-1:0] a_data_o,
  input  logic                               w_en_i,
  input  logic [2:0]                         w_mode_i,
  input  logic [15:0]                        w_row_i,
  output logic [tw_config_pkg::W_ROW*8-1:0]  w_data_o,
  input  logic                               g_en_i,
  input  logic [13:0]                        g_row_i,
  output logic [NP*8-1:0]                    g_data_o,
  input  logic                               c_en_i,
  input  logic [C_ADDR_W-1:0]                c_row_i,
  output logic [tw_config_pkg::C_ROW*8-1:0]  c_data_o,
  input  logic                               s_en_i,
  input  logic [7:0]                         s_slot_i,
  output logic [23:0]                        s_data_o,
  // matrix: residual and result
  input  logic                               res_en_i,
  input  logic [17:0]                        res_addr_i,
  output logic [LP*32-1:0]                   res_data_o,
  input  logic                               matrix_en_i,
  input  logic [17:0]                        matrix_addr_i,
  input  logic [LP-1:0]                      matrix_strb_i,
  input  logic [LP*32-1:0]                   matrix_data_i,
  // vector: operands and results
  input  logic                               va_en_i,
  input  logic [17:0]                        va_addr_i,
  output logic [LP*32-1:0]                   va_data_o,
  input  logic                               vb_en_i,
  input  logic [17:0]                        vb_addr_i,
  output logic [LP*32-1:0]                   vb_data_o,
  input  logic                               vector_en_i,
  input  logic [17:0]                        vector_addr_i,
  input  logic [LP*4-1:0]                    vector_strb_i,
  input  logic [LP*32-1:0]                   vector_data_i,
  input  logic                               act_en_i,
  input  logic [15:0]                        act_row_i,
  input  logic [4:0]                         act_token_i,
  input  logic [LP*8-1:0]                    act_data_i,
  input  logic                               scale_en_i,
  input  logic [7:0]                         scale_slot_i,
  input  logic [23:0]                        scale_data_i
);

  localparam int A_WORDS = tw_config_pkg::A_BYTES / tw_config_pkg::A_WIDTH;
  localparam int A_AW = (A_WORDS > 1) ? $clog2(A_WORDS) : 1;
  localparam int A_PARTS = tw_config_pkg::A_WIDTH / tw_config_pkg::A_ROW;  // rows of a word
  localparam int A_SEL = $clog2(A_PARTS);
  localparam int S_AW = (tw_config_pkg::TOKEN_SCALES > 1) ? $clog2(tw_config_pkg::TOKEN_SCALES) : 1;
  localparam int W_SLICE_AW = $clog2(tw_config_pkg::W_BYTES / BEAT);
  localparam int G_SLICE_AW = $clog2(tw_config_pkg::G_BYTES / BEAT);
  localparam int C_SLICE_AW = $clog2(tw_config_pkg::C_BYTES / BEAT);

  tw_weights #(
    .BYTES(tw_config_pkg::W_BYTES),
    .WIDTH(tw_config_pkg::W_WIDTH),
    .BEAT(BEAT),
    .ROW(tw_config_pkg::W_ROW),
    .NP(NP),
    .LP(LP),
    .PAIR(tw_config_pkg::PAIR),
    .RAM_STYLE(tw_config_pkg::W_RAM)
  ) u_weights (
    .clk_i,
    .w_en_i(load_en_i[tw_pkg::SPACE_W]),
    .w_slice_i(load_beat_i[W_SLICE_AW-1:0]),
    .w_data_i(load_data_i),
    .w_pair_i(load_pair_i),
    .w_positions_i(load_positions_i),
    .r_en_i(w_en_i),
    .r_mode_i(w_mode_i),
    .r_row_i(w_row_i),
    .row_o(w_data_o)
  );

  tw_scales #(
    .BYTES(tw_config_pkg::G_BYTES),
    .WIDTH(tw_config_pkg::G_WIDTH),
    .BEAT(BEAT),
    .ROW(tw_config_pkg::G_ROW),
    .ADDR_W(14)
  ) u_group_scales (
    .clk_i,
    .w_en_i(load_en_i[tw_pkg::SPACE_G]),
    .w_slice_i(load_beat_i[G_SLICE_AW-1:0]),
    .w_data_i(load_data_i),
    .r_en_i(g_en_i),
    .r_row_i(g_row_i),
    .r_data_o(g_data_o)
  );

  tw_scales #(
    .BYTES(tw_config_pkg::C_BYTES),
    .WIDTH(tw_config_pkg::C_WIDTH),
    .BEAT(BEAT),
    .ROW(tw_config_pkg::C_ROW),
    .ADDR_W(C_ADDR_W),
    .RAM_STYLE(tw_config_pkg::C_RAM)
  ) u_channels (
    .clk_i,
    .w_en_i(load_en_i[tw_pkg::SPACE_C]),
    .w_slice_i(load_beat_i[C_SLICE_AW-1:0]),
    .w_data_i(load_data_i),
    .r_en_i(c_en_i),
    .r_row_i(c_row_i),
    .r_data_o(c_data_o)
  );

  // --- activations and token scales: written by vector, read by matrix ---
  // A row comes out from bit 0 up; above it lies the next one, if the row is an even one.
  logic [A_AW-1:0]                     a_word;
  logic [A_PARTS*TP-1:0]               act_strb;
  logic [tw_config_pkg::A_WIDTH*8-1:0] a_data;
  logic [tw_config_pkg::A_ROW*8-1:0]   a_first;

  tw_row #(
    .WIDTH(tw_config_pkg::A_WIDTH), .ROW(tw_config_pkg::A_ROW), .ADDR_W(16), .WORD_AW(A_AW)
  ) u_activation_row (
    .clk_i, .en_i(a_en_i), .row_i(a_row_i), .word_o(a_word), .data_i(a_data), .row_o(a_first)
  );

  if (A_PARTS > 1) begin : gen_rows
    assign a_data_o = {a_data[tw_config_pkg::A_ROW*8 +: tw_config_pkg::A_ROW*8], a_first};
    assign act_strb = {TP'(32'(act_row_i[0]) << act_token_i),
                       TP'(32'(!act_row_i[0]) << act_token_i)};
  end else begin : gen_row
    assign a_data_o = a_first;
    assign act_strb = TP'(32'd1 << act_token_i);
  end

  tw_ram #(
    .WIDTH(tw_config_pkg::A_WIDTH * 8),
    .DEPTH(A_WORDS),
    .RAM_STYLE(tw_config_pkg::A_RAM),
    .STRB(LP * 8)
  ) u_activations (
    .clk_i,
    .w_en_i(act_en_i),
    .w_addr_i(act_row_i[A_SEL +: A_AW]),
    .w_strb_i(act_strb),
    .w_data_i({A_PARTS * TP{act_data_i}}),
    .r_en_i(a_en_i),
    .r_addr_i(a_word),
    .r_data_o(a_data)
  );

  tw_ram #(
    .WIDTH(24),
    .DEPTH(tw_config_pkg::TOKEN_SCALES)
  ) u_token_scales (
    .clk_i,
    .w_en_i(scale_en_i),
    .w_addr_i(scale_slot_i[S_AW-1:0]),
    .w_strb_i(1'b1),
    .w_data_i(scale_data_i),
    .r_en_i(s_en_i),
    .r_addr_i(s_slot_i[S_AW-1:0]),
    .r_data_o(s_data_o)
  );

  tw_vbanks #(
    .BANKS(tw_config_pkg::V_BANKS),
    .BYTES(tw_config_pkg::V_BYTES),
    .WIDTH(tw_config_pkg::V_WIDTH),
    .LP(LP),
    .BEAT(BEAT)
  ) u_vbanks (
    .clk_i,
    .rst_ni,
    .res_en_i,
    .res_addr_i,
    .res_data_o,
    .a_en_i(va_en_i),
    .a_addr_i(va_addr_i),
    .a_data_o(va_data_o),
    .b_en_i(vb_en_i),
    .b_addr_i(vb_addr_i),
    .b_data_o(vb_data_o),
    .store_en_i,
    .store_bank_i,
    .store_beat_i,
    .store_data_o,
    .load_en_i(load_en_i[tw_pkg::SPACE_V]),
    .load_bank_i,
    .load_beat_i,
    .load_data_i,
    .matrix_en_i,
    .matrix_addr_i,
    .matrix_strb_i,
    .matrix_data_i,
    .vector_en_i,
    .vector_addr_i,
    .vector_strb_i,
    .vector_data_i
  );

  // Addresses have the width of their instruction fields, whatever the buffer's size.
  logic unused_bits;
  assign unused_bits = ^{load_beat_i, act_row_i, s_slot_i, scale_slot_i};

endmodule
