// Weight buffer: loaded in beats, read in rows of the operand mode. The rows of all three modes are
// cut out of the word that was read; the reader takes the one of its mode.
module tw_weights #(
  parameter int BYTES = 1024,
  parameter int WIDTH = 16,
  parameter int BEAT = 16,
  parameter int W2_ROW = 16,
  parameter int K4_ROW = 16,
  parameter int V4_ROW = 16,
  localparam int AW = (BYTES > WIDTH) ? $clog2(BYTES / WIDTH) : 1,
  localparam int SLICE_AW = $clog2(BYTES / BEAT)
) (
  input  logic                clk_i,
  input  logic                w_en_i,
  input  logic [SLICE_AW-1:0] w_slice_i,
  input  logic [BEAT*8-1:0]   w_data_i,
  input  logic                r_en_i,
  input  logic [2:0]          r_mode_i,
  input  logic [15:0]         r_row_i,
  output logic [W2_ROW*8-1:0] w2_data_o,
  output logic [K4_ROW*8-1:0] k4_data_o,
  output logic [V4_ROW*8-1:0] v4_data_o
);

  logic [AW-1:0]      w2_word, k4_word, v4_word, word;
  logic [WIDTH*8-1:0] data;

  always_comb begin
    case (r_mode_i)
      tw_pkg::MODE_K4: word = k4_word;
      tw_pkg::MODE_V4: word = v4_word;
      default: word = w2_word;
    endcase
  end

  tw_buffer #(
    .BYTES(BYTES),
    .WIDTH(WIDTH),
    .SLICE(BEAT)
  ) u_buffer (
    .clk_i,
    .w_en_i,
    .w_slice_i,
    .w_data_i,
    .r_en_i,
    .r_word_i(word),
    .r_data_o(data)
  );

  tw_row #(.WIDTH(WIDTH), .ROW(W2_ROW), .ADDR_W(16), .WORD_AW(AW)) u_w2 (
    .clk_i, .en_i(r_en_i), .row_i(r_row_i), .word_o(w2_word), .data_i(data), .row_o(w2_data_o)
  );
  tw_row #(.WIDTH(WIDTH), .ROW(K4_ROW), .ADDR_W(16), .WORD_AW(AW)) u_k4 (
    .clk_i, .en_i(r_en_i), .row_i(r_row_i), .word_o(k4_word), .data_i(data), .row_o(k4_data_o)
  );
  tw_row #(.WIDTH(WIDTH), .ROW(V4_ROW), .ADDR_W(16), .WORD_AW(AW)) u_v4 (
    .clk_i, .en_i(r_en_i), .row_i(r_row_i), .word_o(v4_word), .data_i(data), .row_o(v4_data_o)
  );

endmodule
