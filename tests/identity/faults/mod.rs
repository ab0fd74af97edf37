//! The comparison can fail: single faults in the emitted text, each caught by some program; of every checker at least one
//! that its assertions tell.
//!
//! All faults of a machine are built into one library, each behind a condition on pins of the control port that hardware must
//! ignore; the driver takes them from the seed. So the seed is the number of the fault, and 0 is none.

mod digits;
mod dots;
mod functions;
mod list;
mod positions;
mod slices;

use crate::bench::{cache, emitted, machine, models, with_model};
use list::Fault;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use tilewright::cosim::{self, Hardware};
use tilewright::isa::random::Case;
use tilewright::{hw, isa};

/// The pins, and how many they are.
const SELECTOR: (&str, u32) = (
    "{tw_top.s_axi_ctrl_araddr_i[1:0], tw_top.s_axi_ctrl_awaddr_i[1:0], tw_top.s_axi_ctrl_arprot_i, tw_top.s_axi_ctrl_awprot_i}",
    10,
);

/// The hardware of a machine with all of its faults.
struct Mutants {
    machine: &'static str,
    faults: &'static [&'static [Fault]],
    built: OnceLock<Hardware>,
}

static PAIR: Mutants = Mutants { machine: "pair", faults: &[list::PAIR], built: OnceLock::new() };
static QUAD: Mutants = Mutants { machine: "quad", faults: &[list::QUAD], built: OnceLock::new() };

static DOT: Mutants = Mutants { machine: "dot", faults: &[dots::ALL], built: OnceLock::new() };
static CRUMB: Mutants =
    Mutants { machine: "crumb", faults: &[digits::BOTH, digits::CRUMB], built: OnceLock::new() };
static NIBBLE: Mutants =
    Mutants { machine: "nibble", faults: &[digits::BOTH, digits::NIBBLE], built: OnceLock::new() };
static UNIT: Mutants = Mutants { machine: "unit", faults: &[functions::ALL], built: OnceLock::new() };

static NARROW: Mutants = Mutants { machine: "narrow", faults: &[positions::ALL], built: OnceLock::new() };

static SLICES: Mutants = Mutants { machine: "slices", faults: &[slices::ALL], built: OnceLock::new() };

impl Mutants {
    /// The faults, by number less one.
    fn faults(&self) -> impl Iterator<Item = &'static Fault> {
        self.faults.iter().copied().flatten()
    }

    fn hardware(&self) -> &Hardware {
        self.built.get_or_init(|| {
            assert!(self.faults().count() < 1 << SELECTOR.1, "more faults than the selector can tell");
            let folder = emitted(&machine(self.machine), &format!("faults-{}", self.machine));
            (1..).zip(self.faults()).for_each(|(number, fault)| inject(&folder, number, fault));
            let library = cosim::build(&folder, &cache()).unwrap_or_else(|e| panic!("{}", e.render()));
            Hardware::load(&library).unwrap_or_else(|e| panic!("{}", e.render()))
        })
    }

    /// Programs on every memory model.
    fn cases(&self) -> Vec<(hw::Machine, Case)> {
        let preset = machine(self.machine);
        let on = |model| {
            let machine = with_model(&preset, model);
            let directed = isa::random::directed(&machine).into_iter().map(|d| d.1);
            let random = (0..60).filter_map(|seed| isa::random::case(&machine, seed));
            directed.chain(random).map(|case| (machine.clone(), case)).collect::<Vec<_>>()
        };
        models(&preset).into_iter().flat_map(on).collect()
    }

    /// What the comparison says of a program with fault `number`, or of none, if it is 0.
    fn report(&self, number: usize, machine: &hw::Machine, case: &Case) -> Option<String> {
        let (program, args, images) = (&case.program, &case.args, case.images());
        match cosim::compare(self.hardware(), machine, program, args, &images, number as u32) {
            Ok(found) => found.first_divergence,
            Err(refused) => Some(refused.render()),
        }
    }

    fn each_is_caught(&self) {
        let cases = self.cases();
        for (number, fault) in (1..).zip(self.faults()) {
            let reports = cases.iter().filter_map(|(machine, case)| self.report(number, machine, case));
            let told = reports.take(60).find(|r| r.contains(fault.says));
            println!("{}: {}", fault.what, told.unwrap_or_else(|| panic!("not caught: {}", fault.what)));
        }
    }
}

fn inject(folder: &Path, number: usize, fault: &Fault) {
    let path = folder.join(fault.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(fault.from).count(), 1, "`{}` in {}", fault.from, fault.file);
    let (pins, bits) = SELECTOR;
    let to = fault.to.replace('@', &format!("({pins} == {bits}'d{number})"));
    std::fs::write(&path, text.replace(fault.from, &to)).unwrap();
}

#[test]
fn every_fault_is_caught() {
    PAIR.each_is_caught();
}

#[test]
fn every_fault_of_quads_is_caught() {
    QUAD.each_is_caught();
}

#[test]
fn every_fault_of_dots_is_caught() {
    DOT.each_is_caught();
}

#[test]
fn every_fault_of_crumbs_is_caught() {
    CRUMB.each_is_caught();
}

#[test]
fn every_fault_of_nibbles_is_caught() {
    NIBBLE.each_is_caught();
}

#[test]
fn every_fault_of_functions_is_caught() {
    UNIT.each_is_caught();
}

#[test]
fn every_fault_of_slices_is_caught() {
    SLICES.each_is_caught();
}

#[test]
fn every_fault_of_positions_is_caught() {
    NARROW.each_is_caught();
}

#[test]
fn no_fault_is_no_difference() {
    for mutants in [&PAIR, &QUAD, &DOT, &CRUMB, &NIBBLE, &SLICES, &NARROW, &UNIT] {
        for (machine, case) in mutants.cases().iter().step_by(5) {
            assert_eq!(mutants.report(0, machine, case), None);
        }
    }
}

#[test]
fn every_checker_has_a_fault() {
    let list =
        std::fs::read_to_string(emitted(&machine(PAIR.machine), PAIR.machine).join("assertions.f")).unwrap();
    let checkers: BTreeSet<&str> = list.lines().map(|l| l.trim_end_matches("_sva.sv")).collect();
    let told: BTreeSet<&str> = PAIR.faults().filter_map(|f| Some(f.says.split_once(':')?.0)).collect();
    assert_eq!(checkers, told);
}

/// Hardware that never dispatches anything: the reason is its own words.
#[test]
fn nothing_to_compare_is_refused() {
    let machine = machine(PAIR.machine);
    let case = isa::random::directed(&machine).swap_remove(0).1;
    let dead = 1 + PAIR.faults().position(|f| f.what == "nothing is ever dispatched").unwrap();
    let refused =
        cosim::compare(PAIR.hardware(), &machine, &case.program, &case.args, &case.images(), dead as u32)
            .unwrap_err();
    assert_eq!(refused.code, "cosim-nothing");
    assert!(refused.render().contains("the run did not end within"), "{}", refused.render());
}
