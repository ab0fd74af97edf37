// The one memory of the design: simple dual port, one write and one read port, read latency 1.
//
// * The word of a read (r_en_i) stands on r_data_o in the next cycle and stays until the next read.
// * A write takes the STRB-bit parts whose strobe is set.
// * A cycle may read and write one word. Parts that are not written are read as they were; parts
//   that are written are read as anything, and nobody looks: in simulation they are unknown.
// * The array has no reset. With TW_ZERO_MEMORIES it starts as zero, as the simulator's memories
//   do: for co-simulation of programs that read what they never wrote.
// RAM_STYLE is the technology hook for FPGA tools; an ASIC flow replaces this module by its macro.
// A macro needs a write enable per part and the ports above. Of a collision it must give the parts
// that are not written; whether the others are old, new or neither is its own affair.
module tw_ram #(
  parameter int WIDTH = 32,
  parameter int DEPTH = 64,
  parameter int STRB = WIDTH,
  parameter RAM_STYLE = "auto",
  localparam int AW = (DEPTH > 1) ? $clog2(DEPTH) : 1,
  localparam int PARTS = WIDTH / STRB
) (
  input  logic             clk_i,
  input  logic             w_en_i,
  input  logic [AW-1:0]    w_addr_i,
  input  logic [PARTS-1:0] w_strb_i,
  input  logic [WIDTH-1:0] w_data_i,
  input  logic             r_en_i,
  input  logic [AW-1:0]    r_addr_i,
  output logic [WIDTH-1:0] r_data_o
);

  // Loops of at most 8 parts: tools unroll them without options.
  localparam int GROUP = (PARTS < 8) ? PARTS : 8;
  localparam logic unused_style = (RAM_STYLE == "");

  // Readable from outside under Verilator: co-simulation compares the array at the end of a run.
  (* ram_style = RAM_STYLE *)
  logic [WIDTH-1:0] mem [DEPTH]  /*verilator public_flat_rd*/;

`ifdef TW_ZERO_MEMORIES
  initial begin
    for (int i = 0; i < DEPTH; i++) begin
      mem[i] = '0;
    end
  end
`endif

  always_ff @(posedge clk_i) begin
    if (w_en_i) begin
      for (int g = 0; g < PARTS / GROUP; g++) begin
        for (int p = 0; p < GROUP; p++) begin
          if (w_strb_i[g*GROUP+p]) begin
            mem[w_addr_i][(g*GROUP+p)*STRB+:STRB] <= w_data_i[(g*GROUP+p)*STRB+:STRB];
          end
        end
      end
    end
  end

`ifdef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (r_en_i) begin
      r_data_o <= mem[r_addr_i];
    end
  end
`else
  logic [WIDTH-1:0] written, unknown;

  for (genvar p = 0; p < PARTS; p++) begin : gen_written
    assign written[p*STRB+:STRB] = {STRB{w_en_i && (w_addr_i == r_addr_i) && w_strb_i[p]}};
    assign unknown[p*STRB+:STRB] = {STRB{1'bx}};
  end

  always_ff @(posedge clk_i) begin
    if (r_en_i) begin
      r_data_o <= (mem[r_addr_i] & ~written) | (unknown & written);
    end
  end
`endif

endmodule
