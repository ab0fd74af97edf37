// The engines of a slice and the buffers between them. Instructions are resolved; data of a store's
// read follow their enable by one cycle.
module tw_datapath #(
  parameter int BEAT = tw_config_pkg::BEAT
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  // matrix and vector instructions
  input  logic                              matrix_start_i,
  input  logic [tw_pkg::MATRIX_INSTR_W-1:0] matrix_instr_i,
  output logic                              matrix_free_o,
  output logic                              matrix_done_o,
  input  logic                              vector_start_i,
  input  logic [tw_pkg::VECTOR_INSTR_W-1:0] vector_instr_i,
  output logic                              vector_free_o,
  output logic                              vector_done_o,
  // vectors that lie across slices
  output logic [6:0]                        turn_o,
  output logic [31:0]                       max_o,
  output logic [55:0]                       sum_o,
  output logic [tw_config_pkg::LP*8-1:0]    code_o,
  input  logic [31:0]                       max_i,
  input  logic [55:0]                       sum_i,
  input  logic [tw_config_pkg::LP*8-1:0]    code_i,
  // load writes, store reads
  input  logic [3:0]                        load_en_i,
  input  logic [3:0]                        load_bank_i,
  input  logic [20:0]                       load_beat_i,
  input  logic [BEAT*8-1:0]                 load_data_i,
  input  logic                              load_pair_i,
  input  logic [BEAT*8-1:0]                 load_positions_i,
  input  logic                              store_en_i,
  input  logic [3:0]                        store_bank_i,
  input  logic [20:0]                       store_beat_i,
  output logic [BEAT*8-1:0]                 store_data_o
);

  localparam int LP = tw_config_pkg::LP;
  localparam int TP = tw_config_pkg::TP;
  localparam int NP = tw_config_pkg::NP;

  // --- matrix ---
  logic                               ma_en, mw_en, mg_en, mc_en, ms_en, mr_en, md_en;
  logic [15:0]                        ma_row;
  logic [2:0]                         mw_mode;
  logic [15:0]                        mw_row;
  logic [13:0]                        mg_row;
  logic [11+$clog2(tw_config_pkg::C_PARTS):0] mc_row;
  logic [7:0]                         ms_slot;
  logic [17:0]                        mr_addr, md_addr;
  logic [tw_config_pkg::A_WIDTH*8-1:0] ma_data;
  logic [tw_config_pkg::W_ROW*8-1:0]  mw_data;
  logic [NP*8-1:0]                    mg_data;
  logic [tw_config_pkg::C_ROW*8-1:0]  mc_data;
  logic [23:0]                        ms_data;
  logic [LP*32-1:0]                   mr_data, md_data;
  logic [LP-1:0]                      md_strb;

  tw_matrix #(
    .T(tw_config_pkg::T),
    .N(tw_config_pkg::N),
    .L(tw_config_pkg::L),
    .D(tw_config_pkg::D),
    .TP(TP),
    .NP(NP),
    .LP(LP),
    .ACC_BITS(tw_config_pkg::ACC_BITS),
    .MODES(tw_config_pkg::MODES),
    .PACKED(tw_config_pkg::PACKED),
    .NARROW(tw_config_pkg::NARROW),
    .A_WIDTH(tw_config_pkg::A_WIDTH),
    .W_ROW(tw_config_pkg::W_ROW)
  ) u_matrix (
    .clk_i,
    .rst_ni,
    .start_i(matrix_start_i),
    .free_o(matrix_free_o),
    .done_o(matrix_done_o),
    .mode_i(matrix_instr_i[tw_pkg::GEMM_MODE_LSB+:tw_pkg::GEMM_MODE_W]),
    .tokens_i(matrix_instr_i[tw_pkg::GEMM_TOKENS_LSB+:tw_pkg::GEMM_TOKENS_W]),
    .ntiles_i(matrix_instr_i[tw_pkg::GEMM_NTILES_LSB+:tw_pkg::GEMM_NTILES_W]),
    .groups_i(matrix_instr_i[tw_pkg::GEMM_GROUPS_LSB+:tw_pkg::GEMM_GROUPS_W]),
    .steps_i(matrix_instr_i[tw_pkg::GEMM_STEPS_LSB+:tw_pkg::GEMM_STEPS_W]),
    .scaled_i(matrix_instr_i[tw_pkg::GEMM_SCALED_LSB+:tw_pkg::GEMM_SCALED_W]),
    .narrow_i(matrix_instr_i[tw_pkg::GEMM_NARROW_LSB+:tw_pkg::GEMM_NARROW_W]),
    .a_row_i(matrix_instr_i[tw_pkg::GEMM_A_ROW_LSB+:tw_pkg::GEMM_A_ROW_W]),
    .w_row_i(matrix_instr_i[tw_pkg::GEMM_W_ROW_LSB+:tw_pkg::GEMM_W_ROW_W]),
    .wn_stride_i(matrix_instr_i[tw_pkg::GEMM_WN_STRIDE_LSB+:tw_pkg::GEMM_WN_STRIDE_W]),
    .wk_stride_i(matrix_instr_i[tw_pkg::GEMM_WK_STRIDE_LSB+:tw_pkg::GEMM_WK_STRIDE_W]),
    .g_row_i(matrix_instr_i[tw_pkg::GEMM_G_ROW_LSB+:tw_pkg::GEMM_G_ROW_W]),
    .c_row_i(matrix_instr_i[tw_pkg::GEMM_C_ROW_LSB+:tw_pkg::GEMM_C_ROW_W]),
    .dst_i(matrix_instr_i[tw_pkg::GEMM_DST_LSB+:tw_pkg::GEMM_DST_W]),
    .dst_stride_i(matrix_instr_i[tw_pkg::GEMM_DST_STRIDE_LSB+:tw_pkg::GEMM_DST_STRIDE_W]),
    .slot_i(matrix_instr_i[tw_pkg::GEMM_SLOT_LSB+:tw_pkg::GEMM_SLOT_W]),
    .shift_i(matrix_instr_i[tw_pkg::GEMM_SHIFT_LSB+:tw_pkg::GEMM_SHIFT_W]),
    .residual_i(matrix_instr_i[tw_pkg::GEMM_RESIDUAL_LSB+:tw_pkg::GEMM_RESIDUAL_W]),
    .res_i(matrix_instr_i[tw_pkg::GEMM_RES_LSB+:tw_pkg::GEMM_RES_W]),
    .a_en_o(ma_en),
    .a_row_o(ma_row),
    .a_data_i(ma_data),
    .w_en_o(mw_en),
    .w_mode_o(mw_mode),
    .w_row_o(mw_row),
    .w_data_i(mw_data),
    .g_en_o(mg_en),
    .g_row_o(mg_row),
    .g_data_i(mg_data),
    .c_en_o(mc_en),
    .c_row_o(mc_row),
    .c_data_i(mc_data),
    .s_en_o(ms_en),
    .s_slot_o(ms_slot),
    .s_data_i(ms_data),
    .r_en_o(mr_en),
    .r_addr_o(mr_addr),
    .r_data_i(mr_data),
    .d_en_o(md_en),
    .d_addr_o(md_addr),
    .d_strb_o(md_strb),
    .d_data_o(md_data)
  );

  // --- vector ---
  logic             va_en, vb_en, vd_en, act_en, vs_en;
  logic [17:0]      va_addr, vb_addr, vd_addr;
  logic [LP*32-1:0] va_data, vb_data, vd_data;
  logic [LP*4-1:0]  vd_strb;
  logic [15:0]      act_row;
  logic [4:0]       act_token;
  logic [LP*8-1:0]  act_data;
  logic [7:0]       vs_slot;
  logic [23:0]      vs_data;

  tw_vector #(
    .T(tw_config_pkg::T),
    .N(tw_config_pkg::N),
    .L(tw_config_pkg::L),
    .NP(NP),
    .LP(LP),
    .FUNCTIONS(tw_config_pkg::FUNCTIONS),
    .SLICES(tw_config_pkg::SLICES),
    .CROSSING(tw_config_pkg::CROSSING)
  ) u_vector (
    .clk_i,
    .rst_ni,
    .start_i(vector_start_i),
    .free_o(vector_free_o),
    .done_o(vector_done_o),
    .fun_i(vector_instr_i[tw_pkg::VEC_FUN_LSB+:tw_pkg::VEC_FUN_W]),
    .gated_i(vector_instr_i[tw_pkg::VEC_GATED_LSB+:tw_pkg::VEC_GATED_W]),
    .out_i(vector_instr_i[tw_pkg::VEC_OUT_LSB+:tw_pkg::VEC_OUT_W]),
    .tokens_i(vector_instr_i[tw_pkg::VEC_TOKENS_LSB+:tw_pkg::VEC_TOKENS_W]),
    .subs_i(vector_instr_i[tw_pkg::VEC_SUBS_LSB+:tw_pkg::VEC_SUBS_W]),
    .rows_i(vector_instr_i[tw_pkg::VEC_ROWS_LSB+:tw_pkg::VEC_ROWS_W]),
    .len_i(vector_instr_i[tw_pkg::VEC_LEN_LSB+:tw_pkg::VEC_LEN_W]),
    .inc_i(vector_instr_i[tw_pkg::VEC_INC_LSB+:tw_pkg::VEC_INC_W]),
    .a_i(vector_instr_i[tw_pkg::VEC_A_LSB+:tw_pkg::VEC_A_W]),
    .a_stride_i(vector_instr_i[tw_pkg::VEC_A_STRIDE_LSB+:tw_pkg::VEC_A_STRIDE_W]),
    .a_half_i(vector_instr_i[tw_pkg::VEC_A_HALF_LSB+:tw_pkg::VEC_A_HALF_W]),
    .b_i(vector_instr_i[tw_pkg::VEC_B_LSB+:tw_pkg::VEC_B_W]),
    .b_stride_i(vector_instr_i[tw_pkg::VEC_B_STRIDE_LSB+:tw_pkg::VEC_B_STRIDE_W]),
    .d_i(vector_instr_i[tw_pkg::VEC_D_LSB+:tw_pkg::VEC_D_W]),
    .d_stride_i(vector_instr_i[tw_pkg::VEC_D_STRIDE_LSB+:tw_pkg::VEC_D_STRIDE_W]),
    .o_i(vector_instr_i[tw_pkg::VEC_O_LSB+:tw_pkg::VEC_O_W]),
    .o_step_i(vector_instr_i[tw_pkg::VEC_O_STEP_LSB+:tw_pkg::VEC_O_STEP_W]),
    .o_token_i(vector_instr_i[tw_pkg::VEC_O_TOKEN_LSB+:tw_pkg::VEC_O_TOKEN_W]),
    .shift_i(vector_instr_i[tw_pkg::VEC_SHIFT_LSB+:tw_pkg::VEC_SHIFT_W]),
    .imm_i(vector_instr_i[tw_pkg::VEC_IMM_LSB+:tw_pkg::VEC_IMM_W]),
    .across_i(vector_instr_i[tw_pkg::VEC_ACROSS_LSB+:tw_pkg::VEC_ACROSS_W]),
    .turn_o,
    .max_o,
    .sum_o,
    .code_o,
    .max_i,
    .sum_i,
    .code_i,
    .a_en_o(va_en),
    .a_addr_o(va_addr),
    .a_data_i(va_data),
    .b_en_o(vb_en),
    .b_addr_o(vb_addr),
    .b_data_i(vb_data),
    .d_en_o(vd_en),
    .d_addr_o(vd_addr),
    .d_strb_o(vd_strb),
    .d_data_o(vd_data),
    .act_en_o(act_en),
    .act_row_o(act_row),
    .act_token_o(act_token),
    .act_data_o(act_data),
    .s_en_o(vs_en),
    .s_slot_o(vs_slot),
    .s_data_o(vs_data)
  );

  // --- buffers ---
  tw_memories #(
    .BEAT(BEAT)
  ) u_memories (
    .clk_i,
    .rst_ni,
    .load_en_i,
    .load_bank_i,
    .load_beat_i,
    .load_data_i,
    .load_pair_i,
    .load_positions_i,
    .store_en_i,
    .store_bank_i,
    .store_beat_i,
    .store_data_o,
    .a_en_i(ma_en),
    .a_row_i(ma_row),
    .a_data_o(ma_data),
    .w_en_i(mw_en),
    .w_mode_i(mw_mode),
    .w_row_i(mw_row),
    .w_data_o(mw_data),
    .g_en_i(mg_en),
    .g_row_i(mg_row),
    .g_data_o(mg_data),
    .c_en_i(mc_en),
    .c_row_i(mc_row),
    .c_data_o(mc_data),
    .s_en_i(ms_en),
    .s_slot_i(ms_slot),
    .s_data_o(ms_data),
    .res_en_i(mr_en),
    .res_addr_i(mr_addr),
    .res_data_o(mr_data),
    .matrix_en_i(md_en),
    .matrix_addr_i(md_addr),
    .matrix_strb_i(md_strb),
    .matrix_data_i(md_data),
    .va_en_i(va_en),
    .va_addr_i(va_addr),
    .va_data_o(va_data),
    .vb_en_i(vb_en),
    .vb_addr_i(vb_addr),
    .vb_data_o(vb_data),
    .vector_en_i(vd_en),
    .vector_addr_i(vd_addr),
    .vector_strb_i(vd_strb),
    .vector_data_i(vd_data),
    .act_en_i(act_en),
    .act_row_i(act_row),
    .act_token_i(act_token),
    .act_data_i(act_data),
    .scale_en_i(vs_en),
    .scale_slot_i(vs_slot),
    .scale_data_i(vs_data)
  );

endmodule
