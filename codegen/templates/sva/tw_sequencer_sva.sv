// Words are dispatched in a run, into queues with room, one unit at a time; a cycle of a run counts
// as one thing; a loop that runs takes one level.
module tw_sequencer_sva #(
  parameter int LEVELS = 4
) (
  input logic              clk_i,
  input logic              rst_ni,
  input logic              run_i,
  input logic              dispatch_i,
  input logic [3:0]        push_i,
  input logic [3:0]        full_i,
  input logic [4:0]        stall_i,
  input logic              enter_i,
  input logic [LEVELS-1:0] enters_i
);

  dispatch_in_run: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(dispatch_i && !run_i))
  else $error("tw_sequencer: dispatch without a run");
  one_unit: assert property (@(posedge clk_i) disable iff (!rst_ni)
      $onehot0(push_i))
  else $error("tw_sequencer: push into two queues");
  room: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (push_i & full_i) == '0)
  else $error("tw_sequencer: push into a full queue");
  one_class: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !run_i || $onehot(stall_i))
  else $error("tw_sequencer: a cycle counts as none or two");
  level: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !enter_i || $onehot(enters_i))
  else $error("tw_sequencer: a loop takes none or two levels");

endmodule

bind tw_sequencer tw_sequencer_sva #(
  .LEVELS(LEVELS)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .run_i(run_i),
  .dispatch_i(dispatch_o),
  .push_i(push_o),
  .full_i(full_i),
  .stall_i(stall_o),
  .enter_i(is_loop && value != '0),
  .enters_i(enters)
);
