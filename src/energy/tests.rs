use super::*;
use hw::dram::Dram;
use isa::random::case;

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

/// A run of a random program with an origin for each third of it, and its bill.
fn bill(machine: &Machine, seed: u64) -> (Counted, Bill, u64) {
    let mut c = case(machine, seed).unwrap();
    let words = c.program.instrs.len();
    c.program.origins = ["first", "second", "third"].map(Origin::step).into();
    c.program.origin_of = (0..words).map(|i| (i * 3 / words) as u32).collect();
    let trace = sim::timing::simulate(&c.program, machine, &c.args).unwrap();
    let counted = Counted::of(&c.program, machine, &c.args, &trace.drawn).unwrap();
    let cycles = [("first", trace.cycles / 3), ("idle", trace.cycles - trace.cycles / 3)];
    let cycles = cycles.map(|(name, n)| (Origin::step(name), n)).into();
    let bill = Bill::of(machine, &counted, &cycles).unwrap();
    (counted, bill, trace.cycles)
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
            let trace = sim::timing::simulate(&c.program, &machine, &c.args).unwrap();
            let (mut drawn, mut requested) = (trace.drawn.fetch, sim::memory::Counts::default());
            trace.drawn.by_word.iter().for_each(|counts| drawn += *counts);
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
            for (word, counts) in trace.drawn.by_word.iter().enumerate() {
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
    let counted = Counted::of(&program, &machine, &[], &Drawn::default()).unwrap();
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
