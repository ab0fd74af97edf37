// tw_queue is a list: entries leave in the order in which they came, none is lost, none is made up.
// Contract: no push when full, no pop when empty. Proven by induction over the list of what is
// inside, which lies in the memory from the read address on.
module proof_queue #(
  parameter int WIDTH = 2,
  parameter int DEPTH = 4
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic             push_i,
  input logic             pop_i,
  input logic [WIDTH-1:0] data_i
);

  localparam int AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;
  localparam int CW = $clog2(DEPTH + 1);

  logic             full, valid;
  logic [WIDTH-1:0] data;

  tw_queue #(
    .WIDTH(WIDTH),
    .DEPTH(DEPTH)
  ) dut (
    .clk_i,
    .rst_ni,
    .push_i,
    .data_i,
    .pop_i,
    .full_o(full),
    .valid_o(valid),
    .data_o(data)
  );

  // The list, its head in the lowest bits.
  logic [DEPTH*WIDTH-1:0] list_q, list_d;
  logic [CW-1:0]          length_q, left;
  logic                   begun_q = 1'b0;

  assign left = length_q - CW'(pop_i);

  always_comb begin
    list_d = pop_i ? list_q >> WIDTH : list_q;
    if (push_i) list_d[left*WIDTH+:WIDTH] = data_i;
  end

  always_ff @(posedge clk_i) begin
    begun_q  <= 1'b1;
    length_q <= rst_ni ? left + CW'(push_i) : '0;
    list_q   <= list_d;
  end

  always_comb begin
    assume (begun_q || !rst_ni);
    assume (!(push_i && full));
    assume (!(pop_i && !valid));
  end

  always_comb begin
    if (rst_ni) begin
      assert (full == (length_q == CW'(DEPTH)));
      assert (valid == (length_q != '0));
      assert (!valid || data == list_q[WIDTH-1:0]);
    end
  end

  // What makes it inductive.
  (* hierconn *) wire [CW-1:0] \dut.count_q ;
  (* hierconn *) wire [AW-1:0] \dut.r_addr_q ;
  (* hierconn *) wire [AW-1:0] \dut.w_addr_q ;
  // Word i of the memory is bits i*WIDTH and up; the prover connects them.
  logic [DEPTH*WIDTH-1:0] words;

  always_comb begin
    if (rst_ni) begin
      assert (\dut.count_q == length_q && 32'(length_q) <= DEPTH);
      assert (32'(\dut.r_addr_q ) < DEPTH);
      assert (32'(\dut.w_addr_q ) == (32'(\dut.r_addr_q ) + 32'(length_q)) % DEPTH);
    end
  end

  for (genvar i = 0; i < DEPTH; i++) begin : gen_entry
    logic [31:0] at;
    assign at = (32'(\dut.r_addr_q ) + i) % DEPTH;
    always_comb begin
      if (rst_ni && i < 32'(length_q)) begin
        assert (words[at*WIDTH+:WIDTH] == list_q[i*WIDTH+:WIDTH]);
      end
    end
  end

endmodule
