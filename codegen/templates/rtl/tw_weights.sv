// Weight buffer: loaded in beats, read in rows of the operand mode. A row comes out from bit 0 up;
// what lies above it is not to be looked at.
module tw_weights #(
  parameter int BYTES = 1024,
  parameter int WIDTH = 16,
  parameter int BEAT = 16,
  parameter int ROW = 16,  // of the widest mode
  parameter int NP = 8,
  parameter int LP = 8,
  parameter int PAIR = 0,  // beats from codes to positions that are written at once
  parameter RAM_STYLE = "auto",
  localparam int AW = (BYTES > WIDTH) ? $clog2(BYTES / WIDTH) : 1,
  localparam int SLICE_AW = $clog2(BYTES / BEAT)
) (
  input  logic                clk_i,
  input  logic                w_en_i,
  input  logic [SLICE_AW-1:0] w_slice_i,
  input  logic [BEAT*8-1:0]   w_data_i,
  input  logic                w_pair_i,
  input  logic [BEAT*8-1:0]   w_positions_i,
  input  logic                r_en_i,
  input  logic [2:0]          r_mode_i,
  input  logic [15:0]         r_row_i,
  output logic [ROW*8-1:0]    row_o
);
  // Rows of 2-bit codes; of such codes and their positions; of 4 and 8 bits, by output and by lane,
  // where each output or lane fills whole bytes. All are powers of two.
  localparam int TwoLog2  = (NP * LP > 4) ? $clog2(NP * LP / 4) : 0;
  localparam int KeptLog2 = TwoLog2 + 1;
  localparam int W4Log2   = $clog2(NP) + ((LP > 2) ? $clog2(LP / 2) : 0);
  localparam int V4Log2   = $clog2(LP) + ((NP > 2) ? $clog2(NP / 2) : 0);
  localparam int ByteLog2 = $clog2(NP * LP);

  localparam int WordLog2 = $clog2(WIDTH);
  localparam int ByteBits = 16 + ByteLog2 + 1;
  localparam int Bits     = (ByteBits > WordLog2 + AW) ? ByteBits : WordLog2 + AW;

  logic [Bits-1:0]    first;  // byte of the row
  logic [WIDTH*8-1:0] data;
  logic               unused_bits;

  always_comb begin
    case (r_mode_i)
      tw_pkg::MODE_W4:                    first = Bits'(r_row_i) << W4Log2;
      tw_pkg::MODE_V4:                    first = Bits'(r_row_i) << V4Log2;
      tw_pkg::MODE_W8, tw_pkg::MODE_V8:   first = Bits'(r_row_i) << ByteLog2;
      tw_pkg::MODE_W2P, tw_pkg::MODE_S2P: first = Bits'(r_row_i) << KeptLog2;
      default:                            first = Bits'(r_row_i) << TwoLog2;
    endcase
  end

  tw_buffer #(
    .BYTES(BYTES),
    .WIDTH(WIDTH),
    .SLICE(BEAT),
    .PAIR(PAIR),
    .RAM_STYLE(RAM_STYLE)
  ) u_buffer (
    .clk_i,
    .w_en_i,
    .w_slice_i,
    .w_data_i,
    .w_pair_i,
    .w_second_i(w_positions_i),
    .r_en_i,
    .r_word_i(first[WordLog2 +: AW]),
    .r_data_o(data)
  );

  if (WIDTH > 1) begin : gen_slice
    logic [WordLog2-1:0] byte_q;

    // What is in the upper half of the part that holds the row comes down to the lower half; rows
    // that are longer lie in both, and are there.
    logic unused_stages;

    always_ff @(posedge clk_i) begin
      if (r_en_i) byte_q <= first[WordLog2-1:0];
    end

    for (genvar s = WordLog2; s >= 0; s--) begin : gen_stage
      logic [WIDTH*8-1:0] word;

      if (s == WordLog2) begin : gen_whole_word
        assign word = data;
      end else begin : gen_half
        localparam int Half = 8 << s;
        logic [Half-1:0] low;

        assign low = byte_q[s] ? gen_stage[s+1].word[Half+:Half] : gen_stage[s+1].word[0+:Half];
        assign word = {gen_stage[s+1].word[WIDTH*8-1:Half], low};
      end
    end

    assign row_o = gen_stage[0].word[ROW*8-1:0];
    assign unused_stages = ^gen_stage[0].word;
    assign unused_bits = ^{first, unused_stages};
  end else begin : gen_whole
    assign row_o = data;
    assign unused_bits = ^first;
  end
endmodule
