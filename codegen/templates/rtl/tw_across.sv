// What slices tell each other: the largest of their maxima, the sum of their sums, and the codes of
// the slice whose turn it is. Each is there for all of them CROSSING cycles later.
//
// Node i of the tree joins nodes 2i and 2i+1, and has a register; leaf PARTS+s is slice s. CROSSING
// is no less than the levels of the tree.
module tw_across #(
  parameter int SLICES   = 2,
  parameter int CROSSING = 1,
  parameter int WIDTH    = 64  // bits of the codes
) (
  input  logic                    clk_i,
  input  logic [SLICES*32-1:0]    max_i,
  input  logic [SLICES*56-1:0]    sum_i,
  input  logic [6:0]              turn_i,
  input  logic [SLICES*WIDTH-1:0] code_i,
  output logic [31:0]             max_o,
  output logic [55:0]             sum_o,
  output logic [WIDTH-1:0]        code_o
);
  localparam int Levels = $clog2(SLICES);
  localparam int Parts  = 2 ** Levels;
  localparam int Rest   = CROSSING - Levels;
  localparam int Bits   = 32 + 56 + WIDTH;

  for (genvar i = 2 * Parts - 1; i >= 1; i--) begin : gen_node
    logic [31:0]      max;
    logic [55:0]      sum;
    logic [WIDTH-1:0] code;

    if (i >= Parts + SLICES) begin : gen_none
      assign max  = '0;
      assign sum  = '0;
      assign code = '0;
    end else if (i >= Parts) begin : gen_slice
      assign max  = max_i[32*(i-Parts) +: 32];
      assign sum  = sum_i[56*(i-Parts) +: 56];
      assign code = (turn_i == 7'(i - Parts)) ? code_i[WIDTH*(i-Parts) +: WIDTH] : '0;
    end else begin : gen_join
      always_ff @(posedge clk_i) begin
        max  <= (gen_node[2*i].max > gen_node[2*i+1].max) ? gen_node[2*i].max
                                                          : gen_node[2*i+1].max;
        sum  <= gen_node[2*i].sum + gen_node[2*i+1].sum;
        code <= gen_node[2*i].code | gen_node[2*i+1].code;
      end
    end
  end

  if (Rest > 0) begin : gen_rest
    tw_delay #(
      .WIDTH(Bits),
      .DEPTH(Rest)
    ) u_rest (
      .clk_i(clk_i),
      .d_i  ({gen_node[1].max, gen_node[1].sum, gen_node[1].code}),
      .q_o  ({max_o, sum_o, code_o})
    );
  end else begin : gen_no_rest
    assign max_o  = gen_node[1].max;
    assign sum_o  = gen_node[1].sum;
    assign code_o = gen_node[1].code;
  end
endmodule
