// The machine: control, the four units, their buffers and ports.
//
// * m_axi_fetch, m_axi_load: AXI4 read ports; m_axi_store: AXI4 write port. Full-width incrementing
//   bursts that never cross 4096 bytes, one ID; read data and write responses are always taken.
// * s_axi_ctrl: AXI4-Lite, the map is in registers.md.
// * probe_*: what happens in this cycle, for simulation and on-chip tracing; leave open otherwise.
//   Bits and words are in the order load, matrix, vector, store.
module tw_top #(
  parameter int BEAT = tw_config_pkg::BEAT
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  output logic              irq_o,
  // AXI4: instruction fetch
  output logic [31:0]       m_axi_fetch_araddr_o,
  output logic [7:0]        m_axi_fetch_arlen_o,
  output logic [2:0]        m_axi_fetch_arsize_o,
  output logic [1:0]        m_axi_fetch_arburst_o,
  output logic              m_axi_fetch_arvalid_o,
  input  logic              m_axi_fetch_arready_i,
  input  logic [BEAT*8-1:0] m_axi_fetch_rdata_i,
  input  logic [1:0]        m_axi_fetch_rresp_i,
  input  logic              m_axi_fetch_rlast_i,
  input  logic              m_axi_fetch_rvalid_i,
  output logic              m_axi_fetch_rready_o,
  // AXI4: load
  output logic [31:0]       m_axi_load_araddr_o,
  output logic [7:0]        m_axi_load_arlen_o,
  output logic [2:0]        m_axi_load_arsize_o,
  output logic [1:0]        m_axi_load_arburst_o,
  output logic              m_axi_load_arvalid_o,
  input  logic              m_axi_load_arready_i,
  input  logic [BEAT*8-1:0] m_axi_load_rdata_i,
  input  logic [1:0]        m_axi_load_rresp_i,
  input  logic              m_axi_load_rlast_i,
  input  logic              m_axi_load_rvalid_i,
  output logic              m_axi_load_rready_o,
  // AXI4: store
  output logic [31:0]       m_axi_store_awaddr_o,
  output logic [7:0]        m_axi_store_awlen_o,
  output logic [2:0]        m_axi_store_awsize_o,
  output logic [1:0]        m_axi_store_awburst_o,
  output logic              m_axi_store_awvalid_o,
  input  logic              m_axi_store_awready_i,
  output logic [BEAT*8-1:0] m_axi_store_wdata_o,
  output logic [BEAT-1:0]   m_axi_store_wstrb_o,
  output logic              m_axi_store_wlast_o,
  output logic              m_axi_store_wvalid_o,
  input  logic              m_axi_store_wready_i,
  input  logic [1:0]        m_axi_store_bresp_i,
  input  logic              m_axi_store_bvalid_i,
  output logic              m_axi_store_bready_o,
  // AXI4-Lite: control
  input  logic [12:0]       s_axi_ctrl_awaddr_i,
  input  logic              s_axi_ctrl_awvalid_i,
  output logic              s_axi_ctrl_awready_o,
  input  logic [31:0]       s_axi_ctrl_wdata_i,
  input  logic [3:0]        s_axi_ctrl_wstrb_i,
  input  logic              s_axi_ctrl_wvalid_i,
  output logic              s_axi_ctrl_wready_o,
  output logic [1:0]        s_axi_ctrl_bresp_o,
  output logic              s_axi_ctrl_bvalid_o,
  input  logic              s_axi_ctrl_bready_i,
  input  logic [12:0]       s_axi_ctrl_araddr_i,
  input  logic              s_axi_ctrl_arvalid_i,
  output logic              s_axi_ctrl_arready_o,
  output logic [31:0]       s_axi_ctrl_rdata_o,
  output logic [1:0]        s_axi_ctrl_rresp_o,
  output logic              s_axi_ctrl_rvalid_o,
  input  logic              s_axi_ctrl_rready_i,
  // probe
  output logic              probe_run_o,
  output logic              probe_end_o,
  output logic              probe_dispatch_o,
  output logic [31:0]       probe_pc_o,
  output logic [3:0]        probe_start_o,
  output logic [3:0]        probe_done_o,
  output logic [127:0]      probe_start_number_o,
  output logic [127:0]      probe_done_number_o,
  output logic [63:0]       probe_missing_o
);

  localparam int SEMAPHORES = 16;
  localparam int IN_FLIGHT = tw_config_pkg::IN_FLIGHT;
  localparam int IMEM_WIDTH = (BEAT > 32) ? BEAT : 32;
  localparam int IMEM_BYTES = tw_config_pkg::IMEM_WORDS * 32;
  localparam int IMEM_AW = $clog2(IMEM_BYTES / IMEM_WIDTH);
  localparam int IMEM_SLICE_AW = $clog2(IMEM_BYTES / BEAT);
  localparam int PC_AW = $clog2(tw_config_pkg::IMEM_WORDS);
  localparam int ARGS_AW = $clog2(tw_config_pkg::ARGS);
  localparam int LP = tw_config_pkg::LP;
  localparam int TP = tw_config_pkg::TP;
  localparam int NP = tw_config_pkg::NP;

  // --- control ---
  logic core_rst_n, soft_reset, clear, run, ended, halted, fetch_idle, illegal, past_end;
  logic [2:0]  bus_error;
  logic [31:0] program_addr, program_words, pc, fetched, base;
  logic [63:0] cycles;
  logic [tw_regs_pkg::STALLS-1:0]    stalls;
  logic [tw_regs_pkg::STALLS*32-1:0] stall_counts;
  logic               args_en;
  logic [ARGS_AW-1:0] args_addr;
  logic [31:0]        args_data;

  // soft_reset is a register: no glitches on the reset.
  assign core_rst_n = rst_ni && !soft_reset;

  tw_ctrl #(
    .ARGS(tw_config_pkg::ARGS),
    .CONFIG_HASH(tw_config_pkg::CONFIG_HASH)
  ) u_ctrl (
    .clk_i,
    .rst_ni,
    .s_axi_ctrl_awaddr_i,
    .s_axi_ctrl_awvalid_i,
    .s_axi_ctrl_awready_o,
    .s_axi_ctrl_wdata_i,
    .s_axi_ctrl_wstrb_i,
    .s_axi_ctrl_wvalid_i,
    .s_axi_ctrl_wready_o,
    .s_axi_ctrl_bresp_o,
    .s_axi_ctrl_bvalid_o,
    .s_axi_ctrl_bready_i,
    .s_axi_ctrl_araddr_i,
    .s_axi_ctrl_arvalid_i,
    .s_axi_ctrl_arready_o,
    .s_axi_ctrl_rdata_o,
    .s_axi_ctrl_rresp_o,
    .s_axi_ctrl_rvalid_o,
    .s_axi_ctrl_rready_i,
    .irq_o,
    .soft_reset_o(soft_reset),
    .clear_o(clear),
    .run_o(run),
    .program_addr_o(program_addr),
    .program_words_o(program_words),
    .ended_i(ended),
    .fetch_idle_i(fetch_idle),
    .illegal_i(illegal),
    .past_end_i(past_end),
    .bus_error_i(|bus_error),
    .pc_i(pc),
    .cycles_i(cycles),
    .stalls_i(stall_counts),
    .args_en_i(args_en),
    .args_addr_i(args_addr),
    .args_data_o(args_data)
  );

  // --- instruction fetch and dispatch ---
  logic                     imem_w_en, imem_r_en, dispatch;
  logic [IMEM_SLICE_AW-1:0] imem_w_slice;
  logic [BEAT*8-1:0]        imem_w_data;
  logic [PC_AW-1:0]         imem_r_addr;
  logic [IMEM_AW-1:0]       imem_r_word;
  logic [IMEM_WIDTH*8-1:0]  imem_r_data;
  logic [255:0]             imem_word;

  tw_fetch #(
    .BEAT(BEAT),
    .IMEM_WORDS(tw_config_pkg::IMEM_WORDS),
    .FETCH_WORDS(tw_config_pkg::FETCH_WORDS)
  ) u_fetch (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .run_i(run),
    .addr_i(program_addr),
    .words_i(program_words),
    .base_i(base),
    .fetched_o(fetched),
    .idle_o(fetch_idle),
    .bus_error_o(bus_error[0]),
    .w_en_o(imem_w_en),
    .w_slice_o(imem_w_slice),
    .w_data_o(imem_w_data),
    .m_axi_araddr_o(m_axi_fetch_araddr_o),
    .m_axi_arlen_o(m_axi_fetch_arlen_o),
    .m_axi_arvalid_o(m_axi_fetch_arvalid_o),
    .m_axi_arready_i(m_axi_fetch_arready_i),
    .m_axi_rdata_i(m_axi_fetch_rdata_i),
    .m_axi_rresp_i(m_axi_fetch_rresp_i),
    .m_axi_rlast_i(m_axi_fetch_rlast_i),
    .m_axi_rvalid_i(m_axi_fetch_rvalid_i),
    .m_axi_rready_o(m_axi_fetch_rready_o)
  );

  tw_buffer #(
    .BYTES(IMEM_BYTES),
    .WIDTH(IMEM_WIDTH),
    .SLICE(BEAT)
  ) u_imem (
    .clk_i,
    .w_en_i(imem_w_en),
    .w_slice_i(imem_w_slice),
    .w_data_i(imem_w_data),
    .r_en_i(imem_r_en),
    .r_word_i(imem_r_word),
    .r_data_o(imem_r_data)
  );

  tw_row #(
    .WIDTH(IMEM_WIDTH),
    .ROW(32),
    .ADDR_W(PC_AW),
    .WORD_AW(IMEM_AW)
  ) u_imem_row (
    .clk_i,
    .en_i(imem_r_en),
    .row_i(imem_r_addr),
    .word_o(imem_r_word),
    .data_i(imem_r_data),
    .row_o(imem_word)
  );

  logic [3:0]            push, full, idle, start, free, done;
  logic                  drain;
  logic [SEMAPHORES-1:0] wait_mask, post_mask, avail;
  logic [4*SEMAPHORES-1:0] take, post, missing;
  logic [15:0]           unit_stalls;
  logic [4:0]            sequencer_stalls;
  logic [tw_pkg::LOAD_INSTR_W-1:0]   load_word, load_instr;
  logic [tw_pkg::MATRIX_INSTR_W-1:0] matrix_word, matrix_instr;
  logic [tw_pkg::VECTOR_INSTR_W-1:0] vector_word, vector_instr;
  logic [tw_pkg::STORE_INSTR_W-1:0]  store_word, store_instr;

  tw_sequencer #(
    .IMEM_WORDS(tw_config_pkg::IMEM_WORDS),
    .ARGS(tw_config_pkg::ARGS),
    .SEMAPHORES(SEMAPHORES)
  ) u_sequencer (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .run_i(run),
    .words_i(program_words),
    .fetched_i(fetched),
    .base_o(base),
    .imem_en_o(imem_r_en),
    .imem_addr_o(imem_r_addr),
    .imem_data_i(imem_word),
    .args_en_o(args_en),
    .args_addr_o(args_addr),
    .args_data_i(args_data),
    .full_i(full),
    .push_o(push),
    .drain_o(drain),
    .wait_o(wait_mask),
    .post_o(post_mask),
    .load_o(load_word),
    .matrix_o(matrix_word),
    .vector_o(vector_word),
    .store_o(store_word),
    .dispatch_o(dispatch),
    .pc_o(pc),
    .halted_o(halted),
    .illegal_o(illegal),
    .end_o(past_end),
    .stall_o(sequencer_stalls)
  );

  assign ended = run && halted && (&idle);

  // --- issue ---
  tw_semaphores #(
    .SEMAPHORES(SEMAPHORES),
    .UNITS(4)
  ) u_semaphores (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .post_i(post),
    .take_i(take),
    .avail_o(avail)
  );

  tw_issue #(
    .WIDTH(tw_pkg::LOAD_INSTR_W),
    .DEPTH(tw_config_pkg::LOAD_DEPTH),
    .IN_FLIGHT(IN_FLIGHT),
    .SEMAPHORES(SEMAPHORES)
  ) u_load_issue (
    .clk_i,
    .rst_ni(core_rst_n),
    .push_i(push[0]),
    .drain_i(drain),
    .wait_i(wait_mask),
    .post_i(post_mask),
    .instr_i(load_word),
    .full_o(full[0]),
    .idle_o(idle[0]),
    .avail_i(avail),
    .take_o(take[0*SEMAPHORES+:SEMAPHORES]),
    .post_o(post[0*SEMAPHORES+:SEMAPHORES]),
    .missing_o(missing[0*SEMAPHORES+:SEMAPHORES]),
    .start_o(start[0]),
    .instr_o(load_instr),
    .free_i(free[0]),
    .done_i(done[0]),
    .stall_o(unit_stalls[0*4+:4])
  );

  tw_issue #(
    .WIDTH(tw_pkg::MATRIX_INSTR_W),
    .DEPTH(tw_config_pkg::MATRIX_DEPTH),
    .IN_FLIGHT(IN_FLIGHT),
    .SEMAPHORES(SEMAPHORES)
  ) u_matrix_issue (
    .clk_i,
    .rst_ni(core_rst_n),
    .push_i(push[1]),
    .drain_i(drain),
    .wait_i(wait_mask),
    .post_i(post_mask),
    .instr_i(matrix_word),
    .full_o(full[1]),
    .idle_o(idle[1]),
    .avail_i(avail),
    .take_o(take[1*SEMAPHORES+:SEMAPHORES]),
    .post_o(post[1*SEMAPHORES+:SEMAPHORES]),
    .missing_o(missing[1*SEMAPHORES+:SEMAPHORES]),
    .start_o(start[1]),
    .instr_o(matrix_instr),
    .free_i(free[1]),
    .done_i(done[1]),
    .stall_o(unit_stalls[1*4+:4])
  );

  tw_issue #(
    .WIDTH(tw_pkg::VECTOR_INSTR_W),
    .DEPTH(tw_config_pkg::VECTOR_DEPTH),
    .IN_FLIGHT(IN_FLIGHT),
    .SEMAPHORES(SEMAPHORES)
  ) u_vector_issue (
    .clk_i,
    .rst_ni(core_rst_n),
    .push_i(push[2]),
    .drain_i(drain),
    .wait_i(wait_mask),
    .post_i(post_mask),
    .instr_i(vector_word),
    .full_o(full[2]),
    .idle_o(idle[2]),
    .avail_i(avail),
    .take_o(take[2*SEMAPHORES+:SEMAPHORES]),
    .post_o(post[2*SEMAPHORES+:SEMAPHORES]),
    .missing_o(missing[2*SEMAPHORES+:SEMAPHORES]),
    .start_o(start[2]),
    .instr_o(vector_instr),
    .free_i(free[2]),
    .done_i(done[2]),
    .stall_o(unit_stalls[2*4+:4])
  );

  tw_issue #(
    .WIDTH(tw_pkg::STORE_INSTR_W),
    .DEPTH(tw_config_pkg::STORE_DEPTH),
    .IN_FLIGHT(IN_FLIGHT),
    .SEMAPHORES(SEMAPHORES)
  ) u_store_issue (
    .clk_i,
    .rst_ni(core_rst_n),
    .push_i(push[3]),
    .drain_i(drain),
    .wait_i(wait_mask),
    .post_i(post_mask),
    .instr_i(store_word),
    .full_o(full[3]),
    .idle_o(idle[3]),
    .avail_i(avail),
    .take_o(take[3*SEMAPHORES+:SEMAPHORES]),
    .post_o(post[3*SEMAPHORES+:SEMAPHORES]),
    .missing_o(missing[3*SEMAPHORES+:SEMAPHORES]),
    .start_o(start[3]),
    .instr_o(store_instr),
    .free_i(free[3]),
    .done_i(done[3]),
    .stall_o(unit_stalls[3*4+:4])
  );

  // Counter order: units with their four classes, then the sequencer (see tw_regs_pkg).
  assign stalls = {sequencer_stalls, unit_stalls};

  tw_stall #(
    .COUNTERS(tw_regs_pkg::STALLS)
  ) u_stall (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .count_i(run && !ended),
    .event_i(stalls),
    .cycles_o(cycles),
    .counts_o(stall_counts)
  );

  tw_probe #(
    .UNITS(4)
  ) u_probe (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .start_i(start),
    .done_i(done),
    .start_o(probe_start_o),
    .done_o(probe_done_o),
    .start_number_o(probe_start_number_o),
    .done_number_o(probe_done_number_o)
  );

  assign probe_run_o = run;
  assign probe_end_o = ended;
  assign probe_dispatch_o = dispatch;
  assign probe_pc_o = pc;
  assign probe_missing_o = missing;

  // --- load and store ---
  logic [3:0]        load_en, load_bank;
  logic [20:0]       load_beat;
  logic [BEAT*8-1:0] load_data;
  logic              store_en;
  logic [3:0]        store_bank;
  logic [20:0]       store_beat;
  logic [BEAT*8-1:0] store_data;

  tw_load #(
    .BEAT(BEAT),
    .BURST(tw_config_pkg::LOAD_BURST),
    .OUTSTANDING(tw_config_pkg::LOAD_OUTSTANDING),
    .IN_FLIGHT(IN_FLIGHT)
  ) u_load (
    .clk_i,
    .rst_ni(core_rst_n),
    .start_i(start[0]),
    .instr_i(load_instr),
    .free_o(free[0]),
    .done_o(done[0]),
    .bus_error_o(bus_error[1]),
    .w_en_o(load_en),
    .w_bank_o(load_bank),
    .w_beat_o(load_beat),
    .w_data_o(load_data),
    .m_axi_araddr_o(m_axi_load_araddr_o),
    .m_axi_arlen_o(m_axi_load_arlen_o),
    .m_axi_arvalid_o(m_axi_load_arvalid_o),
    .m_axi_arready_i(m_axi_load_arready_i),
    .m_axi_rdata_i(m_axi_load_rdata_i),
    .m_axi_rresp_i(m_axi_load_rresp_i),
    .m_axi_rlast_i(m_axi_load_rlast_i),
    .m_axi_rvalid_i(m_axi_load_rvalid_i),
    .m_axi_rready_o(m_axi_load_rready_o)
  );

  tw_store #(
    .BEAT(BEAT),
    .BURST(tw_config_pkg::STORE_BURST),
    .IN_FLIGHT(IN_FLIGHT)
  ) u_store (
    .clk_i,
    .rst_ni(core_rst_n),
    .start_i(start[3]),
    .instr_i(store_instr),
    .free_o(free[3]),
    .done_o(done[3]),
    .bus_error_o(bus_error[2]),
    .r_en_o(store_en),
    .r_bank_o(store_bank),
    .r_beat_o(store_beat),
    .r_data_i(store_data),
    .m_axi_awaddr_o(m_axi_store_awaddr_o),
    .m_axi_awlen_o(m_axi_store_awlen_o),
    .m_axi_awvalid_o(m_axi_store_awvalid_o),
    .m_axi_awready_i(m_axi_store_awready_i),
    .m_axi_wdata_o(m_axi_store_wdata_o),
    .m_axi_wstrb_o(m_axi_store_wstrb_o),
    .m_axi_wlast_o(m_axi_store_wlast_o),
    .m_axi_wvalid_o(m_axi_store_wvalid_o),
    .m_axi_wready_i(m_axi_store_wready_i),
    .m_axi_bresp_i(m_axi_store_bresp_i),
    .m_axi_bvalid_i(m_axi_store_bvalid_i),
    .m_axi_bready_o(m_axi_store_bready_o)
  );

  // Full-width incrementing bursts.
  assign m_axi_fetch_arsize_o = 3'($clog2(BEAT));
  assign m_axi_load_arsize_o = 3'($clog2(BEAT));
  assign m_axi_store_awsize_o = 3'($clog2(BEAT));
  assign m_axi_fetch_arburst_o = 2'b01;
  assign m_axi_load_arburst_o = 2'b01;
  assign m_axi_store_awburst_o = 2'b01;

  // --- matrix ---
  localparam int A_ROWS = tw_config_pkg::A_BYTES / tw_config_pkg::A_ROW;
  localparam int A_AW = $clog2(A_ROWS);
  localparam int S_AW = (tw_config_pkg::TOKEN_SCALES > 1) ? $clog2(tw_config_pkg::TOKEN_SCALES) : 1;

  logic                               ma_en, mw_en, mg_en, mc_en, ms_en, mr_en, md_en;
  logic [12:0]                        ma_row;
  logic [2:0]                         mw_mode;
  logic [15:0]                        mw_row;
  logic [13:0]                        mg_row;
  logic [11:0]                        mc_row;
  logic [7:0]                         ms_slot;
  logic [17:0]                        mr_addr, md_addr;
  logic [TP*LP*8-1:0]                 ma_data;
  logic [tw_config_pkg::W2_ROW*8-1:0] w2_data;
  logic [tw_config_pkg::K4_ROW*8-1:0] k4_data;
  logic [tw_config_pkg::V4_ROW*8-1:0] v4_data;
  logic [NP*8-1:0]                    mg_data;
  logic [NP*32-1:0]                   mc_data;
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
    .ACC_BITS(tw_config_pkg::ACC_BITS)
  ) u_matrix (
    .clk_i,
    .rst_ni(core_rst_n),
    .start_i(start[1]),
    .free_o(free[1]),
    .done_o(done[1]),
    .mode_i(matrix_instr[tw_pkg::GEMM_MODE_LSB+:tw_pkg::GEMM_MODE_W]),
    .tokens_i(matrix_instr[tw_pkg::GEMM_TOKENS_LSB+:tw_pkg::GEMM_TOKENS_W]),
    .ntiles_i(matrix_instr[tw_pkg::GEMM_NTILES_LSB+:tw_pkg::GEMM_NTILES_W]),
    .groups_i(matrix_instr[tw_pkg::GEMM_GROUPS_LSB+:tw_pkg::GEMM_GROUPS_W]),
    .steps_i(matrix_instr[tw_pkg::GEMM_STEPS_LSB+:tw_pkg::GEMM_STEPS_W]),
    .a_row_i(matrix_instr[tw_pkg::GEMM_A_ROW_LSB+:tw_pkg::GEMM_A_ROW_W]),
    .w_row_i(matrix_instr[tw_pkg::GEMM_W_ROW_LSB+:tw_pkg::GEMM_W_ROW_W]),
    .wn_stride_i(matrix_instr[tw_pkg::GEMM_WN_STRIDE_LSB+:tw_pkg::GEMM_WN_STRIDE_W]),
    .wk_stride_i(matrix_instr[tw_pkg::GEMM_WK_STRIDE_LSB+:tw_pkg::GEMM_WK_STRIDE_W]),
    .g_row_i(matrix_instr[tw_pkg::GEMM_G_ROW_LSB+:tw_pkg::GEMM_G_ROW_W]),
    .c_row_i(matrix_instr[tw_pkg::GEMM_C_ROW_LSB+:tw_pkg::GEMM_C_ROW_W]),
    .dst_i(matrix_instr[tw_pkg::GEMM_DST_LSB+:tw_pkg::GEMM_DST_W]),
    .dst_stride_i(matrix_instr[tw_pkg::GEMM_DST_STRIDE_LSB+:tw_pkg::GEMM_DST_STRIDE_W]),
    .slot_i(matrix_instr[tw_pkg::GEMM_SLOT_LSB+:tw_pkg::GEMM_SLOT_W]),
    .shift_i(matrix_instr[tw_pkg::GEMM_SHIFT_LSB+:tw_pkg::GEMM_SHIFT_W]),
    .residual_i(matrix_instr[tw_pkg::GEMM_RESIDUAL_LSB+:tw_pkg::GEMM_RESIDUAL_W]),
    .res_i(matrix_instr[tw_pkg::GEMM_RES_LSB+:tw_pkg::GEMM_RES_W]),
    .a_en_o(ma_en),
    .a_row_o(ma_row),
    .a_data_i(ma_data),
    .w_en_o(mw_en),
    .w_mode_o(mw_mode),
    .w_row_o(mw_row),
    .w2_data_i(w2_data),
    .k4_data_i(k4_data),
    .v4_data_i(v4_data),
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
  logic [12:0]      act_row;
  logic [4:0]       act_token;
  logic [LP*8-1:0]  act_data;
  logic [7:0]       vs_slot;
  logic [23:0]      vs_data;

  tw_vector #(
    .T(tw_config_pkg::T),
    .N(tw_config_pkg::N),
    .L(tw_config_pkg::L),
    .NP(NP),
    .LP(LP)
  ) u_vector (
    .clk_i,
    .rst_ni(core_rst_n),
    .start_i(start[2]),
    .free_o(free[2]),
    .done_o(done[2]),
    .fun_i(vector_instr[tw_pkg::VEC_FUN_LSB+:tw_pkg::VEC_FUN_W]),
    .out_i(vector_instr[tw_pkg::VEC_OUT_LSB+:tw_pkg::VEC_OUT_W]),
    .tokens_i(vector_instr[tw_pkg::VEC_TOKENS_LSB+:tw_pkg::VEC_TOKENS_W]),
    .subs_i(vector_instr[tw_pkg::VEC_SUBS_LSB+:tw_pkg::VEC_SUBS_W]),
    .rows_i(vector_instr[tw_pkg::VEC_ROWS_LSB+:tw_pkg::VEC_ROWS_W]),
    .len_i(vector_instr[tw_pkg::VEC_LEN_LSB+:tw_pkg::VEC_LEN_W]),
    .inc_i(vector_instr[tw_pkg::VEC_INC_LSB+:tw_pkg::VEC_INC_W]),
    .a_i(vector_instr[tw_pkg::VEC_A_LSB+:tw_pkg::VEC_A_W]),
    .a_stride_i(vector_instr[tw_pkg::VEC_A_STRIDE_LSB+:tw_pkg::VEC_A_STRIDE_W]),
    .a_half_i(vector_instr[tw_pkg::VEC_A_HALF_LSB+:tw_pkg::VEC_A_HALF_W]),
    .b_i(vector_instr[tw_pkg::VEC_B_LSB+:tw_pkg::VEC_B_W]),
    .b_stride_i(vector_instr[tw_pkg::VEC_B_STRIDE_LSB+:tw_pkg::VEC_B_STRIDE_W]),
    .d_i(vector_instr[tw_pkg::VEC_D_LSB+:tw_pkg::VEC_D_W]),
    .d_stride_i(vector_instr[tw_pkg::VEC_D_STRIDE_LSB+:tw_pkg::VEC_D_STRIDE_W]),
    .o_i(vector_instr[tw_pkg::VEC_O_LSB+:tw_pkg::VEC_O_W]),
    .o_step_i(vector_instr[tw_pkg::VEC_O_STEP_LSB+:tw_pkg::VEC_O_STEP_W]),
    .o_token_i(vector_instr[tw_pkg::VEC_O_TOKEN_LSB+:tw_pkg::VEC_O_TOKEN_W]),
    .shift_i(vector_instr[tw_pkg::VEC_SHIFT_LSB+:tw_pkg::VEC_SHIFT_W]),
    .imm_i(vector_instr[tw_pkg::VEC_IMM_LSB+:tw_pkg::VEC_IMM_W]),
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

  // --- weight, group-scale and channel buffers: loaded in beats, read in rows ---
  localparam int W_SLICE_AW = $clog2(tw_config_pkg::W_BYTES / BEAT);
  localparam int G_SLICE_AW = $clog2(tw_config_pkg::G_BYTES / BEAT);
  localparam int C_SLICE_AW = $clog2(tw_config_pkg::C_BYTES / BEAT);

  tw_weights #(
    .BYTES(tw_config_pkg::W_BYTES),
    .WIDTH(tw_config_pkg::W_WIDTH),
    .BEAT(BEAT),
    .W2_ROW(tw_config_pkg::W2_ROW),
    .K4_ROW(tw_config_pkg::K4_ROW),
    .V4_ROW(tw_config_pkg::V4_ROW)
  ) u_weights (
    .clk_i,
    .w_en_i(load_en[tw_pkg::SPACE_W]),
    .w_slice_i(load_beat[W_SLICE_AW-1:0]),
    .w_data_i(load_data),
    .r_en_i(mw_en),
    .r_mode_i(mw_mode),
    .r_row_i(mw_row),
    .w2_data_o(w2_data),
    .k4_data_o(k4_data),
    .v4_data_o(v4_data)
  );

  tw_scales #(
    .BYTES(tw_config_pkg::G_BYTES),
    .WIDTH(tw_config_pkg::G_WIDTH),
    .BEAT(BEAT),
    .ROW(tw_config_pkg::G_ROW),
    .ADDR_W(14)
  ) u_group_scales (
    .clk_i,
    .w_en_i(load_en[tw_pkg::SPACE_G]),
    .w_slice_i(load_beat[G_SLICE_AW-1:0]),
    .w_data_i(load_data),
    .r_en_i(mg_en),
    .r_row_i(mg_row),
    .r_data_o(mg_data)
  );

  tw_scales #(
    .BYTES(tw_config_pkg::C_BYTES),
    .WIDTH(tw_config_pkg::C_WIDTH),
    .BEAT(BEAT),
    .ROW(tw_config_pkg::C_ROW),
    .ADDR_W(12)
  ) u_channels (
    .clk_i,
    .w_en_i(load_en[tw_pkg::SPACE_C]),
    .w_slice_i(load_beat[C_SLICE_AW-1:0]),
    .w_data_i(load_data),
    .r_en_i(mc_en),
    .r_row_i(mc_row),
    .r_data_o(mc_data)
  );

  // --- activations and token scales: written by vector, read by matrix ---
  tw_ram #(
    .WIDTH(tw_config_pkg::A_ROW * 8),
    .DEPTH(A_ROWS),
    .STRB(LP * 8)
  ) u_activations (
    .clk_i,
    .w_en_i(act_en),
    .w_addr_i(act_row[A_AW-1:0]),
    .w_strb_i(TP'(32'd1 << act_token)),
    .w_data_i({TP{act_data}}),
    .r_en_i(ma_en),
    .r_addr_i(ma_row[A_AW-1:0]),
    .r_data_o(ma_data)
  );

  tw_ram #(
    .WIDTH(24),
    .DEPTH(tw_config_pkg::TOKEN_SCALES)
  ) u_token_scales (
    .clk_i,
    .w_en_i(vs_en),
    .w_addr_i(vs_slot[S_AW-1:0]),
    .w_strb_i(1'b1),
    .w_data_i(vs_data),
    .r_en_i(ms_en),
    .r_addr_i(ms_slot[S_AW-1:0]),
    .r_data_o(ms_data)
  );

  tw_vbanks #(
    .BANKS(tw_config_pkg::V_BANKS),
    .BYTES(tw_config_pkg::V_BYTES),
    .WIDTH(tw_config_pkg::V_WIDTH),
    .LP(LP),
    .BEAT(BEAT)
  ) u_vbanks (
    .clk_i,
    .rst_ni(core_rst_n),
    .res_en_i(mr_en),
    .res_addr_i(mr_addr),
    .res_data_o(mr_data),
    .a_en_i(va_en),
    .a_addr_i(va_addr),
    .a_data_o(va_data),
    .b_en_i(vb_en),
    .b_addr_i(vb_addr),
    .b_data_o(vb_data),
    .store_en_i(store_en),
    .store_bank_i(store_bank),
    .store_beat_i(store_beat),
    .store_data_o(store_data),
    .load_en_i(load_en[tw_pkg::SPACE_V]),
    .load_bank_i(load_bank),
    .load_beat_i(load_beat),
    .load_data_i(load_data),
    .matrix_en_i(md_en),
    .matrix_addr_i(md_addr),
    .matrix_strb_i(md_strb),
    .matrix_data_i(md_data),
    .vector_en_i(vd_en),
    .vector_addr_i(vd_addr),
    .vector_strb_i(vd_strb),
    .vector_data_i(vd_data)
  );

  logic unused_bits;
  assign unused_bits = ^{load_beat, act_row, ma_row, ms_slot, vs_slot};

endmodule
