//! SystemVerilog of a machine: [`emit`] gives every file in compile order, byte-identical for the same machine.
//!
//! Most modules are static text with real parameters, under `templates/rtl`; only what changes in structure is rendered:
//! the packages, the resolver of the instruction table, the top level's ports.
//!
//! The text keeps to what Verilator 5.006, Icarus 11 and Yosys 0.23 all accept:
//! * parameters are `int` (never `int unsigned`) or `logic [..]`; package items are named in full, never imported;
//! * ports are flat vectors: no unpacked arrays, no packed ones of two dimensions, no structs across modules;
//! * signals that are left over on purpose carry `unused` in their name; there is no lint waiver;
//!
//! Assertions stand apart, in checkers that `bind` puts into the modules that they watch: `templates/sva`, listed in
//! `assertions.f`. Only tools that know `bind` and properties read them.

mod config;
mod multipliers;
mod resolve;
mod rom;
mod testbench;

use askama::Template;
use hw::Machine;
pub use multipliers::{Multiplier, multipliers};
pub use testbench::testbench;

/// A file of the hardware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtlFile {
    /// File name; for modules and packages their name and `.sv`. The testbench lies in a folder `tb`.
    pub name: String,
    pub text: String,
}

/// Text below the header comment of a file.
enum Source {
    /// The same for every machine.
    Fixed(&'static str),
    /// Made from the machine.
    Rendered(fn(&Machine) -> Result<String, askama::Error>),
}

macro_rules! fixed {
    ($name:literal) => {
        ($name, Source::Fixed(include_str!(concat!("../../templates/rtl/", $name, ".sv"))))
    };
}

/// Every module and package, each before its users.
const PARTS: &[(&str, Source)] = &[
    ("tw_pkg", Source::Rendered(|_| Ok(isa::sv::package()))),
    ("tw_regs_pkg", Source::Rendered(|_| Ok(isa::regs::package()))),
    ("tw_config_pkg", Source::Rendered(|m| config::View::of(m).render())),
    // memories
    fixed!("tw_ram"),
    fixed!("tw_buffer"),
    fixed!("tw_row"),
    fixed!("tw_place"),
    fixed!("tw_port"),
    fixed!("tw_queue"),
    fixed!("tw_weights"),
    fixed!("tw_scales"),
    fixed!("tw_vbanks"),
    fixed!("tw_memories"),
    // control
    ("tw_resolve", Source::Rendered(|_| resolve::View::new().render())),
    fixed!("tw_fetch"),
    fixed!("tw_sequencer"),
    fixed!("tw_frontend"),
    fixed!("tw_issue"),
    fixed!("tw_semaphores"),
    fixed!("tw_schedule"),
    fixed!("tw_stall"),
    fixed!("tw_probe"),
    fixed!("tw_ctrl"),
    // data movement
    fixed!("tw_positions"),
    fixed!("tw_load"),
    fixed!("tw_rotate"),
    fixed!("tw_store"),
    // matrix engine
    fixed!("tw_delay"),
    fixed!("tw_select"),
    fixed!("tw_mul"),
    fixed!("tw_weight_decode"),
    fixed!("tw_gather"),
    fixed!("tw_dot"),
    fixed!("DSP48E2"),
    fixed!("tw_dsp"),
    fixed!("tw_dsp_pair"),
    fixed!("tw_dsp_quad"),
    fixed!("tw_quad_pack"),
    fixed!("tw_dsp_dot"),
    fixed!("tw_dot_term"),
    fixed!("tw_sum"),
    fixed!("tw_dot_pair"),
    fixed!("tw_dot_quad"),
    fixed!("tw_dot_lanes"),
    fixed!("tw_digit_sum"),
    fixed!("tw_digit_term"),
    fixed!("tw_dot_digits"),
    fixed!("tw_products"),
    fixed!("tw_acc"),
    fixed!("tw_epilogue"),
    fixed!("tw_matrix"),
    // vector engine
    ("tw_rom_sin", Source::Rendered(|_| rom::View::sin().render())),
    ("tw_rom_sigmoid", Source::Rendered(|_| rom::View::sigmoid().render())),
    ("tw_rom_phi", Source::Rendered(|_| rom::View::phi().render())),
    ("tw_rom_phi_tanh", Source::Rendered(|_| rom::View::phi_tanh().render())),
    ("tw_rom_hard_sigmoid", Source::Rendered(|_| rom::View::hard_sigmoid().render())),
    ("tw_rom_exp2", Source::Rendered(|_| rom::View::exp2().render())),
    ("tw_rom_recip", Source::Rendered(|_| rom::View::recip().render())),
    ("tw_rom_rsqrt", Source::Rendered(|_| rom::View::rsqrt().render())),
    ("tw_rom_softplus", Source::Rendered(|_| rom::View::softplus().render())),
    ("tw_rom_log2", Source::Rendered(|_| rom::View::log2().render())),
    fixed!("tw_interp"),
    fixed!("tw_lead"),
    fixed!("tw_vfun"),
    fixed!("tw_round"),
    fixed!("tw_vlane"),
    fixed!("tw_vreduce"),
    fixed!("tw_norm16"),
    fixed!("tw_divide"),
    fixed!("tw_scalar"),
    fixed!("tw_vpack"),
    fixed!("tw_vwrite"),
    fixed!("tw_vturn"),
    fixed!("tw_vector"),
    // all of it
    fixed!("tw_datapath"),
    fixed!("tw_join"),
    fixed!("tw_across"),
    fixed!("tw_top"),
];

/// Twins of primitives, for simulation: a synthesis has the primitives themselves.
pub const TWINS: &[&str] = &["DSP48E2"];

macro_rules! checkers {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../templates/sva/", $name, ".sv")))),*] };
}

/// Bound assertions, one file for each module that is watched.
const CHECKERS: &[(&str, &str)] = checkers!(
    "tw_ram_sva" "tw_queue_sva" "tw_vbanks_sva" "tw_fetch_sva" "tw_sequencer_sva" "tw_issue_sva" "tw_semaphores_sva"
    "tw_ctrl_sva" "tw_load_sva" "tw_store_sva" "tw_acc_sva"
);

/// The SystemVerilog of a machine, in compile order.
///
/// # Errors
/// None that a verified machine can cause; rendering is fallible in its type only.
pub fn emit(machine: &Machine) -> Result<Vec<RtlFile>, askama::Error> {
    let file = |(name, source): &(&str, Source)| {
        let body = match source {
            Source::Fixed(text) => (*text).to_string(),
            Source::Rendered(render) => render(machine)?,
        };
        let body = body.trim_end();
        Ok(RtlFile { name: format!("{name}.sv"), text: format!("{}{body}\n", header("//", name, machine)) })
    };
    PARTS.iter().map(file).collect()
}

/// What lies beside the design: assertions, file lists, C header and manual of the control port.
pub fn companions(machine: &Machine) -> Vec<RtlFile> {
    let list =
        |names: &mut dyn Iterator<Item = &&str>| names.map(|n| format!("{n}.sv\n")).collect::<String>();
    let file = |name: &str, text: String| RtlFile { name: name.into(), text };
    let registers = format!("<!-- {} -->\n\n{}", stamp("registers", machine), isa::regs::markdown());
    let checker = |(name, body): &(&str, &str)| {
        file(&format!("{name}.sv"), format!("{}{body}", header("//", name, machine)))
    };
    let mut files: Vec<RtlFile> = CHECKERS.iter().map(checker).collect();
    files.extend([
        file("files.f", list(&mut PARTS.iter().map(|p| &p.0))),
        file("synthesis.f", list(&mut PARTS.iter().map(|p| &p.0).filter(|p| !TWINS.contains(p)))),
        file("assertions.f", list(&mut CHECKERS.iter().map(|c| &c.0))),
        file("tw_regs.h", format!("{}{}", header("//", "tw_regs", machine), isa::regs::c_header())),
        file("registers.md", registers),
    ]);
    files
}

fn header(comment: &str, name: &str, machine: &Machine) -> String {
    format!("{comment} {}\n{comment}\n", stamp(name, machine))
}

/// What a file is and what it was made for and by.
fn stamp(name: &str, machine: &Machine) -> String {
    let (version, isa) = (env!("CARGO_PKG_VERSION"), isa::table::ISA_VERSION);
    format!("{name}: Tilewright {version}, ISA {isa}, configuration 0x{:08x}.", machine.hash())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_deterministic_and_keeps_the_style() {
        for (name, _) in hw::presets::PRESETS {
            let machine = hw::presets::load(name).unwrap();
            let files = emit(&machine).unwrap();
            assert_eq!(files, emit(&machine).unwrap());
            let bench = testbench(&machine).unwrap();
            let checkers = companions(&machine).into_iter().filter(|f| f.name.ends_with(".sv"));
            let harness = bench.into_iter().filter(|f| f.name == "tb/tb.cpp");
            for file in files.into_iter().chain(checkers).chain(harness) {
                for (i, line) in file.text.lines().enumerate() {
                    let at = format!("{}:{}", file.name, i + 1);
                    assert!(line.chars().count() <= 100, "{at} is longer than 100 columns");
                    assert!(!line.contains('\t') && line.trim_end() == line, "{at} has stray white space");
                }
            }
        }
    }

    #[test]
    fn every_file_but_the_lists_says_what_it_was_made_for() {
        let machine = hw::presets::load("tiny").unwrap();
        let isa = isa::table::ISA_VERSION;
        let made_for = format!("ISA {isa}, configuration 0x{:08x}.", machine.hash());
        let (files, bench) = (emit(&machine).unwrap(), testbench(&machine).unwrap());
        for file in files.iter().chain(&companions(&machine)).chain(&bench) {
            let first = file.text.lines().next().unwrap();
            assert!(first.contains(&made_for) || file.name.ends_with(".f"), "{}: {first}", file.name);
        }
    }

    /// What is made from the machine or the instruction table, to be read as text when it changes. Fixed modules are read in
    /// `templates/rtl`.
    #[test]
    fn rendered_files_read_well() {
        let machine = hw::presets::load("odd").unwrap();
        let rendered = PARTS.iter().filter(|(_, source)| matches!(source, Source::Rendered(_)));
        let names: Vec<String> = rendered.map(|(name, _)| format!("{name}.sv")).collect();
        for file in emit(&machine).unwrap().iter().chain(&companions(&machine)) {
            let fixed = file.name.ends_with(".sv") && !names.contains(&file.name);
            if !fixed && !file.name.starts_with("tw_rom") {
                // The version and the machine's hash stand in the first line; they are no reason to read the rest again.
                let text = file.text.split_once('\n').map_or("", |(_, rest)| rest);
                insta::assert_snapshot!(file.name.replace('.', "_"), text);
            }
        }
    }
}
