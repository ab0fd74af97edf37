// y = sat32(f / 2^shift + bias), rounded half up; a negative shift multiplies. Latency 4, from
// bias_i 1; shift_i is constant while values are in the pipeline.
module tw_round (
  input  logic               clk_i,
  input  logic signed [63:0] f_i,
  input  logic signed [9:0]  shift_i,
  input  logic signed [20:0] bias_i,
  output logic signed [31:0] y_o
);
  // Left: a value that is clamped to int32 first leaves int32 by a left shift exactly if the value
  // itself does, bias or not, and so does a shift by 32 in place of any longer one.
  // Right: shift by one place less, the bit below the point rounds; 63 places leave only the sign,
  // which rounds to zero.
  logic               left_d, left_q, zero_q, over;
  logic signed [9:0]  places;
  logic [5:0]         left_places_d, left_places_q, right_places_d, right_places_q;
  logic signed [31:0] clamped;

  assign places = left_d ? -shift_i : shift_i - 10'sd1;
  assign left_d = shift_i[9];

  assign left_places_d = (places > 10'sd32) ? 6'd32 : places[5:0];

  always_comb begin
    right_places_d = places[5:0];
    if (left_d || shift_i == '0) right_places_d = '0;
    else if (places > 10'sd63) right_places_d = 6'd63;
  end

  assign over    = (f_i[63:31] != '0) && (f_i[63:31] != '1);
  assign clamped = over ? {f_i[63], {31{!f_i[63]}}} : f_i[31:0];

  logic signed [63:0] left_value_q, coarse_q, fine_q;
  logic signed [64:0] rounded;  // the farthest left shift fills 64 bits without the bias
  logic signed [31:0] y_q;
  logic               over_y;

  always_ff @(posedge clk_i) begin
    // The shift is settled before the first value arrives.
    left_q         <= left_d;
    zero_q         <= left_d || (shift_i == '0);
    left_places_q  <= left_places_d;
    right_places_q <= right_places_d;

    left_value_q <= left_q ? (64'(clamped) <<< left_places_q) : f_i;
    coarse_q     <= left_value_q >>> {right_places_q[5:3], 3'b000};
    fine_q       <= coarse_q >>> right_places_q[2:0];
    y_q          <= over_y ? {rounded[64], {31{!rounded[64]}}} : rounded[31:0];
  end

  assign rounded = (zero_q ? 65'(fine_q) : 65'($signed(fine_q[63:1]))) + 65'(bias_i) +
                   $signed({64'd0, fine_q[0] && !zero_q});
  assign over_y  = (rounded[64:31] != '0) && (rounded[64:31] != '1);
  assign y_o     = y_q;
endmodule
