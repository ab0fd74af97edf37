// Codes of a row to their place in a row of a vector bank, for the 4-bit outputs.
//
// q4k: a segment of the cache's K layout, LP/2 bytes (at least 1); q4v: ceil(L/2) bytes. Whole
// bytes are written, nibbles without a lane are zero. Combinational.
module tw_vpack #(
  parameter int L         = 8,
  parameter int LP        = 8,
  parameter int BYTE_BITS = 5  // log2(4*LP)
) (
  input  logic                 q4v_i,
  input  logic [BYTE_BITS-1:0] byte_i,  // of the first code
  input  logic [L*8-1:0]       code_i,
  output logic [LP*4-1:0]      strb_o,
  output logic [LP*32-1:0]     data_o
);
  localparam int KBytes = (LP > 2) ? LP / 2 : 1;
  localparam int VBytes = (L + 1) / 2;

  logic [LP*32-1:0] nibbles;
  logic [LP*4-1:0]  used;
  logic             unused_bits;

  for (genvar i = 0; i < LP * 8; i++) begin : gen_nibble
    if (i < L) begin : gen_code
      assign nibbles[4*i +: 4] = code_i[8*i +: 4];
    end else begin : gen_zero
      assign nibbles[4*i +: 4] = '0;
    end
  end

  for (genvar i = 0; i < LP * 4; i++) begin : gen_byte
    assign used[i] = q4v_i ? (i < VBytes) : (i < KBytes);
  end

  assign unused_bits = ^code_i;
  assign strb_o      = used << byte_i;
  assign data_o      = nibbles << {byte_i, 3'b000};
endmodule
