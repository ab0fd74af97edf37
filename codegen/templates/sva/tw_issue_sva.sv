// An instruction starts only in a run and in a free unit, only one that started is done, and
// a cycle counts as one thing.
module tw_issue_sva (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       run_i,
  input logic       start_i,
  input logic       free_i,
  input logic       done_i,
  input logic       posted_i,
  input logic [3:0] stall_i
);

  starts_in_run: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(start_i && !run_i))
  else $error("tw_issue: start without a run");
  starts_free: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(start_i && !free_i))
  else $error("tw_issue: start while the unit is busy");
  done_started: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(done_i && !posted_i))
  else $error("tw_issue: done without start");
  one_class: assert property (@(posedge clk_i) disable iff (!rst_ni)
      $onehot(stall_i))
  else $error("tw_issue: a cycle counts as none or two");

endmodule

bind tw_issue tw_issue_sva u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .run_i(run_i),
  .start_i(start_o),
  .free_i(free_i),
  .done_i(done_i),
  .posted_i(posted),
  .stall_i(stall_o)
);
