// Table functions of a vector lane: one number each cycle. Latency 5.
//
//   rope_i:  arg_i is a phase in turns of 2^32; 2^15 * sin, or cos with quarter_i
//   point_i: arg_i is |a|, 16 fractional bits, neg_i the sign of a; 2^16 times the gate of
//            function fun_i, or for tanh 2^16 * tanh; for softplus 2^16 * ln(1 + e^-|a|)
//   exp:     arg_i is -log2(e^a), 16 fractional bits, neg_i whether it is at least 0; -2^16 times 2
//            to its fraction, with over_i 2^16
//   reciprocal: number_i is |a|, neg_i the sign of a; 2^47 over the number without its leading
//            zeros, with the sign of -a, with over_i 2^16
//   log_np:  2^16 * log2 of the number without its leading zeros, part_o log2 of its leading one
//            over 2^16, both negative with neg_i
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
  input  logic [31:0]        number_i,
  input  logic               quarter_i,
  input  logic               neg_i,
  input  logic               zero_i,
  input  logic               over_i,
  output logic signed [4:0]  part_o,
  output logic signed [17:0] value_o
);
  localparam logic HasSigmoid = FUNCTIONS[tw_pkg::FUN_SILU] || FUNCTIONS[tw_pkg::FUN_SIGMOID] ||
                                FUNCTIONS[tw_pkg::FUN_TANH];
  localparam logic HasHard = FUNCTIONS[tw_pkg::FUN_HARD_SWISH] ||
                             FUNCTIONS[tw_pkg::FUN_HARD_SIGMOID];
  localparam logic HasExp      = FUNCTIONS[tw_pkg::FUN_EXP];
  localparam logic HasSoftplus = FUNCTIONS[tw_pkg::FUN_SOFTPLUS];
  localparam logic HasInverse  = FUNCTIONS[tw_pkg::FUN_RECIPROCAL];
  localparam logic HasLog      = FUNCTIONS[tw_pkg::FUN_LOG_NP];

  // Which table, and how its points lie: 256 of them up to 8 or up to 16. A step has no table.
  logic of_sigmoid, of_phi, of_phi_tanh, of_hard, of_exp2, is_tanh, is_mul, is_step, is_fine;
  logic of_softplus, of_recip, of_log2, is_exp, is_lead, is_signed;

  always_comb begin
    of_sigmoid  = 1'b0;
    of_phi      = 1'b0;
    of_phi_tanh = 1'b0;
    of_hard     = 1'b0;
    is_tanh     = 1'b0;
    is_mul      = 1'b0;
    is_step     = 1'b0;
    of_softplus = 1'b0;
    of_recip    = 1'b0;
    of_log2     = 1'b0;
    is_exp      = 1'b0;
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
      tw_pkg::FUN_EXP:        is_exp      = HasExp && point_i;
      tw_pkg::FUN_SOFTPLUS:   of_softplus = HasSoftplus && point_i;
      tw_pkg::FUN_RECIPROCAL: of_recip    = HasInverse && point_i;
      tw_pkg::FUN_LOG_NP:     of_log2     = HasLog && point_i;
      default:                                          is_step     = point_i;
    endcase
  end

  assign of_exp2   = (!rope_i && !point_i) || is_exp;
  assign is_fine   = of_phi || of_phi_tanh || is_tanh;
  assign is_lead   = of_recip || of_log2;
  assign is_signed = rope_i || is_exp || is_lead;

  // Segment and place in it (cycle 0 -> 1). A sine runs backwards in odd quadrants, its end is no
  // segment.
  logic [17:0] phase;
  logic [16:0] folded;
  logic [7:0]  index_d, index_q;
  logic [11:0] frac_d, frac_q, frac_q2;
  logic        full_d, neg_d, zero_d;
  logic [4:0]  places_d;

  logic [4:0]  zeros;
  logic        lead;
  logic [30:0] rest;

  if (HasInverse || HasLog) begin : gen_lead
    tw_lead u_lead (
      .value_i(number_i),
      .zeros_o(zeros),
      .lead_o (lead),
      .rest_o (rest)
    );
  end else begin : gen_no_lead
    assign {zeros, lead, rest} = '0;
  end

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
    end else if (of_softplus) begin
      index_d  = arg_i[19:12];
      frac_d   = arg_i[11:0];
      zero_d   = arg_i[31:20] != '0;
      places_d = '0;
    end else if (is_exp) begin
      full_d   = over_i;
      neg_d    = !over_i;
      places_d = {4'd0, !neg_i};
    end else if (is_lead) begin
      index_d  = rest[30:23];
      frac_d   = rest[22:11];
      full_d   = of_recip && over_i;
      neg_d    = of_log2 ? neg_i : !neg_i && !over_i;
      places_d = zeros;
    end
  end

  // Tables (1 -> 2), line (2 -> 4).
  logic [16:0]        sin_base, sigmoid_base, phi_base, phi_tanh_base, hard_base, exp2_base;
  logic [16:0]        softplus_base, recip_base, log2_base;
  logic signed [11:0] sin_rise, sigmoid_rise, phi_rise, phi_tanh_rise, hard_rise, exp2_rise;
  logic signed [11:0] softplus_rise, recip_rise, log2_rise;
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

  if (FUNCTIONS[tw_pkg::FUN_SOFTMAX] || HasExp) begin : gen_exp2
    tw_rom_exp2 u_rom (
      .index_i(index_q),
      .base_o (exp2_base),
      .rise_o (exp2_rise)
    );
  end else begin : gen_no_exp2
    assign {exp2_base, exp2_rise} = '0;
  end

  if (HasSoftplus) begin : gen_softplus
    tw_rom_softplus u_rom (
      .index_i(index_q),
      .base_o (softplus_base),
      .rise_o (softplus_rise)
    );
  end else begin : gen_no_softplus
    assign {softplus_base, softplus_rise} = '0;
  end

  if (HasInverse) begin : gen_recip
    tw_rom_recip u_rom (
      .index_i(index_q),
      .base_o (recip_base),
      .rise_o (recip_rise)
    );
  end else begin : gen_no_recip
    assign {recip_base, recip_rise} = '0;
  end

  if (HasLog) begin : gen_log2
    tw_rom_log2 u_rom (
      .index_i(index_q),
      .base_o (log2_base),
      .rise_o (log2_rise)
    );
  end else begin : gen_no_log2
    assign {log2_base, log2_rise} = '0;
  end

  assign base_d = ({17{rope_i}} & sin_base) | ({17{of_sigmoid}} & sigmoid_base) |
                  ({17{of_phi}} & phi_base) | ({17{of_phi_tanh}} & phi_tanh_base) |
                  ({17{of_hard}} & hard_base) | ({17{of_exp2}} & exp2_base) |
                  ({17{of_softplus}} & softplus_base) | ({17{of_recip}} & recip_base) |
                  ({17{of_log2}} & log2_base);
  assign rise_d = ({12{rope_i}} & sin_rise) | ({12{of_sigmoid}} & sigmoid_rise) |
                  ({12{of_phi}} & phi_rise) | ({12{of_phi_tanh}} & phi_tanh_rise) |
                  ({12{of_hard}} & hard_rise) | ({12{of_exp2}} & exp2_rise) |
                  ({12{of_softplus}} & softplus_rise) | ({12{of_recip}} & recip_rise) |
                  ({12{of_log2}} & log2_rise);

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
  // Twice a power would be 2^16 at its point 0, and beyond a word where the power is above 1.
  logic [17:0] shifted, power, twice, whole, gate, value_q;
  logic        unused_bits;

  assign shifted = {line, 1'b0} >> places_4;  // the bit below the point rounds
  assign power   = {1'b0, shifted[17:1]} + 18'(shifted[0]);
  assign twice   = (line[15] && places_4[0]) ? 18'd65535 : {line, 1'b0};
  assign gate    = neg_4 ? 18'd65536 - whole : whole;

  always_comb begin
    whole = is_exp ? twice : {1'b0, line};
    if (full_4) whole = rope_i ? 18'd32768 : 18'd65536;
  end

  // A number that has z leading zeros is at least 2^(31 - z).
  if (HasLog) begin : gen_part
    logic signed [4:0] part_q, part;

    assign part = {1'b0, ~places_4[3:0]};

    always_ff @(posedge clk_i) part_q <= neg_4 ? -part : part;
    assign part_o = part_q;
  end else begin : gen_no_part
    assign part_o = '0;
  end

  always_ff @(posedge clk_i) begin
    index_q <= index_d;
    frac_q  <= frac_d;
    frac_q2 <= frac_q;
    base_q  <= base_d;
    rise_q  <= rise_d;
    if (is_signed) value_q <= neg_4 ? -whole : whole;
    else if (is_tanh) value_q <= {gate[16:0], 1'b0} - 18'd65536;
    else if (point_i && !of_softplus) value_q <= gate;
    else value_q <= zero_4 ? '0 : power;
  end

  assign unused_bits = ^{arg_i[13:0], number_i, over_i, lead, rest, index_q};
  assign value_o     = value_q;
endmodule
