// The numbers of this machine. tw_top hands them to the modules as parameters; nothing else reads
// this package.
package tw_config_pkg;

  localparam logic [31:0] CONFIG_HASH = 32'h{{ hash }};
{%- for group in groups %}

  // {{ group.0 }}
{%- for c in group.1 %}
  localparam int {{ c.name }} = {{ c.value }};
{%- endfor %}
{%- endfor %}

  // What buffers are made of.
  localparam W_RAM = "{{ weight_ram }}";
  localparam C_RAM = "{{ channel_ram }}";
  localparam A_RAM = "{{ activation_ram }}";

endpackage
