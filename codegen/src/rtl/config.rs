//! `tw_config_pkg`: the numbers of a machine, as the top level hands them to the modules.

use askama::Template;
use hw::{Geometry, Machine};

/// A constant of the package.
pub struct Constant {
    pub name: &'static str,
    pub value: u32,
}

/// View of `tw_config_pkg.sv`.
#[derive(Template)]
#[template(path = "rtl/tw_config_pkg.sv", escape = "none")]
pub struct View {
    hash: String,
    weight_ram: &'static str,
    channel_ram: &'static str,
    activation_ram: &'static str,
    groups: Vec<(&'static str, Vec<Constant>)>,
}

impl View {
    /// The constants of a machine.
    pub fn of(machine: &Machine) -> View {
        let hash = format!("{:08x}", machine.hash());
        View {
            hash,
            weight_ram: machine.buffers.weight_ram.name(),
            channel_ram: machine.buffers.channel_ram.name(),
            activation_ram: machine.buffers.activation_ram.name(),
            groups: vec![
                ("Memory port and sequencer.", control(machine)),
                ("Array.", array(machine)),
                ("Rows of the buffers, in bytes.", rows(&Geometry::of(machine))),
                ("Buffers: capacity and physical word, in bytes.", buffers(machine)),
            ],
        }
    }
}

fn constants(list: &[(&'static str, u32)]) -> Vec<Constant> {
    list.iter().map(|&(name, value)| Constant { name, value }).collect()
}

fn control(m: &Machine) -> Vec<Constant> {
    let (s, g) = (&m.sequencer, Geometry::of(m));
    constants(&[
        ("BEAT", m.memory.beat_bytes),
        ("IMEM_WORDS", s.imem_words),
        ("FETCH_WORDS", s.fetch_words),
        ("ARGS", s.args),
        ("LOAD_DEPTH", s.queue_depth.load),
        ("MATRIX_DEPTH", s.queue_depth.matrix),
        ("VECTOR_DEPTH", s.queue_depth.vector),
        ("STORE_DEPTH", s.queue_depth.store),
        ("IN_FLIGHT", hw::timing::IN_FLIGHT as u32),
        ("LOAD_BURST", m.load.burst_beats),
        ("LOAD_OUTSTANDING", m.load.outstanding),
        ("FORMS", g.forms.bits()),
        ("PAIR", g.pair()),
        ("STORE_BURST", m.store.burst_beats),
    ])
}

fn array(m: &Machine) -> Vec<Constant> {
    let g = Geometry::of(m);
    constants(&[
        ("T", g.t),
        ("N", g.n),
        ("L", g.l),
        ("D", g.d),
        ("TP", g.tp),
        ("NP", g.np),
        ("LP", g.lp),
        ("ACC_BITS", m.matrix.accumulator_bits),
        ("MODES", g.modes.bits()),
        ("FUNCTIONS", g.functions.bits()),
        ("PACKED", m.matrix.multipliers.packed()),
        ("NARROW", m.matrix.narrow.into()),
        ("SLICES", g.slices),
        ("CROSSING", g.crossing),
    ])
}

fn rows(g: &Geometry) -> Vec<Constant> {
    constants(&[
        ("W_ROW", g.widest_row()),
        ("G_ROW", g.g_row),
        ("C_ROW", g.c_part),
        ("C_PARTS", g.c_row / g.c_part),
        ("A_ROW", g.a_row),
    ])
}

fn buffers(m: &Machine) -> Vec<Constant> {
    let (g, b) = (Geometry::of(m), &m.buffers);
    constants(&[
        ("W_BYTES", b.weight_bytes),
        ("W_WIDTH", g.w_width),
        ("G_BYTES", b.group_scale_bytes),
        ("G_WIDTH", g.g_width),
        ("C_BYTES", b.channel_bytes),
        ("C_WIDTH", g.c_width),
        ("A_BYTES", b.activation_bytes),
        ("A_WIDTH", g.a_width),
        ("V_BANKS", b.vector_banks),
        ("V_BYTES", b.vector_bank_bytes),
        ("V_WIDTH", g.v_width),
        ("TOKEN_SCALES", b.token_scales),
    ])
}
