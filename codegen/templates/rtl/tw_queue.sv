// First-in first-out queue of DEPTH entries.
//
// * An entry pushed in cycle n is at the head (valid_o) in n + 1 at the earliest.
// * full_o and valid_o come from registers: a pop makes room in the next cycle.
// * Entries lie in a memory; one that is pushed into an empty queue goes round it by a register.
// * Pushing when full or popping when empty must not happen.
module tw_queue #(
  parameter int WIDTH = 8,
  parameter int DEPTH = 4
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             push_i,
  input  logic [WIDTH-1:0] data_i,
  input  logic             pop_i,
  output logic             full_o,
  output logic             valid_o,
  output logic [WIDTH-1:0] data_o
);

  localparam int AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;
  localparam int CW = $clog2(DEPTH + 1);

  logic [AW-1:0] w_addr_q, w_addr_d, r_addr_q, r_addr_d;
  logic [CW-1:0] count_q, count_d, left;
  logic          load_head, direct, direct_q;
  logic [WIDTH-1:0] direct_data_q, ram_data;

  assign left = count_q - CW'(pop_i);
  assign count_d = left + CW'(push_i);
  assign w_addr_d = !push_i ? w_addr_q : (w_addr_q == AW'(DEPTH - 1)) ? '0 : w_addr_q + AW'(1);
  assign r_addr_d = !pop_i ? r_addr_q : (r_addr_q == AW'(DEPTH - 1)) ? '0 : r_addr_q + AW'(1);
  assign load_head = pop_i || (count_q == '0);
  assign direct = push_i && (left == '0);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      count_q  <= '0;
      w_addr_q <= '0;
      r_addr_q <= '0;
      direct_q <= 1'b0;
    end else begin
      count_q  <= count_d;
      w_addr_q <= w_addr_d;
      r_addr_q <= r_addr_d;
      if (load_head) begin
        direct_q <= direct;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (load_head && direct) begin
      direct_data_q <= data_i;
    end
  end

  tw_ram #(
    .WIDTH(WIDTH),
    .DEPTH(DEPTH),
    .RAM_STYLE("distributed")
  ) u_ram (
    .clk_i,
    .w_en_i(push_i),
    .w_addr_i(w_addr_q),
    .w_strb_i(1'b1),
    .w_data_i(data_i),
    .r_en_i(load_head),
    .r_addr_i(r_addr_d),
    .r_data_o(ram_data)
  );

  assign full_o = (count_q == CW'(DEPTH));
  assign valid_o = (count_q != '0);
  assign data_o = direct_q ? direct_data_q : ram_data;

endmodule
