// Issue of one unit: its instruction queue, its start condition and its retirement.
//
// The head of the queue starts in the first cycle in which the unit is free, every semaphore it
// waits for has a count, fewer than IN_FLIGHT instructions are between start and done, and, if it
// asks for a drain, none is; and only in a run, so that a reset can let what has started finish.
// done_i retires in order and posts in the same cycle.
module tw_issue #(
  parameter int WIDTH = 8,
  parameter int DEPTH = 4,
  parameter int IN_FLIGHT = 32,
  parameter int SEMAPHORES = 16
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  run_i,
  // from the sequencer
  input  logic                  push_i,
  input  logic                  drain_i,
  input  logic [SEMAPHORES-1:0] wait_i,
  input  logic [SEMAPHORES-1:0] post_i,
  input  logic [WIDTH-1:0]      instr_i,
  output logic                  full_o,
  output logic                  idle_o,
  // nothing is between start and done
  output logic                  retired_o,
  // semaphores
  input  logic [SEMAPHORES-1:0] avail_i,
  output logic [SEMAPHORES-1:0] take_o,
  output logic [SEMAPHORES-1:0] post_o,
  // what the head lacks in a cycle that counts as waiting for a semaphore, else 0
  output logic [SEMAPHORES-1:0] missing_o,
  // to the unit
  output logic                  start_o,
  output logic [WIDTH-1:0]      instr_o,
  input  logic                  free_i,
  input  logic                  done_i,
  // what this cycle counts as: {empty, drain, semaphore, busy}, one-hot
  output logic [3:0]            stall_o
);

  logic head, head_drain, held, posted;
  logic [SEMAPHORES-1:0] head_wait, head_post, done_post;
  logic semaphores_ready, retired, room_blocked, busy;

  tw_queue #(
    .WIDTH(WIDTH + 2 * SEMAPHORES + 1),
    .DEPTH(DEPTH)
  ) u_queue (
    .clk_i,
    .rst_ni,
    .push_i,
    .data_i({drain_i, wait_i, post_i, instr_i}),
    .pop_i(start_o),
    .full_o,
    .valid_o(head),
    .data_o({head_drain, head_wait, head_post, instr_o})
  );

  tw_queue #(
    .WIDTH(SEMAPHORES),
    .DEPTH(IN_FLIGHT)
  ) u_retire (
    .clk_i,
    .rst_ni,
    .push_i(start_o),
    .data_i(head_post),
    .pop_i(done_i),
    .full_o(room_blocked),
    .valid_o(posted),
    .data_o(done_post)
  );

  assign retired = !posted;
  assign semaphores_ready = ((head_wait & ~avail_i) == '0);
  assign held = room_blocked || (head_drain && !retired);
  assign start_o = run_i && head && free_i && semaphores_ready && !held;
  assign retired_o = retired;
  assign take_o = start_o ? head_wait : '0;
  assign post_o = done_i ? done_post : '0;
  assign idle_o = !head && retired;

  assign busy = start_o || !free_i;
  assign missing_o = (!busy && head) ? head_wait & ~avail_i : '0;
  assign stall_o = {
    !busy && !head,
    !busy && head && semaphores_ready,
    !busy && head && !semaphores_ready,
    busy
  };

endmodule
