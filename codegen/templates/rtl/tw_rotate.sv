// Rotates a word of BYTES bytes to the right by any number of bytes, in stages of four ways: the
// byte at right_i comes out as the lowest. Combinational.
module tw_rotate #(
  parameter int BYTES = 16,
  localparam int SEL_W = $clog2(BYTES)
) (
  input  logic [SEL_W-1:0]   right_i,
  input  logic [BYTES*8-1:0] data_i,
  output logic [BYTES*8-1:0] data_o
);
  localparam int BITS = BYTES * 8;
  localparam int STAGES = (SEL_W + 1) / 2;

  logic [2*STAGES-1:0]        right;
  logic [(STAGES+1)*BITS-1:0] stage;  // what goes into each, and what comes out of the last

  assign right = (2 * STAGES)'(right_i);
  assign stage[BITS-1:0] = data_i;
  assign data_o = stage[STAGES*BITS+:BITS];

  for (genvar s = 0; s < STAGES; s++) begin : gen_stage
    localparam int STEP = 8 << (2 * s);

    logic [2*BITS-1:0] twice;
    logic [BITS-1:0]   turned;
    logic              unused_upper;
    assign twice = {2{stage[s*BITS+:BITS]}};
    assign unused_upper = ^twice;

    // An odd number of select bits leaves the last stage two ways.
    always_comb begin
      case (right[2*s+:2])
        2'd0:    turned = twice[0+:BITS];
        2'd1:    turned = twice[STEP%BITS+:BITS];
        2'd2:    turned = twice[2*STEP%BITS+:BITS];
        default: turned = twice[3*STEP%BITS+:BITS];
      endcase
    end

    assign stage[(s+1)*BITS+:BITS] = turned;
  end
endmodule
