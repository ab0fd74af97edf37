// Positions of pruned weights as they lie in DRAM, three bits for four columns, become those of the
// weight buffer, two bits for each kept weight.
//
// A packet is three beats of positions, then the beats of codes that they belong to: four for each
// output that shares them (1, 4 or 8, by form). With a beat of codes its positions come out, for
// the register that it is written from. Positions are held in the order of their use, from bit 0
// up: four windows, each of which is for one beat of codes, or for four or eight of its quarters
// or eighths. Loads come in whole packets.
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
  logic [HELD-1:0]                held_q;
  logic [4:0]                     codes;   // beats of codes before this one
  logic [1:0]                     window;
  logic [STEP-1:0]                next;
  logic [STEP/4-1:0]              quarter;
  logic [STEP/8-1:0]              eighth;

  assign codes_o = (beat_q >= 6'd3);

  // Forms that are not there are never asked for.
  always_comb begin
    last = 6'd6;
    if (FourShare && (form_i == tw_pkg::FORM_P3X4)) last = 6'd18;
    if (EightShare && (form_i == tw_pkg::FORM_P3X8)) last = 6'd34;
  end

  assign codes = 5'(beat_q - 6'd3);

  // Forms that no machine file names leave these.
  logic unused_parts;
  assign unused_parts = ^{quarter, eighth};

  always_comb begin
    window = codes[1:0];
    if (FourShare && (form_i == tw_pkg::FORM_P3X4)) window = codes[3:2];
    if (EightShare && (form_i == tw_pkg::FORM_P3X8)) window = codes[4:3];
  end

  always_comb begin
    case (window)
      2'd0:    next = held_q[0*STEP+:STEP];
      2'd1:    next = held_q[1*STEP+:STEP];
      2'd2:    next = held_q[2*STEP+:STEP];
      default: next = held_q[3*STEP+:STEP];
    endcase
  end

  always_comb begin
    case (codes[1:0])
      2'd0:    quarter = next[0*STEP/4+:STEP/4];
      2'd1:    quarter = next[1*STEP/4+:STEP/4];
      2'd2:    quarter = next[2*STEP/4+:STEP/4];
      default: quarter = next[3*STEP/4+:STEP/4];
    endcase
  end

  always_comb begin
    case (codes[2:0])
      3'd0:    eighth = next[0*STEP/8+:STEP/8];
      3'd1:    eighth = next[1*STEP/8+:STEP/8];
      3'd2:    eighth = next[2*STEP/8+:STEP/8];
      3'd3:    eighth = next[3*STEP/8+:STEP/8];
      3'd4:    eighth = next[4*STEP/8+:STEP/8];
      3'd5:    eighth = next[5*STEP/8+:STEP/8];
      3'd6:    eighth = next[6*STEP/8+:STEP/8];
      default: eighth = next[7*STEP/8+:STEP/8];
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
    if (valid_i && !codes_o) held_q <= {data_i, held_q[HELD-1:8*BEAT]};
  end

  for (genvar o = 0; o < OUTPUTS; o++) begin : gen_output
    for (genvar f = 0; f < FOURS; f++) begin : gen_four
      localparam int Own = 3 * (o * FOURS + f);
      localparam int OfFour = FourShare ? 3 * (o / 4 * FOURS + f) : 0;
      localparam int OfEight = EightShare ? 3 * (o / 8 * FOURS + f) : 0;

      logic [2:0] code;

      always_comb begin
        code = next[Own+:3];
        if (FourShare && (form_i == tw_pkg::FORM_P3X4)) code = quarter[OfFour+:3];
        if (EightShare && (form_i == tw_pkg::FORM_P3X8)) code = eighth[OfEight+:3];
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
endmodule
