// Counting semaphores. A post is counted at the end of its cycle, so that it is available in the
// next one. Each semaphore has one posting and one waiting unit; counts end at 63.
module tw_semaphores #(
  parameter int SEMAPHORES = 16,
  parameter int UNITS = 4
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        clear_i,
  input  logic [UNITS*SEMAPHORES-1:0] post_i,
  input  logic [UNITS*SEMAPHORES-1:0] take_i,
  output logic [SEMAPHORES-1:0]       avail_o
);

  localparam int CW = 6;

  for (genvar s = 0; s < SEMAPHORES; s++) begin : gen_semaphore
    logic [CW-1:0] count_q;
    logic [UNITS-1:0] posts, takes;

    for (genvar u = 0; u < UNITS; u++) begin : gen_unit
      assign posts[u] = post_i[u*SEMAPHORES+s];
      assign takes[u] = take_i[u*SEMAPHORES+s];
    end

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        count_q <= '0;
      end else if (clear_i) begin
        count_q <= '0;
      end else begin
        count_q <= count_q + CW'(|posts) - CW'(|takes);
      end
    end

    assign avail_o[s] = (count_q != '0);
  end

endmodule
