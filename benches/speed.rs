//! How fast the product itself is: import, compile, simulate, emit. Figures over time are in `benches/history.csv`.
//!
//! Every benchmark states its work per iteration as throughput where it has one: simulated cycles for `simulate`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tilewright::codegen::plan::Options;
use tilewright::codegen::{self, Compiled, Model, Slot, Target};
use tilewright::hw::Machine;
use tilewright::hw::machine::MemoryModel;
use tilewright::ir::decoder::{Decoder, recognise};
use tilewright::ir::quant::{QuantDecoder, Scheme};
use tilewright::isa::Program;
use tilewright::{hw, ir, isa, sim};

const TRAINED: &[u8] = include_bytes!("../examples/models/trained_llama_w2_prefill/model.onnx");

fn import(bytes: &[u8]) -> Decoder {
    let graph = ir::front::onnx::import(bytes, &Default::default()).unwrap();
    let graph = ir::pass::run(&ir::pass::normalise(), graph, |_, _| {}).unwrap();
    recognise(&graph).unwrap().decoder
}

/// One token of the trained network on `tiny`, with the cached positions that its examples have.
fn trained() -> (Model, hw::Machine) {
    let quantised = QuantDecoder::new(&import(TRAINED), &Scheme::named("w2a8kv4").unwrap()).unwrap();
    (Model::of(&quantised).unwrap(), hw::presets::load("tiny").unwrap())
}

fn compile(model: &Model, machine: &hw::Machine, context: u32) -> (Target, Compiled) {
    let options = Options { context: Some(context), ..Options::default() };
    let target = Target::new(model, machine, &options).unwrap();
    let compiled = target.compile(1, Slot::Decode).unwrap();
    (target, compiled)
}

/// LLaMA-2-7B, or its first layers: sizes only, which is all that time depends on.
fn llama2_7b(layers: u32) -> Model {
    Model {
        name: "llama2-7b".into(),
        vocab: 32_000,
        logits: 32_000,
        hidden: 4096,
        intermediate: 11_008,
        layers,
        heads: 32,
        kv_heads: 32,
        head_dim: 128,
        max_positions: 4096,
        stem: Vec::new(),
        kind: Default::default(),
        widths: Default::default(),
        numbers: Default::default(),
        scales: Vec::new(),
        nodes: Default::default(),
    }
}

/// Simulates and keeps nothing; gives the cycles.
fn cycles(program: &Program, machine: &Machine, args: &[u32]) -> u64 {
    sim::timing::simulate_into(black_box(program), machine, args, &mut ()).unwrap().cycles
}

fn large(c: &mut Criterion) {
    let machine = hw::presets::load("bench-4096").unwrap();
    for (name, layers) in [("one layer of llama2-7b", 1), ("llama2-7b", 32)] {
        let model = llama2_7b(layers);
        let mut group = c.benchmark_group(format!("{name} on bench-4096"));
        group.bench_function("compile", |b| b.iter(|| compile(black_box(&model), &machine, CONTEXT)));
        let (target, compiled) = compile(&model, &machine, CONTEXT);
        let args = compiled.program.arg_values(1024, &[65]);
        let run = |machine| cycles(&compiled.program, machine, &args);
        group.throughput(Throughput::Elements(run(&target.machine)));
        group.bench_function("simulate", |b| b.iter(|| run(&target.machine)));
        let mut fixed = target.machine.clone();
        fixed.memory.model = MemoryModel::Fixed { read_latency: 40, write_latency: 40 };
        group.throughput(Throughput::Elements(run(&fixed)));
        group.bench_function("simulate with fixed latency", |b| b.iter(|| run(&fixed)));
        let check = || isa::check::check(black_box(&compiled.program), &target.machine, &args).unwrap();
        group.bench_function("check", |b| b.iter(check));
        let prove = || black_box(&target).prove(black_box(&compiled)).unwrap();
        group.bench_function("prove", |b| b.iter(prove));
        group.finish();
    }
}

/// Positions of the cache of the large model.
const CONTEXT: u32 = 1056;

/// A fixed piece of arithmetic, so that figures of different computers can be compared.
fn yardstick(c: &mut Criterion) {
    let mix = |x: u64| {
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    c.bench_function("yardstick", |b| b.iter(|| (0..1u64 << 16).fold(black_box(1), |x, i| mix(x ^ i))));
}

fn speed(c: &mut Criterion) {
    let (model, machine) = trained();
    let mut group = c.benchmark_group("trained-llama on tiny");
    group.bench_function("import", |b| b.iter(|| import(black_box(TRAINED))));
    group.bench_function("compile", |b| b.iter(|| compile(black_box(&model), &machine, 256)));
    let (target, compiled) = compile(&model, &machine, 256);
    let args = compiled.program.arg_values(128, &[65]);
    let run = || cycles(&compiled.program, &target.machine, &args);
    group.throughput(Throughput::Elements(run()));
    group.bench_function("simulate", |b| b.iter(run));
    let traced = || sim::timing::simulate(black_box(&compiled.program), &target.machine, &args).unwrap();
    group.bench_function("simulate and keep the trace", |b| b.iter(traced));
    group.finish();
    let mut group = c.benchmark_group("rtl of tiny");
    group.bench_function("emit", |b| b.iter(|| codegen::rtl::emit(black_box(&machine)).unwrap()));
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = yardstick, speed, large }
criterion_main!(benches);
