// A group's sum is exact: it keeps within its width, one more bit tells. The accumulator may wrap.
module tw_acc_sva #(
  parameter int SUM_BITS = 19,
  parameter int GROUP_BITS = 27
) (
  input logic                  clk_i,
  input logic                  sum_valid_i,
  input logic                  sum_first_i,
  input logic [SUM_BITS-1:0]   sum_i,
  input logic [GROUP_BITS-1:0] group_i
);

  logic signed [GROUP_BITS:0] group;

  assign group = (sum_first_i ? '0 : (GROUP_BITS+1)'($signed(group_i))) +
                 (GROUP_BITS+1)'($signed(sum_i));

  group_range: assert property (@(posedge clk_i)
      !sum_valid_i || group[GROUP_BITS] == group[GROUP_BITS-1])
  else $error("tw_acc: a group's sum overflows");

endmodule

bind tw_acc tw_acc_sva #(
  .SUM_BITS(SUM_BITS),
  .GROUP_BITS(GROUP_BITS)
) u_sva (
  .clk_i(clk_i),
  .sum_valid_i(sum_valid_i),
  .sum_first_i(sum_first_i),
  .sum_i(sum_i),
  .group_i(group_q)
);
