// A request of tw_fetch stays as it is until it is accepted, and one burst is open at a time, whatever
// the sequencer keeps and whenever the run ends.
// Contract: the program's place and length stand still while something is asked for; `clear_i` comes
// between runs; data come only for an accepted request. base_i goes back only at `clear_i`.
module proof_fetch #(
  parameter int BEAT = 16,
  parameter int IMEM_WORDS = 16,
  parameter int FETCH_WORDS = 4
) (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        clear_i,
  input logic        run_i,
  input logic [31:0] addr_i,
  input logic [31:0] words_i,
  input logic [31:0] base_i,
  input logic        arready_i,
  input logic        rlast_i,
  input logic        rvalid_i
);

  logic        arvalid, idle;
  logic [31:0] araddr;
  logic [7:0]  arlen;

  tw_fetch #(
    .BEAT(BEAT),
    .IMEM_WORDS(IMEM_WORDS),
    .FETCH_WORDS(FETCH_WORDS)
  ) dut (
    .clk_i,
    .rst_ni,
    .clear_i,
    .run_i,
    .addr_i,
    .words_i,
    .base_i,
    .fetched_o(),
    .idle_o(idle),
    .bus_error_o(),
    .w_en_o(),
    .w_slice_o(),
    .w_data_o(),
    .m_axi_araddr_o(araddr),
    .m_axi_arlen_o(arlen),
    .m_axi_arvalid_o(arvalid),
    .m_axi_arready_i(arready_i),
    .m_axi_rdata_i('0),
    .m_axi_rresp_i(2'b00),
    .m_axi_rlast_i(rlast_i),
    .m_axi_rvalid_i(rvalid_i),
    .m_axi_rready_o()
  );

  logic        begun_q = 1'b0;
  logic        held_q, open_q;
  logic [39:0] request_q;
  logic [31:0] addr_q, words_q;

  always_ff @(posedge clk_i) begin
    begun_q   <= 1'b1;
    held_q    <= rst_ni && arvalid && !arready_i;
    request_q <= {araddr, arlen};
    addr_q    <= addr_i;
    words_q   <= words_i;
    open_q    <= rst_ni && (open_q ? !(rvalid_i && rlast_i) : arvalid && arready_i);
  end

  always_comb begin
    assume (begun_q || !rst_ni);
    assume (!held_q || (addr_i == addr_q && words_i == words_q));
    assume (!clear_i || (idle && !arvalid));
    assume (!rvalid_i || open_q);
    if (rst_ni) begin
      assert (!held_q || (arvalid && {araddr, arlen} == request_q));
      assert (!(arvalid && open_q));
      assert (!arvalid || 32'(arlen) < 32'(FETCH_WORDS * 32 / BEAT));
    end
  end

  // What makes it inductive: ADDR is 1, DATA is 2.
  (* hierconn *) wire [1:0] \dut.state_q ;

  always_comb begin
    if (rst_ni) begin
      assert (\dut.state_q != 2'd3);
      assert (open_q == (\dut.state_q == 2'd2));
      assert (held_q == (\dut.state_q == 2'd1));
    end
  end

endmodule
