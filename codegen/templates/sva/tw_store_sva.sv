// Requests and data stay until they are accepted, bursts keep within 4096 bytes, reads end with
// the instruction, and responses come only if asked for.
module tw_store_sva #(
  parameter int BEAT = 16,
  parameter int COUNT_W = 16
) (
  input logic               clk_i,
  input logic               rst_ni,
  input logic               start_i,
  input logic               free_i,
  input logic               read_i,
  input logic [COUNT_W-1:0] left_i,
  input logic [2:0]         pending_i,
  input logic               awvalid_i,
  input logic               awready_i,
  input logic [31:0]        awaddr_i,
  input logic [7:0]         awlen_i,
  input logic               wvalid_i,
  input logic               wready_i,
  input logic [BEAT*8-1:0]  wdata_i,
  input logic [BEAT-1:0]    wstrb_i,
  input logic               wlast_i
);

  aw_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (awvalid_i && !awready_i) |=> awvalid_i)
  else $error("tw_store: awvalid withdrawn");
  aw_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (awvalid_i && !awready_i) |=> $stable({awaddr_i, awlen_i}))
  else $error("tw_store: aw changed before its handshake");
  aw_page: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !awvalid_i || (32'(awaddr_i[11:0]) + ((32'(awlen_i) + 32'd1) * 32'(BEAT)) <= 32'd4096))
  else $error("tw_store: burst across 4096 bytes");
  w_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (wvalid_i && !wready_i) |=> wvalid_i)
  else $error("tw_store: wvalid withdrawn");
  w_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (wvalid_i && !wready_i) |=> $stable({wdata_i, wstrb_i, wlast_i}))
  else $error("tw_store: w changed before its handshake");
  starts_free: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(start_i && !free_i))
  else $error("tw_store: start while busy");
  reads_end: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(read_i && left_i == '0))
  else $error("tw_store: read past the end");
  pending_range: assert property (@(posedge clk_i) disable iff (!rst_ni)
      pending_i <= 3'd4)
  else $error("tw_store: too many beats between read and handshake");

endmodule

bind tw_store tw_store_sva #(
  .BEAT(BEAT),
  .COUNT_W(COUNT_W)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .start_i(start_i),
  .free_i(free_o),
  .read_i(read),
  .left_i(r_left_q),
  .pending_i(pending_q),
  .awvalid_i(m_axi_awvalid_o),
  .awready_i(m_axi_awready_i),
  .awaddr_i(m_axi_awaddr_o),
  .awlen_i(m_axi_awlen_o),
  .wvalid_i(m_axi_wvalid_o),
  .wready_i(m_axi_wready_i),
  .wdata_i(m_axi_wdata_o),
  .wstrb_i(m_axi_wstrb_o),
  .wlast_i(m_axi_wlast_o)
);
