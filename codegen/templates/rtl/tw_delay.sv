// A value, DEPTH cycles later. No reset: what qualifies the value is delayed by its user.
module tw_delay #(
  parameter int WIDTH = 1,
  parameter int DEPTH = 1  // at least 1
) (
  input  logic             clk_i,
  input  logic [WIDTH-1:0] d_i,
  output logic [WIDTH-1:0] q_o
);
  logic [DEPTH*WIDTH-1:0] pipe_q;

  always_ff @(posedge clk_i) begin
    pipe_q[WIDTH-1:0] <= d_i;
    for (int i = 1; i < DEPTH; i++) pipe_q[i*WIDTH +: WIDTH] <= pipe_q[(i-1)*WIDTH +: WIDTH];
  end

  assign q_o = pipe_q[(DEPTH-1)*WIDTH +: WIDTH];
endmodule
