//! Rules of the text of a program, without running it.

use super::Broken;
use crate::table::{Body, Loop};
use crate::{Illegal, Program};
use hw::Machine;
use hw::machine::LOOP_LEVELS;

pub(super) fn check(program: &Program, machine: &Machine) -> Result<(), Illegal> {
    let at = |i: usize, b: Broken| Illegal::new(program, i, b.what, b.why, b.help);
    whole(program, machine).map_err(|b| at(0, b))?;
    // Ends of the bodies that hold the word, the outermost first.
    let mut open: Vec<usize> = Vec::new();
    for (i, instr) in program.instrs.iter().enumerate() {
        if let Err(error) = instr.encode() {
            let help = "write a value that the field holds";
            return Err(at(i, Broken::new(error.to_string(), "it has no encoding", help)));
        }
        let last = i + 1 == program.instrs.len();
        if last != matches!(instr.body, Body::Halt(_)) {
            let why = "the machine runs words until it meets `halt`, and fetches to the end of the program";
            let what = if last { "the last word is no `halt`" } else { "`halt` before the last word" };
            return Err(at(i, Broken::new(what, why, "put one `halt` at the end")));
        }
        open.retain(|end| *end > i);
        if let Body::Loop(l) = &instr.body {
            body(program, machine, i + 1, l).and_then(|end| nested(&mut open, end)).map_err(|b| at(i, b))?;
        }
    }
    Ok(())
}

fn whole(program: &Program, machine: &Machine) -> Result<(), Broken> {
    if program.machine_hash != machine.hash() {
        let what = format!(
            "the program is for the machine {:08x}, and this one ({}) is {:08x}",
            program.machine_hash,
            machine.name,
            machine.hash()
        );
        return Err(Broken::new(
            what,
            "another machine has other addresses and times",
            "compile it for this machine",
        ));
    }
    let (table, declared) = (machine.sequencer.args as usize, program.args.len());
    if declared > table {
        let what = format!("the program declares {declared} arguments, and the table holds {table}");
        return Err(Broken::new(
            what,
            "the host has no place for the others",
            "use fewer, or enlarge sequencer.args",
        ));
    }
    if program.instrs.is_empty() {
        return Err(Broken::new("the program is empty", "it never ends", "end it with `halt`"));
    }
    let end = u64::from(program.base) + 32 * program.instrs.len() as u64;
    if program.base % 4096 != 0 || end > machine.memory.size_bytes {
        let what = format!("its words lie at {:#x} to {end:#x} of DRAM", program.base);
        let why = "they begin at a multiple of 4096, so that no fetch crosses one, and lie inside the memory";
        return Err(Broken::new(what, why, "move the base of the program"));
    }
    Ok(())
}

/// A loop with a body that ends before word `end`, inside those that are open.
fn nested(open: &mut Vec<usize>, end: usize) -> Result<(), Broken> {
    if let Some(outer) = open.last().filter(|outer| **outer < end) {
        return Err(Broken::new(
            format!("a body up to word {end}, inside one up to word {outer}"),
            "of two loops one holds the other, or they lie apart",
            "end the inner body with the outer one or before it",
        ));
    }
    open.push(end);
    if open.len() > LOOP_LEVELS {
        let what = format!("a loop inside {LOOP_LEVELS} others");
        return Err(Broken::new(what, "the sequencer has no more levels", "unroll one of the loops"));
    }
    Ok(())
}

/// A loop whose body starts at `start`; gives the word after it.
fn body(program: &Program, machine: &Machine, start: usize, l: &Loop) -> Result<usize, Broken> {
    let end = start + l.body as usize;
    let Some(body) = program.instrs.get(start..end).filter(|b| !b.is_empty()) else {
        let what = format!("a body of {} words from word {start} on", l.body);
        return Err(Broken::new(
            what,
            "it has at least one word, and all inside the program",
            "correct its length",
        ));
    };
    if body.iter().any(|i| matches!(i.body, Body::Halt(_))) {
        return Err(Broken::new(
            "`halt` inside the body of a loop",
            "the sequencer leaves a loop only by its end",
            "end the body before it",
        ));
    }
    let s = &machine.sequencer;
    let fetched = end.next_multiple_of(s.fetch_words as usize);
    if fetched > start + s.imem_words as usize {
        let what = format!("a body of {} words, for which {} are fetched", l.body, fetched - start);
        return Err(Broken::new(
            what,
            "instruction memory keeps a running body whole",
            "shorten the body or unroll less",
        ));
    }
    balanced(body)?;
    Ok(end)
}

fn balanced(body: &[crate::Instr]) -> Result<(), Broken> {
    let mut counts = [0i64; 16];
    for instr in body {
        for (s, count) in counts.iter_mut().enumerate() {
            *count += i64::from(instr.head.post >> s & 1) - i64::from(instr.head.wait >> s & 1);
        }
    }
    match counts.iter().position(|c| *c != 0) {
        None => Ok(()),
        Some(s) => Err(Broken::new(
            format!("a round changes the count of semaphore {s} by {}", counts[s]),
            "only balanced bodies are legal for every number of rounds",
            "post as often as you wait inside the body",
        )),
    }
}
