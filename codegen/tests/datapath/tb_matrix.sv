// Plays gemm instructions on tw_matrix with memories of its own.
//
// Its instructions are played by tb_player. Memories in the working directory: a.hex, w.hex, g.hex, c.hex, v.hex, s.hex;
// the one that is written goes to v_out.hex.
module tb_matrix #(
  parameter int T        = 2,
  parameter int unsigned N        = 8,
  parameter int unsigned L        = 8,
  parameter int unsigned D        = 8,
  parameter int unsigned TP       = 2,
  parameter int unsigned NP       = 8,
  parameter int unsigned LP       = 8,
  parameter int unsigned ACC_BITS = 40,
  parameter int unsigned MODES    = 63,
  parameter int unsigned PACKED   = 1,
  parameter int unsigned NARROW   = 0,
  parameter int unsigned A_WIDTH  = 16,
  parameter int unsigned W_ROW    = 64,
  parameter int unsigned V_ROWS   = 1024  // rows of each of four banks
);
  // Bytes of a row of each mode.
  localparam int unsigned Two = (NP * LP > 4) ? NP * LP / 4 : 1;
  localparam int unsigned W4 = NP * ((LP > 2) ? LP / 2 : 1);
  localparam int unsigned V4 = LP * ((NP > 2) ? NP / 2 : 1);
  localparam int unsigned Byte = NP * LP;
  localparam int unsigned ARows = A_WIDTH / (TP * LP);

  logic [7:0]          w_mem [32768];
  logic [TP*LP*8-1:0]  a_mem [512];
  logic [NP*8-1:0]     g_mem [512];
  logic [NP*32-1:0]    c_mem [64];
  logic [23:0]         s_mem [256];
  logic [31:0]         v_mem [4*V_ROWS*LP];

  logic         clk, rst_n, start, free, done, finished;
  logic [255:0] word;
  logic               a_en, w_en, g_en, c_en, s_en, r_en, d_en;
  logic [12:0]        a_row;
  logic [A_WIDTH*8-1:0] a_data;
  logic [2:0]         w_mode;
  logic [15:0]        w_row;
  logic [W_ROW*8-1:0] w_data;
  logic [13:0]        g_row;
  logic [NP*8-1:0]    g_data;
  localparam int CParts = ((D & (D - 1)) == 0) ? NP / D : 1;  // of a row, each read by itself
  localparam int CBits = $clog2(CParts);
  logic [11+CBits:0]  c_row;
  logic [NP/CParts*32-1:0] c_data;
  logic [7:0]         s_slot;
  logic [23:0]        s_data;
  logic [17:0]        r_addr, d_addr;
  logic [LP*32-1:0]   r_data, d_data;
  logic [LP-1:0]      d_strb;

  tb_player player (
    .clk_o(clk), .rst_no(rst_n), .start_o(start), .word_o(word), .finished_o(finished), .free_i(free), .done_i(done)
  );

  tw_matrix #(
    .T(T), .N(N), .L(L), .D(D), .TP(TP), .NP(NP), .LP(LP), .ACC_BITS(ACC_BITS), .MODES(MODES), .PACKED(PACKED), .NARROW(NARROW),
    .A_WIDTH(A_WIDTH), .W_ROW(W_ROW)
  ) dut (
    .clk_i(clk), .rst_ni(rst_n), .start_i(start), .free_o(free), .done_o(done),
    .mode_i(word[2:0]), .tokens_i(word[8:3]), .ntiles_i(word[24:9]), .groups_i(word[40:25]),
    .steps_i(word[48:41]), .a_row_i(word[61:49]), .w_row_i(word[77:62]), .wn_stride_i(word[89:78]),
    .wk_stride_i(word[101:90]), .g_row_i(word[115:102]), .c_row_i(word[127:116]), .dst_i(word[145:128]),
    .dst_stride_i(word[155:146]), .slot_i(word[163:156]), .shift_i(word[171:164]), .residual_i(word[172]),
    .res_i(word[190:173]), .scaled_i(word[191]), .narrow_i(word[192]),
    .a_en_o(a_en), .a_row_o(a_row), .a_data_i(a_data), .w_en_o(w_en), .w_mode_o(w_mode), .w_row_o(w_row),
    .w_data_i(w_data), .g_en_o(g_en), .g_row_o(g_row),
    .g_data_i(g_data), .c_en_o(c_en), .c_row_o(c_row), .c_data_i(c_data), .s_en_o(s_en),
    .s_slot_o(s_slot), .s_data_i(s_data), .r_en_o(r_en), .r_addr_o(r_addr), .r_data_i(r_data),
    .d_en_o(d_en), .d_addr_o(d_addr), .d_strb_o(d_strb), .d_data_o(d_data)
  );

  int unsigned w_bytes;

  always_comb begin
    case (w_mode)
      3'd2: w_bytes = W4;
      3'd4: w_bytes = V4;
      3'd3, 3'd5: w_bytes = Byte;
      3'd6, 3'd7: w_bytes = 2 * Two;
      default: w_bytes = Two;
    endcase
  end

  // Memories. Data of a cycle without enable are noise, so a late look shows.
  logic [31:0] noise = 32'h9e3779b9;

  always @(posedge clk) begin
    noise <= noise * 32'd1664525 + 32'd1013904223;
    // Data of a read stay until the last beat of a step is issued, as those of tw_ram do.
    if (dut.first) a_data <= {(A_WIDTH*8+31)/32{noise}};
    for (int unsigned r = 0; r < ARows; r++) begin
      // Behind an odd row stands anything.
      if (a_en && !(r == 1 && a_row[0])) a_data[r*TP*LP*8 +: TP*LP*8] <= a_mem[9'(32'(a_row) + r)];
    end
    g_data  <= g_en ? g_mem[g_row[8:0]] : {(NP*8+31)/32{noise}};
    c_data  <= {(NP/CParts){noise}};
    if (c_en) begin
      c_data <= c_mem[6'(c_row >> CBits)][32'(c_row & (12+CBits)'(CParts - 1)) * (NP / CParts * 32) +: NP/CParts*32];
    end
    s_data  <= s_en ? s_mem[s_slot] : noise[23:0];
    if (dut.first) w_data <= {(W_ROW*8+31)/32{noise}};
    if (w_en) begin
      for (int unsigned i = 0; i < w_bytes; i++) w_data[8*i+:8] <= w_mem[32'(w_row)*w_bytes+i];
    end
    for (int unsigned l = 0; l < LP; l++) begin
      r_data[32*l+:32] <= r_en ? v_mem[(32'(r_addr[17:14])*V_ROWS+32'(r_addr[13:0]))*LP+l] : noise;
      if (rst_n && d_en && d_strb[l]) begin
        v_mem[(32'(d_addr[17:14])*V_ROWS+32'(d_addr[13:0]))*LP+l] = d_data[32*l+:32];
      end
    end
  end

  initial begin
    $readmemh("a.hex", a_mem);
    $readmemh("w.hex", w_mem);
    $readmemh("g.hex", g_mem);
    $readmemh("c.hex", c_mem);
    $readmemh("s.hex", s_mem);
    $readmemh("v.hex", v_mem);
    @(posedge finished);
    $writememh("v_out.hex", v_mem);
    $finish;
  end
endmodule
