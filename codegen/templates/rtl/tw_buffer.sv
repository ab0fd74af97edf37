// An on-chip buffer: a linear byte array in words of WIDTH bytes, written in aligned slices.
//
// Writes address slices of SLICE bytes, reads address whole words; tw_row cuts rows out of words.
// With PAIR, a write may take a second slice with it: that PAIR slices further on. PAIR is a power
// of two, and that bit of the first slice's number 0.
module tw_buffer #(
  parameter int BYTES = 1024,
  parameter int WIDTH = 16,
  parameter int SLICE = 8,
  parameter int PAIR = 0,
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
  input  logic                w_pair_i,
  input  logic [SLICE*8-1:0]  w_second_i,
  input  logic                r_en_i,
  input  logic [WORD_AW-1:0]  r_word_i,
  output logic [WIDTH*8-1:0]  r_data_o
);

  localparam int PART_AW = $clog2(PARTS);

  logic [PARTS-1:0]   strb, first;
  logic [WIDTH*8-1:0] data;
  logic [WORD_AW-1:0] word;

  if (DEPTH > 1) begin : gen_words
    assign word = w_slice_i[PART_AW+:WORD_AW];
  end else begin : gen_word
    assign word = '0;
  end

  if (PARTS > 1) begin : gen_parts
    assign first = PARTS'(1) << w_slice_i[PART_AW-1:0];
  end else begin : gen_whole
    assign first = 1'b1;
  end

  if (PAIR > 0) begin : gen_pair
    assign strb = w_pair_i ? (first | (first << PAIR)) : first;
    for (genvar p = 0; p < PARTS; p++) begin : gen_part
      if ((p / PAIR) % 2 == 1) begin : gen_second
        assign data[p*SLICE*8 +: SLICE*8] = w_pair_i ? w_second_i : w_data_i;
      end else begin : gen_first
        assign data[p*SLICE*8 +: SLICE*8] = w_data_i;
      end
    end
  end else begin : gen_alone
    logic unused_pair;
    assign unused_pair = ^{w_pair_i, w_second_i};
    assign strb = first;
    assign data = {PARTS{w_data_i}};
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
    .w_data_i(data),
    .r_en_i,
    .r_addr_i(r_word_i),
    .r_data_o
  );

endmodule
