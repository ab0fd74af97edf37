// One event of all slices out of one event of each: the k-th comes when the last slice has had its
// k-th, in that cycle. Slices that keep step lose nothing.
module tw_join #(
  parameter int SLICES = 2,
  parameter int MOST   = 32  // events by which a slice may be ahead
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic [SLICES-1:0] event_i,
  output logic              event_o
);
  if (SLICES == 1) begin : gen_one
    logic unused_clock;
    assign unused_clock = ^{clk_i, rst_ni};
    assign event_o = event_i[0];
  end else begin : gen_several
    logic [SLICES-1:0] there;

    for (genvar s = 0; s < SLICES; s++) begin : gen_slice
      logic [$clog2(MOST+1)-1:0] ahead_q;

      assign there[s] = event_i[s] || ahead_q != '0;

      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) ahead_q <= '0;
        else if (event_i[s] && !event_o) ahead_q <= ahead_q + 1'b1;
        else if (!event_i[s] && event_o) ahead_q <= ahead_q - 1'b1;
      end
    end

    assign event_o = &there;
  end
endmodule
