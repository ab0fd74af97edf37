// Cuts rows of ROW bytes out of memory words of WIDTH bytes: word address on the way in, slice on
// the way out one cycle later.
module tw_row #(
  parameter int WIDTH = 16,
  parameter int ROW = 8,
  parameter int ADDR_W = 16,
  parameter int WORD_AW = 8,
  localparam int SEL_W = $clog2(WIDTH / ROW),
  localparam int WIDE = ADDR_W + WORD_AW + SEL_W
) (
  input  logic               clk_i,
  input  logic               en_i,
  input  logic [ADDR_W-1:0]  row_i,
  output logic [WORD_AW-1:0] word_o,
  input  logic [WIDTH*8-1:0] data_i,
  output logic [ROW*8-1:0]   row_o
);

  logic [WIDE-1:0] row;
  logic unused_row;

  assign row = WIDE'(row_i);
  assign word_o = row[SEL_W+:WORD_AW];
  assign unused_row = ^row;

  if (WIDTH > ROW) begin : gen_slice
    localparam int ROW_BITS = $clog2(ROW * 8);

    logic [SEL_W-1:0] sel_q;

    always_ff @(posedge clk_i) begin
      if (en_i) begin
        sel_q <= row[SEL_W-1:0];
      end
    end

    // Rows are powers of two: the position is wiring, not a product.
    assign row_o = data_i[{sel_q, {ROW_BITS{1'b0}}}+:ROW*8];
  end else begin : gen_whole
    logic unused_ports;

    assign unused_ports = clk_i ^ en_i;
    assign row_o = data_i;
  end

endmodule
