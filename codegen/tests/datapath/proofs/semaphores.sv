// A count of tw_semaphores is posts minus waits since the last reset or clear, between 0 and 63.
// Contract: of a semaphore one unit at most posts and one waits in a cycle; a wait finds a count,
// and a post finds fewer than 63 or comes with a wait.
module proof_semaphores #(
  parameter int SEMAPHORES = 16,
  parameter int UNITS = 4
) (
  input logic                        clk_i,
  input logic                        rst_ni,
  input logic                        clear_i,
  input logic [UNITS*SEMAPHORES-1:0] post_i,
  input logic [UNITS*SEMAPHORES-1:0] take_i
);

  logic [SEMAPHORES-1:0] avail;
  logic                  begun_q = 1'b0;

  tw_semaphores #(
    .SEMAPHORES(SEMAPHORES),
    .UNITS(UNITS)
  ) dut (
    .clk_i,
    .rst_ni,
    .clear_i,
    .post_i,
    .take_i,
    .avail_o(avail)
  );

  always_ff @(posedge clk_i) begun_q <= 1'b1;
  always_comb assume (begun_q || !rst_ni);

  // The count of semaphore s is bits s*6 and up; the prover connects them.
  logic [SEMAPHORES*6-1:0] counts;

  for (genvar s = 0; s < SEMAPHORES; s++) begin : gen_count
    // modulo 2^16: a run of any length
    logic [15:0] posts_q, takes_q, count;
    logic [2:0]  posts, takes;

    always_comb begin
      posts = '0;
      takes = '0;
      for (int u = 0; u < UNITS; u++) begin
        posts = posts + 3'(post_i[u*SEMAPHORES+s]);
        takes = takes + 3'(take_i[u*SEMAPHORES+s]);
      end
    end

    assign count = posts_q - takes_q;

    always_ff @(posedge clk_i) begin
      posts_q <= (rst_ni && !clear_i) ? posts_q + 16'(posts) : '0;
      takes_q <= (rst_ni && !clear_i) ? takes_q + 16'(takes) : '0;
    end

    always_comb begin
      assume (posts <= 3'd1 && takes <= 3'd1);
      assume (takes == '0 || count != '0);
      assume (posts == '0 || count < 16'd63 || takes != '0);
      if (rst_ni) begin
        assert (count <= 16'd63);
        assert (count == 16'(counts[s*6+:6]));
        assert (avail[s] == (count != '0));
      end
    end
  end

endmodule
