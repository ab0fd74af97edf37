//! Built hardware of the presets, shared by the tests of this binary, and the check that everything comes down to.

use crate::drawn::drawn;
use hw::Machine;
use hw::dram::{Dram, Field};
use hw::machine::{MemoryModel, Slices};
use isa::random::Case;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tilewright::cosim::{self, Hardware};
use tilewright::{codegen, hw, isa};

/// Folder of built libraries, kept between runs.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cosim")
}

/// Writes a machine's hardware into a folder of this name and gives its path. What is there already keeps its date, so that
/// `make` has nothing to do for it.
pub fn emitted(machine: &Machine, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rtl").join(name);
    std::fs::create_dir_all(folder.join("tb")).unwrap();
    let files = [codegen::rtl::emit(machine).unwrap(), codegen::rtl::companions(machine)].concat();
    for file in files.iter().chain(&codegen::rtl::testbench(machine).unwrap()) {
        let path = folder.join(&file.name);
        if std::fs::read(&path).ok().as_deref() != Some(file.text.as_bytes()) {
            std::fs::write(path, &file.text).unwrap();
        }
    }
    folder
}

/// A preset; a machine that is drawn from a seed, `drawn-N`; `sliced`, four slices; or `wide`: a memory port of 64 bytes, two words of instructions in each beat, and HBM2 at four times its clock; or
/// `pair`, `quad`, `dot`, `crumb`, `nibble`, `slices`, `narrow`: the least machine of paired multipliers and of paired lanes, that of quads, that of dot multipliers with
/// both a cascade and a slice alone, those of digits with lanes that are no power of two, that of several slices, and that of narrow positions in DRAM.
pub fn machine(name: &str) -> Machine {
    if ["pair", "quad", "slices"].contains(&name) {
        let unit = hw::presets::load("unit").unwrap();
        let mut modes = hw::Mode::ALL.to_vec();
        let mut multipliers = hw::Multipliers::Dsp48e2;
        if name == "quad" {
            multipliers = hw::Multipliers::Quad;
            modes.retain(|m| !m.pruned());
        }
        let matrix = hw::machine::Matrix {
            tokens: 2,
            outputs: 2,
            lanes: 2,
            drain_lanes: 1,
            modes,
            multipliers,
            narrow: multipliers.narrows(),
            ..unit.matrix
        };
        let vector = hw::machine::Vector { functions: hw::Function::ALL.to_vec() };
        let slices = if name == "slices" { Slices { count: 3, crossing: 3 } } else { unit.slices };
        let least = Machine { name: name.into(), matrix, vector, slices, ..unit };
        least.verify().unwrap();
        return least;
    }
    if ["dot", "crumb", "nibble"].contains(&name) {
        let unit = hw::presets::load("unit").unwrap();
        let modes = hw::Mode::ALL.to_vec();
        let multipliers = match name {
            "dot" => hw::Multipliers::Dot,
            "crumb" => hw::Multipliers::Crumb,
            _ => hw::Multipliers::Nibble,
        };
        let matrix = hw::machine::Matrix {
            tokens: 2,
            outputs: 6,
            lanes: 6,
            drain_lanes: 3,
            modes,
            multipliers,
            narrow: multipliers.narrows(),
            ..unit.matrix
        };
        let buffers = hw::machine::Buffers { weight_bytes: 8192, ..unit.buffers };
        let least = Machine { name: name.into(), matrix, buffers, ..unit };
        least.verify().unwrap();
        return least;
    }
    if name == "narrow" {
        let unit = hw::presets::load("unit").unwrap();
        let modes = vec![hw::Mode::W2, hw::Mode::W2P];
        let matrix = hw::machine::Matrix { outputs: 16, lanes: 4, drain_lanes: 4, modes, ..unit.matrix };
        let load = hw::machine::Load { forms: hw::Form::ALL[1..].to_vec(), ..unit.load };
        let buffers = hw::machine::Buffers { weight_bytes: 8192, ..unit.buffers };
        let narrow = Machine { name: name.into(), matrix, load, buffers, ..unit };
        narrow.verify().unwrap();
        return narrow;
    }
    if let Some(seed) = name.strip_prefix("drawn-") {
        return drawn(seed.parse().unwrap());
    }
    let tiny = hw::presets::load("tiny").unwrap();
    if name == "sliced" {
        let matrix = hw::machine::Matrix { outputs: 4, lanes: 4, drain_lanes: 4, ..tiny.matrix };
        let slices = Slices { count: 4, crossing: 3 };
        let sliced = Machine { name: name.into(), matrix, slices, ..tiny };
        sliced.verify().unwrap();
        return sliced;
    }
    if name != "wide" {
        let preset = hw::presets::load(name).unwrap();
        // Of whole devices two slices: those behind them are the same.
        let slices = Slices { count: preset.slices.count.min(2), ..preset.slices };
        return Machine { slices, ..preset };
    }
    let model = MemoryModel::Dram(Box::new(Dram::preset("hbm2").unwrap()));
    let memory = hw::machine::Memory { beat_bytes: 64, model, ..tiny.memory };
    let sequencer = hw::machine::Sequencer { fetch_words: 4, imem_words: 128, ..tiny.sequencer };
    let wide = Machine { name: "wide".into(), clock_hz: 225_000_000, memory, sequencer, ..tiny };
    wide.verify().unwrap();
    wide
}

/// Hardware of a machine that [`machine`] knows, built once.
pub fn hardware(name: &str) -> Arc<Hardware> {
    type Built = Mutex<HashMap<String, Arc<OnceLock<Arc<Hardware>>>>>;
    static BUILT: OnceLock<Built> = OnceLock::new();
    let cell = BUILT.get_or_init(Default::default).lock().unwrap().entry(name.into()).or_default().clone();
    let build = || {
        let folder = emitted(&machine(name), name);
        let library = cosim::build(&folder, &cache()).unwrap_or_else(|e| panic!("{}", e.render()));
        Arc::new(Hardware::load(&library).unwrap_or_else(|e| panic!("{}", e.render())))
    };
    cell.get_or_init(build).clone()
}

/// DRAM in which everything happens soon: a refresh every 700 clocks, room for one write burst, rows of 512 bytes.
fn busy_dram() -> MemoryModel {
    let mut dram = Dram::preset("lpddr4").unwrap();
    let device = &mut dram.device;
    device.organisation.columns = 16;
    device.controller.map = vec![(Field::Column, 4), (Field::Bank, 3), (Field::Row, 16)];
    device.controller.write_bursts = 1;
    (device.timing.refi, device.timing.rfc) = (700, 160);
    dram.verify(100_000_000, 1 << 22).unwrap();
    MemoryModel::Dram(Box::new(dram))
}

/// Names of the memory models that every program meets, in the order of [`models`].
pub const MODELS: [&str; 7] = ["preset", "fast", "slow", "busy", "late", "ddr4", "lpddr4"];

/// The memory models that every program meets: the preset's own, a fast and a slow fixed one, random ones, and DRAM.
pub fn models(preset: &Machine) -> [MemoryModel; MODELS.len()] {
    let random = |seed, min_latency, max_latency, ready_percent, beat_percent| MemoryModel::Random {
        seed,
        min_latency,
        max_latency,
        ready_percent,
        beat_percent,
    };
    [
        preset.memory.model.clone(),
        MemoryModel::Fixed { read_latency: 2, write_latency: 2 },
        MemoryModel::Fixed { read_latency: 90, write_latency: 170 },
        random(11, 2, 9, 35, 50),
        random(12, 20, 200, 90, 95),
        MemoryModel::Dram(Box::new(Dram::preset("ddr4").unwrap())),
        busy_dram(),
    ]
}

/// A machine with another memory.
pub fn with_model(machine: &Machine, model: MemoryModel) -> Machine {
    let memory = hw::machine::Memory { model, ..machine.memory.clone() };
    Machine { memory, ..machine.clone() }
}

/// Simulator and hardware agree on every cycle and byte of a program; gives the instructions compared and the cycles.
pub fn check(hardware: &Hardware, machine: &Machine, name: &str, case: &Case, seed: u32) -> (u64, u64) {
    let (program, args, images) = (&case.program, &case.args[..], &case.images()[..]);
    let mut found = cosim::compare(hardware, machine, program, args, images, seed)
        .unwrap_or_else(|e| panic!("{}", e.render()));
    if !found.identical() {
        let setup = cosim::compare::Setup { hardware, machine, program, args, images, seed };
        found.locate(cosim::first_wrong(&setup).unwrap_or_else(|e| panic!("{}", e.render())));
    }
    let model = &machine.memory.model;
    assert!(found.identical(), "{name} on {}, seed {seed}, {model:?}: {found:#?}", machine.name);
    (found.instructions, found.cycles)
}
