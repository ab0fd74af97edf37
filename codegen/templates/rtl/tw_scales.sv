// A buffer of scales: loaded in beats, read in rows of ROW bytes.
module tw_scales #(
  parameter int BYTES = 1024,
  parameter int WIDTH = 16,
  parameter int BEAT = 16,
  parameter int ROW = 8,
  parameter int ADDR_W = 14,
  parameter RAM_STYLE = "auto",
  localparam int AW = (BYTES > WIDTH) ? $clog2(BYTES / WIDTH) : 1,
  localparam int SLICE_AW = $clog2(BYTES / BEAT)
) (
  input  logic                clk_i,
  input  logic                w_en_i,
  input  logic [SLICE_AW-1:0] w_slice_i,
  input  logic [BEAT*8-1:0]   w_data_i,
  input  logic                r_en_i,
  input  logic [ADDR_W-1:0]   r_row_i,
  output logic [ROW*8-1:0]    r_data_o
);

  logic [AW-1:0]      word;
  logic [WIDTH*8-1:0] data;

  tw_buffer #(
    .BYTES(BYTES),
    .WIDTH(WIDTH),
    .SLICE(BEAT),
    .RAM_STYLE(RAM_STYLE)
  ) u_buffer (
    .clk_i,
    .w_en_i,
    .w_slice_i,
    .w_data_i,
    .w_pair_i(1'b0),
    .w_second_i({BEAT*8{1'b0}}),
    .r_en_i,
    .r_word_i(word),
    .r_data_o(data)
  );

  tw_row #(.WIDTH(WIDTH), .ROW(ROW), .ADDR_W(ADDR_W), .WORD_AW(AW)) u_row (
    .clk_i, .en_i(r_en_i), .row_i(r_row_i), .word_o(word), .data_i(data), .row_o(r_data_o)
  );

endmodule
