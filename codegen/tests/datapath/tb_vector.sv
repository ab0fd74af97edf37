// Plays vec instructions on tw_vector with memories of its own.
//
// Its instructions are played by tb_player. Memories in the working directory: v.hex, a.hex, s.hex; afterwards v_out.hex,
// a_out.hex and s_out.hex.
module tb_vector #(
  parameter int T      = 2,
  parameter int N      = 8,
  parameter int L      = 8,
  parameter int NP     = 8,
  parameter int LP     = 8,
  parameter int TP     = 2,
  parameter int FUNCTIONS = -1,
  parameter int V_ROWS = 1024  // rows of each of four banks
);
  logic [31:0]  v_mem [4*V_ROWS*LP];
  logic [7:0]   a_mem [512*TP*LP];
  logic [23:0]  s_mem [256];

  logic         clk, rst_n, start, free, done, finished;
  logic [255:0] word;
  logic             a_en, b_en, d_en, act_en, s_en;
  logic [17:0]      a_addr, b_addr, d_addr;
  logic [LP*32-1:0] a_data, b_data, d_data;
  logic [LP*4-1:0]  d_strb;
  logic [12:0]      act_row;
  logic [4:0]       act_token;
  logic [LP*8-1:0]  act_data;
  logic [7:0]       s_slot;
  logic [23:0]      s_data;

  tb_player player (
    .clk_o(clk), .rst_no(rst_n), .start_o(start), .word_o(word), .finished_o(finished), .free_i(free), .done_i(done)
  );

  tw_vector #(
    .T(T), .N(N), .L(L), .NP(NP), .LP(LP), .FUNCTIONS(FUNCTIONS)
  ) dut (
    .clk_i(clk), .rst_ni(rst_n), .start_i(start), .free_o(free), .done_o(done),
    .fun_i(word[4:0]), .gated_i(word[5]), .out_i(word[8:6]), .tokens_i(word[14:9]), .subs_i(word[20:15]),
    .rows_i(word[36:21]), .len_i(word[68:37]), .inc_i(word[69]), .a_i(word[87:70]), .a_stride_i(word[97:88]),
    .a_half_i(word[98]), .b_i(word[116:99]), .b_stride_i(word[126:117]), .d_i(word[144:127]),
    .d_stride_i(word[154:145]), .o_i(word[172:155]), .o_step_i(word[182:173]), .o_token_i(word[187:183]),
    .shift_i(word[195:188]), .imm_i(word[227:196]), .across_i(1'b0),
    .turn_o(), .max_o(), .sum_o(), .code_o(), .max_i('0), .sum_i('0), .code_i('0),
    .a_en_o(a_en), .a_addr_o(a_addr), .a_data_i(a_data), .b_en_o(b_en), .b_addr_o(b_addr), .b_data_i(b_data),
    .d_en_o(d_en), .d_addr_o(d_addr), .d_strb_o(d_strb), .d_data_o(d_data),
    .act_en_o(act_en), .act_row_o(act_row), .act_token_o(act_token), .act_data_o(act_data),
    .s_en_o(s_en), .s_slot_o(s_slot), .s_data_o(s_data)
  );

  // Memories. Data of a cycle without enable are noise, so a late look shows.
  logic [31:0] noise = 32'h9e3779b9;

  function automatic int unsigned place(input logic [17:0] addr);
    return (32'(addr[17:14]) * V_ROWS + 32'(addr[13:0])) * LP;
  endfunction

  always @(posedge clk) begin
    noise <= noise * 32'd1664525 + 32'd1013904223;
    for (int l = 0; l < LP; l++) begin
      a_data[32*l+:32] <= a_en ? v_mem[place(a_addr)+l] : noise;
      b_data[32*l+:32] <= b_en ? v_mem[place(b_addr)+l] : noise;
    end
    for (int i = 0; i < LP * 4; i++) begin
      if (rst_n && d_en && d_strb[i]) v_mem[place(d_addr)+i/4][8*(i%4)+:8] = d_data[8*i+:8];
    end
    for (int l = 0; l < LP; l++) begin
      if (rst_n && act_en) a_mem[(32'(act_row)*TP+32'(act_token))*LP+l] = act_data[8*l+:8];
    end
    if (rst_n && s_en) s_mem[s_slot] = s_data;
  end

  initial begin
    $readmemh("v.hex", v_mem);
    $readmemh("a.hex", a_mem);
    $readmemh("s.hex", s_mem);
    @(posedge finished);
    $writememh("v_out.hex", v_mem);
    $writememh("a_out.hex", a_mem);
    $writememh("s_out.hex", s_mem);
    $finish;
  end
endmodule
