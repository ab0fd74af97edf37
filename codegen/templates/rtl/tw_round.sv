// y = sat32(f / 2^shift + bias), rounded half up; a negative shift multiplies. Latency 4, from
// bias_i 1; shift_i is constant while values are in the pipeline.
module tw_round (
  input  logic               clk_i,
  input  logic signed [63:0] f_i,
  input  logic signed [9:0]  shift_i,
  input  logic signed [20:0] bias_i,
  output logic signed [31:0] y_o
);
  // One shifter to the right serves both ways; the bit below the point of what it gives rounds.
  // Right: by one place less; 63 places leave only the sign, which rounds to zero.
  // Left: from 33 bits farther up, by up to 32. A value that is clamped to int32 first leaves int32
  // by a left shift exactly if the value itself does, bias or not, and so does a shift by 32 in
  // place of any longer one. A bias may bring back what leaves it unshifted: that is not clamped.
  logic               left_d, left_q, none_d, none_q, over;
  logic [5:0]         places_d, places_q;
  logic signed [31:0] clamped;

  assign left_d = shift_i[9];
  assign none_d = shift_i == '0;

  always_comb begin
    if (left_d) places_d = (shift_i < -10'sd32) ? 6'd0 : {!shift_i[5], shift_i[4:0]};
    else if (none_d) places_d = 6'd0;
    else places_d = (shift_i > 10'sd64) ? 6'd63 : 6'(shift_i - 10'sd1);
  end

  assign over    = (f_i[63:31] != '0) && (f_i[63:31] != '1);
  assign clamped = over ? {f_i[63], {31{!f_i[63]}}} : f_i[31:0];

  logic signed [64:0] wide_q, coarse, middle, coarse_q, fine, fine_q;
  logic signed [65:0] sum;  // the farthest left shift fills 64 bits without the bias
  logic signed [64:0] rounded;
  logic signed [31:0] y_q;
  logic               over_y, unused_half;

  // In steps of four ways, which take a LUT a bit.
  always_comb begin
    case (places_q[5:4])
      2'd0:    coarse = wide_q;
      2'd1:    coarse = wide_q >>> 16;
      2'd2:    coarse = wide_q >>> 32;
      default: coarse = wide_q >>> 48;
    endcase
  end

  always_comb begin
    case (places_q[3:2])
      2'd0:    middle = coarse;
      2'd1:    middle = coarse >>> 4;
      2'd2:    middle = coarse >>> 8;
      default: middle = coarse >>> 12;
    endcase
  end

  always_comb begin
    case (places_q[1:0])
      2'd0:    fine = coarse_q;
      2'd1:    fine = coarse_q >>> 1;
      2'd2:    fine = coarse_q >>> 2;
      default: fine = coarse_q >>> 3;
    endcase
  end

  always_ff @(posedge clk_i) begin
    // The shift is settled before the first value arrives.
    left_q   <= left_d;
    none_q   <= none_d;
    places_q <= places_d;

    if (left_q) wide_q <= $signed({clamped, 33'd0});
    else if (none_q) wide_q <= $signed({f_i, 1'b0});
    else wide_q <= 65'(f_i);
    coarse_q <= middle;
    fine_q   <= fine;
    y_q      <= over_y ? {rounded[64], {31{!rounded[64]}}} : rounded[31:0];
  end

  // The bit that rounds is a carry into the sum.
  assign sum         = 66'($signed({fine_q[64:1], 1'b1})) + 66'($signed({bias_i, fine_q[0]}));
  assign rounded     = sum[65:1];
  assign unused_half = sum[0];
  assign over_y      = (rounded[64:31] != '0) && (rounded[64:31] != '1);
  assign y_o         = y_q;
endmodule
