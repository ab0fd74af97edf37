use super::*;
use crate::table::{MODES, OUTS};
use crate::walk::Walk;

#[test]
fn programs_are_legal_long_and_reproducible() {
    for (name, _) in hw::presets::PRESETS {
        let machine = hw::presets::load(name).unwrap();
        let mut lengths = Vec::new();
        for seed in 0..60 {
            let case = case(&machine, seed).unwrap();
            check(&case.program, &machine, &case.args).unwrap();
            if seed == 0 {
                assert_eq!(super::case(&machine, seed).as_ref(), Some(&case));
            }
            lengths.push(case.program.instrs.len());
        }
        lengths.sort_unstable();
        assert!(lengths[0] >= SHORTEST && (85..125).contains(&lengths[30]), "{name}: {lengths:?}");
    }
}

#[test]
fn most_first_attempts_succeed() {
    let machine = hw::presets::load("odd").unwrap();
    let legal = (0..100)
        .filter(|seed| attempt_case(&machine, &corners::of_seed(&machine, *seed), Rng::new(*seed)).is_some())
        .count();
    assert!(legal >= 80, "{legal} of 100");
}

#[test]
fn every_instruction_appears_in_every_kind() {
    let mut machine = hw::presets::load("tiny").unwrap();
    machine.vector.functions = hw::Function::ALL.to_vec();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let case = case(&machine, seed).unwrap();
        for step in Walk::new(&case.program, &case.args) {
            let body = step.unwrap().instr.body;
            let kind = match body {
                crate::Body::Vector(v) => format!("{} {}", v.fun, v.out),
                crate::Body::Gemm(g) => format!("{} {}", g.mode, g.residual),
                crate::Body::Load(l) => l.space.to_string(),
                _ => String::new(),
            };
            seen.insert((body.index(), kind));
        }
    }
    let outs = |f: &hw::Function| (0..OUTS.len()).filter(|out| f.product().goes_with(*out > 0)).count();
    let vectors: usize = hw::Function::ALL.iter().map(outs).sum();
    assert_eq!(seen.len(), 6 + 4 + 2 * MODES.len() + vectors + 2, "{seen:?}");
}

#[test]
fn arguments_reach_both_ends_of_the_table() {
    for (name, _) in hw::presets::PRESETS {
        let machine = hw::presets::load(name).unwrap();
        let mut read = std::collections::BTreeSet::new();
        for seed in 0..120 {
            let case = case(&machine, seed).unwrap();
            read.extend(case.args.len().checked_sub(1));
        }
        let last = machine.sequencer.args as usize - 1;
        assert!(read.contains(&0) && read.contains(&last), "{name}: {read:?}");
    }
}

/// A body can fill instruction memory only from the border of a fetch chunk on.
#[test]
fn the_longest_bodies_are_among_the_directed_programs() {
    for (name, _) in hw::presets::PRESETS {
        let machine = hw::presets::load(name).unwrap();
        let (_, case) = directed(&machine).into_iter().find(|d| d.0 == "longest-bodies").unwrap();
        let body = |i: &crate::Instr| if let crate::Body::Loop(l) = i.body { Some(l.body) } else { None };
        let bodies: Vec<u32> = case.program.instrs.iter().filter_map(body).collect();
        let (whole, chunk) = (machine.sequencer.imem_words, machine.sequencer.fetch_words);
        assert_eq!(bodies, [whole, whole - 1, whole - chunk + 1], "{name}");
    }
}

/// Where the memories hold them: vectors of more rows and sums of more groups than an immediate says.
#[test]
fn registers_go_beyond_their_fields() {
    for (name, vectors, sums) in [("unit", 6, 2), ("three", 6, 0), ("tiny", 2, 0)] {
        let machine = hw::presets::load(name).unwrap();
        let (_, case) = directed(&machine).into_iter().find(|d| d.0 == "longer-than-a-field").unwrap();
        let long = |i: &crate::Instr| match i.body {
            crate::Body::Vector(v) => (v.rrows > 0, false),
            crate::Body::Gemm(g) => (false, g.rgroups > 0),
            _ => (false, false),
        };
        let found: Vec<_> = case.program.instrs.iter().map(long).collect();
        let count = |of: fn(&(bool, bool)) -> bool| found.iter().filter(|f| of(f)).count();
        assert_eq!((count(|f| f.0), count(|f| f.1)), (vectors, sums), "{name}");
    }
}

#[test]
fn directed_programs_are_legal() {
    for (name, _) in hw::presets::PRESETS {
        let machine = hw::presets::load(name).unwrap();
        for (title, case) in directed(&machine) {
            check(&case.program, &machine, &case.args).unwrap_or_else(|e| panic!("{name} {title}: {e}"));
            let least = match title {
                "halt-only" => 1,
                // Three loads for each form that the machine has.
                "load-forms" => 1 + 3 * machine.load.forms.len(),
                _ => 18,
            };
            assert!(case.program.instrs.len() >= least, "{name} {title}");
        }
    }
}
