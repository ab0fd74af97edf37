// Codes of the vector engine on their way to the activations: of a vector that lies across slices,
// one slice after the other has its turn to tell all of them (tw_across), else each keeps its own.
//
// Within a pass a turn is a round over the rows of the vector; only QUANT (quant_i) has more than
// one. turn_o is the slice whose codes leave now, 19 cycles after its rows were issued. Codes of
// all slices come CROSSING cycles later than those of one.
module tw_vturn #(
  parameter int SLICES   = 1,
  parameter int CROSSING = 0,
  parameter int WIDTH    = 64
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             across_i,
  input  logic             restart_i,    // a pass begins behind this cycle
  input  logic             quant_i,
  input  logic             round_end_i,  // the last row of a round is issued
  output logic             turn_last_o,
  output logic [6:0]       turn_o,
  input  logic             en_i,
  input  logic [15:0]      row_i,
  input  logic [4:0]       token_i,
  input  logic [WIDTH-1:0] own_i,
  input  logic [WIDTH-1:0] code_i,       // of all slices
  output logic             en_o,
  output logic [15:0]      row_o,
  output logic [4:0]       token_o,
  output logic [WIDTH-1:0] code_o
);
  if (SLICES > 1) begin : gen_several
    logic [6:0]        turn_q;
    logic [CROSSING:1] en_q;
    logic [20:0]       place_crossed;

    assign turn_last_o = !(across_i && quant_i) || turn_q == 7'(SLICES - 1);

    always_ff @(posedge clk_i) begin
      if (restart_i) turn_q <= '0;
      else if (round_end_i && !turn_last_o) turn_q <= turn_q + 7'd1;
    end

    tw_delay #(
      .WIDTH(7),
      .DEPTH(19)
    ) u_turn (
      .clk_i(clk_i),
      .d_i  (turn_q),
      .q_o  (turn_o)
    );

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) en_q <= '0;
      else en_q <= CROSSING'({en_q, en_i && across_i});
    end

    tw_delay #(
      .WIDTH(21),
      .DEPTH(CROSSING)
    ) u_place (
      .clk_i(clk_i),
      .d_i  ({row_i, token_i}),
      .q_o  (place_crossed)
    );

    assign en_o             = across_i ? en_q[CROSSING] : en_i;
    assign {row_o, token_o} = across_i ? place_crossed : {row_i, token_i};
    assign code_o           = across_i ? code_i : own_i;
  end else begin : gen_one
    logic unused_slices;

    assign unused_slices = ^{clk_i, rst_ni, across_i, restart_i, quant_i, round_end_i, code_i};
    assign turn_last_o   = 1'b1;
    assign turn_o        = '0;
    assign en_o          = en_i;
    assign row_o         = row_i;
    assign token_o       = token_i;
    assign code_o        = own_i;
  end
endmodule
