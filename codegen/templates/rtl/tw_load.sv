// Moves blocks of DRAM into a buffer. Never pushes back: a beat that comes in cycle r is written in
// r + 1, because a load starts only when its destination is free.
//
// Requests: the first burst is presented in the cycle after start_i, the next in the cycle after
// the handshake, while fewer than OUTSTANDING bursts are open (from request to last beat).
// The next instruction may start in the cycle after the last request's handshake.
//
// In forms with positions (FORMS), beats of these are kept, and each beat of codes is written
// together with its own, PAIR beats further on in its row (tw_positions).
module tw_load #(
  parameter int BEAT = 16,
  parameter int BURST = 16,
  parameter int OUTSTANDING = 4,
  parameter int IN_FLIGHT = 32,
  parameter int FORMS = 0,
  parameter int PAIR = 1,
  parameter int LP = 8
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            start_i,
  input  logic [tw_pkg::LOAD_INSTR_W-1:0] instr_i,
  output logic                            free_o,
  output logic                            done_o,
  output logic                            bus_error_o,
  // buffers: weight, group scale, channel, vector; one-hot, addresses in beats of the space
  output logic [3:0]                      w_en_o,
  output logic [3:0]                      w_bank_o,
  output logic [20:0]                     w_beat_o,
  output logic [BEAT*8-1:0]               w_data_o,
  output logic                            w_pair_o,
  output logic [BEAT*8-1:0]               w_positions_o,
  // AXI4 read
  output logic [31:0]                     m_axi_araddr_o,
  output logic [7:0]                      m_axi_arlen_o,
  output logic                            m_axi_arvalid_o,
  input  logic                            m_axi_arready_i,
  input  logic [BEAT*8-1:0]               m_axi_rdata_i,
  input  logic [1:0]                      m_axi_rresp_i,
  input  logic                            m_axi_rlast_i,
  input  logic                            m_axi_rvalid_i,
  output logic                            m_axi_rready_o
);

  localparam int BEAT_LOG2 = $clog2(BEAT);
  // beats of a block
  localparam int STEP = $clog2(64 / BEAT);
  localparam int ADDR_W = 32 - BEAT_LOG2;
  localparam int COUNT_W = tw_pkg::LOAD_BLOCKS_W + STEP;
  localparam int DST_W = tw_pkg::LOAD_DST_W + STEP;
  localparam int OPEN_W = $clog2(OUTSTANDING + 1);
  localparam int WHOLE_W =
    tw_pkg::LOAD_FORM_W + tw_pkg::LOAD_SPACE_W + tw_pkg::LOAD_BANK_W + DST_W + COUNT_W;
  localparam int ITEM_W = (FORMS != 0) ? WHOLE_W : WHOLE_W - tw_pkg::LOAD_FORM_W;

  logic [tw_pkg::LOAD_FORM_W-1:0]  form;
  logic [tw_pkg::LOAD_SPACE_W-1:0] space;
  logic [tw_pkg::LOAD_BANK_W-1:0]  bank;
  logic [DST_W-1:0]                dst;
  logic [ADDR_W-1:0]               addr;
  logic [COUNT_W-1:0]              beats;

  assign form = instr_i[tw_pkg::LOAD_FORM_LSB+:tw_pkg::LOAD_FORM_W];
  assign space = instr_i[tw_pkg::LOAD_SPACE_LSB+:tw_pkg::LOAD_SPACE_W];
  assign bank = instr_i[tw_pkg::LOAD_BANK_LSB+:tw_pkg::LOAD_BANK_W];
  assign dst = DST_W'(instr_i[tw_pkg::LOAD_DST_LSB+:tw_pkg::LOAD_DST_W]) << STEP;
  assign addr = ADDR_W'(instr_i[tw_pkg::LOAD_ADDR_LSB+:tw_pkg::LOAD_ADDR_W]) << STEP;
  assign beats = COUNT_W'(instr_i[tw_pkg::LOAD_BLOCKS_LSB+:tw_pkg::LOAD_BLOCKS_W]) << STEP;

  // --- requests ---
  logic [ADDR_W-1:0]  addr_q;
  logic [COUNT_W-1:0] left_q;
  logic [OPEN_W-1:0]  open_q;
  logic               active_q, request, closed;
  logic [8:0]         to_border, length;

  assign to_border = 9'(BURST) - (9'(addr_q[8:0]) & 9'(BURST - 1));
  assign length = (left_q < COUNT_W'(to_border)) ? 9'(left_q) : to_border;
  assign m_axi_arvalid_o = active_q && (open_q < OPEN_W'(OUTSTANDING));
  assign m_axi_araddr_o = {addr_q, {BEAT_LOG2{1'b0}}};
  assign m_axi_arlen_o = 8'(length - 9'd1);
  assign request = m_axi_arvalid_o && m_axi_arready_i;
  assign closed = m_axi_rvalid_i && m_axi_rlast_i;
  assign free_o = !active_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      addr_q   <= '0;
      left_q   <= '0;
      open_q   <= '0;
    end else begin
      open_q <= open_q + OPEN_W'(request) - OPEN_W'(closed);
      if (start_i) begin
        active_q <= 1'b1;
        addr_q   <= addr;
        left_q   <= beats;
      end else if (request) begin
        active_q <= (left_q != COUNT_W'(length));
        addr_q   <= addr_q + ADDR_W'(length);
        left_q   <= left_q - COUNT_W'(length);
      end
    end
  end

  // --- data: the head of the queue says where the beats go ---
  logic                            last;
  logic [ITEM_W-1:0]               item;
  logic [tw_pkg::LOAD_FORM_W-1:0]  item_form;
  logic [tw_pkg::LOAD_SPACE_W-1:0] item_space;
  logic [tw_pkg::LOAD_BANK_W-1:0]  item_bank;
  logic [DST_W-1:0]                item_dst;
  logic [COUNT_W-1:0]              item_beats, count_q;
  logic                            unused_full, unused_valid;

  tw_queue #(
    .WIDTH(ITEM_W),
    .DEPTH(IN_FLIGHT)
  ) u_items (
    .clk_i,
    .rst_ni,
    .push_i(start_i),
    .data_i(ITEM_W'({form, space, bank, dst, beats})),
    .pop_i(last),
    .full_o(unused_full),
    .valid_o(unused_valid),
    .data_o(item)
  );

  assign {item_form, item_space, item_bank, item_dst, item_beats} = WHOLE_W'(item);

  assign last = m_axi_rvalid_i && (count_q + COUNT_W'(1) == item_beats);
  assign m_axi_rready_o = 1'b1;
  assign bus_error_o = m_axi_rvalid_i && (m_axi_rresp_i != 2'b00);

  // --- positions ---
  logic               writes, pair;  // the beat is one to be written; with positions
  logic [COUNT_W-1:0] offset;  // of the beat from the destination
  logic [BEAT*8-1:0]  positions;

  if (FORMS != 0) begin : gen_forms
    localparam int PairLog2 = $clog2(PAIR);

    logic               narrow, codes;
    logic [COUNT_W-1:0] codes_q;  // beats of codes so far

    assign narrow = (item_form != tw_pkg::FORM_PLAIN);

    tw_positions #(
      .BEAT(BEAT),
      .LP(LP),
      .FORMS(FORMS)
    ) u_positions (
      .clk_i,
      .rst_ni,
      .valid_i(m_axi_rvalid_i && narrow),
      .form_i(item_form),
      .data_i(m_axi_rdata_i),
      .codes_o(codes),
      .positions_o(positions)
    );

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        codes_q <= '0;
      end else if (m_axi_rvalid_i) begin
        codes_q <= last ? '0 : codes_q + COUNT_W'(codes);
      end
    end

    // A row is PAIR beats of codes, then as many of positions. Beats of positions need no write:
    // what one left behind, the codes after it would cover.
    assign pair = narrow;
    assign writes = !narrow || codes;
    if (PAIR > 1) begin : gen_rows
      assign offset = narrow ? {codes_q[COUNT_W-2:PairLog2], 1'b0, codes_q[PairLog2-1:0]}
                             : count_q;
    end else begin : gen_row
      assign offset = narrow ? {codes_q[COUNT_W-2:0], 1'b0} : count_q;
    end
  end else begin : gen_plain
    logic unused_form;
    assign unused_form = ^item_form;
    assign pair = 1'b0;
    assign writes = 1'b1;
    assign offset = count_q;
    assign positions = '0;
  end

  logic last_q, done_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      count_q <= '0;
      w_en_o  <= '0;
      last_q  <= 1'b0;
      done_q  <= 1'b0;
    end else begin
      w_en_o <= (m_axi_rvalid_i && writes) ? 4'd1 << item_space : '0;
      last_q <= last;
      done_q <= last_q;
      if (m_axi_rvalid_i) begin
        count_q <= last ? '0 : count_q + COUNT_W'(1);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (m_axi_rvalid_i) begin
      w_bank_o <= item_bank;
      w_beat_o <= 21'(item_dst) + 21'(offset);
      w_data_o <= m_axi_rdata_i;
      w_pair_o <= pair;
      w_positions_o <= positions;
    end
  end

  assign done_o = done_q;

endmodule
