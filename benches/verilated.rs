//! How fast the emitted hardware runs under Verilator, beside the simulator: one token of the trained network on grids of 16 x 16
//! and 32 x 32 multipliers. Throughput is cycles.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use tilewright::codegen::plan::Options;
use tilewright::codegen::{Model, Slot, Target, image};
use tilewright::cosim::driver::Run;
use tilewright::cosim::{self, Hardware};
use tilewright::hw::Machine;
use tilewright::hw::machine::Matrix;
use tilewright::ir::decoder::recognise;
use tilewright::ir::quant::{QuantDecoder, Scheme};
use tilewright::sim::pages::Pages;
use tilewright::{codegen, hw, ir, sim};

/// `tiny` with one token at a time, and as many outputs as lanes.
fn grid(side: u32) -> Machine {
    let tiny = hw::presets::load("tiny").unwrap();
    let matrix = Matrix { tokens: 1, outputs: side, lanes: side, drain_lanes: side, ..tiny.matrix };
    let grid = Machine { name: format!("grid-{side}"), matrix, ..tiny };
    grid.verify().unwrap();
    grid
}

/// The machine's hardware, built where other builds of this repository lie.
fn hardware(machine: &Machine) -> Hardware {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = place.join("rtl").join(&machine.name);
    std::fs::create_dir_all(&folder).unwrap();
    for file in [codegen::rtl::emit(machine).unwrap(), codegen::rtl::companions(machine)].concat() {
        std::fs::write(folder.join(&file.name), file.text).unwrap();
    }
    let library = cosim::build(&folder, &place.join("cosim")).unwrap_or_else(|e| panic!("{}", e.render()));
    Hardware::load(&library).unwrap_or_else(|e| panic!("{}", e.render()))
}

fn trained() -> QuantDecoder {
    let file = include_bytes!("../examples/models/trained_llama_w2_prefill/model.onnx");
    let graph = ir::front::onnx::import(file, &Default::default()).unwrap();
    let graph = ir::pass::run(&ir::pass::normalise(), graph, |_, _| {}).unwrap();
    QuantDecoder::new(&recognise(&graph).unwrap().decoder, &Scheme::named("w2a8kv4").unwrap()).unwrap()
}

fn verilated(c: &mut Criterion) {
    let decoder = trained();
    for side in [16, 32] {
        let machine = grid(side);
        let options = Options { context: Some(256), ..Options::default() };
        let target = Target::new(&Model::of(&decoder).unwrap(), &machine, &options).unwrap();
        let program = target.compile(1, Slot::Decode).unwrap().program;
        let args = program.arg_values(128, &[65]);
        let mut dram = Pages::new(machine.memory.size_bytes, &image::images(&target, &decoder).unwrap()[0]);
        dram.write(program.base.into(), &image::words(&program).unwrap()).unwrap();
        let cycles = sim::timing::simulate_into(&program, &machine, &args, &mut ()).unwrap().cycles;
        let hardware = hardware(&machine);
        let mut session = hardware.session(1);
        let run = Run {
            machine: &machine,
            program: &program,
            args: &args,
            dram: &[dram],
            limit: 2 * cycles,
            poison: 0..0,
        };
        let mut group = c.benchmark_group(format!("trained-llama on {side} x {side} multipliers"));
        group.throughput(Throughput::Elements(cycles));
        group.bench_function("verilated", |b| {
            b.iter(|| {
                let observed = session.run(&run);
                assert_eq!((observed.failure, observed.trace.cycles), (None, cycles));
            });
        });
        let simulate = || sim::timing::simulate_into(&program, &machine, &args, &mut ()).unwrap().cycles;
        group.bench_function("simulated", |b| b.iter(simulate));
        group.finish();
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = verilated }
criterion_main!(benches);
