// Dispatches the program in order, one instruction a cycle: registers, arguments, nested hardware
// loops, and unit instructions with their registers added into the queues of the units.
//
// The word numbered pc_q stands on imem_data_i when valid_q is set. It goes
// * if it is an instruction of the sequencer, at once; `arg` blocks the next cycle, because the
//   argument table is a synchronous memory;
// * if it is a unit's, when that unit's queue is not full.
// `halt`, an error or stop_i stops the sequencer until the next clear_i.
module tw_sequencer #(
  parameter int IMEM_WORDS = 512,
  parameter int ARGS = 64,
  parameter int SEMAPHORES = 16,
  parameter int LEVELS = 4,  // of loops
  localparam int IMEM_AW = $clog2(IMEM_WORDS),
  localparam int ARGS_AW = $clog2(ARGS)
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                clear_i,
  input  logic                                run_i,
  // nothing is dispatched from the next cycle on
  input  logic                                stop_i,
  input  logic [31:0]                         words_i,
  input  logic [31:0]                         fetched_i,
  // first word that may be needed again
  output logic [31:0]                         base_o,
  // instruction memory and argument table
  output logic                                imem_en_o,
  output logic [IMEM_AW-1:0]                  imem_addr_o,
  input  logic [255:0]                        imem_data_i,
  output logic                                args_en_o,
  output logic [ARGS_AW-1:0]                  args_addr_o,
  input  logic [31:0]                         args_data_i,
  // unit queues: load, matrix, vector, store
  input  logic [3:0]                          full_i,
  output logic [3:0]                          push_o,
  output logic                                drain_o,
  output logic [SEMAPHORES-1:0]               wait_o,
  output logic [SEMAPHORES-1:0]               post_o,
  output logic [tw_pkg::LOAD_INSTR_W-1:0]     load_o,
  output logic [tw_pkg::MATRIX_INSTR_W-1:0]   matrix_o,
  output logic [tw_pkg::VECTOR_INSTR_W-1:0]   vector_o,
  output logic [tw_pkg::STORE_INSTR_W-1:0]    store_o,
  // state
  output logic                                dispatch_o,
  output logic [31:0]                         pc_o,
  output logic                                halted_o,
  output logic                                illegal_o,
  output logic                                end_o,
  // what this cycle counts as: {halt, argument, queue, fetch, dispatch}, one-hot
  output logic [4:0]                          stall_o
);

  logic        valid_q, argument_q, halted_q;
  logic [3:0]  argument_rd_q;
  logic [31:0] pc_q, pc_d, follows;

  logic        known, legal, for_unit, candidate, stopping;
  logic        is_write, is_arg, is_loop, is_halt, blocked;
  logic [3:0]  ra_sel, rb_sel, rd, unit_hot, opcode;
  logic [2:0]  unit;
  logic [31:0] ra, rb, value;
  logic [15:0] body_words;

  assign unit = imem_data_i[2:0];
  assign opcode = imem_data_i[6:3];

  tw_resolve u_resolve (
    .word_i(imem_data_i),
    .ra_i(ra),
    .rb_i(rb),
    .legal_o(known),
    .ra_o(ra_sel),
    .rb_o(rb_sel),
    .rd_o(rd),
    .value_o(value),
    .body_o(body_words),
    .load_o,
    .matrix_o,
    .vector_o,
    .store_o
  );

  // --- dispatch ---
  assign unit_hot = {
    unit == tw_pkg::UNIT_STORE,
    unit == tw_pkg::UNIT_VECTOR,
    unit == tw_pkg::UNIT_MATRIX,
    unit == tw_pkg::UNIT_LOAD
  };
  assign for_unit = (unit != tw_pkg::UNIT_SEQUENCER);
  // An argument beyond the table is as illegal as a word that is no encoding.
  assign legal = known && (for_unit || opcode != tw_pkg::OP_ARG || value < 32'(ARGS));
  assign stopping = run_i && !halted_q;
  assign end_o = stopping && !argument_q && (pc_q >= words_i);
  assign candidate = stopping && valid_q && !argument_q && !end_o;
  assign illegal_o = candidate && !legal;
  assign blocked = |(unit_hot & full_i);
  assign dispatch_o = candidate && legal && !blocked;
  assign push_o = dispatch_o ? unit_hot : '0;
  assign drain_o = imem_data_i[7];
  assign wait_o = imem_data_i[9+:SEMAPHORES];
  assign post_o = imem_data_i[25+:SEMAPHORES];

  assign is_write = dispatch_o && !for_unit &&
                    (opcode == tw_pkg::OP_SET || opcode == tw_pkg::OP_ADD);
  assign is_arg = dispatch_o && !for_unit && (opcode == tw_pkg::OP_ARG);
  assign is_loop = dispatch_o && !for_unit && (opcode == tw_pkg::OP_LOOP);
  assign is_halt = dispatch_o && !for_unit && (opcode == tw_pkg::OP_HALT);

  // --- next word ---
  // Levels of loops, the outermost first; those that run are the lowest. Where bodies end together,
  // a round of an outer loop ends with the last one of all loops inside it.
  logic [LEVELS-1:0]    runs_q, enters, at_end, last_round, ends, again;
  logic [LEVELS*32-1:0] starts;
  logic                 inner_over;

  // the word behind this one in the text, or behind the body of a loop that does not run
  assign follows = pc_q + 32'd1 + ((is_loop && value == '0) ? 32'(body_words) : 32'd0);

  for (genvar l = 0; l < LEVELS; l++) begin : gen_level
    logic        outer_runs;
    logic [31:0] start_q, end_q, rounds_q;

    if (l == 0) begin : gen_outermost
      assign outer_runs = 1'b1;
    end else begin : gen_outer
      assign outer_runs = runs_q[l-1];
    end

    assign enters[l] = is_loop && value != '0 && outer_runs && !runs_q[l];
    assign at_end[l] = runs_q[l] && follows == end_q;
    assign last_round[l] = (rounds_q == 32'd1);
    assign starts[l*32+:32] = start_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        runs_q[l] <= 1'b0;
        start_q   <= '0;
        end_q     <= '0;
        rounds_q  <= '0;
      end else if (clear_i) begin
        runs_q[l] <= 1'b0;
      end else if (enters[l]) begin
        runs_q[l] <= 1'b1;
        start_q   <= pc_q + 32'd1;
        end_q     <= pc_q + 32'd1 + 32'(body_words);
        rounds_q  <= value;
      end else if (ends[l]) begin
        runs_q[l] <= again[l];
        rounds_q  <= rounds_q - 32'd1;
      end
    end
  end

  always_comb begin
    pc_d = dispatch_o ? follows : pc_q;
    inner_over = dispatch_o;
    for (int l = LEVELS - 1; l >= 0; l--) begin
      ends[l] = inner_over && at_end[l];
      again[l] = ends[l] && !last_round[l];
      if (again[l]) pc_d = starts[l*32+:32];
      inner_over = inner_over && (!runs_q[l] || (at_end[l] && last_round[l]));
    end
  end

  assign imem_en_o = (dispatch_o || !valid_q) && (pc_d < fetched_i);
  assign imem_addr_o = pc_d[IMEM_AW-1:0];
  assign base_o = runs_q[0] ? starts[31:0] : pc_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      pc_q    <= '0;
      valid_q <= 1'b0;
    end else if (clear_i) begin
      pc_q    <= '0;
      valid_q <= 1'b0;
    end else begin
      pc_q <= pc_d;
      if (dispatch_o || !valid_q) begin
        valid_q <= (pc_d < fetched_i);
      end
    end
  end

  // --- registers and arguments ---
  logic [511:0] regs_q;
  logic         reg_we;
  logic [3:0]   reg_addr;

  assign ra = regs_q[ra_sel*32+:32];
  assign rb = regs_q[rb_sel*32+:32];
  assign reg_we = is_write || argument_q;
  assign reg_addr = argument_q ? argument_rd_q : rd;
  assign args_en_o = is_arg;
  assign args_addr_o = value[ARGS_AW-1:0];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      regs_q <= '0;
    end else if (clear_i) begin
      regs_q <= '0;
    end else if (reg_we && reg_addr != '0) begin
      regs_q[reg_addr*32+:32] <= argument_q ? args_data_i : value;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      argument_q    <= 1'b0;
      argument_rd_q <= '0;
      halted_q      <= 1'b0;
    end else if (clear_i) begin
      argument_q <= 1'b0;
      halted_q   <= 1'b0;
    end else begin
      argument_q <= is_arg;
      if (is_arg) begin
        argument_rd_q <= rd;
      end
      if (is_halt || illegal_o || end_o || stop_i) begin
        halted_q <= 1'b1;
      end
    end
  end

  assign halted_o = halted_q;
  assign pc_o = pc_q;
  assign stall_o = {
    halted_q,
    argument_q && !halted_q,
    candidate && legal && blocked,
    stopping && !argument_q && !(candidate && legal),
    dispatch_o
  };

endmodule
