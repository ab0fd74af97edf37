// Supplies the units with instructions: fetch, the instruction memory and the sequencer.
module tw_frontend #(
  parameter int BEAT = tw_config_pkg::BEAT,
  parameter int SEMAPHORES = 16,
  localparam int ARGS_AW = $clog2(tw_config_pkg::ARGS)
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  // high for one cycle before the run
  input  logic                              clear_i,
  input  logic                              run_i,
  input  logic                              stop_i,
  input  logic [31:0]                       program_addr_i,
  input  logic [31:0]                       program_words_i,
  output logic                              fetch_idle_o,
  output logic                              bus_error_o,
  // argument table
  output logic                              args_en_o,
  output logic [ARGS_AW-1:0]                args_addr_o,
  input  logic [31:0]                       args_data_i,
  // unit queues: load, matrix, vector, store
  input  logic [3:0]                        full_i,
  output logic [3:0]                        push_o,
  output logic                              drain_o,
  output logic [SEMAPHORES-1:0]             wait_o,
  output logic [SEMAPHORES-1:0]             post_o,
  output logic [tw_pkg::LOAD_INSTR_W-1:0]   load_o,
  output logic [tw_pkg::MATRIX_INSTR_W-1:0] matrix_o,
  output logic [tw_pkg::VECTOR_INSTR_W-1:0] vector_o,
  output logic [tw_pkg::STORE_INSTR_W-1:0]  store_o,
  // state
  output logic                              dispatch_o,
  output logic [31:0]                       pc_o,
  output logic                              halted_o,
  output logic                              illegal_o,
  output logic                              end_o,
  output logic [4:0]                        stall_o,
  // AXI4 read
  output logic [31:0]                       m_axi_araddr_o,
  output logic [7:0]                        m_axi_arlen_o,
  output logic                              m_axi_arvalid_o,
  input  logic                              m_axi_arready_i,
  input  logic [BEAT*8-1:0]                 m_axi_rdata_i,
  input  logic [1:0]                        m_axi_rresp_i,
  input  logic                              m_axi_rlast_i,
  input  logic                              m_axi_rvalid_i,
  output logic                              m_axi_rready_o
);

  // The memory's word holds a beat and an instruction.
  localparam int IMEM_WIDTH = (BEAT > 32) ? BEAT : 32;
  localparam int IMEM_BYTES = tw_config_pkg::IMEM_WORDS * 32;
  localparam int IMEM_AW = $clog2(IMEM_BYTES / IMEM_WIDTH);
  localparam int IMEM_SLICE_AW = $clog2(IMEM_BYTES / BEAT);
  localparam int PC_AW = $clog2(tw_config_pkg::IMEM_WORDS);

  logic [31:0]              fetched, base;
  logic                     imem_w_en, imem_r_en;
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
    .rst_ni,
    .clear_i,
    .run_i,
    .addr_i(program_addr_i),
    .words_i(program_words_i),
    .base_i(base),
    .fetched_o(fetched),
    .idle_o(fetch_idle_o),
    .bus_error_o,
    .w_en_o(imem_w_en),
    .w_slice_o(imem_w_slice),
    .w_data_o(imem_w_data),
    .m_axi_araddr_o,
    .m_axi_arlen_o,
    .m_axi_arvalid_o,
    .m_axi_arready_i,
    .m_axi_rdata_i,
    .m_axi_rresp_i,
    .m_axi_rlast_i,
    .m_axi_rvalid_i,
    .m_axi_rready_o
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
    .w_pair_i(1'b0),
    .w_second_i({BEAT*8{1'b0}}),
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

  tw_sequencer #(
    .IMEM_WORDS(tw_config_pkg::IMEM_WORDS),
    .ARGS(tw_config_pkg::ARGS),
    .SEMAPHORES(SEMAPHORES),
    .LEVELS(tw_pkg::LOOP_LEVELS)
  ) u_sequencer (
    .clk_i,
    .rst_ni,
    .clear_i,
    .run_i,
    .stop_i,
    .words_i(program_words_i),
    .fetched_i(fetched),
    .base_o(base),
    .imem_en_o(imem_r_en),
    .imem_addr_o(imem_r_addr),
    .imem_data_i(imem_word),
    .args_en_o,
    .args_addr_o,
    .args_data_i,
    .full_i,
    .push_o,
    .drain_o,
    .wait_o,
    .post_o,
    .load_o,
    .matrix_o,
    .vector_o,
    .store_o,
    .dispatch_o,
    .pc_o,
    .halted_o,
    .illegal_o,
    .end_o,
    .stall_o
  );

endmodule
