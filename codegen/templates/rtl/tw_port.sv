// A read port of the vector banks: of the words that all banks give, the ROW bytes that were asked
// for in the cycle before.
module tw_port #(
  parameter int BANKS = 4,
  parameter int WIDTH = 16,
  parameter int ROW = 8,
  parameter int ADDR_W = 14,
  parameter int WORD_AW = 8,
  localparam int SEL_W = $clog2(WIDTH / ROW),
  localparam int WIDE = ADDR_W + WORD_AW + SEL_W
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     en_i,
  input  logic [3:0]               bank_i,
  input  logic [ADDR_W-1:0]        row_i,
  output logic [WORD_AW-1:0]       word_o,
  input  logic [BANKS*WIDTH*8-1:0] data_i,
  output logic [ROW*8-1:0]         row_o
);
  localparam int BANK_W = $clog2(BANKS);
  localparam int PICK_W = BANK_W + SEL_W;

  logic [WIDE-1:0] row;
  logic            unused_bits;

  assign row = WIDE'(row_i);
  assign word_o = row[SEL_W+:WORD_AW];
  assign unused_bits = ^{row, bank_i};

  if (PICK_W > 0) begin : gen_pick
    // The number of the bank, then that of the row in its word.
    logic [PICK_W-1:0] pick_d, pick_q;

    assign pick_d = PICK_W'(({28'd0, bank_i} << SEL_W) | (32'(row) & ((32'd1 << SEL_W) - 32'd1)));

    // Bit by bit, which takes fewer LUTs than whole rows; banks that are not there hold nothing.
    for (genvar b = 0; b < ROW * 8; b++) begin : gen_bit
      logic [(1<<PICK_W)-1:0] ways;
      for (genvar k = 0; k < (1 << PICK_W); k++) begin : gen_way
        if (k < BANKS * WIDTH / ROW) begin : gen_there
          assign ways[k] = data_i[k*ROW*8+b];
        end else begin : gen_absent
          assign ways[k] = 1'b0;
        end
      end
      assign row_o[b] = ways[pick_q];
    end

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        pick_q <= '0;
      end else if (en_i) begin
        pick_q <= pick_d;
      end
    end
  end else begin : gen_whole
    logic unused_ports;

    assign unused_ports = ^{clk_i, rst_ni, en_i};
    assign row_o = data_i;
  end
endmodule
