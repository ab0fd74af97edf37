// Place of the leading one of a word, and what is behind it. Combinational.
//
// zeros_o counts the zeros above the leading one, 31 of a word without any; rest_o is what follows
// it, padded with zeros, lead_o the one itself.
module tw_lead (
  input  logic [31:0] value_i,
  output logic [4:0]  zeros_o,
  output logic        lead_o,
  output logic [30:0] rest_o
);
  // By halves: what is left of the word, of which the upper 16, 8, 4, 2 bits or the highest are
  // shifted out if they are zero.
  logic [31:0] left_16, left_8, left_4, left_2, left_1;
  logic        none_16, none_8, none_4, none_2, none_1;

  assign none_16    = value_i[31:16] == '0;
  assign left_16    = none_16 ? {value_i[15:0], 16'd0} : value_i;
  assign none_8     = left_16[31:24] == '0;
  assign left_8     = none_8 ? {left_16[23:0], 8'd0} : left_16;
  assign none_4     = left_8[31:28] == '0;
  assign left_4     = none_4 ? {left_8[27:0], 4'd0} : left_8;
  assign none_2     = left_4[31:30] == '0;
  assign left_2     = none_2 ? {left_4[29:0], 2'd0} : left_4;
  assign none_1     = !left_2[31];
  assign left_1     = none_1 ? {left_2[30:0], 1'b0} : left_2;

  assign zeros_o          = {none_16, none_8, none_4, none_2, none_1};
  assign {lead_o, rest_o} = left_1;
endmodule
