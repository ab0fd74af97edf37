//! The control port on running hardware: every register, interrupts, refusals, and resets in the middle of memory traffic.

use crate::bench::{hardware, machine, models, with_model};
use isa::random::Case;
use isa::regs::{self, Access};
use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_mut;
use tilewright::cosim::host::{Host, Order, SOFT_RESET, START, register};
use tilewright::cosim::{self, Session};
use tilewright::sim::functional::State;
use tilewright::sim::pages::Pages;
use tilewright::sim::timing;
use tilewright::{codegen, hw, ir, isa};

const IDLE: u32 = 1;
const DONE: u32 = 2;
const ERROR: u32 = 4;

/// A random program and DRAM with its words.
fn case(machine: &hw::Machine, seed: u64) -> (Case, Pages) {
    let case = isa::random::case(machine, seed).unwrap();
    let mut slices = State::of_slices(machine, &case.images());
    cosim::compare::place(&case.program, &mut slices).unwrap();
    (case, slices.remove(0).dram)
}

fn empty(machine: &hw::Machine) -> Pages {
    Pages::new(machine.memory.size_bytes, &[])
}

/// Addresses as a host program knows them: from the C header.
fn header() -> BTreeMap<String, u32> {
    let text = regs::c_header();
    let defines = text.lines().filter_map(|l| l.strip_prefix("#define TW_")?.split_once(" 0x"));
    defines.map(|(n, v)| (n.into(), u32::from_str_radix(v.trim_end_matches('u'), 16).unwrap())).collect()
}

fn read(host: &mut Host, name: &str) -> u32 {
    host.read(register(name)).unwrap()
}

#[test]
fn every_register_is_where_header_and_manual_say_and_keeps_its_access() {
    let machine = machine("unit");
    let hardware = hardware("unit");
    let mut session = hardware.session(7);
    let mut host = session.host(&machine, vec![empty(&machine)]).unwrap();
    let (addresses, manual) = (header(), regs::markdown());
    let mut mapped = BTreeSet::new();
    for r in regs::table() {
        let at = addresses[&r.name];
        let row = format!("| 0x{at:04x} | {} | {} |", r.name, r.access.name());
        assert!(manual.contains(&row), "the manual has no row {row}");
        let words = if r.name == "ARGS" { machine.sequencer.args } else { r.words };
        for word in 0..words {
            let at = at + 4 * word;
            mapped.insert(at);
            let before = host.read(at).unwrap();
            let expected = match r.name.as_str() {
                "ID" => regs::ID,
                "VERSION" => isa::table::ISA_VERSION,
                "CONFIG_HASH" => machine.hash(),
                "STATUS" => IDLE,
                "ARGS" => before,
                _ => 0,
            };
            assert_eq!(before, expected, "{} at first", r.name);
            // Of CONTROL a bit that means nothing.
            let pattern = if r.name == "CONTROL" { 0x8000_0000 } else { 0x9e37_79b9 ^ at };
            let refused = if r.access == Access::ReadOnly { 2 } else { 0 };
            assert_eq!(host.write_bytes(at, pattern, 15), Ok(refused), "{}", r.name);
            let keeps = matches!(r.access, Access::ReadWrite | Access::ReadWriteIdle);
            let after = if keeps { pattern & r.mask } else { expected };
            assert_eq!(host.read(at).unwrap(), after, "{} word {word} after a write", r.name);
            // A part of a word is refused and changes nothing.
            assert_eq!(host.write_bytes(at, !pattern, 7), Ok(2), "{}", r.name);
            assert_eq!(host.read(at).unwrap(), after, "{} after a refused write", r.name);
        }
    }
    let all: BTreeSet<u32> = (0..1 << regs::ADDRESS_BITS).step_by(4).collect();
    for at in all.difference(&mapped) {
        assert_eq!((host.write_bytes(*at, 5, 15), host.look(*at)), (Ok(2), Ok((0, 2))), "{at:#x}");
    }
}

#[test]
fn address_and_data_of_a_write_come_in_any_order() {
    let machine = machine("unit");
    let hardware = hardware("unit");
    let mut session = hardware.session(12);
    let mut host = session.host(&machine, vec![empty(&machine)]).unwrap();
    let (words, addr) = (register("PROGRAM_WORDS"), register("PROGRAM_ADDR"));
    for (value, (address, data)) in (70..).zip([(0, 0), (0, 1), (1, 0), (0, 30), (30, 0), (5, 3)]) {
        host.offer(words, value, 15, Order { address, data }).unwrap();
        assert_eq!((host.response(), host.read(words)), (Ok(0), Ok(value)), "{address} {data}");
    }
    // While a response is not taken, the next write is accepted and not performed.
    for order in [Order { address: 0, data: 2 }, Order { address: 2, data: 0 }] {
        host.write(addr, 0).unwrap();
        host.offer(words, 80, 15, order).unwrap();
        host.step(9).unwrap();
        host.offer(addr, 0x5000, 15, order).unwrap();
        host.step(9).unwrap();
        assert_eq!((host.read(words), host.read(addr)), (Ok(80), Ok(0)));
        assert_eq!((host.response(), host.response(), host.read(addr)), (Ok(0), Ok(0), Ok(0x5000)));
        // Responses keep the order of their writes.
        host.offer(register("STATUS"), 1, 15, order).unwrap();
        host.offer(words, 81, 15, order).unwrap();
        assert_eq!((host.response(), host.response(), host.read(words)), (Ok(2), Ok(0), Ok(81)));
    }
    assert_eq!(session.assertion(), None);
}

#[test]
fn a_run_shows_in_status_counters_and_interrupt() {
    let machine = machine("tiny");
    let (case, dram) = case(&machine, 300);
    let cycles = timing::simulate(&case.program, &machine, &case.args).unwrap().cycles;
    let hardware = hardware("tiny");
    let mut session = hardware.session(8);
    let mut host = session.host(&machine, vec![dram.clone()]).unwrap();
    host.program(&case.program, &case.args).unwrap();
    assert_eq!(read(&mut host, "STATUS"), IDLE);
    host.start().unwrap();
    assert_eq!(read(&mut host, "STATUS"), 0);
    assert_eq!(host.read(regs::ARGS).unwrap(), 0, "a run owns the argument table");
    // What a program is cannot change while it runs.
    for name in ["EXPECTED_HASH", "PROGRAM_ADDR", "PROGRAM_WORDS", "ARGS"] {
        assert_eq!(host.write_bytes(register(name), 0, 15), Ok(2), "{name}");
    }
    // A second START does nothing.
    host.write(register("CONTROL"), START).unwrap();
    host.step(cycles).unwrap();
    host.until_idle().unwrap();
    assert_eq!(read(&mut host, "STATUS"), IDLE | DONE);
    assert_eq!((read(&mut host, "CYCLES_LO"), read(&mut host, "CYCLES_HI")), (cycles as u32, 0));
    assert_eq!(read(&mut host, "PROGRAM_ADDR"), case.program.base);
    for of_unit in regs::stall_counters()[..16].chunks(4) {
        let sum: u32 = of_unit.iter().map(|r| host.read(r.offset).unwrap()).sum();
        assert_eq!(u64::from(sum), cycles, "{}", of_unit[0].name);
    }
    assert_eq!((read(&mut host, "IRQ_STATUS"), host.irq()), (1, false));
    host.write(register("IRQ_ENABLE"), 2).unwrap();
    assert!(!host.irq(), "the other source is enabled");
    host.write(register("IRQ_ENABLE"), 1).unwrap();
    assert!(host.irq());
    host.write(register("IRQ_STATUS"), 2).unwrap();
    assert!(host.irq(), "the other source is cleared");
    host.write(register("IRQ_STATUS"), 1).unwrap();
    host.step(1).unwrap();
    assert_eq!((read(&mut host, "IRQ_STATUS"), host.irq()), (0, false));
}

#[test]
fn a_program_of_another_machine_is_refused_by_both() {
    let machine = machine("tiny");
    let (case, dram) = case(&machine, 301);
    let mut foreign = case.program.clone();
    foreign.machine_hash ^= 1;
    let hardware = hardware("tiny");
    let refused = cosim::compare(&hardware, &machine, &foreign, &case.args, &case.images(), 1).unwrap_err();
    assert!(refused.render().contains("machine-mismatch"), "{}", refused.render());

    let mut session = hardware.session(9);
    let mut host = session.host(&machine, vec![dram.clone()]).unwrap();
    host.write(register("IRQ_ENABLE"), 2).unwrap();
    host.program(&foreign, &case.args).unwrap();
    host.start().unwrap();
    host.step(200).unwrap();
    assert_eq!(read(&mut host, "STATUS"), IDLE | DONE | ERROR);
    assert_eq!((read(&mut host, "ERROR"), read(&mut host, "ERROR_WORD")), (1, 0));
    assert_eq!((read(&mut host, "IRQ_STATUS"), host.irq()), (3, true));
    assert!(host.memory().handshakes().is_empty(), "{:?}", host.memory().handshakes());
    assert!(host.memory().bytes() == [dram]);
    // The right program runs then, and the error is gone.
    let mut state = State::new(&machine, &case.image);
    let found =
        cosim::compare_in(&mut session, from_mut(&mut state), &machine, &case.program, &case.args).unwrap();
    assert!(found.identical(), "{found:#?}");
}

/// Puts a program's words into memory.
fn place(program: &isa::Program, dram: &mut Pages) {
    dram.write(program.base.into(), &codegen::image::words(program).unwrap()).unwrap();
}

/// What the hardware's memories hold, as the simulator's state.
fn state(session: &Session, machine: &hw::Machine, dram: Pages) -> State {
    let mut chip = session.on_chip(machine).into_iter().map(Option::unwrap);
    let mut next = || chip.next().unwrap();
    let mut state = State { dram, ..State::new(machine, &[]) };
    (state.w, state.g, state.c, state.a) = (next(), next(), next(), next());
    let scale =
        |b: &[u8]| ir::num::Scale { mantissa: u16::from_le_bytes([b[0], b[1]]), exponent: b[2] as i8 };
    state.s = next().chunks_exact(3).map(scale).collect();
    state.v.iter_mut().for_each(|bank| *bank = next());
    state
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    Soft,
    Hard,
}

/// Resets in a run, at the first cycle from `after` on in which memory owes an answer; then another program, compared.
/// Gives whether memory owed anything at the reset.
fn reset_within(session: &mut Session, machine: &hw::Machine, seed: u64, after: u64, how: Reset) -> bool {
    let (first, dram) = case(machine, seed);
    let mut host = session.host(machine, vec![dram.clone()]).unwrap();
    host.program(&first.program, &first.args).unwrap();
    host.start().unwrap();
    host.step(after).unwrap();
    for _ in 0..200 {
        if host.memory().owes() {
            break;
        }
        host.step(1).unwrap();
    }
    let owed = host.memory().owes();
    match how {
        Reset::Soft => {
            host.write(register("CONTROL"), SOFT_RESET | START).unwrap();
            host.until_idle().unwrap();
            assert!(!host.memory().owes(), "idle with open bursts");
        }
        Reset::Hard => host.hard_reset().unwrap(),
    }
    assert_eq!(read(&mut host, "STATUS") & (IDLE | ERROR), IDLE);
    assert_eq!(read(&mut host, "CYCLES_LO"), 0);
    let dram = host.memory().bytes()[0].clone();
    let mut state = state(session, machine, dram);
    let second = isa::random::case(machine, seed + 1).unwrap();
    state.dram.write(0, &second.image).unwrap();
    let found = cosim::compare_in(session, from_mut(&mut state), machine, &second.program, &second.args);
    let found = found.unwrap_or_else(|e| panic!("{}", e.render()));
    assert!(found.identical(), "seed {seed}, {how:?} after {after}: {found:#?}");
    assert_eq!(session.assertion(), None);
    owed
}

#[test]
fn resets_in_the_middle_of_traffic_leave_a_machine_like_new() {
    for name in ["tiny", "unit"] {
        let (preset, hardware) = (machine(name), hardware(name));
        let mut session = hardware.session(10);
        let (mut owed, mut resets) = (0, 0);
        for (i, model) in models(&preset).into_iter().enumerate() {
            let machine = with_model(&preset, model);
            for (k, how) in [Reset::Soft, Reset::Hard, Reset::Soft].into_iter().enumerate() {
                let seed = 400 + 10 * i as u64 + 2 * k as u64;
                owed += u32::from(reset_within(&mut session, &machine, seed, 97 + 211 * k as u64, how));
                resets += 1;
            }
        }
        println!("{name}: {owed} of {resets} resets with open bursts");
        assert!(3 * owed >= 2 * resets, "{name}: {owed} of {resets}");
    }
}

#[test]
fn a_unit_that_waits_for_ever_after_an_error_is_freed_by_a_soft_reset() {
    let machine = machine("unit");
    let text = format!(
        ".machine {:#010x}\n.base 0x10000\nload space=g addr=0 blocks=1\n\
         load space=g addr=0 blocks=1 wait 5\nload space=g addr=0 blocks=1\nhalt\n",
        machine.hash()
    );
    let stuck = isa::asm::assemble(&text).unwrap_or_else(|e| panic!("{}", e.render()));
    let (next, mut dram) = case(&machine, 302);
    place(&stuck, &mut dram);
    // The third word, which is no encoding.
    dram.write(0x1_0040, &[0xff; 32]).unwrap();
    let hardware = hardware("unit");
    let mut session = hardware.session(13);
    let mut host = session.host(&machine, vec![dram.clone()]).unwrap();
    host.program(&stuck, &[]).unwrap();
    host.start().unwrap();
    host.step(3000).unwrap();
    assert_eq!(read(&mut host, "STATUS"), ERROR);
    assert_eq!((read(&mut host, "ERROR"), read(&mut host, "ERROR_WORD")), (regs::ERROR_ILLEGAL, 2));
    assert_eq!((read(&mut host, "IRQ_STATUS"), host.memory().owes()), (2, false));
    host.write(register("CONTROL"), START).unwrap();
    assert_eq!(read(&mut host, "STATUS"), ERROR, "a run is not over");
    host.write(register("CONTROL"), SOFT_RESET).unwrap();
    host.until_idle().unwrap();
    assert_eq!(read(&mut host, "STATUS"), IDLE | ERROR);
    let dram = host.memory().bytes()[0].clone();
    let mut state = state(&session, &machine, dram);
    let found = cosim::compare_in(&mut session, from_mut(&mut state), &machine, &next.program, &next.args);
    let found = found.unwrap_or_else(|e| panic!("{}", e.render()));
    assert!(found.identical(), "{found:#?}");
}

#[test]
fn a_soft_reset_ends_all_levels_of_loops() {
    let machine = machine("unit");
    let text = format!(
        ".machine {:#010x}\n.base 0x10000\nloop count=60000 {{\nloop count=9 {{\nadd rd=r1 rs=r1 imm=1\nloop count=60000 {{\n\
         loop count=3 {{\nload space=g addr=0 blocks=1\n}}\n}}\n}}\n}}\nhalt\n",
        machine.hash()
    );
    let endless = isa::asm::assemble(&text).unwrap_or_else(|e| panic!("{}", e.render()));
    let (next, mut dram) = case(&machine, 304);
    place(&endless, &mut dram);
    let hardware = hardware("unit");
    let mut session = hardware.session(14);
    let mut host = session.host(&machine, vec![dram]).unwrap();
    host.program(&endless, &[]).unwrap();
    host.start().unwrap();
    host.step(3000).unwrap();
    assert_eq!(read(&mut host, "STATUS") & IDLE, 0, "it ended");
    host.write(register("CONTROL"), SOFT_RESET).unwrap();
    host.until_idle().unwrap();
    let dram = host.memory().bytes()[0].clone();
    let mut state = state(&session, &machine, dram);
    let found = cosim::compare_in(&mut session, from_mut(&mut state), &machine, &next.program, &next.args);
    let found = found.unwrap_or_else(|e| panic!("{}", e.render()));
    assert!(found.identical(), "{found:#?}");
}

#[test]
fn a_soft_reset_of_an_idle_machine_keeps_the_port() {
    let machine = machine("unit");
    let hardware = hardware("unit");
    let mut session = hardware.session(11);
    let mut host = session.host(&machine, vec![empty(&machine)]).unwrap();
    host.write(register("PROGRAM_WORDS"), 77).unwrap();
    host.write(register("CONTROL"), SOFT_RESET).unwrap();
    host.until_idle().unwrap();
    assert_eq!(read(&mut host, "STATUS"), IDLE);
    assert_eq!(read(&mut host, "PROGRAM_WORDS"), 77);
    host.hard_reset().unwrap();
    assert_eq!(read(&mut host, "PROGRAM_WORDS"), 0);
}
