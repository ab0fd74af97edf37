// Requests stay until they are accepted, keep within 4096 bytes and are never more than
// OUTSTANDING; data come only if asked for.
module tw_load_sva #(
  parameter int BEAT = 16,
  parameter int OUTSTANDING = 4,
  parameter int OPEN_W = 3
) (
  input logic              clk_i,
  input logic              rst_ni,
  input logic              start_i,
  input logic              free_i,
  input logic [OPEN_W-1:0] open_i,
  input logic              rvalid_i,
  input logic              arvalid_i,
  input logic              arready_i,
  input logic [31:0]       araddr_i,
  input logic [7:0]        arlen_i
);

  ar_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (arvalid_i && !arready_i) |=> arvalid_i)
  else $error("tw_load: arvalid withdrawn");
  ar_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (arvalid_i && !arready_i) |=> $stable({araddr_i, arlen_i}))
  else $error("tw_load: ar changed before its handshake");
  ar_page: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !arvalid_i || (32'(araddr_i[11:0]) + ((32'(arlen_i) + 32'd1) * 32'(BEAT)) <= 32'd4096))
  else $error("tw_load: burst across 4096 bytes");
  asked: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(rvalid_i && open_i == '0))
  else $error("tw_load: data without request");
  open_range: assert property (@(posedge clk_i) disable iff (!rst_ni)
      32'(open_i) <= 32'(OUTSTANDING))
  else $error("tw_load: too many bursts are open");
  starts_free: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(start_i && !free_i))
  else $error("tw_load: start while busy");

endmodule

bind tw_load tw_load_sva #(
  .BEAT(BEAT),
  .OUTSTANDING(OUTSTANDING),
  .OPEN_W(OPEN_W)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .start_i(start_i),
  .free_i(free_o),
  .open_i(open_q),
  .rvalid_i(m_axi_rvalid_i),
  .arvalid_i(m_axi_arvalid_o),
  .arready_i(m_axi_arready_i),
  .araddr_i(m_axi_araddr_o),
  .arlen_i(m_axi_arlen_o)
);
