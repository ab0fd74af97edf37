// Behavioural twin of the DSP48E2 slice of UltraScale+, after AMD's user guide UG579: for
// simulation only, a synthesis reads the vendor's primitive.
//
// Of the slice it has the two-register A and B paths, the pre-adder, the multiplier, and into the
// adder the constant RND and the cascade or C, registered; clock enables are high, resets low.
// Beyond that the result is unknown.
module DSP48E2 #(
  parameter int          ACASCREG      = 1,
  parameter int          ADREG         = 1,
  parameter int          ALUMODEREG    = 1,
  parameter              AMULTSEL      = "A",
  parameter int          AREG          = 1,
  parameter int          BCASCREG      = 1,
  parameter              BMULTSEL      = "B",
  parameter int          BREG          = 1,
  parameter int          CARRYINREG    = 1,
  parameter int          CARRYINSELREG = 1,
  parameter int          CREG          = 1,
  parameter int          DREG          = 1,
  parameter int          INMODEREG     = 1,
  parameter int          MREG          = 1,
  parameter int          OPMODEREG     = 1,
  parameter int          PREG          = 1,
  parameter logic [47:0] RND           = '0,
  parameter              USE_MULT      = "MULTIPLY"
) (
  input  logic        CLK,
  input  logic [29:0] A,
  input  logic [29:0] ACIN,
  input  logic [3:0]  ALUMODE,
  input  logic [17:0] B,
  input  logic [17:0] BCIN,
  input  logic [47:0] C,
  input  logic        CARRYCASCIN,
  input  logic        CARRYIN,
  input  logic [2:0]  CARRYINSEL,
  input  logic        CEA1,
  input  logic        CEA2,
  input  logic        CEAD,
  input  logic        CEALUMODE,
  input  logic        CEB1,
  input  logic        CEB2,
  input  logic        CEC,
  input  logic        CECARRYIN,
  input  logic        CECTRL,
  input  logic        CED,
  input  logic        CEINMODE,
  input  logic        CEM,
  input  logic        CEP,
  input  logic [26:0] D,
  input  logic [4:0]  INMODE,
  input  logic        MULTSIGNIN,
  input  logic [8:0]  OPMODE,
  input  logic [47:0] PCIN,
  input  logic        RSTA,
  input  logic        RSTALLCARRYIN,
  input  logic        RSTALUMODE,
  input  logic        RSTB,
  input  logic        RSTC,
  input  logic        RSTCTRL,
  input  logic        RSTD,
  input  logic        RSTINMODE,
  input  logic        RSTM,
  input  logic        RSTP,
  output logic [47:0] P,
  output logic [47:0] PCOUT
);
  logic signed [26:0] a_1, a_2, d_1, ad_d, ad;
  logic signed [17:0] b_1, b_2, b;
  logic signed [44:0] m_q;
  logic [47:0]        w, x, z, c_q, p_q;

  // Operand registers: one, or two in a row.
  always_ff @(posedge CLK) begin
    a_1 <= A[26:0];
    a_2 <= a_1;
    b_1 <= B;
    b_2 <= b_1;
    d_1 <= D;
  end

  // INMODE[2] lets D through to the pre-adder; AMULTSEL takes its result or A.
  assign ad_d = ((AREG == 2) ? a_2 : a_1) + (INMODE[2] ? d_1 : 27'sd0);
  assign b    = (BREG == 2) ? b_2 : b_1;

  if (ADREG == 1) begin : gen_ad
    logic signed [26:0] ad_q;
    always_ff @(posedge CLK) ad_q <= ad_d;
    assign ad = ad_q;
  end else begin : gen_no_ad
    assign ad = ad_d;
  end

  logic signed [44:0] m_d;

  tw_mul #(
    .A_BITS(27),
    .B_BITS(18)
  ) u_mul (
    .a_i(ad),
    .b_i(b),
    .p_o(m_d)
  );

  logic with_c;
  assign with_c = OPMODE[6:4] == 3'b011;

  // The multiplier's two partial results enter by X and Y: their sum is the product.
  assign x = (OPMODE[3:0] == 4'b0101) ? 48'(m_q) : '0;
  assign z = (OPMODE[6:4] == 3'b001) ? PCIN : with_c ? c_q : '0;
  assign w = (OPMODE[8:7] == 2'b10) ? RND : '0;

  always_ff @(posedge CLK) begin
    m_q <= m_d;
    c_q <= C;
    p_q <= w + x + z;
  end

  localparam logic Known =
    (ACASCREG == AREG) && (BCASCREG == BREG) && (AMULTSEL == "AD") && (BMULTSEL == "B") &&
    (USE_MULT == "MULTIPLY") && (DREG == 1) && (MREG == 1) && (PREG == 1) &&
    (ALUMODEREG == 0) && (CARRYINREG == 0) && (CARRYINSELREG == 0) &&
    (INMODEREG == 0) && (OPMODEREG == 0);

  logic enabled, idle;
  assign enabled = &{CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED, CEINMODE,
                     CEM, CEP, with_c == (CREG == 1)};
  assign idle    = ~|{RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM,
                      RSTP, ACIN, A[29:27] ^ {3{A[26]}}, ALUMODE, BCIN, with_c ? 48'd0 : C,
                      CARRYCASCIN, CARRYIN, CARRYINSEL, MULTSIGNIN, INMODE ^ 5'b00100};

  assign P     = (Known && enabled && idle) ? p_q : 'x;
  assign PCOUT = P;
endmodule
