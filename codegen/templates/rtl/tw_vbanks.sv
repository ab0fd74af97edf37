// The vector banks: separate memories with one read and one write port each, and the switch that
// leads their users to them. Reads: matrix (residual), vector (a, b), store. Writes: load, matrix,
// vector. Rows are LP words of 32 bits; load and store move beats.
//
// There is no arbitration: a legal program never has two users on one port of one bank. Users are
// ORed together, and tw_vbanks_sva asserts that they are one-hot.
module tw_vbanks #(
  parameter int BANKS = 4,
  parameter int BYTES = 4096,
  parameter int WIDTH = 32,
  parameter int LP = 8,
  parameter int BEAT = 16
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  // reads of rows: matrix residual, vector a, vector b
  input  logic                res_en_i,
  input  logic [17:0]         res_addr_i,
  output logic [LP*32-1:0]    res_data_o,
  input  logic                a_en_i,
  input  logic [17:0]         a_addr_i,
  output logic [LP*32-1:0]    a_data_o,
  input  logic                b_en_i,
  input  logic [17:0]         b_addr_i,
  output logic [LP*32-1:0]    b_data_o,
  // read of a beat: store
  input  logic                store_en_i,
  input  logic [3:0]          store_bank_i,
  input  logic [20:0]         store_beat_i,
  output logic [BEAT*8-1:0]   store_data_o,
  // write of a beat: load
  input  logic                load_en_i,
  input  logic [3:0]          load_bank_i,
  input  logic [20:0]         load_beat_i,
  input  logic [BEAT*8-1:0]   load_data_i,
  // writes of rows: matrix (word strobes), vector (byte strobes)
  input  logic                matrix_en_i,
  input  logic [17:0]         matrix_addr_i,
  input  logic [LP-1:0]       matrix_strb_i,
  input  logic [LP*32-1:0]    matrix_data_i,
  input  logic                vector_en_i,
  input  logic [17:0]         vector_addr_i,
  input  logic [LP*4-1:0]     vector_strb_i,
  input  logic [LP*32-1:0]    vector_data_i
);

  localparam int ROW = LP * 4;
  localparam int DEPTH = BYTES / WIDTH;
  localparam int AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;
  localparam int BITS = WIDTH * 8;
  localparam int READERS = 4;
  localparam int WRITERS = 3;

  // --- users: enable, bank and word of each ---
  logic [READERS-1:0]      r_en;
  logic [READERS*4-1:0]    r_bank;
  logic [READERS*AW-1:0]   r_word;
  logic [BANKS*BITS-1:0]   bank_data;
  logic [WRITERS-1:0]       w_en;
  logic [WRITERS*4-1:0]     w_bank;
  logic [WRITERS*AW-1:0]    w_word;
  logic [WRITERS*WIDTH-1:0] w_strb;
  logic [WRITERS*BITS-1:0]  w_data;

  assign r_en = {store_en_i, b_en_i, a_en_i, res_en_i};
  assign r_bank = {store_bank_i, b_addr_i[17:14], a_addr_i[17:14], res_addr_i[17:14]};
  assign w_en = {vector_en_i, matrix_en_i, load_en_i};
  assign w_bank = {vector_addr_i[17:14], matrix_addr_i[17:14], load_bank_i};

  tw_port #(.BANKS(BANKS), .WIDTH(WIDTH), .ROW(ROW), .ADDR_W(14), .WORD_AW(AW)) u_res (
    .clk_i, .rst_ni, .en_i(res_en_i), .bank_i(res_addr_i[17:14]), .row_i(res_addr_i[13:0]),
    .word_o(r_word[0*AW+:AW]), .data_i(bank_data), .row_o(res_data_o)
  );
  tw_port #(.BANKS(BANKS), .WIDTH(WIDTH), .ROW(ROW), .ADDR_W(14), .WORD_AW(AW)) u_a (
    .clk_i, .rst_ni, .en_i(a_en_i), .bank_i(a_addr_i[17:14]), .row_i(a_addr_i[13:0]),
    .word_o(r_word[1*AW+:AW]), .data_i(bank_data), .row_o(a_data_o)
  );
  tw_port #(.BANKS(BANKS), .WIDTH(WIDTH), .ROW(ROW), .ADDR_W(14), .WORD_AW(AW)) u_b (
    .clk_i, .rst_ni, .en_i(b_en_i), .bank_i(b_addr_i[17:14]), .row_i(b_addr_i[13:0]),
    .word_o(r_word[2*AW+:AW]), .data_i(bank_data), .row_o(b_data_o)
  );
  tw_port #(.BANKS(BANKS), .WIDTH(WIDTH), .ROW(BEAT), .ADDR_W(21), .WORD_AW(AW)) u_store (
    .clk_i, .rst_ni, .en_i(store_en_i), .bank_i(store_bank_i), .row_i(store_beat_i),
    .word_o(r_word[3*AW+:AW]), .data_i(bank_data), .row_o(store_data_o)
  );

  tw_place #(.WIDTH(WIDTH), .ROW(BEAT), .ADDR_W(21), .WORD_AW(AW)) u_load (
    .row_i(load_beat_i), .strb_i({BEAT{1'b1}}), .data_i(load_data_i),
    .word_o(w_word[0*AW+:AW]), .strb_o(w_strb[0*WIDTH+:WIDTH]), .data_o(w_data[0*BITS+:BITS])
  );

  logic [LP*4-1:0] matrix_bytes;
  for (genvar l = 0; l < LP; l++) begin : gen_matrix_bytes
    assign matrix_bytes[l*4+:4] = {4{matrix_strb_i[l]}};
  end

  tw_place #(.WIDTH(WIDTH), .ROW(ROW), .ADDR_W(14), .WORD_AW(AW)) u_matrix (
    .row_i(matrix_addr_i[13:0]), .strb_i(matrix_bytes), .data_i(matrix_data_i),
    .word_o(w_word[1*AW+:AW]), .strb_o(w_strb[1*WIDTH+:WIDTH]), .data_o(w_data[1*BITS+:BITS])
  );
  tw_place #(.WIDTH(WIDTH), .ROW(ROW), .ADDR_W(14), .WORD_AW(AW)) u_vector (
    .row_i(vector_addr_i[13:0]), .strb_i(vector_strb_i), .data_i(vector_data_i),
    .word_o(w_word[2*AW+:AW]), .strb_o(w_strb[2*WIDTH+:WIDTH]), .data_o(w_data[2*BITS+:BITS])
  );

  // --- banks ---
  for (genvar k = 0; k < BANKS; k++) begin : gen_bank
    logic [READERS-1:0] r_hit;
    logic [WRITERS-1:0] w_hit;
    logic [AW-1:0]      r_addr, w_addr;
    logic [WIDTH-1:0]   strb;
    logic [BITS-1:0]    data;

    for (genvar u = 0; u < READERS; u++) begin : gen_reader
      assign r_hit[u] = r_en[u] && (r_bank[u*4+:4] == 4'(k));
    end
    for (genvar u = 0; u < WRITERS; u++) begin : gen_writer
      assign w_hit[u] = w_en[u] && (w_bank[u*4+:4] == 4'(k));
    end

    assign r_addr = ({AW{r_hit[0]}} & r_word[0*AW+:AW]) | ({AW{r_hit[1]}} & r_word[1*AW+:AW]) |
                    ({AW{r_hit[2]}} & r_word[2*AW+:AW]) | ({AW{r_hit[3]}} & r_word[3*AW+:AW]);
    assign w_addr = ({AW{w_hit[0]}} & w_word[0*AW+:AW]) | ({AW{w_hit[1]}} & w_word[1*AW+:AW]) |
                    ({AW{w_hit[2]}} & w_word[2*AW+:AW]);
    assign strb = ({WIDTH{w_hit[0]}} & w_strb[0*WIDTH+:WIDTH]) |
                  ({WIDTH{w_hit[1]}} & w_strb[1*WIDTH+:WIDTH]) |
                  ({WIDTH{w_hit[2]}} & w_strb[2*WIDTH+:WIDTH]);
    assign data = ({BITS{w_hit[0]}} & w_data[0*BITS+:BITS]) |
                  ({BITS{w_hit[1]}} & w_data[1*BITS+:BITS]) |
                  ({BITS{w_hit[2]}} & w_data[2*BITS+:BITS]);

    tw_ram #(
      .WIDTH(BITS),
      .DEPTH(DEPTH),
      .STRB(8)
    ) u_ram (
      .clk_i,
      .w_en_i(|w_hit),
      .w_addr_i(w_addr),
      .w_strb_i(strb),
      .w_data_i(data),
      .r_en_i(|r_hit),
      .r_addr_i(r_addr),
      .r_data_o(bank_data[k*BITS+:BITS])
    );
  end

endmodule
