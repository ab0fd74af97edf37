// Places a row of ROW bytes with its byte strobes in a memory word of WIDTH bytes: the write-side
// counterpart of tw_row. Combinational.
module tw_place #(
  parameter int WIDTH = 16,
  parameter int ROW = 8,
  parameter int ADDR_W = 16,
  parameter int WORD_AW = 8,
  localparam int PARTS = WIDTH / ROW,
  localparam int SEL_W = $clog2(PARTS),
  localparam int WIDE = ADDR_W + WORD_AW + SEL_W
) (
  input  logic [ADDR_W-1:0]  row_i,
  input  logic [ROW-1:0]     strb_i,
  input  logic [ROW*8-1:0]   data_i,
  output logic [WORD_AW-1:0] word_o,
  output logic [WIDTH-1:0]   strb_o,
  output logic [WIDTH*8-1:0] data_o
);

  logic [WIDE-1:0] row;
  logic unused_row;

  assign row = WIDE'(row_i);
  assign word_o = row[SEL_W+:WORD_AW];
  assign data_o = {PARTS{data_i}};
  assign unused_row = ^row;

  if (PARTS > 1) begin : gen_parts
    for (genvar p = 0; p < PARTS; p++) begin : gen_part
      assign strb_o[p*ROW+:ROW] = (row[SEL_W-1:0] == SEL_W'(p)) ? strb_i : '0;
    end
  end else begin : gen_whole
    assign strb_o = strb_i;
  end

endmodule
