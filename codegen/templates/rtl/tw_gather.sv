// The activations that the lanes of an output multiply, out of a step of two rows. Combinational:
// registers stand before and behind it.
//
// Lanes 2j and 2j+1 of a pruned mode share columns 4j to 4j+3: lane 2j reaches the first three of
// them, lane 2j+1 the last three. pick_i of a lane says which of its three, or with 3 that the mode
// is not pruned: then lane l takes column l.
module tw_gather #(
  parameter int L     = 8,
  parameter int DENSE = 1  // modes that are not pruned are there
) (
  input  logic [2*L*8-1:0] a_i,
  input  logic [2*L-1:0]   pick_i,
  output logic [L*8-1:0]   a_o
);
  for (genvar l = 0; l < L; l++) begin : gen_lane
    localparam int First = l / 2 * 4 + l % 2;
    localparam int Other = (DENSE != 0) ? l : First + 2;

    always_comb begin
      case (pick_i[2*l +: 2])
        2'd0:    a_o[8*l +: 8] = a_i[8*First +: 8];
        2'd1:    a_o[8*l +: 8] = a_i[8*(First+1) +: 8];
        2'd2:    a_o[8*l +: 8] = a_i[8*(First+2) +: 8];
        default: a_o[8*l +: 8] = a_i[8*Other +: 8];
      endcase
    end
  end
endmodule
