use crate::check::{Runs, check, every};
use crate::program::{Arg as Entry, ArgValue, Region};
use crate::random;
use crate::table::*;
use crate::{Body, Head, Instr, Program};
use hw::{Function, Machine};

fn machine() -> Machine {
    hw::presets::load("tiny").unwrap()
}

fn program(mut instrs: Vec<Instr>, args: &[ArgValue]) -> Program {
    instrs.push(Halt {}.into());
    let entry = |value: &ArgValue| Entry { name: "a".into(), value: value.clone() };
    Program {
        machine_hash: machine().hash(),
        base: 1 << 20,
        instrs,
        args: args.iter().map(entry).collect(),
        regions: vec![],
        origin_of: vec![],
        origins: vec![],
    }
}

fn with(body: impl Into<Body>, wait: u16, post: u16) -> Instr {
    Instr { head: Head { wait, post, ..Default::default() }, body: body.into() }
}

fn line(quotient: u32, constant: u32) -> ArgValue {
    ArgValue::Position { div: 1, quotient, remainder: 0, constant }
}

fn said(program: &Program, last: u32) -> String {
    every(program, &machine(), &Runs { last, step: 1, vocab: 10 })
        .map_or_else(|e| format!("{}: {}", e.instr, e.what), |()| "legal".into())
}

fn arg(rd: u32, imm: u32) -> Instr {
    Arg { rd, rs: 0, imm }.into()
}

fn looped(count: u32, rcount: u32, body: u32) -> Instr {
    Loop { count, rcount, body }.into()
}

fn copy(a: u32, d: u32) -> Vector {
    Vector { tokens: 1, subs: 1, rows: 2, a: vec_addr(0, a), d: vec_addr(1, d), ..Default::default() }
}

fn load(raddr: u32) -> Load {
    Load { space: space::V, bank: 0, raddr, blocks: 1, ..Default::default() }
}

fn store() -> StoreBlocks {
    StoreBlocks { bank: 1, addr: 4096, blocks: 1, ..Default::default() }
}

/// Every address, size and count is good at all positions, and one position more is one too many.
#[test]
fn the_last_position_decides() {
    let region = |addr, bytes| Region { name: "r".into(), addr, bytes, writable: true };
    let mut p = program(vec![arg(1, 0), load(1).into()], &[line(2, 3)]);
    p.regions = vec![region(3 * 64, 8 * 64)];
    assert_eq!(said(&p, 3), "legal");
    let refused = said(&p, 4);
    assert!(
        refused.starts_with("1: reads DRAM 0xc0 to 0x300") && refused.contains("`addr` is 3 to 11"),
        "{refused}"
    );
    let token = ArgValue::Token { index: 5, scale: 4, constant: 0 };
    let mut p = program(vec![arg(1, 0), load(1).into()], &[token]);
    p.regions = vec![region(0, 37 * 64)];
    assert_eq!(said(&p, 0), "legal");
    p.regions = vec![region(0, 37 * 64 - 1)];
    assert!(said(&p, 0).contains("`addr` is 0 to 36"));
    // The last nine rows of a bank; 14 bits with a register.
    let rows = machine().buffers.vector_bank_bytes / hw::Geometry::of(&machine()).v_row;
    let sized = |at, constant| {
        let copy = Vector { rows: 0, rrows: 1, ..copy(at, 0) };
        program(vec![arg(1, 0), copy.into()], &[line(1, constant)])
    };
    assert_eq!(said(&sized(rows - 9, 1), 8), "legal");
    let refused = said(&sized(rows - 9, 1), 9);
    assert!(
        refused.starts_with("1: touches vector bank 0") && refused.contains("`rows` is 1 to 10"),
        "{refused}"
    );
    assert_eq!(said(&sized(0, 1), rows - 1), "legal");
    assert!(said(&sized(0, 1), (1 << 14) - 2).starts_with("1: touches vector bank 0"));
    assert!(said(&sized(0, 1), (1 << 14) - 1).starts_with("1: field `rows` becomes 16384"));
    assert!(said(&sized(0, 0), 3).starts_with("1: `rows` is 0, where `rows` is 0 to 3"));
}

/// Given scales: words of one exponent are a range of mantissas, words of several are none.
#[test]
fn scale_words_have_one_exponent() {
    let given = Vector { fun: Function::Requantise as u32, rlen: 1, out: out::Q8, d: 0, ..copy(0, 0) };
    let of = |constant| program(vec![arg(1, 0), given.into()], &[line(1, constant)]);
    assert_eq!(said(&of(0x03_fff0), 15), "legal");
    assert!(said(&of(0x03_fff0), 0x8010).starts_with("1: a scale word between"));
    assert!(said(&of(0x03_7fff), 15).contains("a scale of 32767 * 2^3"));
    assert!(said(&of(0x20_8000), 1).contains("a scale of 32769 * 2^32"));
    assert!(said(&of(0x100_8000), 1).contains("more than 24 bits"));
    assert!(said(&of(0xf1_8000), 1) == "legal" && said(&of(0xf0_8000), 1).contains("2^-16"));
}

#[test]
fn multiples_stay_multiples() {
    let segments = StoreSegments { bank: 1, seg_log2: 2, count: 1, raddr: 1, ..Default::default() };
    let of = |quotient, constant| program(vec![arg(1, 0), segments.into()], &[line(quotient, constant)]);
    assert_eq!(said(&of(4, 8), 9), "legal");
    assert!(said(&of(2, 8), 9).contains("no multiples"));
    assert!(said(&of(4, 9), 9).contains("no multiples"));
}

#[test]
fn a_store_at_any_position_is_ordered_with_a_load_of_any() {
    let stores = |post| with(StoreBlocks { raddr: 1, ..store() }, 0, post);
    let reads = |at: u32, wait| with(Load { addr: 4096 + at, ..load(0) }, wait, 0);
    let of = |at, on| program(vec![arg(1, 0), stores(on), reads(at, on)], &[line(1, 0)]);
    assert_eq!(said(&of(9, 1), 9), "legal");
    assert!(said(&of(9, 0), 9).starts_with("2: may read DRAM before"));
    assert_eq!(said(&of(10, 0), 9), "legal");
}

/// A round that loads, copies and stores, each handing on to the next, and the store to the next load.
fn ring() -> Vec<Instr> {
    vec![with(load(0), 0b100, 0b1), with(copy(0, 0), 0b1, 0b10), with(store(), 0b10, 0b100)]
}

fn ringed(count: u32) -> Program {
    let first = with(store(), 0, 0b100);
    let last = with(load(0), 0b100, 0);
    let instrs = [vec![first, arg(1, 0), looped(count, 1, 3)], ring(), vec![last]].concat();
    program(instrs, &[line(1, 0)])
}

#[test]
fn any_number_of_balanced_rounds_is_legal() {
    assert_eq!(said(&ringed(0), 65535), "legal");
    assert_eq!(said(&ringed(1), 65534), "legal");
    assert!(said(&ringed(1), 65535).contains("runs up to 65536 times"));
    // A register that walks.
    let mut walks = ringed(0);
    walks.instrs[3] = with(load(2), 0b100, 0b1);
    walks.instrs.insert(6, Add { rd: 2, rs: 2, imm: 3 }.into());
    walks.instrs[2] = looped(0, 1, 4);
    walks.regions = [(0, 300 * 64 + 1), (4096 * 64, 64)]
        .map(|(addr, bytes)| Region { name: "r".into(), addr, bytes, writable: true })
        .to_vec();
    assert_eq!(said(&walks, 100), "legal");
    let refused = said(&walks, 101);
    assert!(refused.starts_with("3: reads DRAM") && refused.contains("`addr` is 0 to 300"), "{refused}");
}

#[test]
fn damaged_rounds_are_refused() {
    for (at, wait) in [(3, true), (4, true), (5, true), (3, false), (4, false), (5, false)] {
        let mut p = ringed(0);
        let head = &mut p.instrs[at].head;
        if wait {
            head.wait = 0
        } else {
            head.post = 0
        }
        assert!(said(&p, 9).contains("a round changes the count"), "{at}");
    }
    // A semaphore gone on both sides.
    for s in 0..3 {
        let mut p = ringed(0);
        p.instrs
            .iter_mut()
            .for_each(|i| (i.head.wait, i.head.post) = (i.head.wait & !(1 << s), i.head.post & !(1 << s)));
        assert!(said(&p, 9).contains("may "), "{s}: {}", said(&p, 9));
    }
}

/// The store behind the loop knows of the copy before it by what the rounds hand on, if there is one.
#[test]
fn no_round_at_all_is_one_of_the_counts() {
    let copies = with(copy(0, 0), 0, 0);
    let body = vec![with(copy(0, 2), 0b10, 0b1), with(store(), 0b1, 0b10)];
    let of = |count| {
        let open = with(StoreBlocks { src: 2, ..store() }, 0, 0b10);
        let close = with(copy(0, 4), 0b10, 0);
        let instrs = [
            vec![open, copies, arg(1, 0), looped(count, 1, 2)],
            body.clone(),
            vec![with(store(), 0, 0), close],
        ];
        program(instrs.concat(), &[line(1, 0)])
    };
    assert_eq!(said(&of(1), 9), "legal");
    let refused = said(&of(0), 9);
    assert!(
        refused.starts_with("6: may ") && refused.ends_with("after 0 rounds of the loop at 3"),
        "{refused}"
    );
    assert!(check(&of(0), &machine(), &[0]).is_err() && check(&of(0), &machine(), &[1]).is_ok());
}

#[test]
fn what_never_settles_is_refused() {
    // Each round doubles nothing but goes on from two adds, which no range of this checker follows.
    let add = |imm| Instr::from(Add { rd: 2, rs: 2, imm });
    let p = program(vec![arg(1, 0), looped(0, 1, 2), add(1), add(2)], &[line(1, 0)]);
    assert_eq!(said(&p, 9), "legal");
    assert!(said(&p, 99).starts_with("1: the count is a range, and 16 rounds"));
}

#[test]
fn what_is_not_declared_is_refused() {
    let by_register = |last| {
        said(&program(vec![arg(1, 0), Arg { rd: 2, rs: 1, imm: 0 }.into()], &[line(1, 0), line(1, 0)]), last)
    };
    assert_eq!(by_register(1), "legal");
    assert!(by_register(2).starts_with("1: reads argument 0 to 2, and the program declares 2"));
    assert!(said(&program(vec![arg(1, 0)], &[]), 0).starts_with("0: reads argument 0"));
}

/// Every register argument of a legal program, and its first loop, over several values; with damage now and then.
#[test]
fn what_is_legal_for_all_is_legal_for_each() {
    let (mut verdicts, mut lost, mut loops) = ([[0u32; 2]; 3], 0, 0);
    for (name, seeds) in [("tiny", 0..80u64), ("odd", 200..240)] {
        let machine = hw::presets::load(name).unwrap();
        for seed in seeds {
            let case = random::case(&machine, seed).unwrap();
            for variant in 0..9usize {
                let mut p = case.program.clone();
                let mut rng = random::Rng::new(seed * 16 + variant as u64);
                let last = rng.within(1, 5);
                match variant % 3 {
                    0 if p.args.is_empty() => continue,
                    0 => ranged_argument(&mut p, last, &mut rng),
                    _ if !ranged_loop(&mut p, variant % 3 == 1) => continue,
                    _ => {}
                }
                if variant >= 3 {
                    let at = rng.within(0, p.instrs.len() as u32 - 1) as usize;
                    let head = &mut p.instrs[at].head;
                    match rng.within(0, 2) {
                        0 => head.wait = 0,
                        1 => head.drain = false,
                        _ => head.post = 0,
                    }
                }
                let all = every(&p, &machine, &Runs { last, step: 1, vocab: 1 });
                let broken = (0..=last).find_map(|at| check(&p, &machine, &p.arg_values(at, &[])).err());
                if let (Ok(()), Some(broken)) = (&all, &broken) {
                    panic!("{name}, seed {seed}, variant {variant}: {broken}");
                }
                verdicts[variant % 3][usize::from(all.is_ok())] += 1;
                lost += u32::from(all.is_err() && broken.is_none());
                loops += u32::from(all.is_ok() && variant % 3 > 0);
            }
        }
    }
    println!(
        "refused and passed: {verdicts:?}; {lost} refused without a run that shows it, {loops} loops passed"
    );
    assert!(verdicts.iter().flatten().all(|n| *n >= 20), "{verdicts:?}");
}

/// Makes one argument a range around the value that it had.
fn ranged_argument(p: &mut Program, last: u32, rng: &mut random::Rng) {
    let which = rng.within(0, p.args.len() as u32 - 1) as usize;
    let value = p.args[which].value.at(0, &[]);
    let quotient = rng.pick(&[1, 1, 2, 4, 64, u32::MAX]);
    let before = rng.within(0, last);
    p.args[which].value = line(quotient, value.wrapping_sub(quotient.wrapping_mul(before)));
}

/// Lets the first (or the last) loop that lies in no other one run 0 rounds to the last position.
fn ranged_loop(p: &mut Program, first: bool) -> bool {
    let (mut outermost, mut end) = (Vec::new(), 0);
    for (i, instr) in p.instrs.iter().enumerate() {
        if let (Body::Loop(l), true) = (instr.body, i >= end) {
            outermost.push((i, l.body));
            end = i + 1 + l.body as usize;
        }
    }
    let chosen = if first { outermost.first() } else { outermost.last() };
    let Some(&(at, body)) = chosen else { return false };
    let imm = p.args.len() as u32;
    p.args.push(Entry { name: "count".into(), value: line(1, 0) });
    p.instrs[at] = looped(0, 10, body);
    p.instrs.insert(at, arg(10, imm));
    true
}
