// Nothing is pushed into a full queue or popped from an empty one; the count stays within DEPTH.
module tw_queue_sva #(
  parameter int DEPTH = 4,
  parameter int COUNT_W = 3
) (
  input logic               clk_i,
  input logic               rst_ni,
  input logic               push_i,
  input logic               pop_i,
  input logic               full_i,
  input logic               valid_i,
  input logic [COUNT_W-1:0] count_i
);

  no_overflow: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(push_i && full_i))
  else $error("tw_queue: push into a full queue");
  no_underflow: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(pop_i && !valid_i))
  else $error("tw_queue: pop of an empty queue");
  count_range: assert property (@(posedge clk_i) disable iff (!rst_ni)
      32'(count_i) <= 32'(DEPTH))
  else $error("tw_queue: count above the depth");

endmodule

bind tw_queue tw_queue_sva #(
  .DEPTH(DEPTH),
  .COUNT_W(CW)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .push_i(push_i),
  .pop_i(pop_i),
  .full_i(full_o),
  .valid_i(valid_o),
  .count_i(count_q)
);
