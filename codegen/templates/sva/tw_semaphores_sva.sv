// Of one semaphore at most one unit posts and one waits in a cycle; its count, kept here a second
// time, stays within 0 to 63.
module tw_semaphores_sva #(
  parameter int SEMAPHORES = 16,
  parameter int UNITS = 4
) (
  input logic                        clk_i,
  input logic                        rst_ni,
  input logic                        clear_i,
  input logic [UNITS*SEMAPHORES-1:0] post_i,
  input logic [UNITS*SEMAPHORES-1:0] take_i
);

  for (genvar s = 0; s < SEMAPHORES; s++) begin : gen_semaphore
    logic [UNITS-1:0] posts, takes;

    for (genvar u = 0; u < UNITS; u++) begin : gen_unit
      assign posts[u] = post_i[u*SEMAPHORES+s];
      assign takes[u] = take_i[u*SEMAPHORES+s];
    end

    logic [5:0] count_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        count_q <= '0;
      end else if (clear_i) begin
        count_q <= '0;
      end else begin
        count_q <= count_q + 6'(|posts) - 6'(|takes);
      end
    end

    one_poster: assert property (@(posedge clk_i) disable iff (!rst_ni)
        $onehot0(posts))
    else $error("tw_semaphores: two units post one semaphore");
    one_waiter: assert property (@(posedge clk_i) disable iff (!rst_ni)
        $onehot0(takes))
    else $error("tw_semaphores: two units wait for one semaphore");
    no_underflow: assert property (@(posedge clk_i) disable iff (!rst_ni)
        !((|takes) && count_q == '0))
    else $error("tw_semaphores: a count below zero");
    no_overflow: assert property (@(posedge clk_i) disable iff (!rst_ni)
        !(count_q == '1 && (|posts) && !(|takes)))
    else $error("tw_semaphores: a count above 63");
  end

endmodule

bind tw_semaphores tw_semaphores_sva #(
  .SEMAPHORES(SEMAPHORES),
  .UNITS(UNITS)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .clear_i(clear_i),
  .post_i(post_i),
  .take_i(take_i)
);
