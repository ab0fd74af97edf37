// Requests stay until they are accepted and keep within 4096 bytes; data come only if asked for.
module tw_fetch_sva #(
  parameter int BEAT = 16
) (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        open_i,
  input logic        rvalid_i,
  input logic        arvalid_i,
  input logic        arready_i,
  input logic [31:0] araddr_i,
  input logic [7:0]  arlen_i
);

  ar_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (arvalid_i && !arready_i) |=> arvalid_i)
  else $error("tw_fetch: arvalid withdrawn");
  ar_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (arvalid_i && !arready_i) |=> $stable({araddr_i, arlen_i}))
  else $error("tw_fetch: ar changed before its handshake");
  ar_page: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !arvalid_i || (32'(araddr_i[11:0]) + ((32'(arlen_i) + 32'd1) * 32'(BEAT)) <= 32'd4096))
  else $error("tw_fetch: burst across 4096 bytes");
  asked: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(rvalid_i && !open_i))
  else $error("tw_fetch: data without request");

endmodule

bind tw_fetch tw_fetch_sva #(
  .BEAT(BEAT)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .open_i(state_q == DATA),
  .rvalid_i(m_axi_rvalid_i),
  .arvalid_i(m_axi_arvalid_o),
  .arready_i(m_axi_arready_i),
  .araddr_i(m_axi_araddr_o),
  .arlen_i(m_axi_arlen_o)
);
