// Cycle counter of the run and one counter for every stall class: in each counted cycle exactly one
// class of each unit is set.
module tw_stall #(
  parameter int COUNTERS = 21
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   clear_i,
  input  logic                   count_i,
  input  logic [COUNTERS-1:0]    event_i,
  output logic [63:0]            cycles_o,
  output logic [COUNTERS*32-1:0] counts_o
);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      cycles_o <= '0;
    end else if (clear_i) begin
      cycles_o <= '0;
    end else if (count_i) begin
      cycles_o <= cycles_o + 64'd1;
    end
  end

  for (genvar i = 0; i < COUNTERS; i++) begin : gen_counter
    logic [31:0] count_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        count_q <= '0;
      end else if (clear_i) begin
        count_q <= '0;
      end else if (count_i && event_i[i]) begin
        count_q <= count_q + 32'd1;
      end
    end

    assign counts_o[i*32+:32] = count_q;
  end

endmodule
