// Addresses lie within the array. A memory has no reset, so this holds from the first cycle on.
module tw_ram_sva #(
  parameter int DEPTH = 64,
  parameter int AW = 6
) (
  input logic          clk_i,
  input logic          w_en_i,
  input logic [AW-1:0] w_addr_i,
  input logic          r_en_i,
  input logic [AW-1:0] r_addr_i
);

  write_range: assert property (@(posedge clk_i)
      !(w_en_i && 32'(w_addr_i) >= 32'(DEPTH)))
  else $error("tw_ram: write beyond the array");
  read_range: assert property (@(posedge clk_i)
      !(r_en_i && 32'(r_addr_i) >= 32'(DEPTH)))
  else $error("tw_ram: read beyond the array");

endmodule

bind tw_ram tw_ram_sva #(
  .DEPTH(DEPTH),
  .AW(AW)
) u_sva (
  .clk_i(clk_i),
  .w_en_i(w_en_i),
  .w_addr_i(w_addr_i),
  .r_en_i(r_en_i),
  .r_addr_i(r_addr_i)
);
