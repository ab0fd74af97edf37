// Reports the events of instructions as they happen: one bit per event, and for each unit the
// number of the instruction (counted from 0 in the order of its queue) that starts or is done.
//
// Purely an observer: nothing in the machine depends on it.
module tw_probe #(
  parameter int UNITS = 4
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                clear_i,
  input  logic [UNITS-1:0]    start_i,
  input  logic [UNITS-1:0]    done_i,
  output logic [UNITS-1:0]    start_o,
  output logic [UNITS-1:0]    done_o,
  output logic [UNITS*32-1:0] start_number_o,
  output logic [UNITS*32-1:0] done_number_o
);

  assign start_o = start_i;
  assign done_o = done_i;

  for (genvar u = 0; u < UNITS; u++) begin : gen_unit
    logic [31:0] started_q, retired_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        started_q <= '0;
        retired_q <= '0;
      end else if (clear_i) begin
        started_q <= '0;
        retired_q <= '0;
      end else begin
        started_q <= started_q + 32'(start_i[u]);
        retired_q <= retired_q + 32'(done_i[u]);
      end
    end

    assign start_number_o[u*32+:32] = started_q;
    assign done_number_o[u*32+:32] = retired_q;
  end

endmodule
