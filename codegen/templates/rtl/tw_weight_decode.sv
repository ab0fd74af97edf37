// Weight-buffer row to operands: one signed 8-bit operand for each output n and lane l, at byte
// n*L+l of w_o; and which activation it meets, at 2*(n*L+l) of pick_o, as tw_gather reads it.
//
// Rows are packed with strides of powers of two; outputs N..NP-1 and lanes L..LP-1 of a row are
// not looked at. Code of (n, l), b bits wide, in units of b bits:
//   w2, s2, w2p, s2p  n*LP+l
//   w4, w8            n*max(8/b,LP)+l
//   v4, v8            l*max(8/b,NP)+n
// Positions of w2p and s2p follow the NP*LP codes in the same order. A code of w2 and w2p stands
// for 2c-3, all others are signed. Only modes of MODES are built. The result is
// registered: valid one cycle after the row.
//
// PACKED is 4: a code of w2 stands for c-2: v, where 2v+1 is its level.
//
// PACKED is 3: weights are those of tw_dsp_dot, w1 + w0*2^14 for lanes 2j and 2j+1. The byte of
// lane 2j is w0, of which the lower half counts; that of lane 2j+1 is w1, its upper half the sign.
// Of codes of two bits w0 is less by one if w1 is negative. Of wider ones w1 is not negative but 8
// too large; bytes are their lower half first, then (beat_i 1) their upper half, and of the lower
// half w0 is 8 too small, so that it has four signed bits.
//
// PACKED is 5 or 6: weights are digits of 2 or 4 bits, and below each the next lower bit, in the
// low bits of its byte. The lowest digit comes first: of 2 bits one each beat, of 4 bits each
// twice. Of digits of 2 bits a code of w2 stands for c-2, as above.
module tw_weight_decode #(
  parameter int N     = 8,
  parameter int L     = 8,
  parameter int NP    = 8,
  parameter int LP    = 8,
  parameter int ROW   = 64,  // bytes of the widest row
  parameter int MODES = 63,  // bit m: mode m is there
  parameter int PACKED = 1
) (
  input  logic             clk_i,
  input  logic [2:0]       mode_i,
  input  logic [1:0]       beat_i,
  input  logic [ROW*8-1:0] row_i,
  output logic [N*L*8-1:0] w_o,
  output logic [N*L*2-1:0] pick_o
);
  localparam logic Dense    = (MODES & 63) != 0;
  localparam logic Pruned   = (MODES & 192) != 0;
  localparam int W4Stride = (LP > 2) ? LP : 2;
  localparam int V4Stride = (NP > 2) ? NP : 2;
  localparam int RowBits  = ((NP > 2) ? NP : 2) * ((LP > 2) ? LP : 2) * 8;  // of any mode

  logic [RowBits-1:0] row;
  logic               unused_bits;

  assign row         = RowBits'(row_i);
  assign unused_bits = ^{row, beat_i};

  for (genvar n = 0; n < N; n++) begin : gen_output
    for (genvar l = 0; l < L; l++) begin : gen_lane
      localparam logic [3:0] Flip = (PACKED == 3 && l % 2 == 1) ? 4'd8 : 4'd0;
      logic [1:0] code;
      logic [3:0] odd, signed2, byte_w, byte_v, nibble_d, nibble_q;

      assign code = row[2*(n*LP+l) +: 2];

      if (PACKED == 3) begin : gen_dot
        logic [3:0] byte_flip;

        if (l % 2 == 0) begin : gen_upper
          logic less, borrow;  // w1 is negative, of odd levels and of signed codes

          assign less    = row[2*(n*LP+l)+3];
          assign borrow  = less && !code[0];
          assign odd     = {~code[1], ~code[1], code[0], less};
          assign signed2 = { {2{code[1] || borrow}}, code[1] ^ borrow, code[0] ^ less};
        end else begin : gen_lower
          assign odd     = {~code[1], ~code[1], code[0], 1'b1};
          assign signed2 = { {3{code[1]}}, code[0]};
        end

        assign byte_flip = {beat_i[0] == 1'(l % 2), 3'd0};
        assign byte_w    = row[8*(n*LP+l)+(beat_i[0] ? 4 : 0) +: 4] ^ byte_flip;
        assign byte_v    = row[8*(l*NP+n)+(beat_i[0] ? 4 : 0) +: 4] ^ byte_flip;
      end else begin : gen_byte_weights
        assign odd     = (PACKED == 4 || PACKED == 5) ? { {3{~code[1]}}, code[0]} :
                                         {~code[1], ~code[1], code[0], 1'b1};
        assign signed2 = { {3{code[1]}}, code[0]};
        assign byte_w  = row[8*(n*LP+l) +: 4];
        assign byte_v  = row[8*(l*NP+n) +: 4];
      end

      always_comb begin
        nibble_d = odd;
        if (MODES[1] && mode_i == tw_pkg::MODE_S2) nibble_d = signed2;
        if (MODES[7] && mode_i == tw_pkg::MODE_S2P) nibble_d = signed2;
        if (MODES[2] && mode_i == tw_pkg::MODE_W4) nibble_d = row[4*(n*W4Stride+l) +: 4] ^ Flip;
        if (MODES[3] && mode_i == tw_pkg::MODE_W8) nibble_d = byte_w;
        if (MODES[4] && mode_i == tw_pkg::MODE_V4) nibble_d = row[4*(l*V4Stride+n) +: 4] ^ Flip;
        if (MODES[5] && mode_i == tw_pkg::MODE_V8) nibble_d = byte_v;
      end

      if (PACKED < 5) begin : gen_low
        always_ff @(posedge clk_i) nibble_q <= nibble_d;

        assign w_o[8*(n*L+l) +: 4] = nibble_q;
      end else begin : gen_digit
        // A weight and the bit below its lowest.
        logic [8:0] w;
        logic [4:0] digit_d, digit_q;
        logic       unused_nibble;

        if (MODES[3] || MODES[5]) begin : gen_digits_of_bytes
          logic by_lane;

          assign by_lane = MODES[5] && (!MODES[3] || mode_i == tw_pkg::MODE_V8);
          assign w       = {by_lane ? row[8*(l*NP+n)+4 +: 4] : row[8*(n*LP+l)+4 +: 4],
                            nibble_d, 1'b0};
        end else begin : gen_digits_of_nibbles
          assign w = {4'd0, nibble_d, 1'b0};
        end

        // Only weights of bytes have beats in which their upper half matters.
        assign digit_d = (PACKED == 5) ? {2'd0, w[2*beat_i +: 3]} : w[4*beat_i[1] +: 5];

        always_ff @(posedge clk_i) digit_q <= digit_d;

        assign w_o[8*(n*L+l) +: 8] = {3'd0, digit_q};
        assign nibble_q = nibble_d;
        assign unused_nibble = ^nibble_q;
      end

      // The lower lane of four columns counts from the first of them, the upper one from the
      // second; a position out of reach is the nearest.
      if (Pruned) begin : gen_pick
        localparam logic [1:0] From = 2'(l % 2);
        localparam logic [1:0] Out  = (l % 2 == 0) ? 2'd3 : 2'd0;
        localparam logic [1:0] Near = (l % 2 == 0) ? 2'd2 : 2'd0;
        logic [1:0] position, pick_d, pick_q;

        assign position = row[2*(NP*LP+n*LP+l) +: 2];

        always_comb begin
          pick_d = (position == Out) ? Near : position - From;
          if (Dense && mode_i != tw_pkg::MODE_W2P && mode_i != tw_pkg::MODE_S2P) pick_d = 2'd3;
        end

        always_ff @(posedge clk_i) pick_q <= pick_d;

        assign pick_o[2*(n*L+l) +: 2] = pick_q;
      end else begin : gen_own
        assign pick_o[2*(n*L+l) +: 2] = 2'd3;
      end

      // The upper half of an operand is its sign unless there are codes of eight bits.
      if (PACKED == 3 && l % 2 == 1) begin : gen_fill
        logic fill_q;

        always_ff @(posedge clk_i) begin
          case (mode_i)
            tw_pkg::MODE_W2, tw_pkg::MODE_W2P: fill_q <= odd[3];
            tw_pkg::MODE_S2, tw_pkg::MODE_S2P: fill_q <= signed2[3];
            default:                           fill_q <= 1'b0;
          endcase
        end

        assign w_o[8*(n*L+l)+4 +: 4] = {4{fill_q}};
      end else if (PACKED != 3 && PACKED < 5 && (MODES[3] || MODES[5])) begin : gen_byte
        logic [3:0] upper_d, upper_q;

        always_comb begin
          upper_d = {4{nibble_d[3]}};
          if (MODES[3] && mode_i == tw_pkg::MODE_W8) upper_d = row[8*(n*LP+l)+4 +: 4];
          if (MODES[5] && mode_i == tw_pkg::MODE_V8) upper_d = row[8*(l*NP+n)+4 +: 4];
        end

        always_ff @(posedge clk_i) upper_q <= upper_d;

        assign w_o[8*(n*L+l)+4 +: 4] = upper_q;
      end else if (PACKED < 5) begin : gen_sign
        assign w_o[8*(n*L+l)+4 +: 4] = {4{nibble_q[3]}};
      end
    end
  end
endmodule
