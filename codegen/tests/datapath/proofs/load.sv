// Requests of tw_load stay as they are until they are accepted, ask together for the beats of the
// instruction, none twice, and at most OUTSTANDING bursts are open.
// Contract: a start finds the unit free and at least a block to move; a burst that ends was open.
module proof_load #(
  parameter int BEAT = 16,
  parameter int BURST = 8,
  parameter int OUTSTANDING = 3
) (
  input logic                            clk_i,
  input logic                            rst_ni,
  input logic                            start_i,
  input logic [tw_pkg::LOAD_INSTR_W-1:0] instr_i,
  input logic                            arready_i,
  input logic                            rlast_i,
  input logic                            rvalid_i
);

  localparam int BEAT_LOG2 = $clog2(BEAT);
  localparam int STEP = $clog2(64 / BEAT);

  logic        free, arvalid;
  logic [31:0] araddr;
  logic [7:0]  arlen;

  tw_load #(
    .BEAT(BEAT),
    .BURST(BURST),
    .OUTSTANDING(OUTSTANDING),
    .IN_FLIGHT(2)
  ) dut (
    .clk_i,
    .rst_ni,
    .start_i,
    .instr_i,
    .free_o(free),
    .done_o(),
    .bus_error_o(),
    .w_en_o(),
    .w_bank_o(),
    .w_beat_o(),
    .w_data_o(),
    .w_pair_o(),
    .w_positions_o(),
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
  logic        held_q;
  logic [39:0] request_q;
  logic [23:0] wanted, wanted_q, asked_q;
  logic [31:0] next_q;
  logic [7:0]  open_q;

  assign wanted = 24'(instr_i[tw_pkg::LOAD_BLOCKS_LSB+:tw_pkg::LOAD_BLOCKS_W]) << STEP;

  always_ff @(posedge clk_i) begin
    begun_q   <= 1'b1;
    held_q    <= rst_ni && arvalid && !arready_i;
    request_q <= {araddr, arlen};
    open_q    <= !rst_ni ? '0 : open_q + 8'(arvalid && arready_i) - 8'(rvalid_i && rlast_i);
    if (!rst_ni) begin
      wanted_q <= '0;
      asked_q  <= '0;
    end else if (start_i) begin
      wanted_q <= wanted;
      asked_q  <= '0;
      next_q   <= {instr_i[tw_pkg::LOAD_ADDR_LSB+:26], 6'd0};
    end else if (arvalid && arready_i) begin
      asked_q <= asked_q + 24'(arlen) + 24'd1;
      next_q  <= next_q + ((32'(arlen) + 32'd1) << BEAT_LOG2);
    end
  end

  (* hierconn *) wire \dut.active_q ;
  (* hierconn *) wire [$clog2(OUTSTANDING+1)-1:0] \dut.open_q ;
  (* hierconn *) wire [tw_pkg::LOAD_BLOCKS_W+STEP-1:0] \dut.left_q ;
  (* hierconn *) wire [31-BEAT_LOG2:0] \dut.addr_q ;

  always_comb begin
    assume (begun_q || !rst_ni);
    assume (!start_i || (free && wanted != '0));
    assume (!(rvalid_i && rlast_i) || open_q != '0);
    if (rst_ni) begin
      assert (!held_q || (arvalid && {araddr, arlen} == request_q));
      assert (!arvalid || araddr == next_q);
      assert (!arvalid || 13'(araddr[11:0]) + ((13'(arlen) + 13'd1) << BEAT_LOG2) <= 13'd4096);
      assert (free == (asked_q == wanted_q));
      assert (open_q <= 8'(OUTSTANDING));
      // What makes it inductive.
      assert (\dut.active_q == !free && 8'(\dut.open_q ) == open_q);
      assert (free || (24'(\dut.left_q ) == wanted_q - asked_q && asked_q < wanted_q));
      assert (free || {\dut.addr_q , {BEAT_LOG2{1'b0}}} == next_q);
    end
  end

endmodule
