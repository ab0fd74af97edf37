// Sums of L products for two tokens and two outputs: a tw_dsp_quad for each lane, and a tree of
// adders for each of its four parts.
//
// pair_i: the slices hold one token's products of 8 x 8 bits; both tokens' sums are then that
// token's. levels_i: a weight v stands for 2v + 1; what the ones add, the sum of the activations,
// is in term_i. Otherwise term_i holds only what the slices' offset adds, as a negative number:
// 255 for each lane, of pairs 255 * 513, doubled for levels.
//
// Latency 4 + max(1, log2(LP)): operands, products, slices, the trees' levels, sums. pair_i,
// levels_i and term_i are those of the cycle before the last one.
module tw_dot_quad #(
  parameter int L        = 8,
  parameter int LP       = 8,  // L rounded up to a power of two
  parameter int SUM_BITS = 19  // 16 + log2(LP); sums are modulo 2^SUM_BITS
) (
  input  logic                  clk_i,
  input  logic [L*18-1:0]       b_i,       // activations, of tw_quad_pack
  input  logic [2*L*8-1:0]      w_i,       // output 0, output 1
  input  logic                  pair_i,
  input  logic                  levels_i,
  input  logic [2*SUM_BITS-1:0] term_i,    // token 0, token 1
  output logic [4*SUM_BITS-1:0] sum_o      // token 0: output 0, output 1; token 1
);
  localparam int Bits = 10 + $clog2(LP);  // a lane's sum, with a zero above it

  logic [4*L*10-1:0]  lanes;
  logic [4*Bits-1:0]  parts;
  logic [SUM_BITS-1:0] one [2];  // of one token: of output 0, of output 1

  for (genvar l = 0; l < L; l++) begin : gen_lane
    logic [35:0] four;

    tw_dsp_quad u_quad (
      .clk_i  (clk_i),
      .w0_i   (w_i[8*l +: 8]),
      .w1_i   (w_i[8*(L+l) +: 8]),
      .b_i    (b_i[18*l +: 18]),
      .lanes_o(four)
    );

    for (genvar k = 0; k < 4; k++) begin : gen_part
      assign lanes[10*(L*k+l) +: 10] = {1'b0, four[9*k +: 9]};
    end
  end

  for (genvar k = 0; k < 4; k++) begin : gen_sum
    tw_sum #(
      .COUNT (L),
      .LEAVES(LP),
      .IN    (10),
      .OUT   (Bits)
    ) u_sum (
      .clk_i(clk_i),
      .d_i  (lanes[10*L*k +: 10*L]),
      .sum_o(parts[Bits*k +: Bits])
    );
  end

  for (genvar n = 0; n < 2; n++) begin : gen_output
    logic [Bits-1:0]     low, high;
    logic [SUM_BITS-1:0] above;
    logic                unused_above;

    assign low    = parts[Bits*2*n +: Bits];
    assign high   = parts[Bits*(2*n+1) +: Bits];
    assign above  = SUM_BITS'(high) + SUM_BITS'(low[Bits-1:9]);
    assign one[n] = {above[SUM_BITS-10:0], low[8:0]};

    // The sum is modulo 2^SUM_BITS.
    assign unused_above = ^above;

    for (genvar t = 0; t < 2; t++) begin : gen_token
      logic [Bits-1:0]     part;
      logic [SUM_BITS-1:0] x, sum_q;

      assign part = parts[Bits*(2*n+t) +: Bits];
      assign x    = pair_i ? one[n] : (levels_i ? SUM_BITS'({part, 1'b0}) : SUM_BITS'(part));

      always_ff @(posedge clk_i) sum_q <= x + term_i[SUM_BITS*t +: SUM_BITS];

      assign sum_o[SUM_BITS*(2*t+n) +: SUM_BITS] = sum_q;
    end
  end
endmodule
