// Control port (AXI4-Lite): identification, program, start, state, counters, interrupt and the
// argument table. The map is in tw_regs_pkg and registers.md.
//
// Cycle 0 of a run is the cycle after the one in which the START bit is written. The run ends in
// the first cycle in which the program has stopped and everything is idle. A soft reset ends a run
// at once: nothing starts any more, what has started finishes with its memory traffic, and then
// soft_reset_o resets everything but this port. Reads of the argument table return 0 during a run,
// which owns its read port.
//
// Address and data of a write come in any order, each into a register of its own: no ready depends
// on an input. SLVERR answers, and nothing else happens, if an address is in no register, if a
// write is to one that is read only, to one of a program's while the machine is not idle, or of
// less than four bytes.
module tw_ctrl #(
  parameter int ARGS = 64,
  parameter logic [31:0] CONFIG_HASH = 32'd0,
  localparam int ARGS_AW = $clog2(ARGS)
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  // AXI4-Lite
  input  logic [12:0]                       s_axi_ctrl_awaddr_i,
  input  logic                              s_axi_ctrl_awvalid_i,
  output logic                              s_axi_ctrl_awready_o,
  input  logic [31:0]                       s_axi_ctrl_wdata_i,
  input  logic [3:0]                        s_axi_ctrl_wstrb_i,
  input  logic                              s_axi_ctrl_wvalid_i,
  output logic                              s_axi_ctrl_wready_o,
  output logic [1:0]                        s_axi_ctrl_bresp_o,
  output logic                              s_axi_ctrl_bvalid_o,
  input  logic                              s_axi_ctrl_bready_i,
  input  logic [12:0]                       s_axi_ctrl_araddr_i,
  input  logic                              s_axi_ctrl_arvalid_i,
  output logic                              s_axi_ctrl_arready_o,
  output logic [31:0]                       s_axi_ctrl_rdata_o,
  output logic [1:0]                        s_axi_ctrl_rresp_o,
  output logic                              s_axi_ctrl_rvalid_o,
  input  logic                              s_axi_ctrl_rready_i,
  output logic                              irq_o,
  // run
  output logic                              soft_reset_o,
  output logic                              clear_o,
  output logic                              run_o,
  output logic [31:0]                       program_addr_o,
  output logic [31:0]                       program_words_o,
  input  logic                              ended_i,
  input  logic                              fetch_idle_i,
  input  logic                              retired_i,
  input  logic                              illegal_i,
  input  logic                              past_end_i,
  input  logic                              bus_error_i,
  input  logic [31:0]                       pc_i,
  input  logic [63:0]                       cycles_i,
  input  logic [tw_regs_pkg::STALLS*32-1:0] stalls_i,
  // argument table, read by the sequencer
  input  logic                              args_en_i,
  input  logic [ARGS_AW-1:0]                args_addr_i,
  output logic [31:0]                       args_data_o
);

  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;
  localparam int MAP_AW = $clog2(tw_regs_pkg::MAP_WORDS);

  // --- write channel ---
  logic        aw_full_q, w_full_q, whole_q, perform, there, allowed, write, idle;
  logic [12:2] waddr_q;
  logic [12:0] waddr;
  logic [31:0] wdata_q;

  assign s_axi_ctrl_awready_o = !aw_full_q;
  assign s_axi_ctrl_wready_o = !w_full_q;
  assign perform = aw_full_q && w_full_q && !s_axi_ctrl_bvalid_o;
  assign waddr = {waddr_q, 2'b00};

  always_comb begin
    if (waddr[12]) begin
      there = ({2'b00, waddr[11:2]} < 12'(ARGS));
      allowed = idle;
    end else begin
      there = (waddr[11:2+MAP_AW] == '0) && tw_regs_pkg::WRITABLE[waddr[2+:MAP_AW]];
      allowed = idle || !tw_regs_pkg::WRITABLE_IDLE[waddr[2+:MAP_AW]];
    end
  end

  assign write = perform && whole_q && there && allowed;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      aw_full_q           <= 1'b0;
      w_full_q            <= 1'b0;
      whole_q             <= 1'b0;
      waddr_q             <= '0;
      wdata_q             <= '0;
      s_axi_ctrl_bvalid_o <= 1'b0;
      s_axi_ctrl_bresp_o  <= OKAY;
    end else begin
      if (perform) begin
        aw_full_q <= 1'b0;
        w_full_q  <= 1'b0;
      end
      if (s_axi_ctrl_awvalid_i && !aw_full_q) begin
        aw_full_q <= 1'b1;
        waddr_q   <= s_axi_ctrl_awaddr_i[12:2];
      end
      if (s_axi_ctrl_wvalid_i && !w_full_q) begin
        w_full_q <= 1'b1;
        whole_q  <= &s_axi_ctrl_wstrb_i;
        wdata_q  <= s_axi_ctrl_wdata_i;
      end
      if (perform) begin
        s_axi_ctrl_bvalid_o <= 1'b1;
        s_axi_ctrl_bresp_o  <= write ? OKAY : SLVERR;
      end else if (s_axi_ctrl_bready_i) begin
        s_axi_ctrl_bvalid_o <= 1'b0;
      end
    end
  end

  // --- run ---
  logic        start, run_q, command, halt, hash_ok, done_q, stop_q, soft_reset_q, raise;
  logic [1:0]  irq_enable_q, irq_status_q;
  logic [2:0]  error_q, error_d;
  logic [31:0] expected_q, program_words_q, error_word_q;
  logic [31:12] program_addr_q;

  assign idle = !run_q && !stop_q && !soft_reset_q && fetch_idle_i;
  assign command = write && (waddr == tw_regs_pkg::REG_CONTROL);
  assign halt = command && wdata_q[1];
  assign start = command && wdata_q[0] && !halt && idle;
  assign hash_ok = (expected_q == CONFIG_HASH);
  assign clear_o = start && hash_ok;
  assign run_o = run_q;
  assign soft_reset_o = soft_reset_q;
  assign program_addr_o = {program_addr_q, 12'd0};
  assign program_words_o = program_words_q;

  always_comb begin
    error_d = tw_regs_pkg::ERROR_NONE;
    if (start && !hash_ok) begin
      error_d = tw_regs_pkg::ERROR_HASH;
    end else if (illegal_i) begin
      error_d = tw_regs_pkg::ERROR_ILLEGAL;
    end else if (past_end_i) begin
      error_d = tw_regs_pkg::ERROR_END;
    end else if (bus_error_i && run_q) begin
      error_d = tw_regs_pkg::ERROR_BUS;
    end
  end

  // The first error of a run stays.
  assign raise = (error_d != '0) && (error_q == '0 || start);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      run_q        <= 1'b0;
      done_q       <= 1'b0;
      stop_q       <= 1'b0;
      soft_reset_q <= 1'b0;
      error_q      <= '0;
      error_word_q <= '0;
    end else begin
      if (halt) begin
        stop_q <= 1'b1;
      end else if (soft_reset_q) begin
        stop_q <= 1'b0;
      end
      soft_reset_q <= stop_q && fetch_idle_i && retired_i && !soft_reset_q;
      if (halt) begin
        run_q <= 1'b0;
      end else if (clear_o) begin
        run_q <= 1'b1;
      end else if (ended_i) begin
        run_q <= 1'b0;
      end
      if (start) begin
        done_q <= !hash_ok;
      end else if (ended_i) begin
        done_q <= 1'b1;
      end
      if (raise) begin
        error_q      <= error_d;
        error_word_q <= start ? '0 : pc_i;
      end else if (start) begin
        error_q      <= '0;
        error_word_q <= '0;
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      expected_q      <= '0;
      program_addr_q  <= '0;
      program_words_q <= '0;
      irq_enable_q    <= '0;
      irq_status_q    <= '0;
    end else begin
      if (write && waddr == tw_regs_pkg::REG_IRQ_STATUS) begin
        irq_status_q <= irq_status_q & ~wdata_q[1:0];
      end
      if (ended_i || (start && !hash_ok)) begin
        irq_status_q[0] <= 1'b1;
      end
      if (raise) begin
        irq_status_q[1] <= 1'b1;
      end
      if (write && waddr == tw_regs_pkg::REG_EXPECTED_HASH) expected_q <= wdata_q;
      if (write && waddr == tw_regs_pkg::REG_PROGRAM_ADDR) program_addr_q <= wdata_q[31:12];
      if (write && waddr == tw_regs_pkg::REG_PROGRAM_WORDS) program_words_q <= wdata_q;
      if (write && waddr == tw_regs_pkg::REG_IRQ_ENABLE) irq_enable_q <= wdata_q[1:0];
    end
  end

  assign irq_o = |(irq_enable_q & irq_status_q);

  // --- argument table: upper half of the address range ---
  logic        args_write, args_read;
  logic [12:0] raddr;

  assign args_write = write && waddr[12];

  tw_ram #(
    .WIDTH(32),
    .DEPTH(ARGS),
    .RAM_STYLE("distributed")
  ) u_args (
    .clk_i,
    .w_en_i(args_write),
    .w_addr_i(waddr[2+:ARGS_AW]),
    .w_strb_i(1'b1),
    .w_data_i(wdata_q),
    .r_en_i(run_q ? args_en_i : args_read),
    .r_addr_i(run_q ? args_addr_i : raddr[2+:ARGS_AW]),
    .r_data_o(args_data_o)
  );

  // --- read channel: the register is looked up in the cycle after the address ---
  logic        busy_q, args_q, found;
  logic [12:0] raddr_q;
  logic [10:0] stall_index;
  logic [31:0] value;

  assign s_axi_ctrl_arready_o = !busy_q && !s_axi_ctrl_rvalid_o;
  assign raddr = {s_axi_ctrl_araddr_i[12:2], 2'b00};
  assign args_read = s_axi_ctrl_arvalid_i && s_axi_ctrl_arready_o;
  assign stall_index = raddr_q[12:2] - 11'(tw_regs_pkg::STALL_BASE / 4);

  always_comb begin
    case (raddr_q)
      tw_regs_pkg::REG_ID: value = tw_regs_pkg::ID;
      tw_regs_pkg::REG_VERSION: value = tw_regs_pkg::VERSION;
      tw_regs_pkg::REG_CONFIG_HASH: value = CONFIG_HASH;
      tw_regs_pkg::REG_EXPECTED_HASH: value = expected_q;
      tw_regs_pkg::REG_STATUS: value = {29'd0, error_q != '0, done_q, idle};
      tw_regs_pkg::REG_ERROR: value = 32'(error_q);
      tw_regs_pkg::REG_ERROR_WORD: value = error_word_q;
      tw_regs_pkg::REG_CYCLES_LO: value = cycles_i[31:0];
      tw_regs_pkg::REG_CYCLES_HI: value = cycles_i[63:32];
      tw_regs_pkg::REG_PROGRAM_ADDR: value = {program_addr_q, 12'd0};
      tw_regs_pkg::REG_PROGRAM_WORDS: value = program_words_q;
      tw_regs_pkg::REG_IRQ_ENABLE: value = 32'(irq_enable_q);
      tw_regs_pkg::REG_IRQ_STATUS: value = 32'(irq_status_q);
      default: begin
        value = '0;
        if (raddr_q[12]) begin
          value = args_q ? args_data_o : '0;
        end else if (stall_index < 11'(tw_regs_pkg::STALLS)) begin
          value = stalls_i[stall_index[4:0]*32+:32];
        end
      end
    endcase
  end

  always_comb begin
    if (raddr_q[12]) begin
      found = ({2'b00, raddr_q[11:2]} < 12'(ARGS));
    end else begin
      found = (raddr_q[11:2+MAP_AW] == '0) && tw_regs_pkg::PRESENT[raddr_q[2+:MAP_AW]];
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q              <= 1'b0;
      args_q              <= 1'b0;
      raddr_q             <= '0;
      s_axi_ctrl_rvalid_o <= 1'b0;
      s_axi_ctrl_rdata_o  <= '0;
      s_axi_ctrl_rresp_o  <= OKAY;
    end else begin
      busy_q <= args_read;
      if (args_read) begin
        args_q  <= !run_q;
        raddr_q <= raddr;
      end
      if (busy_q) begin
        s_axi_ctrl_rvalid_o <= 1'b1;
        s_axi_ctrl_rdata_o  <= found ? value : '0;
        s_axi_ctrl_rresp_o  <= found ? OKAY : SLVERR;
      end else if (s_axi_ctrl_rready_i) begin
        s_axi_ctrl_rvalid_o <= 1'b0;
      end
    end
  end

  logic unused_address;
  assign unused_address = ^{s_axi_ctrl_awaddr_i[1:0], s_axi_ctrl_araddr_i[1:0]};

endmodule
