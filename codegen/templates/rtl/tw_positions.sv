// Positions of pruned weights as they lie in DRAM, three bits for four columns, become those of the
// weight buffer, two bits for each kept weight.
//
// A packet is three beats of positions, then the beats of codes that they belong to: four for each
// output that shares them (1, 4 or 8, by form). With a beat of codes its positions come out, for
// the register that it is written from. Positions are held in the order of their use, the next ones
// from bit 0 up. Loads come in whole packets.
module tw_positions #(
  parameter int BEAT = 16,
  parameter int LP = 8,
  parameter int FORMS = 2  // bit f: form f is there
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          valid_i,
  input  logic [tw_pkg::LOAD_FORM_W-1:0] form_i,  // not plain
  input  logic [BEAT*8-1:0]             data_i,
  output logic                          codes_o,
  output logic [BEAT*8-1:0]             positions_o
);
  localparam int HELD = 24 * BEAT;
  // positions of a beat of codes that no other output shares
  localparam int STEP = 6 * BEAT;
  localparam int FOURS = LP / 2;  // of an output
  localparam int OUTPUTS = 4 * BEAT / LP;  // of a beat of codes
  localparam logic FourShare = 1'(FORMS >> tw_pkg::FORM_P3X4);
  localparam logic EightShare = 1'(FORMS >> tw_pkg::FORM_P3X8);

  logic [5:0]                     beat_q, last;
  logic [HELD-1:0]                held_q, held_d;
  logic [STEP-1:0]                next;
  logic [tw_pkg::LOAD_FORM_W-1:0] used;  // form whose positions go with a beat of codes

  assign codes_o = (beat_q >= 6'd3);

  // Forms that are not there are never asked for.
  always_comb begin
    last = 6'd6;
    if (FourShare && (form_i == tw_pkg::FORM_P3X4)) last = 6'd18;
    if (EightShare && (form_i == tw_pkg::FORM_P3X8)) last = 6'd34;
  end

  assign used = codes_o ? form_i : tw_pkg::FORM_PLAIN;

  always_comb begin
    case (used)
      tw_pkg::FORM_PLAIN: held_d = {data_i, held_q[HELD-1:8*BEAT]};
      tw_pkg::FORM_P3X4:  held_d = held_q >> (FourShare ? STEP / 4 : STEP);
      tw_pkg::FORM_P3X8:  held_d = held_q >> (EightShare ? STEP / 8 : STEP);
      default:            held_d = held_q >> STEP;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      beat_q <= '0;
    end else if (valid_i) begin
      beat_q <= (beat_q == last) ? '0 : beat_q + 6'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) held_q <= held_d;
  end

  for (genvar o = 0; o < OUTPUTS; o++) begin : gen_output
    for (genvar f = 0; f < FOURS; f++) begin : gen_four
      localparam int Own = 3 * (o * FOURS + f);
      localparam int OfFour = 3 * (o / 4 * FOURS + f);
      localparam int OfEight = 3 * (o / 8 * FOURS + f);

      logic [2:0] code;

      always_comb begin
        code = next[Own+:3];
        if (FourShare && (form_i == tw_pkg::FORM_P3X4)) code = next[OfFour+:3];
        if (EightShare && (form_i == tw_pkg::FORM_P3X8)) code = next[OfEight+:3];
      end

      always_comb begin
        case (code)
          3'd0:    positions_o[4*(o*FOURS+f)+:4] = {2'd1, 2'd0};
          3'd1:    positions_o[4*(o*FOURS+f)+:4] = {2'd2, 2'd0};
          3'd2:    positions_o[4*(o*FOURS+f)+:4] = {2'd3, 2'd0};
          3'd3:    positions_o[4*(o*FOURS+f)+:4] = {2'd2, 2'd1};
          3'd4:    positions_o[4*(o*FOURS+f)+:4] = {2'd3, 2'd1};
          default: positions_o[4*(o*FOURS+f)+:4] = {2'd3, 2'd2};
        endcase
      end
    end
  end

  assign next = held_q[STEP-1:0];
endmodule
