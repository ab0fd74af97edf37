// A port of a bank has one user in a cycle, and every user names a bank that there is.
module tw_vbanks_sva #(
  parameter int BANKS = 4,
  parameter int READERS = 4,
  parameter int WRITERS = 3
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic [READERS-1:0]   r_en_i,
  input logic [READERS*4-1:0] r_bank_i,
  input logic [WRITERS-1:0]   w_en_i,
  input logic [WRITERS*4-1:0] w_bank_i
);

  for (genvar u = 0; u < READERS; u++) begin : gen_reader
    bank: assert property (@(posedge clk_i) disable iff (!rst_ni)
        !(r_en_i[u] && 32'(r_bank_i[u*4+:4]) >= 32'(BANKS)))
    else $error("tw_vbanks: read of a bank that is not there");
    for (genvar v = 0; v < u; v++) begin : gen_other
      alone: assert property (@(posedge clk_i) disable iff (!rst_ni)
          !(r_en_i[u] && r_en_i[v] && r_bank_i[u*4+:4] == r_bank_i[v*4+:4]))
      else $error("tw_vbanks: two readers of a bank");
    end
  end

  for (genvar u = 0; u < WRITERS; u++) begin : gen_writer
    bank: assert property (@(posedge clk_i) disable iff (!rst_ni)
        !(w_en_i[u] && 32'(w_bank_i[u*4+:4]) >= 32'(BANKS)))
    else $error("tw_vbanks: write of a bank that is not there");
    for (genvar v = 0; v < u; v++) begin : gen_other
      alone: assert property (@(posedge clk_i) disable iff (!rst_ni)
          !(w_en_i[u] && w_en_i[v] && w_bank_i[u*4+:4] == w_bank_i[v*4+:4]))
      else $error("tw_vbanks: two writers of a bank");
    end
  end

endmodule

bind tw_vbanks tw_vbanks_sva #(
  .BANKS(BANKS),
  .READERS(READERS),
  .WRITERS(WRITERS)
) u_sva (
  .clk_i(clk_i),
  .rst_ni(rst_ni),
  .r_en_i(r_en),
  .r_bank_i(r_bank),
  .w_en_i(w_en),
  .w_bank_i(w_bank)
);
