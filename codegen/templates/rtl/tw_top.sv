// The machine: its parts and its ports.
//
// * m_axi_fetch, m_axi_load: AXI4 read ports; m_axi_store: AXI4 write port. Full-width incrementing
//   bursts that never cross 4096 bytes, one ID; read data and write responses are always taken.
//   Secure, unprivileged data accesses, neither cached nor buffered. With several slices each has
//   load and store ports of its own, side by side from the lowest bits up, to a memory of its own;
//   the program lies in that of slice 0.
// * s_axi_ctrl: AXI4-Lite, the map is in registers.md.
// * probe_*: what happens in this cycle, for simulation and on-chip tracing; leave open otherwise.
//   Bits and words are in the order load, matrix, vector, store.
module tw_top #(
  parameter int BEAT = tw_config_pkg::BEAT,
  parameter int SLICES = tw_config_pkg::SLICES
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  output logic              irq_o,
  // AXI4: instruction fetch
  output logic [31:0]       m_axi_fetch_araddr_o,
  output logic [7:0]        m_axi_fetch_arlen_o,
  output logic [2:0]        m_axi_fetch_arsize_o,
  output logic [1:0]        m_axi_fetch_arburst_o,
  output logic [3:0]        m_axi_fetch_arcache_o,
  output logic [2:0]        m_axi_fetch_arprot_o,
  output logic              m_axi_fetch_arvalid_o,
  input  logic              m_axi_fetch_arready_i,
  input  logic [BEAT*8-1:0] m_axi_fetch_rdata_i,
  input  logic [1:0]        m_axi_fetch_rresp_i,
  input  logic              m_axi_fetch_rlast_i,
  input  logic              m_axi_fetch_rvalid_i,
  output logic              m_axi_fetch_rready_o,
  // AXI4: load
  output logic [SLICES*32-1:0]       m_axi_load_araddr_o,
  output logic [SLICES*8-1:0]        m_axi_load_arlen_o,
  output logic [SLICES*3-1:0]        m_axi_load_arsize_o,
  output logic [SLICES*2-1:0]        m_axi_load_arburst_o,
  output logic [SLICES*4-1:0]        m_axi_load_arcache_o,
  output logic [SLICES*3-1:0]        m_axi_load_arprot_o,
  output logic [SLICES-1:0]          m_axi_load_arvalid_o,
  input  logic [SLICES-1:0]          m_axi_load_arready_i,
  input  logic [SLICES*BEAT*8-1:0]   m_axi_load_rdata_i,
  input  logic [SLICES*2-1:0]        m_axi_load_rresp_i,
  input  logic [SLICES-1:0]          m_axi_load_rlast_i,
  input  logic [SLICES-1:0]          m_axi_load_rvalid_i,
  output logic [SLICES-1:0]          m_axi_load_rready_o,
  // AXI4: store
  output logic [SLICES*32-1:0]       m_axi_store_awaddr_o,
  output logic [SLICES*8-1:0]        m_axi_store_awlen_o,
  output logic [SLICES*3-1:0]        m_axi_store_awsize_o,
  output logic [SLICES*2-1:0]        m_axi_store_awburst_o,
  output logic [SLICES*4-1:0]        m_axi_store_awcache_o,
  output logic [SLICES*3-1:0]        m_axi_store_awprot_o,
  output logic [SLICES-1:0]          m_axi_store_awvalid_o,
  input  logic [SLICES-1:0]          m_axi_store_awready_i,
  output logic [SLICES*BEAT*8-1:0]   m_axi_store_wdata_o,
  output logic [SLICES*BEAT-1:0]     m_axi_store_wstrb_o,
  output logic [SLICES-1:0]          m_axi_store_wlast_o,
  output logic [SLICES-1:0]          m_axi_store_wvalid_o,
  input  logic [SLICES-1:0]          m_axi_store_wready_i,
  input  logic [SLICES*2-1:0]        m_axi_store_bresp_i,
  input  logic [SLICES-1:0]          m_axi_store_bvalid_i,
  output logic [SLICES-1:0]          m_axi_store_bready_o,
  // AXI4-Lite: control
  input  logic [12:0]       s_axi_ctrl_awaddr_i,
  input  logic [2:0]        s_axi_ctrl_awprot_i,
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
  input  logic [2:0]        s_axi_ctrl_arprot_i,
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
  localparam int ARGS_AW = $clog2(tw_config_pkg::ARGS);
  localparam int LP = tw_config_pkg::LP;

  // --- control ---
  logic core_rst_n, soft_reset, clear, run, ended, halted, idle, retired, fetch_idle;
  logic illegal, past_end;
  logic [2:0]  bus_error;
  logic [31:0] program_addr, program_words, pc;
  logic [63:0] cycles;
  logic [tw_regs_pkg::STALLS-1:0]    stalls;
  logic [tw_regs_pkg::STALLS*32-1:0] stall_counts;
  logic               args_en;
  logic [ARGS_AW-1:0] args_addr;
  logic [31:0]        args_data;

  // soft_reset is a register: no glitches on the reset.
  assign core_rst_n = rst_ni && !soft_reset;
  assign ended = run && halted && idle;

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
    .retired_i(retired),
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

  // --- instructions ---
  logic [3:0]              push, full, start, free, done;
  logic                    drain, dispatch;
  logic [SEMAPHORES-1:0]   wait_mask, post_mask;
  logic [4*SEMAPHORES-1:0] missing;
  logic [15:0]             unit_stalls;
  logic [4:0]              sequencer_stalls;
  logic [tw_pkg::LOAD_INSTR_W-1:0]   load_word, load_instr;
  logic [tw_pkg::MATRIX_INSTR_W-1:0] matrix_word, matrix_instr;
  logic [tw_pkg::VECTOR_INSTR_W-1:0] vector_word, vector_instr;
  logic [tw_pkg::STORE_INSTR_W-1:0]  store_word, store_instr;

  tw_frontend #(
    .BEAT(BEAT),
    .SEMAPHORES(SEMAPHORES)
  ) u_frontend (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .run_i(run),
    .stop_i(|bus_error),
    .program_addr_i(program_addr),
    .program_words_i(program_words),
    .fetch_idle_o(fetch_idle),
    .bus_error_o(bus_error[0]),
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
    .stall_o(sequencer_stalls),
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

  tw_schedule #(
    .SEMAPHORES(SEMAPHORES)
  ) u_schedule (
    .clk_i,
    .rst_ni(core_rst_n),
    .clear_i(clear),
    .run_i(run),
    .push_i(push),
    .drain_i(drain),
    .wait_i(wait_mask),
    .post_i(post_mask),
    .instr_i({store_word, vector_word, matrix_word, load_word}),
    .full_o(full),
    .idle_o(idle),
    .retired_o(retired),
    .start_o(start),
    .instr_o({store_instr, vector_instr, matrix_instr, load_instr}),
    .free_i(free),
    .done_i(done),
    .missing_o(missing),
    .stall_o(unit_stalls)
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

  // --- slices ---
  logic [SLICES-1:0]     load_free, load_done, store_free, store_done, load_error, store_error;
  logic [SLICES-1:0]     matrix_free, matrix_done, vector_free, vector_done;
  logic [SLICES*32-1:0]  slice_max;
  logic [SLICES*56-1:0]  slice_sum;
  logic [SLICES*7-1:0]   slice_turn;
  logic [SLICES*LP*8-1:0] slice_code;
  logic [31:0]           max;
  logic [55:0]           sum;
  logic [LP*8-1:0]       code;

  for (genvar s = 0; s < SLICES; s++) begin : gen_slice
    logic [3:0]        load_en, load_bank;
    logic [20:0]       load_beat;
    logic [BEAT*8-1:0] load_data, load_positions;
    logic              load_pair;
    logic              store_en;
    logic [3:0]        store_bank;
    logic [20:0]       store_beat;
    logic [BEAT*8-1:0] store_data;

    tw_load #(
      .BEAT(BEAT),
      .BURST(tw_config_pkg::LOAD_BURST),
      .OUTSTANDING(tw_config_pkg::LOAD_OUTSTANDING),
      .IN_FLIGHT(tw_config_pkg::IN_FLIGHT),
      .FORMS(tw_config_pkg::FORMS),
      .PAIR(tw_config_pkg::PAIR),
      .LP(LP)
    ) u_load (
      .clk_i,
      .rst_ni(core_rst_n),
      .start_i(start[0]),
      .instr_i(load_instr),
      .free_o(load_free[s]),
      .done_o(load_done[s]),
      .bus_error_o(load_error[s]),
      .w_en_o(load_en),
      .w_bank_o(load_bank),
      .w_beat_o(load_beat),
      .w_data_o(load_data),
      .w_pair_o(load_pair),
      .w_positions_o(load_positions),
      .m_axi_araddr_o(m_axi_load_araddr_o[32*s +: 32]),
      .m_axi_arlen_o(m_axi_load_arlen_o[8*s +: 8]),
      .m_axi_arvalid_o(m_axi_load_arvalid_o[s]),
      .m_axi_arready_i(m_axi_load_arready_i[s]),
      .m_axi_rdata_i(m_axi_load_rdata_i[BEAT*8*s +: BEAT*8]),
      .m_axi_rresp_i(m_axi_load_rresp_i[2*s +: 2]),
      .m_axi_rlast_i(m_axi_load_rlast_i[s]),
      .m_axi_rvalid_i(m_axi_load_rvalid_i[s]),
      .m_axi_rready_o(m_axi_load_rready_o[s])
    );

    tw_store #(
      .BEAT(BEAT),
      .BURST(tw_config_pkg::STORE_BURST),
      .IN_FLIGHT(tw_config_pkg::IN_FLIGHT)
    ) u_store (
      .clk_i,
      .rst_ni(core_rst_n),
      .start_i(start[3]),
      .instr_i(store_instr),
      .free_o(store_free[s]),
      .done_o(store_done[s]),
      .bus_error_o(store_error[s]),
      .r_en_o(store_en),
      .r_bank_o(store_bank),
      .r_beat_o(store_beat),
      .r_data_i(store_data),
      .m_axi_awaddr_o(m_axi_store_awaddr_o[32*s +: 32]),
      .m_axi_awlen_o(m_axi_store_awlen_o[8*s +: 8]),
      .m_axi_awvalid_o(m_axi_store_awvalid_o[s]),
      .m_axi_awready_i(m_axi_store_awready_i[s]),
      .m_axi_wdata_o(m_axi_store_wdata_o[BEAT*8*s +: BEAT*8]),
      .m_axi_wstrb_o(m_axi_store_wstrb_o[BEAT*s +: BEAT]),
      .m_axi_wlast_o(m_axi_store_wlast_o[s]),
      .m_axi_wvalid_o(m_axi_store_wvalid_o[s]),
      .m_axi_wready_i(m_axi_store_wready_i[s]),
      .m_axi_bresp_i(m_axi_store_bresp_i[2*s +: 2]),
      .m_axi_bvalid_i(m_axi_store_bvalid_i[s]),
      .m_axi_bready_o(m_axi_store_bready_o[s])
    );

    tw_datapath #(
      .BEAT(BEAT)
    ) u_datapath (
      .clk_i,
      .rst_ni(core_rst_n),
      .matrix_start_i(start[1]),
      .matrix_instr_i(matrix_instr),
      .matrix_free_o(matrix_free[s]),
      .matrix_done_o(matrix_done[s]),
      .vector_start_i(start[2]),
      .vector_instr_i(vector_instr),
      .vector_free_o(vector_free[s]),
      .vector_done_o(vector_done[s]),
      .turn_o(slice_turn[7*s +: 7]),
      .max_o(slice_max[32*s +: 32]),
      .sum_o(slice_sum[56*s +: 56]),
      .code_o(slice_code[LP*8*s +: LP*8]),
      .max_i(max),
      .sum_i(sum),
      .code_i(code),
      .load_en_i(load_en),
      .load_bank_i(load_bank),
      .load_beat_i(load_beat),
      .load_data_i(load_data),
      .load_pair_i(load_pair),
      .load_positions_i(load_positions),
      .store_en_i(store_en),
      .store_bank_i(store_bank),
      .store_beat_i(store_beat),
      .store_data_o(store_data)
    );

    // Full-width incrementing bursts.
    assign m_axi_load_arsize_o[3*s +: 3] = 3'($clog2(BEAT));
    assign m_axi_store_awsize_o[3*s +: 3] = 3'($clog2(BEAT));
    assign m_axi_load_arburst_o[2*s +: 2] = 2'b01;
    assign m_axi_store_awburst_o[2*s +: 2] = 2'b01;

    // Not bufferable: a write response means that a read on another port finds the data.
    assign m_axi_load_arcache_o[4*s +: 4] = 4'b0010;
    assign m_axi_store_awcache_o[4*s +: 4] = 4'b0010;
    assign m_axi_load_arprot_o[3*s +: 3] = 3'b000;
    assign m_axi_store_awprot_o[3*s +: 3] = 3'b000;
  end

  assign m_axi_fetch_arsize_o = 3'($clog2(BEAT));
  assign m_axi_fetch_arburst_o = 2'b01;
  assign m_axi_fetch_arcache_o = 4'b0010;
  assign m_axi_fetch_arprot_o = 3'b000;

  // Engines keep step, since nothing in them depends on data. Memories need not: an instruction is
  // done when it is done in all slices.
  assign free = {&store_free, vector_free[0], matrix_free[0], &load_free};
  assign done[1] = matrix_done[0];
  assign done[2] = vector_done[0];
  assign bus_error[2:1] = {|store_error, |load_error};

  tw_join #(
    .SLICES(SLICES),
    .MOST(tw_config_pkg::IN_FLIGHT)
  ) u_loaded (
    .clk_i,
    .rst_ni(core_rst_n),
    .event_i(load_done),
    .event_o(done[0])
  );

  tw_join #(
    .SLICES(SLICES),
    .MOST(tw_config_pkg::IN_FLIGHT)
  ) u_stored (
    .clk_i,
    .rst_ni(core_rst_n),
    .event_i(store_done),
    .event_o(done[3])
  );

  if (SLICES > 1) begin : gen_across
    tw_across #(
      .SLICES(SLICES),
      .CROSSING(tw_config_pkg::CROSSING),
      .WIDTH(LP * 8)
    ) u_across (
      .clk_i,
      .max_i(slice_max),
      .sum_i(slice_sum),
      .turn_i(slice_turn[6:0]),
      .code_i(slice_code),
      .max_o(max),
      .sum_o(sum),
      .code_o(code)
    );
  end else begin : gen_alone
    assign {max, sum, code} = '0;
  end

  logic unused_slices;
  assign unused_slices = ^{matrix_free, matrix_done, vector_free, vector_done, slice_turn,
                           slice_max, slice_sum, slice_code};

  // Whoever reaches the control port may use it.
  logic unused_prot;
  assign unused_prot = ^{s_axi_ctrl_awprot_i, s_axi_ctrl_arprot_i};

endmodule
