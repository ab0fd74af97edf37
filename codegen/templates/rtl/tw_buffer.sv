// An on-chip buffer: a linear byte array in words of WIDTH bytes, written in aligned slices.
//
// Writes address slices of SLICE bytes, reads address whole words; tw_row cuts rows out of words.
module tw_buffer #(
  parameter int BYTES = 1024,
  parameter int WIDTH = 16,
  parameter int SLICE = 8,
  parameter RAM_STYLE = "auto",
  localparam int DEPTH = BYTES / WIDTH,
  localparam int PARTS = WIDTH / SLICE,
  localparam int WORD_AW = (DEPTH > 1) ? $clog2(DEPTH) : 1,
  localparam int SLICE_AW = $clog2(BYTES / SLICE)
) (
  input  logic                clk_i,
  input  logic                w_en_i,
  input  logic [SLICE_AW-1:0] w_slice_i,
  input  logic [SLICE*8-1:0]  w_data_i,
  input  logic                r_en_i,
  input  logic [WORD_AW-1:0]  r_word_i,
  output logic [WIDTH*8-1:0]  r_data_o
);

  localparam int PART_AW = $clog2(PARTS);

  logic [PARTS-1:0]   strb;
  logic [WORD_AW-1:0] word;

  if (DEPTH > 1) begin : gen_words
    assign word = w_slice_i[PART_AW+:WORD_AW];
  end else begin : gen_word
    assign word = '0;
  end

  if (PARTS > 1) begin : gen_parts
    assign strb = PARTS'(1) << w_slice_i[PART_AW-1:0];
  end else begin : gen_whole
    assign strb = 1'b1;
  end

  tw_ram #(
    .WIDTH(WIDTH * 8),
    .DEPTH(DEPTH),
    .STRB(SLICE * 8),
    .RAM_STYLE(RAM_STYLE)
  ) u_ram (
    .clk_i,
    .w_en_i,
    .w_addr_i(word),
    .w_strb_i(strb),
    .w_data_i({PARTS{w_data_i}}),
    .r_en_i,
    .r_addr_i(r_word_i),
    .r_data_o
  );

endmodule
