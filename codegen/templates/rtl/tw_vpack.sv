// Codes of a row to their place in a row of a vector bank, for keys and values.
//
// Keys: a segment of the cache's layout, LP codes in whole bytes; values: L codes in whole bytes.
// Codes of 4 bits lie two to a byte. What has no lane is zero. Combinational.
module tw_vpack #(
  parameter int L         = 8,
  parameter int LP        = 8,
  parameter int BYTE_BITS = 5  // log2(4*LP)
) (
  input  logic                 q4_i,
  input  logic                 v_i,
  input  logic [BYTE_BITS-1:0] byte_i,  // of the first code
  input  logic [L*8-1:0]       code_i,
  output logic [LP*4-1:0]      strb_o,
  output logic [LP*32-1:0]     data_o
);
  localparam int K4Bytes = (LP > 2) ? LP / 2 : 1;
  localparam int V4Bytes = (L + 1) / 2;

  logic [LP*8-1:0] nibbles;
  logic [LP*4-1:0] used;

  for (genvar i = 0; i < LP * 2; i++) begin : gen_nibble
    if (i < L) begin : gen_code
      assign nibbles[4*i +: 4] = code_i[8*i +: 4];
    end else begin : gen_zero
      assign nibbles[4*i +: 4] = '0;
    end
  end

  for (genvar i = 0; i < LP * 4; i++) begin : gen_byte
    always_comb begin
      if (v_i) used[i] = q4_i ? (i < V4Bytes) : (i < L);
      else used[i] = q4_i ? (i < K4Bytes) : (i < LP);
    end
  end

  assign strb_o = used << byte_i;
  assign data_o = (q4_i ? (LP * 32)'(nibbles) : (LP * 32)'(code_i)) << {byte_i, 3'b000};
endmodule
