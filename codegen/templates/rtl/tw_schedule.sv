// Issue of all units, and the semaphores between them. Units are in the order load, matrix, vector,
// store; the instructions of all lie behind each other, load's in the lowest bits.
module tw_schedule #(
  parameter int SEMAPHORES = 16,
  localparam int UNITS = 4,
  localparam int LOAD_W = tw_pkg::LOAD_INSTR_W,
  localparam int MATRIX_W = tw_pkg::MATRIX_INSTR_W,
  localparam int VECTOR_W = tw_pkg::VECTOR_INSTR_W,
  localparam int STORE_W = tw_pkg::STORE_INSTR_W,
  localparam int INSTR_W = LOAD_W + MATRIX_W + VECTOR_W + STORE_W
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        clear_i,
  input  logic                        run_i,
  // from the sequencer
  input  logic [UNITS-1:0]            push_i,
  input  logic                        drain_i,
  input  logic [SEMAPHORES-1:0]       wait_i,
  input  logic [SEMAPHORES-1:0]       post_i,
  input  logic [INSTR_W-1:0]          instr_i,
  output logic [UNITS-1:0]            full_o,
  output logic                        idle_o,
  // nothing is between start and done
  output logic                        retired_o,
  // to the units
  output logic [UNITS-1:0]            start_o,
  output logic [INSTR_W-1:0]          instr_o,
  input  logic [UNITS-1:0]            free_i,
  input  logic [UNITS-1:0]            done_i,
  // of each unit: what its head lacks; what this cycle counts as
  output logic [UNITS*SEMAPHORES-1:0] missing_o,
  output logic [UNITS*4-1:0]          stall_o
);

  localparam int IN_FLIGHT = tw_config_pkg::IN_FLIGHT;

  logic [UNITS-1:0]            idle, retired;
  logic [SEMAPHORES-1:0]       avail;
  logic [UNITS*SEMAPHORES-1:0] take, post;

  assign idle_o = &idle;
  assign retired_o = &retired;

  tw_semaphores #(
    .SEMAPHORES(SEMAPHORES),
    .UNITS(UNITS)
  ) u_semaphores (
    .clk_i,
    .rst_ni,
    .clear_i,
    .post_i(post),
    .take_i(take),
    .avail_o(avail)
  );

  for (genvar u = 0; u < UNITS; u++) begin : gen_unit
    localparam int WIDTH = (u == 0) ? LOAD_W : (u == 1) ? MATRIX_W : (u == 2) ? VECTOR_W : STORE_W;
    localparam int LSB = ((u > 0) ? LOAD_W : 0) + ((u > 1) ? MATRIX_W : 0) +
                         ((u > 2) ? VECTOR_W : 0);
    localparam int DEPTH = (u == 0) ? tw_config_pkg::LOAD_DEPTH :
                           (u == 1) ? tw_config_pkg::MATRIX_DEPTH :
                           (u == 2) ? tw_config_pkg::VECTOR_DEPTH : tw_config_pkg::STORE_DEPTH;

    tw_issue #(
      .WIDTH(WIDTH),
      .DEPTH(DEPTH),
      .IN_FLIGHT(IN_FLIGHT),
      .SEMAPHORES(SEMAPHORES)
    ) u_issue (
      .clk_i,
      .rst_ni,
      .run_i,
      .push_i(push_i[u]),
      .drain_i,
      .wait_i,
      .post_i,
      .instr_i(instr_i[LSB+:WIDTH]),
      .full_o(full_o[u]),
      .idle_o(idle[u]),
      .retired_o(retired[u]),
      .avail_i(avail),
      .take_o(take[u*SEMAPHORES+:SEMAPHORES]),
      .post_o(post[u*SEMAPHORES+:SEMAPHORES]),
      .missing_o(missing_o[u*SEMAPHORES+:SEMAPHORES]),
      .start_o(start_o[u]),
      .instr_o(instr_o[LSB+:WIDTH]),
      .free_i(free_i[u]),
      .done_i(done_i[u]),
      .stall_o(stall_o[u*4+:4])
    );
  end

endmodule
