// Element sel_i of COUNT elements, combinational. sel_i must be below COUNT.
//
// Elements are spread to a stride of a power of two, so that the position is wiring and not a
// product.
module tw_select #(
  parameter int COUNT = 2,
  parameter int WIDTH = 8,
  parameter int BITS  = 1  // of sel_i: at least log2(COUNT) and at least 1
) (
  input  logic [BITS-1:0]        sel_i,
  input  logic [COUNT*WIDTH-1:0] d_i,
  output logic [WIDTH-1:0]       q_o
);
  localparam int Shift  = $clog2(WIDTH);
  localparam int Stride = 1 << Shift;

  logic [(Stride<<BITS)-1:0] spread;

  for (genvar i = 0; i < (1 << BITS); i++) begin : gen_element
    if (i < COUNT) begin : gen_used
      assign spread[i*Stride +: Stride] = Stride'(d_i[i*WIDTH +: WIDTH]);
    end else begin : gen_unused
      assign spread[i*Stride +: Stride] = '0;
    end
  end

  if (Shift > 0) begin : gen_wide
    assign q_o = spread[{sel_i, {Shift{1'b0}}} +: WIDTH];
  end else begin : gen_bit
    assign q_o = spread[sel_i +: 1];
  end
endmodule
