// Requests and data of tw_store stay as they are until they are accepted; of the beats between read
// and W handshake none is lost, for lack of room or otherwise.
// Contract: a start finds the unit free and something to move.
module proof_store #(
  parameter int BEAT = 16,
  parameter int BURST = 4
) (
  input logic                             clk_i,
  input logic                             rst_ni,
  input logic                             start_i,
  input logic [tw_pkg::STORE_INSTR_W-1:0] instr_i,
  input logic [BEAT*8-1:0]                r_data_i,
  input logic                             awready_i,
  input logic                             wready_i,
  input logic                             bvalid_i
);

  logic              free, read, awvalid, wlast, wvalid;
  logic [31:0]       awaddr;
  logic [7:0]        awlen;
  logic [BEAT*8-1:0] wdata;
  logic [BEAT-1:0]   wstrb;

  tw_store #(
    .BEAT(BEAT),
    .BURST(BURST),
    .IN_FLIGHT(2)
  ) dut (
    .clk_i,
    .rst_ni,
    .start_i,
    .instr_i,
    .free_o(free),
    .done_o(),
    .bus_error_o(),
    .r_en_o(read),
    .r_bank_o(),
    .r_beat_o(),
    .r_data_i,
    .m_axi_awaddr_o(awaddr),
    .m_axi_awlen_o(awlen),
    .m_axi_awvalid_o(awvalid),
    .m_axi_awready_i(awready_i),
    .m_axi_wdata_o(wdata),
    .m_axi_wstrb_o(wstrb),
    .m_axi_wlast_o(wlast),
    .m_axi_wvalid_o(wvalid),
    .m_axi_wready_i(wready_i),
    .m_axi_bresp_i(2'b00),
    .m_axi_bvalid_i(bvalid_i),
    .m_axi_bready_o()
  );

  logic                begun_q = 1'b0;
  logic                aw_held_q, w_held_q, read_q;
  logic [39:0]         request_q;
  logic [BEAT*9:0]     beat_q;
  logic [2:0]          between_q;

  always_ff @(posedge clk_i) begin
    begun_q   <= 1'b1;
    aw_held_q <= rst_ni && awvalid && !awready_i;
    w_held_q  <= rst_ni && wvalid && !wready_i;
    read_q    <= rst_ni && read;
    request_q <= {awaddr, awlen};
    beat_q    <= {wlast, wstrb, wdata};
    between_q <= !rst_ni ? '0 : between_q + 3'(read) - 3'(wvalid && wready_i);
  end

  (* hierconn *) wire       \dut.segments_q ;
  (* hierconn *) wire       \dut.read_q ;
  (* hierconn *) wire [2:0] \dut.pending_q ;
  (* hierconn *) wire [2:0] \dut.u_beats.count_q ;
  (* hierconn *) wire       \dut.u_beats.full_o ;

  always_comb begin
    assume (begun_q || !rst_ni);
    assume (!start_i || free);
    // The requests of an instruction are accepted before its last data are.
    assume (!start_i || !awvalid);
    if (rst_ni) begin
      assert (!aw_held_q || (awvalid && {awaddr, awlen} == request_q));
      assert (!w_held_q || (wvalid && {wlast, wstrb, wdata} == beat_q));
      assert (between_q <= 3'd4);
      assert (!(\dut.read_q && \dut.u_beats.full_o ));
      // What makes it inductive: a beat is in the queue, or on its way there.
      assert (\dut.read_q == read_q && \dut.pending_q == between_q);
      assert (\dut.u_beats.count_q <= 3'd4);
      assert (between_q == \dut.u_beats.count_q + 3'(read_q));
    end
  end

endmodule
