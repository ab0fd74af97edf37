// Decodes a word: is it legal, which registers does it read, and what is left for its unit when
// they have been added. Combinational; the instruction table is the only source of the positions.
module tw_resolve (
  input  logic [255:0] word_i,
  input  logic [31:0]  ra_i,
  input  logic [31:0]  rb_i,
  output logic         legal_o,
  output logic [3:0]   ra_o,
  output logic [3:0]   rb_o,
  // of sequencer instructions: destination, resolved value, words of a loop body
  output logic [3:0]   rd_o,
  output logic [31:0]  value_o,
  output logic [15:0]  body_o,
{%- for u in units %}
  output logic [tw_pkg::{{ u.unit|upper }}_INSTR_W-1:0] {{ u.unit }}_o{% if !loop.last %},{% endif %}
{%- endfor %}
);

  logic [255:0] reserved;
  logic         known;

  assign legal_o = known && ((word_i & reserved) == '0);

  always_comb begin
    known = 1'b1;
    reserved = '0;
    ra_o = '0;
    rb_o = '0;
    case (word_i[6:0])
{%- for c in cases %}
      7'd{{ c.code }}: begin  // {{ c.mnemonic }}
        reserved = 256'h{{ c.reserved }};
{%- for n in c.named %}
        known = {{ n }};
{%- endfor %}
{%- for r in c.registers %}
        {{ r.0 }}_o = {{ r.1 }};
{%- endfor %}
      end
{%- endfor %}
      default: known = 1'b0;
    endcase
  end

  always_comb begin
    rd_o = '0;
    value_o = '0;
    body_o = '0;
    case (word_i[6:0])
{%- for c in cases %}
{%- if !c.sequencer.is_empty() %}
      7'd{{ c.code }}: begin  // {{ c.mnemonic }}
{%- for s in c.sequencer %}
        {{ s.0 }} = {{ s.1 }};
{%- endfor %}
      end
{%- endif %}
{%- endfor %}
      default: rd_o = '0;
    endcase
  end
{% for u in units %}
{%- for f in u.forms %}
{%- if u.forms.len() > 1 %}
  logic [tw_pkg::{{ u.unit|upper }}_INSTR_W-1:0] {{ f.name }};
  assign {{ f.name }} = {
{%- else %}
  assign {{ u.unit }}_o = {
{%- endif %}
{%- for p in f.parts %}
    {{ p.expression }}{% if !loop.last %},{% endif %}  // {{ p.name }}
{%- endfor %}
  };
{% endfor %}
{%- if u.forms.len() > 1 %}
  // The opcode's lowest bit tells the two forms apart.
  assign {{ u.unit }}_o = word_i[3] ? {{ u.forms[1].name }} : {{ u.forms[0].name }};
{% endif %}
{%- endfor %}
endmodule
