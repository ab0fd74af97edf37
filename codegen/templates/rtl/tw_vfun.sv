// Table functions of a vector lane: sine, sigmoid and 2^-x of one number each cycle. Latency 5.
//
//   rope_i:  arg_i is a phase in turns of 2^32; 2^15 * sin, or cos with quarter_i
//   silu_i:  arg_i is |a|, 16 fractional bits; 2^16 * sigmoid(a), neg_i the sign of a
//   neither: arg_i >= 0, 16 fractional bits; 2^15 * 2^-arg, 0 with zero_i
// rope_i and silu_i are constant while values are in the pipeline.
module tw_vfun (
  input  logic               clk_i,
  input  logic               rope_i,
  input  logic               silu_i,
  input  logic [31:0]        arg_i,
  input  logic               quarter_i,
  input  logic               neg_i,
  input  logic               zero_i,
  output logic signed [17:0] value_o
);
  // Segment and place in it (cycle 0 -> 1). A sine runs backwards in odd quadrants, its end is no
  // segment.
  logic [17:0] phase;
  logic [16:0] folded;
  logic [7:0]  index_d, index_q;
  logic [11:0] frac_d, frac_q, frac_q2;
  logic        full_d, neg_d, zero_d;
  logic [4:0]  places_d;

  assign phase  = arg_i[31:14] + {1'b0, quarter_i, 16'd0};
  assign folded = phase[16] ? 17'h10000 - {1'b0, phase[15:0]} : {1'b0, phase[15:0]};

  always_comb begin
    index_d  = arg_i[15:8];
    frac_d   = {arg_i[7:0], 4'd0};
    full_d   = 1'b0;
    neg_d    = neg_i;
    zero_d   = zero_i || (arg_i[31:16] > 16'd16);
    places_d = arg_i[20:16];
    if (rope_i) begin
      index_d = folded[15:8];
      frac_d  = {folded[7:0], 4'd0};
      full_d  = folded[16];
      neg_d   = phase[17];
    end else if (silu_i) begin
      index_d = arg_i[19:12];
      frac_d  = arg_i[11:0];
      full_d  = arg_i[31:20] != '0;
    end
  end

  // Tables (1 -> 2), line (2 -> 4).
  logic [16:0]        sin_base, sigmoid_base, exp2_base, base_d, base_q, line;
  logic signed [11:0] sin_rise, sigmoid_rise, exp2_rise, rise_d, rise_q;
  logic               full_4, neg_4, zero_4;
  logic [4:0]         places_4;

  tw_rom_sin u_sin (
    .index_i(index_q),
    .base_o (sin_base),
    .rise_o (sin_rise)
  );
  tw_rom_sigmoid u_sigmoid (
    .index_i(index_q),
    .base_o (sigmoid_base),
    .rise_o (sigmoid_rise)
  );
  tw_rom_exp2 u_exp2 (
    .index_i(index_q),
    .base_o (exp2_base),
    .rise_o (exp2_rise)
  );

  assign base_d = rope_i ? sin_base : (silu_i ? sigmoid_base : exp2_base);
  assign rise_d = rope_i ? sin_rise : (silu_i ? sigmoid_rise : exp2_rise);

  tw_interp u_interp (
    .clk_i  (clk_i),
    .base_i (base_q),
    .rise_i (rise_q),
    .frac_i (frac_q2),
    .value_o(line)
  );

  tw_delay #(
    .WIDTH(8),
    .DEPTH(4)
  ) u_flags (
    .clk_i(clk_i),
    .d_i  ({full_d, neg_d, zero_d, places_d}),
    .q_o  ({full_4, neg_4, zero_4, places_4})
  );

  // Sign, upper half, exponent (4 -> 5).
  logic [17:0] shifted, power, sine, sigmoid, value_q;
  logic        unused_bits;

  assign shifted = {line, 1'b0} >> places_4;  // the bit below the point rounds
  assign power   = {1'b0, shifted[17:1]} + 18'(shifted[0]);
  assign sine    = full_4 ? 18'd32768 : {1'b0, line};
  assign sigmoid = full_4 ? 18'd65536 : {1'b0, line};

  always_ff @(posedge clk_i) begin
    index_q <= index_d;
    frac_q  <= frac_d;
    frac_q2 <= frac_q;
    base_q  <= base_d;
    rise_q  <= rise_d;
    if (rope_i) value_q <= neg_4 ? -sine : sine;
    else if (silu_i) value_q <= neg_4 ? 18'd65536 - sigmoid : sigmoid;
    else value_q <= zero_4 ? '0 : power;
  end

  assign unused_bits = ^arg_i[13:0];
  assign value_o     = value_q;
endmodule
