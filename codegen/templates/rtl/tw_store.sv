// Moves blocks, or small aligned segments, of a vector bank to DRAM.
//
// * A burst's request (a segment is a burst of one beat) is presented in the cycle after start_i or
//   after the handshake of the one before; requests may run ahead of the data.
// * A beat is read when its burst has been accepted and fewer than 4 beats are between read and W
//   handshake; it is on the W channel two cycles after its read at the earliest.
// * The next instruction may start in the cycle after the last W handshake; done_o follows the last
//   write response by one cycle.
module tw_store #(
  parameter int BEAT = 16,
  parameter int BURST = 16,
  parameter int IN_FLIGHT = 32
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             start_i,
  input  logic [tw_pkg::STORE_INSTR_W-1:0] instr_i,
  output logic                             free_o,
  output logic                             done_o,
  output logic                             bus_error_o,
  // vector banks: data follows in the next cycle
  output logic                             r_en_o,
  output logic [3:0]                       r_bank_o,
  output logic [20:0]                      r_beat_o,
  input  logic [BEAT*8-1:0]                r_data_i,
  // AXI4 write
  output logic [31:0]                      m_axi_awaddr_o,
  output logic [7:0]                       m_axi_awlen_o,
  output logic                             m_axi_awvalid_o,
  input  logic                             m_axi_awready_i,
  output logic [BEAT*8-1:0]                m_axi_wdata_o,
  output logic [BEAT-1:0]                  m_axi_wstrb_o,
  output logic                             m_axi_wlast_o,
  output logic                             m_axi_wvalid_o,
  input  logic                             m_axi_wready_i,
  input  logic [1:0]                       m_axi_bresp_i,
  input  logic                             m_axi_bvalid_i,
  output logic                             m_axi_bready_o
);

  localparam int BEAT_LOG2 = $clog2(BEAT);
  localparam int STEP = $clog2(64 / BEAT);
  localparam int COUNT_W = tw_pkg::STORE_BLOCKS_BLOCKS_W + STEP;
  localparam int FIFO = 4;

  // --- the instruction, in beats and bytes ---
  logic               segments;
  logic [3:0]         bank;
  logic [2:0]         seg_log2;
  logic [31:0]        dst, dst_step;
  logic [23:0]        src, src_step;
  logic [COUNT_W-1:0] beats;

  assign segments = instr_i[tw_pkg::STORE_OP_LSB];

  always_comb begin
    if (segments) begin
      bank = instr_i[tw_pkg::STORE_SEGMENTS_BANK_LSB+:tw_pkg::STORE_SEGMENTS_BANK_W];
      seg_log2 = instr_i[tw_pkg::STORE_SEGMENTS_SEG_LOG2_LSB+:tw_pkg::STORE_SEGMENTS_SEG_LOG2_W];
      dst = instr_i[tw_pkg::STORE_SEGMENTS_ADDR_LSB+:tw_pkg::STORE_SEGMENTS_ADDR_W];
      dst_step = 32'(
          instr_i[tw_pkg::STORE_SEGMENTS_DST_STRIDE_LSB+:tw_pkg::STORE_SEGMENTS_DST_STRIDE_W]);
      src = instr_i[tw_pkg::STORE_SEGMENTS_SRC_LSB+:tw_pkg::STORE_SEGMENTS_SRC_W];
      src_step = 24'(
          instr_i[tw_pkg::STORE_SEGMENTS_SRC_STRIDE_LSB+:tw_pkg::STORE_SEGMENTS_SRC_STRIDE_W]);
      beats = COUNT_W'(instr_i[tw_pkg::STORE_SEGMENTS_COUNT_LSB+:tw_pkg::STORE_SEGMENTS_COUNT_W]);
    end else begin
      bank = instr_i[tw_pkg::STORE_BLOCKS_BANK_LSB+:tw_pkg::STORE_BLOCKS_BANK_W];
      seg_log2 = 3'(BEAT_LOG2);
      dst = {instr_i[tw_pkg::STORE_BLOCKS_ADDR_LSB+:tw_pkg::STORE_BLOCKS_ADDR_W], 6'd0};
      dst_step = 32'(BEAT);
      src = {instr_i[tw_pkg::STORE_BLOCKS_SRC_LSB+:tw_pkg::STORE_BLOCKS_SRC_W], 6'd0};
      src_step = 24'(BEAT);
      beats = COUNT_W'(instr_i[tw_pkg::STORE_BLOCKS_BLOCKS_LSB+:tw_pkg::STORE_BLOCKS_BLOCKS_W])
              << STEP;
    end
  end

  // --- requests ---
  logic               segments_q, aw_active_q, request, request_last;
  logic [31:0]        aw_addr_q, step_q;
  logic [COUNT_W-1:0] aw_left_q, bursts_q;
  logic [8:0]         to_border, length;

  assign to_border = 9'(BURST) - (9'(aw_addr_q[BEAT_LOG2+:9]) & 9'(BURST - 1));
  assign length = segments_q ? 9'd1 :
                  (aw_left_q < COUNT_W'(to_border)) ? 9'(aw_left_q) : to_border;
  assign m_axi_awvalid_o = aw_active_q;
  assign m_axi_awaddr_o = {aw_addr_q[31:BEAT_LOG2], {BEAT_LOG2{1'b0}}};
  assign m_axi_awlen_o = 8'(length - 9'd1);
  assign request = aw_active_q && m_axi_awready_i;
  assign request_last = request && (aw_left_q == COUNT_W'(length));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      segments_q  <= 1'b0;
      aw_active_q <= 1'b0;
      aw_addr_q   <= '0;
      step_q      <= '0;
      aw_left_q   <= '0;
      bursts_q    <= '0;
    end else if (start_i) begin
      segments_q  <= segments;
      aw_active_q <= 1'b1;
      aw_addr_q   <= dst;
      step_q      <= dst_step;
      aw_left_q   <= beats;
      bursts_q    <= COUNT_W'(1);
    end else if (request) begin
      aw_active_q <= !request_last;
      aw_addr_q   <= aw_addr_q + (segments_q ? step_q : 32'(length) << BEAT_LOG2);
      aw_left_q   <= aw_left_q - COUNT_W'(length);
      bursts_q    <= bursts_q + COUNT_W'(1);
    end
  end

  // --- reads: credit_q beats may be read, pending_q are between read and W handshake ---
  logic [COUNT_W-1:0] credit_q, r_left_q;
  logic [2:0]         pending_q;
  logic [23:0]        src_q, src_step_q;
  logic [31:0]        dst_q;
  logic [3:0]         bank_q;
  logic [2:0]         seg_log2_q;
  logic               read, sent, border;

  assign read = (credit_q != '0) && (pending_q < 3'(FIFO));
  assign border = segments_q || (r_left_q == COUNT_W'(1)) ||
                  ((9'(dst_q[BEAT_LOG2+:9]) & 9'(BURST - 1)) == 9'(BURST - 1));
  assign r_en_o = read;
  assign r_bank_o = bank_q;
  assign r_beat_o = 21'(src_q >> BEAT_LOG2);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      credit_q   <= '0;
      pending_q  <= '0;
      r_left_q   <= '0;
      src_q      <= '0;
      src_step_q <= '0;
      dst_q      <= '0;
      bank_q     <= '0;
      seg_log2_q <= '0;
    end else begin
      credit_q  <= credit_q + (request ? COUNT_W'(length) : '0) - COUNT_W'(read);
      pending_q <= pending_q + 3'(read) - 3'(sent);
      if (start_i) begin
        r_left_q   <= beats;
        src_q      <= src;
        src_step_q <= src_step;
        dst_q      <= dst;
        bank_q     <= bank;
        seg_log2_q <= seg_log2;
      end else if (read) begin
        r_left_q <= r_left_q - COUNT_W'(1);
        src_q    <= src_q + src_step_q;
        dst_q    <= dst_q + step_q;
      end
    end
  end

  // --- from the banks to the W channel: place the segment, queue the beat ---
  logic                 read_q, border_q;
  logic [BEAT_LOG2-1:0] src_byte_q, dst_byte_q;
  logic [BEAT-1:0]      strb_q;
  logic [BEAT*8-1:0]    placed;
  logic                 unused_full;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      read_q <= 1'b0;
    end else begin
      read_q <= read;
    end
  end

  always_ff @(posedge clk_i) begin
    border_q   <= border;
    src_byte_q <= src_q[BEAT_LOG2-1:0];
    dst_byte_q <= dst_q[BEAT_LOG2-1:0];
    strb_q     <= ~({BEAT{1'b1}} << (8'd1 << seg_log2_q)) << dst_q[BEAT_LOG2-1:0];
  end

  // Other bytes than the segment's have no strobe, so that what goes round does not matter.
  tw_rotate #(
    .BYTES(BEAT)
  ) u_place (
    .right_i(src_byte_q - dst_byte_q),
    .data_i (r_data_i),
    .data_o (placed)
  );

  tw_queue #(
    .WIDTH(BEAT * 9 + 1),
    .DEPTH(FIFO)
  ) u_beats (
    .clk_i,
    .rst_ni,
    .push_i(read_q),
    .data_i({border_q, strb_q, placed}),
    .pop_i(sent),
    .full_o(unused_full),
    .valid_o(m_axi_wvalid_o),
    .data_o({m_axi_wlast_o, m_axi_wstrb_o, m_axi_wdata_o})
  );

  logic               busy_q;
  logic [COUNT_W-1:0] w_left_q;

  assign sent = m_axi_wvalid_o && m_axi_wready_i;
  assign free_o = !busy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q   <= 1'b0;
      w_left_q <= '0;
    end else if (start_i) begin
      busy_q   <= 1'b1;
      w_left_q <= beats;
    end else if (sent) begin
      busy_q   <= (w_left_q != COUNT_W'(1));
      w_left_q <= w_left_q - COUNT_W'(1);
    end
  end

  // --- responses: the queue holds how many each instruction gets ---
  logic               known, complete, done_q, unused_room;
  logic [COUNT_W-1:0] expected, responses_q;

  tw_queue #(
    .WIDTH(COUNT_W),
    .DEPTH(IN_FLIGHT)
  ) u_expected (
    .clk_i,
    .rst_ni,
    .push_i(request_last),
    .data_i(bursts_q),
    .pop_i(complete),
    .full_o(unused_room),
    .valid_o(known),
    .data_o(expected)
  );

  assign complete = m_axi_bvalid_i && known && (responses_q + COUNT_W'(1) == expected);
  assign m_axi_bready_o = 1'b1;
  assign bus_error_o = m_axi_bvalid_i && (m_axi_bresp_i != 2'b00);
  assign done_o = done_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      done_q      <= 1'b0;
      responses_q <= '0;
    end else begin
      done_q <= complete;
      if (m_axi_bvalid_i) begin
        responses_q <= complete ? '0 : responses_q + COUNT_W'(1);
      end
    end
  end

endmodule
