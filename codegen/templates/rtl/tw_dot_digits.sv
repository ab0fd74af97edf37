// Sum of L products of a digit of an activation and a digit of a weight, shifted to its place, plus
// a term, without multipliers. A digit of a weight is PARTS digits of tw_digit_sum, and has the bit
// below it as its lowest.
//
// With place_i p it counts STEP*p bits higher; with twice_i, of place 0, one bit higher.
// Latency 3 + max(1, log2(LP)): operands; sums; shifted; with the term. place_i and twice_i are
// those of the cycle in which sums are there, term_i of the one after it.
module tw_dot_digits #(
  parameter int   L         = 8,
  parameter int   LP        = 8,  // L rounded up to a power of two
  parameter int   A_BITS    = 8,  // of a signed digit of an activation
  parameter int   PARTS     = 1,  // 1, 2
  parameter int   STEP      = 2,
  parameter int   PLACES    = 4,
  parameter logic TWICE     = 1'b1,
  parameter int   TERM_BITS = 12,
  parameter int   SUM_BITS  = 19  // 16 + log2(LP)
) (
  input  logic                       clk_i,
  input  logic [L*A_BITS-1:0]        a_i,
  input  logic [L*(2*PARTS+1)-1:0]   w_i,
  input  logic [1:0]                 place_i,
  input  logic                       twice_i,
  input  logic [TERM_BITS-1:0]       term_i,
  output logic signed [SUM_BITS-1:0] sum_o
);
  localparam int PartBits  = A_BITS + 1 + $clog2(LP);
  localparam int WholeBits = PartBits + 3 * (PARTS - 1);

  logic [L*A_BITS-1:0]        a_q;
  logic [L*(2*PARTS+1)-1:0]   w_q;
  logic [PARTS*PartBits-1:0]  part;
  logic [PARTS-1:0]           less;
  logic signed [WholeBits-1:0] whole;  // less[0] too small

  always_ff @(posedge clk_i) begin
    a_q <= a_i;
    w_q <= w_i;
  end

  for (genvar p = 0; p < PARTS; p++) begin : gen_part
    logic [L*3-1:0] w;

    for (genvar l = 0; l < L; l++) begin : gen_lane
      assign w[3*l +: 3] = w_q[(2*PARTS+1)*l+2*p +: 3];
    end

    tw_digit_sum #(
      .L     (L),
      .LP    (LP),
      .A_BITS(A_BITS)
    ) u_sum (
      .clk_i (clk_i),
      .a_i   (a_q),
      .w_i   (w),
      .sum_o (part[PartBits*p +: PartBits]),
      .less_o(less[p])
    );
  end

  // What a part lacks fills the bits below it, and is added at the lowest: thereby it counts once.
  if (PARTS == 1) begin : gen_one
    assign whole = part;
  end else begin : gen_two
    logic [WholeBits:0] both;
    logic               unused_bit;

    assign both = (WholeBits + 1)'($signed({part[0 +: PartBits], 1'b1})) +
                  (WholeBits + 1)'($signed({part[PartBits +: PartBits], {3{less[1]}}}));
    assign whole      = both[WholeBits:1];
    assign unused_bit = both[0];
  end

  logic [PLACES*SUM_BITS-1:0] placed;
  logic [SUM_BITS-1:0]        shifted_d, shifted_q;
  logic                       less_q;
  logic [SUM_BITS:0]          full;

  assign placed[0 +: SUM_BITS] = SUM_BITS'(whole);

  for (genvar p = 1; p < PLACES; p++) begin : gen_place
    assign placed[SUM_BITS*p +: SUM_BITS] = SUM_BITS'($signed({whole, {(STEP * p){less[0]}}}));
  end

  always_comb begin
    shifted_d = placed[0 +: SUM_BITS];
    for (int p = 1; p < PLACES; p++) begin
      if (place_i == 2'(p)) shifted_d = placed[SUM_BITS*p +: SUM_BITS];
    end
    if (TWICE && twice_i) shifted_d = SUM_BITS'($signed({whole, less[0]}));
  end

  assign full = {shifted_q, 1'b1} + {SUM_BITS'($signed(term_i)), less_q};

  always_ff @(posedge clk_i) begin
    shifted_q <= shifted_d;
    less_q    <= less[0];
    sum_o     <= full[SUM_BITS:1];
  end

  logic unused_bits;
  assign unused_bits = ^{place_i, twice_i, full[0]};
endmodule
