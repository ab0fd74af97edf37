// {{ what }}
//
// The table point of a segment, correctly rounded, and the rise to the next one. Combinational.
module {{ name }} (
  input  logic [7:0]         index_i,
  output logic [16:0]        base_o,
  output logic signed [11:0] rise_o
);
  always_comb begin
    case (index_i)
{%- for entry in entries %}
      {{ entry }}
{%- endfor %}
    endcase
  end
endmodule
