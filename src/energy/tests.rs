use super::*;
use codegen::{Model, Slot, Target, plan};
use hw::dram::Dram;
use isa::random::case;
use sim::memory::Drawn;
use sim::trace::Recorder;

/// A preset with HBM2 and the prices of 28 nm.
fn machine(name: &str) -> Machine {
    let mut machine = hw::presets::load(name).unwrap();
    machine.memory.model = MemoryModel::Dram(Box::new(Dram::preset("hbm2").unwrap()));
    machine.technology = Technology::preset("asic28");
    machine
}

fn close(a: Range, b: Range) {
    for (a, b) in [(a.value, b.value), (a.low, b.low), (a.high, b.high)] {
        assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()), "{a} against {b}");
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a Range>) -> Range {
    all.fold(Range::default(), |sum, joules| sum + *joules)
}

/// What a run does, and its cycles.
fn counted(program: &Program, machine: &Machine, args: &[u32]) -> (Counted, u64) {
    let mut counting = Counting::new(program, machine);
    let end = sim::timing::simulate_into(program, machine, args, &mut counting).unwrap();
    (counting.counted(), end.cycles)
}

/// A run of a random program with an origin for each third of it, and its bill.
fn bill(machine: &Machine, seed: u64) -> (Counted, Bill, u64) {
    let mut c = case(machine, seed).unwrap();
    let words = c.program.instrs.len();
    c.program.origins = ["first", "second", "third"].map(Origin::step).into();
    c.program.origin_of = (0..words).map(|i| (i * 3 / words) as u32).collect();
    let (counted, cycles) = counted(&c.program, machine, &c.args);
    let total = cycles;
    let cycles = [("first", total / 3), ("idle", total - total / 3)];
    let cycles = cycles.map(|(name, n)| (Origin::step(name), n)).into();
    let bill = Bill::of(machine, &counted, &cycles).unwrap();
    (counted, bill, total)
}

#[test]
fn parts_causes_and_operators_divide_the_same_total() {
    for name in ["tiny", "unit", "three", "odd"] {
        let machine = machine(name);
        for seed in 0..5 {
            let (_, bill, cycles) = bill(&machine, seed);
            close(bill.total, sum(bill.by_part.values()));
            close(bill.total, sum(bill.by_cause.values()));
            close(bill.total, sum(bill.by_operator.values()));
            let seconds = cycles as f64 / machine.clock_hz as f64;
            close(bill.watts() * seconds, bill.total);
            assert!(bill.by_operator.len() == 5 && bill.by_part.values().all(|j| j.low <= j.value));
            // Time costs what it costs, whatever was done.
            let energy = Dram::preset("hbm2").unwrap().device.energy.unwrap();
            close(bill.by_cause["leakage"], machine.technology.as_ref().unwrap().leakage.si() * seconds);
            close(bill.by_cause["DRAM background"], energy.background.si() * seconds);
            close(bill.by_cause["refresh"], energy.refresh.si() * (seconds * 900e6 / 3510.0));
        }
    }
}

/// What DRAM did for fetch and instructions is all that it did, and moves the bytes of the requests.
#[test]
fn what_dram_did_is_that_of_the_requests() {
    for name in ["tiny", "unit", "three", "odd"] {
        let machine = machine(name);
        for seed in 0..10 {
            let c = case(&machine, seed).unwrap();
            let mut told = (Recorder::new(&machine), Drawn::default());
            sim::timing::simulate_into(&c.program, &machine, &c.args, &mut told).unwrap();
            let (trace, by_word) = (told.0.trace(), told.1.by_word);
            let (mut drawn, mut requested) = (told.1.fetch, sim::memory::Counts::default());
            by_word.iter().for_each(|counts| drawn += *counts);
            for request in &trace.requests {
                let (from, beat) = (u64::from(request.addr), u64::from(machine.memory.beat_bytes));
                let accesses = (from + u64::from(request.beats) * beat).div_ceil(32) - from / 32;
                match request.channel {
                    sim::memory::Channel::Store => requested.writes += accesses,
                    _ => requested.reads += accesses,
                }
            }
            assert_eq!((drawn.reads, drawn.writes), (requested.reads, requested.writes), "{name} {seed}");
            assert!(drawn.activations > 0 && drawn.activations <= drawn.reads + drawn.writes);
            for (word, counts) in by_word.iter().enumerate() {
                use isa::table::Unit;
                let (load, store) = match c.program.instrs[word].unit() {
                    Unit::Load => (true, false),
                    Unit::Store => (false, true),
                    _ => (false, false),
                };
                assert!((load || counts.reads == 0) && (store || counts.writes == 0), "{name} word {word}");
            }
        }
    }
}

/// Prices per event, by hand, for a program of known events.
#[test]
fn a_product_costs_what_the_technology_says() {
    let machine = machine("tiny");
    let text = ".machine tiny\ngemm tokens=2 ntiles=3 groups=1 steps=5\nhalt";
    let program = isa::asm::assemble(text).unwrap();
    let (counted, _) = counted(&program, &machine, &[]);
    let bill = Bill::of(&machine, &counted, &BTreeMap::new()).unwrap();
    // 15 steps of 2 x 8 x 8 products at 0.2 to 0.65, usually 0.36 pJ.
    let products = Range { value: 0.36e-12, low: 0.2e-12, high: 0.65e-12 } * (15.0 * 128.0);
    close(bill.by_cause["multiplications"], products);
    // Rows of 16 bytes out of 32 KiB, 1.25 pJ a byte.
    close(
        bill.by_part["weight buffer"],
        Range { value: 1.25e-12, low: 0.8333e-12, high: 2.5e-12 } * (15.0 * 16.0),
    );
    assert!(bill.text().contains("assumption  accumulate, epilogue, lane, leakage"), "{}", bill.text());
}

#[test]
fn without_a_technology_there_is_no_figure() {
    let tiny = Machine { technology: None, ..machine("tiny") };
    assert!(Bill::of(&tiny, &Counted::default(), &BTreeMap::new()).is_none());
    assert!(Bill::json(None)["total_joules"].is_null());
    let mut fixed = machine("tiny");
    fixed.memory.model = MemoryModel::Fixed { read_latency: 9, write_latency: 9 };
    let bill = Bill::of(&fixed, &Counted::default(), &BTreeMap::new()).unwrap();
    assert!(bill.text().contains("not counted off-chip memory") && !bill.by_part.contains_key("DRAM"));
    assert_eq!(Bill::json(Some(&bill))["off_chip_counted"], false);
}

/// A token of LLaMA-2-7B behind 1,023 others, on HBM2 and 4,096 multipliers, against sums by hand.
#[test]
fn a_token_of_llama2_7b_costs_what_it_does_by_hand() {
    let text = hw::presets::text("bench-4096").unwrap();
    let text = text.replacen("technology = \"u280\"", "technology = \"asic28\"", 1);
    let machine = Machine::parse(&text, "bench-4096.toml").unwrap();
    let model = Model {
        name: "llama2-7b".into(),
        vocab: 32_000,
        logits: 32_000,
        hidden: 4096,
        intermediate: 11_008,
        layers: 32,
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
    };
    let options = plan::Options { context: Some(1024), ..Default::default() };
    let target = Target::new(&model, &machine, &options).unwrap();
    let program = target.compile(1, Slot::Decode).unwrap().program;
    let args = program.arg_values(1023, &[0]);
    let (counted, total) = counted(&program, &target.machine, &args);
    let cycles = [(Origin::step("all"), total)].into();
    let bill = Bill::of(&target.machine, &counted, &cycles).unwrap();
    let near =
        |figure: f64, hand: f64| assert!((figure / hand - 1.0).abs() < 0.01, "{figure} against {hand}");

    let weights = 32.0 * (4.0 * 4096.0 * 4096.0 + 3.0 * 4096.0 * 11_008.0) + 32_000.0 * 4096.0;
    // Two bits a weight at the 3.97 pJ of HBM2 are 52 mJ. The rest: a byte of scale for 32 weights, a word for each output,
    // K and V in 4 bits with a word for each head.
    near(weights * 2.0 * 3.97e-12, 52.46e-3);
    let outputs = 32.0 * (5.0 * 4096.0 + 2.0 * 11_008.0) + 32_000.0;
    let cache = 32.0 * 2.0 * 1024.0 * (4096.0 * 4.0 + 32.0 * 32.0);
    let bits = weights * (2.0 + 8.0 / 32.0) + outputs * 32.0 + cache;
    near(bill.by_cause["DRAM reads"].high, bits * 3.97e-12);
    near(bill.by_cause["DRAM reads"].low, bits * 3.9e-12);
    // Each row of 1 KiB is opened at least once, and again after refreshes and other streams.
    let rows = bill.by_cause["row activations"].value / 909e-12 / (bits / 8.0 / 1024.0);
    assert!((1.0..2.0).contains(&rows), "each row is opened {rows} times");
    // 16 channels of 33 mW, a refresh of 30.4 nJ every 3.9 us, 20 mW of leakage.
    let seconds = total as f64 / 225e6;
    near(bill.by_cause["DRAM background"].value, 16.0 * 0.033 * seconds);
    near(bill.by_cause["refresh"].value, 16.0 * 30.4e-9 * seconds / 3.9e-6);
    near(bill.by_cause["leakage"].value, 0.02 * seconds);
    // A product for each weight and each cached element; each code into the weight buffer and out again.
    let cached = 2.0 * 32.0 * 1024.0 * 4096.0;
    near(bill.by_cause["multiplications"].value, (weights + cached) * 0.36e-12);
    near(bill.by_part["weight buffer"].value, 2.0 * 6.25e-12 * (weights * 2.0 + cached * 4.0) / 8.0);
}
