//! Random legal programs run in both simulations; the one in events and the one in steps agree on every cycle, and every
//! fault of time shows.

use hw::Machine;
use hw::dram::Dram;
use hw::machine::{Memory, MemoryModel};
use isa::random::{Case, case, directed};
use sim::attribution::{Account, Attribution, Cause};
use sim::functional::{Observer, State, Tile, run_slices};
use sim::reference;
use sim::sink::{Event, Sink};
use sim::timing::{Fault, Upset, simulate, simulate_into, simulate_upset, simulate_with};
use sim::trace::{Trace, first_difference};
use std::collections::BTreeSet;

fn machines() -> Vec<Machine> {
    let presets = hw::presets::PRESETS.iter().map(|(name, _)| hw::presets::load(name).unwrap());
    let odd = hw::presets::load("odd").unwrap();
    let slices = hw::machine::Slices { count: 3, crossing: 4 };
    let sliced = Machine { name: "sliced".into(), slices, ..odd };
    sliced.verify().unwrap();
    presets.chain([sliced]).collect()
}

fn cases(machine: &Machine, seeds: u64) -> impl Iterator<Item = Case> {
    (0..seeds).map(|seed| case(machine, seed).unwrap_or_else(|| panic!("no legal program for seed {seed}")))
}

/// Every byte of all slices.
fn run(machine: &Machine, c: &Case, observer: &mut impl Observer) -> Result<(), isa::Illegal> {
    run_slices(&mut State::of_slices(machine, &c.images()), &c.program, &c.args, observer)
}

fn kind(cause: Cause) -> String {
    cause.to_string().split(' ').next().unwrap_or_default().to_string()
}

#[test]
fn legal_programs_run() {
    let mut seen = BTreeSet::new();
    for machine in machines() {
        let directed = directed(&machine).into_iter().map(|d| d.1);
        for (seed, c) in directed.chain(cases(&machine, 40)).enumerate() {
            let mut attribution = Attribution::new(&c.program, Account::default());
            let end = simulate_into(&c.program, &machine, &c.args, &mut attribution)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            run(&machine, &c, &mut ()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            // Every cycle of every unit has one cause, and the sums are what the machine counts.
            let account = attribution.listener();
            assert_eq!(account.against(&end.counters, end.cycles), None, "{} seed {seed}", machine.name);
            for sums in account.units {
                seen.extend(sums.into_iter().filter(|(_, n)| *n > 0).map(|(cause, _)| kind(cause)));
            }
        }
    }
    let causes =
        ["argument", "busy", "dispatching", "drain", "end", "full", "instruction", "memory", "semaphore"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), causes, "a cause never occurs");
}

/// What the matrix engine makes of the operands of random programs.
#[derive(Default)]
struct Results {
    all: u64,
    /// Neither zero nor saturated.
    plain: u64,
    saturated: u64,
}

impl Observer for Results {
    fn gemm_tile(&mut self, _: &isa::walk::Step, _: Tile, outputs: &[i32]) {
        for y in outputs {
            self.all += 1;
            self.plain += u64::from(![0, i32::MIN, i32::MAX].contains(y));
            self.saturated += u64::from([i32::MIN, i32::MAX].contains(y));
        }
    }
}

/// Zeros are equal in simulator and hardware whatever these do: results must be more than that.
#[test]
fn random_programs_compute_something() {
    for machine in machines() {
        let mut results = Results::default();
        for c in cases(&machine, 240) {
            run(&machine, &c, &mut results).unwrap();
        }
        let Results { all, plain, saturated } = results;
        println!(
            "{}: of {all} results {plain} are neither zero nor saturated, {saturated} saturated",
            machine.name
        );
        assert!(plain >= 300 && saturated >= 300, "{}", machine.name);
    }
}

/// What a run promises to whoever is told of it.
#[derive(Default)]
struct Promises {
    until: u64,
    /// Instructions of each unit: dispatched, started, free, done.
    counts: [[usize; 4]; 4],
    /// Last cycle of the same.
    last: [[u64; 4]; 4],
    ends: usize,
}

impl Promises {
    fn told(&mut self, unit: usize, what: usize, cycle: u64) {
        assert!(
            cycle > self.until || self.until == 0,
            "{what} of unit {unit} at {cycle}, behind {}",
            self.until
        );
        assert!(cycle >= self.last[unit][what], "{what} of unit {unit} goes back");
        self.last[unit][what] = cycle;
        self.counts[unit][what] += 1;
        assert!(what == 0 || self.counts[unit][what] <= self.counts[unit][what.min(2) - 1]);
    }
}

impl Sink for Promises {
    fn event(&mut self, event: Event) {
        match event {
            Event::Dispatch { step, cycle, arrived } => {
                assert!(arrived < cycle);
                step.instr.unit().queue().into_iter().for_each(|unit| self.told(unit, 0, cycle));
            }
            Event::Start { unit, cycle, .. } => self.told(unit, 1, cycle),
            Event::Free { unit, cycle, .. } => self.told(unit, 2, cycle),
            Event::Done { unit, cycle } => self.told(unit, 3, cycle),
            Event::Until(cycle) => {
                assert!(cycle >= self.until);
                self.until = cycle;
            }
            Event::End(_) => self.ends += 1,
            Event::Requests(_) | Event::Drawn { .. } => {}
        }
    }
}

#[test]
fn sinks_are_told_all_in_order_and_nothing_behind_the_bound() {
    for preset in machines() {
        for machine in memories(&preset) {
            for c in directed(&machine).into_iter().map(|d| d.1).chain(cases(&machine, 8)) {
                let mut told = Promises::default();
                simulate_into(&c.program, &machine, &c.args, &mut told).unwrap();
                for [dispatched, others @ ..] in told.counts {
                    assert_eq!(others, [dispatched; 3]);
                }
                assert!(told.ends == 1 && told.until > 0);
            }
        }
    }
}

/// Requests that are told together, and all of them.
#[derive(Default)]
struct Together(u64, u64);

impl Sink for Together {
    fn event(&mut self, event: Event) {
        if let Event::Requests(requests) = event {
            self.0 += requests.count - 1;
            self.1 += requests.count;
        }
    }
}

/// Loads of many lengths and places, with stores and fetches between them.
fn streams(machine: &Machine, seed: u32) -> isa::Program {
    let (mut text, mut state) = (format!(".machine {:#010x}\n", machine.hash()), seed);
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for _ in 0..30 {
        let (blocks, addr) = (1 + draw(4) * draw(60), 64 + draw(3000));
        text.push_str(&format!("load space=w addr={addr} blocks={blocks}\n"));
        // Words to be fetched between the bursts.
        text.push_str(&"nop\n".repeat(draw(30) as usize));
        if draw(3) == 0 {
            text.push_str(&format!(
                "store.blocks bank=0 src=0 addr={} blocks={}\n",
                4000 + draw(100),
                1 + draw(8)
            ));
        }
    }
    isa::asm::assemble(&format!("{text}halt\n")).unwrap()
}

/// A run in which nothing goes wrong, but could in each burst, is simulated burst by burst.
#[test]
fn steady_loads_at_once_are_those_burst_by_burst() {
    let dram = |channels, name| MemoryModel::Dram(Box::new(Dram { channels, ..Dram::preset(name).unwrap() }));
    let fixed = |n| MemoryModel::Fixed { read_latency: n, write_latency: n };
    let models = [fixed(2), fixed(90), dram(1, "ddr4"), dram(1, "hbm2"), dram(16, "hbm2"), dram(2, "lpddr4")];
    let mut together = Together::default();
    for (preset, model) in machines().iter().flat_map(|m| models.iter().map(move |model| (m, model))) {
        for (seed, outstanding) in (0..24).map(|seed| (seed, 1 << (seed % 5))) {
            let mut machine = preset.clone();
            (machine.memory.model, machine.load.outstanding) = (model.clone(), outstanding);
            if machine.verify().is_err() {
                continue;
            }
            let program = streams(&machine, seed);
            let trace: Trace = simulate(&program, &machine, &[]).unwrap();
            let (slow, error) = simulate_upset(&program, &machine, &[], &Upset::default()).unwrap();
            assert_eq!(error, None);
            assert_eq!(first_difference(&trace, &slow), None, "{} seed {seed}: {model:?}", machine.name);
            simulate_into(&program, &machine, &[], &mut together).unwrap();
        }
    }
    println!("{} of {} requests together", together.0, together.1);
    assert!(together.0 * 10 > together.1, "{} of {}", together.0, together.1);
}

/// The memories on which the reference is compared: the preset's own, fixed ones at both ends, a random one, and DRAM.
fn memories(preset: &Machine) -> Vec<Machine> {
    let dram = |name| MemoryModel::Dram(Box::new(Dram::preset(name).unwrap()));
    let models = [
        preset.memory.model.clone(),
        MemoryModel::Fixed { read_latency: 2, write_latency: 2 },
        MemoryModel::Fixed { read_latency: 90, write_latency: 170 },
        MemoryModel::Random { seed: 11, min_latency: 2, max_latency: 9, ready_percent: 35, beat_percent: 50 },
        dram("ddr4"),
    ];
    let with = |model| Machine { memory: Memory { model, ..preset.memory.clone() }, ..preset.clone() };
    models.into_iter().map(with).collect()
}

/// Programs with their machines: directed ones on every memory, random ones each on one of them.
fn compared(seeds: u64) -> Vec<(String, Machine, Case)> {
    let mut all = Vec::new();
    for preset in machines() {
        let machines = memories(&preset);
        for machine in &machines {
            all.extend(directed(machine).into_iter().map(|(name, c)| (name.to_string(), machine.clone(), c)));
        }
        for seed in 0..seeds {
            let machine = &machines[seed as usize % machines.len()];
            all.push((format!("seed {seed}"), machine.clone(), case(machine, seed).unwrap()));
        }
    }
    all
}

#[test]
fn the_reference_agrees_on_every_cycle() {
    let (mut programs, mut cycles) = (0, 0);
    for (name, machine, c) in compared(130) {
        let events = simulate(&c.program, &machine, &c.args).unwrap();
        let steps = reference::simulate(&c.program, &machine, &c.args)
            .unwrap_or_else(|e| panic!("{name} on {}: {e}", machine.name));
        if let Some(found) = first_difference(&events, &steps) {
            panic!("{name} on {}, {:?}: {found}", machine.name, machine.memory.model);
        }
        (programs, cycles) = (programs + 1, cycles + steps.cycles);
    }
    println!("{programs} programs, {cycles} cycles");
    assert!(programs >= 500);
}

#[test]
fn the_reference_catches_every_fault() {
    let all = compared(10);
    let steps: Vec<_> =
        all.iter().map(|(_, m, c)| reference::simulate(&c.program, m, &c.args).unwrap()).collect();
    let caught = |fault| {
        all.iter().zip(&steps).find_map(|((name, machine, c), right)| {
            let faulty = simulate_with(&c.program, machine, &c.args, fault).unwrap();
            first_difference(&faulty, right).map(|d| format!("{name} on {}: {d}", machine.name))
        })
    };
    assert_eq!(caught(Fault::None), None);
    for fault in Fault::ALL {
        println!("{fault:?}: {}", caught(fault).unwrap_or_else(|| panic!("{fault:?} is not caught")));
    }
}

#[test]
#[ignore = "seconds; prints the speed of the timing simulation: cargo test --release -p tilewright-sim --test random -- --ignored --nocapture"]
fn speed() {
    let machine = hw::presets::load("tiny").unwrap();
    let cases: Vec<_> = cases(&machine, 200).collect();
    let start = std::time::Instant::now();
    let traces: Vec<_> = cases.iter().map(|c| simulate(&c.program, &machine, &c.args).unwrap()).collect();
    let seconds = start.elapsed().as_secs_f64();
    let instructions: usize = traces.iter().map(|t| t.dispatches.len()).sum();
    let cycles: u64 = traces.iter().map(|t| t.cycles).sum();
    println!(
        "{:.2e} instructions/s, {:.2e} cycles/s",
        instructions as f64 / seconds,
        cycles as f64 / seconds
    );
}
