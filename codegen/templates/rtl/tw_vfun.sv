// Table functions of a vector lane: one number each cycle. Latency 5.
//
//   rope_i:  arg_i is a phase in turns of 2^32; 2^15 * sin, or cos with quarter_i
//   point_i: arg_i is |a|, 16 fractional bits, neg_i the sign of a; 2^16 times the gate of
//            function fun_i, or for tanh 2^16 * tanh
//   neither: arg_i >= 0, 16 fractional bits; 2^15 * 2^-arg, 0 with zero_i
// rope_i, point_i and fun_i are constant while values are in the pipeline. Tables that no function
// of FUNCTIONS uses are not there.
module tw_vfun #(
  parameter int FUNCTIONS = -1
) (
  input  logic               clk_i,
  input  logic               rope_i,
  input  logic               point_i,
  input  logic [4:0]         fun_i,
  input  logic [31:0]        arg_i,
  input  logic               quarter_i,
  input  logic               neg_i,
  input  logic               zero_i,
  output logic signed [17:0] value_o
);
  localparam logic HasSigmoid = FUNCTIONS[tw_pkg::FUN_SILU] || FUNCTIONS[tw_pkg::FUN_SIGMOID] ||
                                FUNCTIONS[tw_pkg::FUN_TANH];
  localparam logic HasHard = FUNCTIONS[tw_pkg::FUN_HARD_SWISH] ||
                             FUNCTIONS[tw_pkg::FUN_HARD_SIGMOID];

  // Which table, and how its points lie: 256 of them up to 8 or up to 16. A step has no table.
  logic of_sigmoid, of_phi, of_phi_tanh, of_hard, of_exp2, is_tanh, is_mul, is_step, is_fine;

  always_comb begin
    of_sigmoid  = 1'b0;
    of_phi      = 1'b0;
    of_phi_tanh = 1'b0;
    of_hard     = 1'b0;
    is_tanh     = 1'b0;
    is_mul      = 1'b0;
    is_step     = 1'b0;
    case (fun_i)
      tw_pkg::FUN_SILU, tw_pkg::FUN_SIGMOID:            of_sigmoid  = point_i;
      tw_pkg::FUN_GELU:                                 of_phi      = point_i;
      tw_pkg::FUN_GELU_TANH:                            of_phi_tanh = point_i;
      tw_pkg::FUN_HARD_SWISH, tw_pkg::FUN_HARD_SIGMOID: of_hard     = point_i;
      tw_pkg::FUN_TANH: begin
        of_sigmoid = point_i;
        is_tanh    = point_i;
      end
      tw_pkg::FUN_MUL:                                  is_mul      = point_i;
      default:                                          is_step     = point_i;
    endcase
  end

  assign of_exp2 = !rope_i && !point_i;
  assign is_fine = of_phi || of_phi_tanh || is_tanh;

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
    full_d   = is_mul || is_step;
    neg_d    = neg_i && !is_mul;
    zero_d   = zero_i || (arg_i[31:16] > 16'd16);
    places_d = arg_i[20:16];
    if (rope_i) begin
      index_d = folded[15:8];
      frac_d  = {folded[7:0], 4'd0};
      full_d  = folded[16];
      neg_d   = phase[17];
    end else if (is_fine) begin
      index_d = arg_i[18:11];
      frac_d  = {arg_i[10:0], 1'b0};
      full_d  = arg_i[31:19] != '0;
    end else if (of_sigmoid || of_hard) begin
      index_d = arg_i[19:12];
      frac_d  = arg_i[11:0];
      full_d  = arg_i[31:20] != '0;
    end
  end

  // Tables (1 -> 2), line (2 -> 4).
  logic [16:0]        sin_base, sigmoid_base, phi_base, phi_tanh_base, hard_base, exp2_base;
  logic signed [11:0] sin_rise, sigmoid_rise, phi_rise, phi_tanh_rise, hard_rise, exp2_rise;
  logic [16:0]        base_d, base_q, line;
  logic signed [11:0] rise_d, rise_q;
  logic               full_4, neg_4, zero_4;
  logic [4:0]         places_4;

  if (FUNCTIONS[tw_pkg::FUN_ROPE] || FUNCTIONS[tw_pkg::FUN_ROPE_PAIRS]) begin : gen_sin
    tw_rom_sin u_rom (
      .index_i(index_q),
      .base_o (sin_base),
      .rise_o (sin_rise)
    );
  end else begin : gen_no_sin
    assign {sin_base, sin_rise} = '0;
  end

  if (HasSigmoid) begin : gen_sigmoid
    tw_rom_sigmoid u_rom (
      .index_i(index_q),
      .base_o (sigmoid_base),
      .rise_o (sigmoid_rise)
    );
  end else begin : gen_no_sigmoid
    assign {sigmoid_base, sigmoid_rise} = '0;
  end

  if (FUNCTIONS[tw_pkg::FUN_GELU]) begin : gen_phi
    tw_rom_phi u_rom (
      .index_i(index_q),
      .base_o (phi_base),
      .rise_o (phi_rise)
    );
  end else begin : gen_no_phi
    assign {phi_base, phi_rise} = '0;
  end

  if (FUNCTIONS[tw_pkg::FUN_GELU_TANH]) begin : gen_phi_tanh
    tw_rom_phi_tanh u_rom (
      .index_i(index_q),
      .base_o (phi_tanh_base),
      .rise_o (phi_tanh_rise)
    );
  end else begin : gen_no_phi_tanh
    assign {phi_tanh_base, phi_tanh_rise} = '0;
  end

  if (HasHard) begin : gen_hard
    tw_rom_hard_sigmoid u_rom (
      .index_i(index_q),
      .base_o (hard_base),
      .rise_o (hard_rise)
    );
  end else begin : gen_no_hard
    assign {hard_base, hard_rise} = '0;
  end

  if (FUNCTIONS[tw_pkg::FUN_SOFTMAX]) begin : gen_exp2
    tw_rom_exp2 u_rom (
      .index_i(index_q),
      .base_o (exp2_base),
      .rise_o (exp2_rise)
    );
  end else begin : gen_no_exp2
    assign {exp2_base, exp2_rise} = '0;
  end

  assign base_d = ({17{rope_i}} & sin_base) | ({17{of_sigmoid}} & sigmoid_base) |
                  ({17{of_phi}} & phi_base) | ({17{of_phi_tanh}} & phi_tanh_base) |
                  ({17{of_hard}} & hard_base) | ({17{of_exp2}} & exp2_base);
  assign rise_d = ({12{rope_i}} & sin_rise) | ({12{of_sigmoid}} & sigmoid_rise) |
                  ({12{of_phi}} & phi_rise) | ({12{of_phi_tanh}} & phi_tanh_rise) |
                  ({12{of_hard}} & hard_rise) | ({12{of_exp2}} & exp2_rise);

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

  // Sign, upper half, exponent (4 -> 5). tanh(x) = 2 * sigmoid(2x) - 1.
  logic [17:0] shifted, power, sine, upper, gate, value_q;
  logic        unused_bits;

  assign shifted = {line, 1'b0} >> places_4;  // the bit below the point rounds
  assign power   = {1'b0, shifted[17:1]} + 18'(shifted[0]);
  assign sine    = full_4 ? 18'd32768 : {1'b0, line};
  assign upper   = full_4 ? 18'd65536 : {1'b0, line};
  assign gate    = neg_4 ? 18'd65536 - upper : upper;

  always_ff @(posedge clk_i) begin
    index_q <= index_d;
    frac_q  <= frac_d;
    frac_q2 <= frac_q;
    base_q  <= base_d;
    rise_q  <= rise_d;
    if (rope_i) value_q <= neg_4 ? -sine : sine;
    else if (is_tanh) value_q <= {gate[16:0], 1'b0} - 18'd65536;
    else if (point_i) value_q <= gate;
    else value_q <= zero_4 ? '0 : power;
  end

  assign unused_bits = ^{arg_i[13:0], index_q};
  assign value_o     = value_q;
endmodule
