// Writes of the vector engine: results, codes, scales and words to their places.
//
// start_i: o_*_i are valid in this cycle. The other fields are constant while the rows of a pass
// go by. Bit k of valid_i and last_i: a row, the last row of a pass is at stage k; pass_end_i,
// vector_end_i and sub_last_i as in tw_vector, which says what is written at which stage, too.
module tw_vwrite #(
  parameter int T  = 2,
  parameter int N  = 8,
  parameter int L  = 8,
  parameter int NP = 8,  // N and L rounded up to powers of two
  parameter int LP = 8
) (
  input  logic             clk_i,

  input  logic             start_i,
  input  logic [17:0]      o_i,
  input  logic [9:0]       o_step_i,
  input  logic [4:0]       o_token_i,
  input  logic [17:14]     d_bank_i,
  input  logic [13:0]      d_token_i,    // first row of the token
  input  logic [13:0]      d_vector_i,   // first row of the vector
  input  logic [13:0]      scale_row_i,  // from the codes to the scale words
  input  logic [13:0]      half_rows_i,
  input  logic             result_i,
  input  logic             rope_i,
  input  logic             quant_i,
  input  logic             words_i,
  input  logic             rank_i,
  input  logic             q4_i,
  input  logic             staged_i,
  input  logic             values_i,

  input  logic             pass_end_i,
  input  logic             vector_end_i,
  input  logic             sub_last_i,
  input  logic [5:0]       sub_i,
  input  logic [11:0]      word_i,       // of the token
  input  logic [23:18]     valid_i,
  input  logic [23:18]     last_i,
  input  logic [L*32-1:0]  y_18_i,
  input  logic [L*8-1:0]   code_19_i,
  input  logic [23:0]      scale_i,
  input  logic [31:0]      top_i,
  input  logic [15:0]      place_i,

  output logic             d_en_o,
  output logic [17:0]      d_addr_o,
  output logic [LP*4-1:0]  d_strb_o,
  output logic [LP*32-1:0] d_data_o,
  output logic             act_en_o,
  output logic [15:0]      act_row_o,
  output logic [4:0]       act_token_o,
  output logic [LP*8-1:0]  act_data_o,
  output logic             s_en_o,
  output logic [7:0]       s_slot_o,
  output logic [23:0]      s_data_o
);
  localparam int LaneBits = $clog2(LP);
  localparam int ByteBits = 2 + LaneBits;  // of a byte in a V row
  localparam int AddrBits = 14 + ByteBits;
  localparam int K4Bytes  = (LP > 2) ? LP / 2 : 1;
  localparam int V4Bytes  = (NP > 2) ? NP / 2 : 1;
  localparam int VParts   = N / L;  // rows of a V segment

  logic unused_bits;
  assign unused_bits = ^{last_i[20], last_i[18]};

  logic [13:0]         write_q;       // row of the result in its vector
  logic                write_odd_q;
  logic [15:0]         act_first_q, act_q;
  logic [4:0]          act_token_q;
  logic [7:0]          slot_token_q, slot_q;
  logic [13:0]         stage_q;       // staging row of the token
  logic [17:14]        o_bank_q;
  logic [9:0]          o_step_q;
  logic [AddrBits-1:0] segment_q;     // byte of the segment in the token's staging rows
  logic [5:0]          part_byte_q;   // byte of the row in its segment
  logic [5:0]          part_q;
  logic                part_last;
  logic [AddrBits-1:0] code_addr, segment_bytes;
  logic [13:0]         code_row_d, code_row_20, scale_row;
  logic [13:0]         place_row, word_row;
  logic [LP*4-1:0]     code_strb_d, code_strb_20, scale_strb, word_strb;
  logic [LP*32-1:0]    code_data_d, code_data_20;

  always_comb begin
    if (values_i) segment_bytes = q4_i ? AddrBits'(V4Bytes) : AddrBits'(NP);
    else segment_bytes = q4_i ? AddrBits'(K4Bytes) : AddrBits'(LP);
  end

  assign part_last = !values_i || (part_q == 6'(VParts - 1)) || last_i[19];

  always_ff @(posedge clk_i) begin
    // Rows of the result in the order in which they were read.
    if (start_i || pass_end_i) begin
      write_q     <= '0;
      write_odd_q <= 1'b0;
    end else if (valid_i[18]) begin
      write_odd_q <= !write_odd_q;
      if (!rope_i) write_q <= write_q + 14'd1;
      else write_q <= write_odd_q ? write_q - half_rows_i + 14'd1 : write_q + half_rows_i;
    end
    // Activation rows run on from sub to sub.
    if (start_i) begin
      act_first_q  <= o_i[15:0];
      act_q        <= o_i[15:0];
      act_token_q  <= o_token_i;
      slot_token_q <= o_step_i[7:0] + 8'(o_token_i);
      slot_q       <= o_step_i[7:0] + 8'(o_token_i);
      stage_q      <= o_i[13:0];
      o_bank_q     <= o_i[17:14];
      o_step_q     <= o_step_i;
    end else begin
      if (quant_i && valid_i[19]) act_q <= act_q + 16'd1;
      if (vector_end_i) begin
        slot_q <= slot_q + 8'(T);
        if (sub_last_i) begin
          act_q        <= act_first_q;
          act_token_q  <= act_token_q + 5'd1;
          slot_token_q <= slot_token_q + 8'd1;
          slot_q       <= slot_token_q + 8'd1;
          stage_q      <= stage_q + 14'(o_step_q);
        end
      end
    end
    // Segments run on from sub to sub, each sub starts one.
    if (start_i || (vector_end_i && sub_last_i)) begin
      segment_q   <= '0;
      part_q      <= '0;
      part_byte_q <= '0;
    end else if (quant_i && valid_i[19]) begin
      part_q      <= part_q + 6'd1;
      part_byte_q <= part_byte_q + (q4_i ? 6'(L / 2) : 6'(L));
      if (part_last) begin
        part_q      <= '0;
        part_byte_q <= '0;
        segment_q   <= segment_q + segment_bytes;
      end
    end
  end

  assign code_addr  = segment_q + AddrBits'(part_byte_q);
  assign code_row_d = stage_q + code_addr[AddrBits-1:ByteBits];

  tw_vpack #(
    .L        (L),
    .LP       (LP),
    .BYTE_BITS(ByteBits)
  ) u_pack (
    .q4_i  (q4_i),
    .v_i   (values_i),
    .byte_i(code_addr[ByteBits-1:0]),
    .code_i(code_19_i),
    .strb_o(code_strb_d),
    .data_o(code_data_d)
  );

  always_ff @(posedge clk_i) begin
    code_row_20  <= code_row_d;
    code_strb_20 <= code_strb_d;
    code_data_20 <= code_data_d;
  end

  // Word n of a token at byte 4n of its words; the scale of sub u is word u of the scale words.
  assign place_row = stage_q + (14'(word_i) >> LaneBits);
  assign word_row  = d_token_i + (14'(word_i) >> LaneBits);
  assign scale_row = stage_q + scale_row_i + (14'(sub_i) >> LaneBits);

  for (genvar l = 0; l < LP; l++) begin : gen_strobe
    assign scale_strb[4*l +: 4] = { 4{(sub_i & 6'(LP - 1)) == 6'(l)}};
    assign word_strb[4*l +: 4]  = { 4{(word_i & 12'(LP - 1)) == 12'(l)}};
  end

  logic             write_result, write_codes, write_scale, write_word, write_place;
  logic [LP*32-1:0] y_row;
  logic [LP*4-1:0]  y_strb;

  for (genvar l = 0; l < LP; l++) begin : gen_row
    if (l < L) begin : gen_used
      assign y_row[32*l +: 32]     = y_18_i[32*l +: 32];
      assign y_strb[4*l +: 4]      = '1;
      assign act_data_o[8*l +: 8]  = code_19_i[8*l +: 8];
    end else begin : gen_pad
      assign y_row[32*l +: 32]     = '0;
      assign y_strb[4*l +: 4]      = '0;
      assign act_data_o[8*l +: 8]  = '0;
    end
  end

  assign write_result = result_i && valid_i[18];
  assign write_codes  = quant_i && staged_i && valid_i[20];
  assign write_word   = words_i && valid_i[22] && last_i[22];
  assign write_place  = rank_i && valid_i[23] && last_i[23];
  assign write_scale  = quant_i && valid_i[21] && last_i[21];

  always_comb begin
    d_en_o   = write_result || write_codes || (write_scale && staged_i) || write_word ||
               write_place;
    d_addr_o = {d_bank_i, d_vector_i + write_q};
    d_strb_o = y_strb;
    d_data_o = y_row;
    if (write_codes) begin
      d_addr_o = {o_bank_q, code_row_20};
      d_strb_o = code_strb_20;
      d_data_o = code_data_20;
    end else if (write_scale) begin
      d_addr_o = {o_bank_q, scale_row};
      d_strb_o = scale_strb;
      d_data_o = {LP{ {8'd0, scale_i}}};
    end else if (write_word) begin
      d_addr_o = {d_bank_i, word_row};
      d_strb_o = word_strb;
      d_data_o = {LP{top_i}};
    end else if (write_place) begin
      d_addr_o = {o_bank_q, place_row};
      d_strb_o = word_strb;
      d_data_o = {LP{ {16'd0, place_i}}};
    end
  end

  assign act_en_o    = quant_i && !staged_i && valid_i[19];
  assign act_row_o   = act_q;
  assign act_token_o = act_token_q;
  assign s_en_o      = write_scale && !staged_i;
  assign s_slot_o    = slot_q;
  assign s_data_o    = scale_i;
endmodule
