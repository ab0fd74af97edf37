// Responses of the control port stay until they are taken.
module tw_ctrl_sva (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        bvalid_i,
  input logic        bready_i,
  input logic [1:0]  bresp_i,
  input logic        rvalid_i,
  input logic        rready_i,
  input logic [31:0] rdata_i,
  input logic [1:0]  rresp_i
);

  b_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (bvalid_i && !bready_i) |=> bvalid_i)
  else $error("tw_ctrl: bvalid withdrawn");
  b_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (bvalid_i && !bready_i) |=> $stable({bresp_i}))
  else $error("tw_ctrl: b changed before its handshake");
  r_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (rvalid_i && !rready_i) |=> rvalid_i)
  else $error("tw_ctrl: rvalid withdrawn");
  r_stable: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (rvalid_i && !rready_i) |=> $stable({rdata_i, rresp_i}))
  else $error("tw_ctrl: r changed before its handshake");

endmodule

bind tw_ctrl tw_ctrl_sva u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .bvalid_i(s_axi_ctrl_bvalid_o),
  .bready_i(s_axi_ctrl_bready_i),
  .bresp_i(s_axi_ctrl_bresp_o),
  .rvalid_i(s_axi_ctrl_rvalid_o),
  .rready_i(s_axi_ctrl_rready_i),
  .rdata_i(s_axi_ctrl_rdata_o),
  .rresp_i(s_axi_ctrl_rresp_o)
);
