//! Random legal programs on every preset and several memories, and what they cover together.

use crate::bench::{MODELS, cache, check, hardware, machine, models, with_model};
use std::io::Write;
use tilewright::isa::random::Corner;
use tilewright::sim::coverage::Coverage;
use tilewright::{isa, sim};

/// Random programs of each machine.
const PROGRAMS: u64 = 105;
/// Rounds of programs aimed at the cells that those leave empty, and corners of each program.
const ROUNDS: u64 = 20;
const AIMS: usize = 3;
const MACHINES: [&str; 12] = [
    "tiny", "unit", "three", "odd", "paired", "wide", "quads", "gemv", "crumbs", "nibbles", "sliced",
    "narrow",
];
/// Machines of the long sweep: these and some that are drawn.
const SWEPT: [&str; 17] = [
    "crumbs", "nibbles", "narrow", "tiny", "unit", "three", "odd", "paired", "wide", "quads", "gemv",
    "sliced", "drawn-1", "drawn-2", "drawn-3", "drawn-4", "drawn-5",
];
/// A machine whose hardware takes 80 seconds of CPU to build: less of everything.
const LARGE: &str = "bench-4096";

/// What was compared of one machine, or of all.
struct Compared {
    coverage: Coverage,
    /// Words of each program.
    sizes: Vec<usize>,
    instructions: u64,
    cycles: u64,
}

impl Compared {
    fn new() -> Compared {
        Compared { coverage: Coverage::new(&MODELS), sizes: vec![], instructions: 0, cycles: 0 }
    }

    fn merge(mut self, other: Compared) -> Compared {
        self.coverage.merge(&other.coverage);
        self.sizes.extend(other.sizes);
        self.instructions += other.instructions;
        self.cycles += other.cycles;
        self
    }
}

/// What a thread compares: programs of one machine, by seed, memory model and the corners to be visited.
type Work = Vec<(u64, usize, Option<Vec<Corner>>)>;

fn compare(name: &str, work: &Work) -> Compared {
    let preset = machine(name);
    let (models, hardware) = (models(&preset), hardware(name));
    let mut all = Compared::new();
    for (seed, model, corners) in work {
        let machine = with_model(&preset, models[*model].clone());
        let case = match corners {
            None => isa::random::case(&machine, *seed),
            Some(corners) => isa::random::aimed(&machine, *seed, corners),
        };
        let case = case.unwrap_or_else(|| panic!("no legal program for seed {seed}"));
        let (instructions, cycles) = check(&hardware, &machine, "random", &case, *seed as u32);
        // Equal to the hardware's, as `check` has found.
        let trace = sim::timing::simulate(&case.program, &machine, &case.args).unwrap();
        all.coverage.record(&case.program, &machine, &case.args, *model, &trace).unwrap();
        all.sizes.push(case.program.instrs.len());
        all.instructions += instructions;
        all.cycles += cycles;
    }
    all
}

/// Compares on all of these machines at once.
fn compare_all(machines: &[&'static str], work: impl Fn(u64) -> Work) -> Compared {
    std::thread::scope(|scope| {
        let start = |(i, name)| {
            let work = work(i);
            scope.spawn(move || compare(name, &work))
        };
        let threads: Vec<_> = (0..).zip(machines.iter().copied()).map(start).collect();
        threads.into_iter().map(|t| t.join().unwrap()).fold(Compared::new(), Compared::merge)
    })
}

/// Programs for the cells that are still empty: on each machine one for each memory model that has such cells. Instructions
/// without fields have no corners; what they lack is met by chance, best in the plain programs of every eighth seed.
fn aimed_at_the_rest(coverage: &Coverage, round: u64) -> Compared {
    let corners = |model: usize, turn: u64| {
        let mut empty = coverage.empty_corners(model);
        let turn = if empty.is_empty() { 0 } else { turn as usize * AIMS % empty.len() };
        empty.rotate_left(turn);
        empty.truncate(AIMS);
        empty
    };
    compare_all(&MACHINES, |i| {
        let seed = 1 << 20 | round << 8 | i;
        let empty = coverage.empty_cells();
        let of_model = |model: usize| match corners(model, round * MACHINES.len() as u64 + i) {
            aims if !aims.is_empty() => Some((seed, model, Some(aims))),
            _ => {
                empty.iter().any(|cell| cell.ends_with(MODELS[model])).then_some((seed << 3 | 7, model, None))
            }
        };
        (0..MODELS.len()).filter_map(of_model).collect()
    })
}

#[test]
fn random_programs_are_identical_and_leave_no_cell_empty() {
    let mut compared = compare_all(&MACHINES, |i| in_turn(PROGRAMS * i..PROGRAMS * (i + 1)));
    for round in 0..ROUNDS {
        if !compared.coverage.empty_cells().is_empty() {
            compared = aimed_at_the_rest(&compared.coverage, round).merge(compared);
        }
    }
    let Compared { coverage, mut sizes, instructions, cycles } = compared;
    sizes.sort_unstable();
    let (min, median, max) = (sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    let table = format!(
        "{} random programs of {min} to {max} words, median {median}: {instructions} instructions and {cycles} cycles compared\n{coverage}",
        sizes.len()
    );
    let empty = coverage.empty_cells();
    let file = cache().with_file_name("coverage.txt");
    std::fs::write(&file, &table).unwrap();
    // Past the test harness, which would swallow it: what was compared is said in every run.
    let said = table.lines().take(2).collect::<Vec<_>>().join("; ");
    writeln!(std::io::stderr(), "{said}; the table is in {}", file.display()).unwrap();
    println!("{table}");
    assert!(sizes.len() >= 300 && min >= 40 && (90..=110).contains(&median), "{min} {median} {max}");
    assert!(empty.is_empty(), "{} of {} cells are empty: {empty:#?}", empty.len(), coverage.len());
}

/// Programs of these seeds, each on the memory model whose turn it is.
fn in_turn(seeds: std::ops::Range<u64>) -> Work {
    seeds.map(|seed| (seed, seed as usize % MODELS.len(), None)).collect()
}

fn say(title: &str, compared: &Compared) {
    let (programs, instructions, cycles) = (compared.sizes.len(), compared.instructions, compared.cycles);
    println!("{title}: {programs} programs, {instructions} instructions and {cycles} cycles compared");
}

/// One program on each memory model.
#[test]
fn the_large_machine_is_identical() {
    let compared = compare(LARGE, &in_turn(7000..7000 + MODELS.len() as u64));
    say(LARGE, &compared);
    assert!(compared.sizes.len() == MODELS.len() && compared.instructions > 400);
}

/// Other programs than those of every run.
#[test]
#[ignore = "minutes; other programs: cargo test --release --test identity -- --ignored --nocapture sweep"]
fn sweep() {
    const EACH: u64 = 180;
    const ON_LARGE: u64 = 35;
    let seeds = |i: u64| 10_000 + EACH * i..10_000 + EACH * (i + 1);
    let mut compared = Compared::new();
    // A few at a time: each is built first, which takes memory.
    for (i, machines) in (0..).zip(SWEPT.chunks(3)) {
        let these = compare_all(machines, |n| in_turn(seeds(3 * i + n)));
        say(&machines.join(", "), &these);
        compared = compared.merge(these);
    }
    let large = compare(LARGE, &in_turn(20_000..20_000 + ON_LARGE));
    say(LARGE, &large);
    let all = compared.merge(large);
    say("all", &all);
    assert_eq!(all.sizes.len() as u64, EACH * SWEPT.len() as u64 + ON_LARGE);
}
