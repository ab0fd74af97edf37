use super::*;
use crate::table::*;
use crate::{Body, Head, Instr};
use hw::Function;
use hw::machine::LOOP_LEVELS;

fn machine() -> Machine {
    hw::presets::load("tiny").unwrap()
}

fn program(mut instrs: Vec<Instr>) -> Program {
    instrs.push(Halt {}.into());
    Program {
        machine_hash: machine().hash(),
        base: 1 << 20,
        instrs,
        args: vec![],
        regions: vec![],
        origin_of: vec![],
        origins: vec![],
    }
}

fn with(body: impl Into<Body>, wait: u16, post: u16) -> Instr {
    Instr { head: Head { wait, post, ..Default::default() }, body: body.into() }
}

fn copy(a: u32, d: u32) -> Vector {
    Vector { tokens: 1, subs: 1, rows: 2, a: vec_addr(0, a), d: vec_addr(1, d), ..Default::default() }
}

fn store(src: u32) -> StoreBlocks {
    StoreBlocks { bank: 1, src, blocks: 1, ..Default::default() }
}

fn load(bank: u32) -> Load {
    Load { space: space::V, bank, blocks: 1, ..Default::default() }
}

fn what(instrs: Vec<Instr>) -> String {
    check(&program(instrs), &machine(), &[])
        .map_or_else(|e| format!("{}: {}", e.instr, e.what), |()| "legal".into())
}

#[test]
fn reads_wait_for_writes() {
    assert_eq!(what(vec![with(copy(0, 0), 0, 1), with(store(0), 1, 0)]), "legal");
    assert!(
        what(vec![with(copy(0, 0), 0, 0), with(store(0), 0, 0)])
            .starts_with("1: may read vector bank 1 before")
    );
    // The second of two retires later, so its post covers both; the first's covers only itself.
    assert_eq!(what(vec![with(copy(0, 0), 0, 0), with(copy(0, 2), 0, 1), with(store(0), 1, 0)]), "legal");
    let early = vec![with(copy(0, 0), 0, 1), with(copy(0, 2), 0, 0), with(store(1), 1, 0)];
    assert!(what(early).starts_with("2: may read"));
}

#[test]
fn a_unit_sees_its_own_results_only_after_a_drain() {
    let back = Vector { a: vec_addr(1, 0), d: vec_addr(2, 0), ..copy(0, 0) };
    assert!(what(vec![with(copy(0, 0), 0, 0), with(back, 0, 0)]).starts_with("1: may read"));
    let mut drained = with(back, 0, 0);
    drained.head.drain = true;
    assert_eq!(what(vec![with(copy(0, 0), 0, 0), drained]), "legal");
    assert_eq!(what(vec![with(copy(0, 0), 0, 1), with(back, 1, 0)]), "legal");
}

#[test]
fn ports_belong_to_one_unit_at_a_time() {
    let rows = |a| Vector { a: vec_addr(1, a), d: vec_addr(2, 0), ..copy(0, 0) };
    let reads = vec![with(rows(100), 0, 0), with(store(0), 0, 0)];
    assert!(what(reads).starts_with("1: may use the read port of vector bank 1"));
    let writes = vec![with(copy(0, 100), 0, 0), with(load(1), 0, 0)];
    assert!(what(writes).starts_with("1: may use the write port of vector bank 1"));
}

#[test]
fn overwriting_waits_for_readers() {
    let reader = with(copy(0, 0), 0, 1);
    assert_eq!(what(vec![reader, with(load(0), 1, 0)]), "legal");
    assert!(what(vec![with(copy(0, 0), 0, 0), with(load(0), 0, 0)]).starts_with("1: may overwrite"));
}

#[test]
fn working_in_place_is_no_hazard() {
    let gemm = Gemm { tokens: 1, ntiles: 1, groups: 1, steps: 1, residual: 1, ..Default::default() };
    assert_eq!(
        what(vec![gemm.into(), Vector { d: vec_addr(1, 0), a: vec_addr(1, 0), ..copy(0, 0) }.into()]),
        "legal"
    );
}

#[test]
fn order_is_transitive_over_units() {
    // load -> vector -> store; the next load knows from the store that the first load is done.
    let dram = Load { addr: 1, ..load(0) };
    let out = StoreBlocks { addr: 1, ..store(0) };
    let chain = vec![with(load(0), 0, 1), with(copy(0, 0), 1, 2), with(out, 2, 4), with(dram, 4, 0)];
    assert_eq!(what(chain.clone()), "legal");
    let mut cut = chain;
    cut[3].head.wait = 0;
    cut[2].head.post = 0;
    assert!(what(cut).starts_with("3: may read DRAM before"));
}

#[test]
fn semaphores_are_counted() {
    assert!(what(vec![with(store(0), 1, 0)]).contains("no post before it"));
    assert!(what(vec![with(copy(0, 0), 0, 1)]).contains("semaphore 0 ends at 1"));
    let two = vec![with(copy(0, 0), 0, 1), with(load(2), 0, 1)];
    assert!(what(two).contains("second posting unit"));
    let many = |n: usize| {
        let mut all = vec![with(load(0), 0, 1); n];
        all.extend(vec![
            with(
                Gemm { tokens: 1, ntiles: 1, groups: 1, steps: 1, dst: vec_addr(1, 0), ..Default::default() },
                1,
                0
            );
            n
        ]);
        all
    };
    assert_eq!(what(many(63)), "legal");
    assert!(what(many(64)).contains("may count to 64"));
}

#[test]
fn loops_are_balanced_and_fit() {
    let l = |body| Instr::from(Loop { count: 2, rcount: 0, body });
    assert_eq!(
        what(vec![l(2), with(copy(0, 0), 0, 1), with(store(0), 1, 2), with(copy(4, 0), 2, 0)]).get(..2),
        Some("0:")
    );
    assert_eq!(what(vec![l(2), with(copy(0, 0), 0, 1), with(store(0), 1, 0)]).get(..2), Some("1:"));
    let mut ring = vec![
        with(store(8), 0, 2),
        l(2),
        with(copy(0, 0), 2, 1),
        with(store(0), 1, 2),
        with(copy(0, 0), 2, 0),
    ];
    assert_eq!(what(ring.clone()), "legal");
    ring[1] = l(3);
    assert!(what(ring).contains("changes the count of semaphore 1 by -1"));
    assert_eq!(what(vec![l(2), l(1), Nop {}.into()]), "legal");
    assert_eq!(
        what(vec![l(2), l(2), Nop {}.into(), Nop {}.into()]),
        "1: a body up to word 4, inside one up to word 3"
    );
    let nest = |levels: u32| {
        let loops = (0..levels).map(|level| l(levels - level));
        what(loops.chain([Nop {}.into()]).collect())
    };
    let levels = LOOP_LEVELS as u32;
    assert_eq!(nest(levels), "legal");
    assert_eq!(nest(levels + 1), format!("{levels}: a loop inside {levels} others"));
    assert!(what(vec![l(9)]).contains("body of 9 words"));
    assert!(what(vec![Halt {}.into()]).contains("before the last"));
}

#[test]
fn the_longest_body_ends_with_the_last_chunk_that_fits() {
    // 512 words of instruction memory, chunks of 8: a body from a chunk's border on may fill it.
    for (before, longest) in [(7, 512), (8, 511), (0, 511), (14, 505)] {
        let looped = |body: u32| {
            let mut words = vec![Instr::from(Nop {}); before];
            words.push(Loop { count: 2, rcount: 0, body }.into());
            words.extend(vec![Instr::from(Nop {}); body as usize]);
            what(words)
        };
        assert_eq!(looped(longest), "legal");
        let fetched = longest + 8;
        let refused = format!("{before}: a body of {} words, for which {fetched} are fetched", longest + 1);
        assert_eq!(looped(longest + 1), refused);
    }
}

#[test]
fn arguments_lie_in_the_table() {
    let arg = |rs, imm| Instr::from(Arg { rd: 1, rs, imm });
    let table = machine().sequencer.args;
    let values = vec![0; table as usize + 1];
    let said = |p: &Program| check(p, &machine(), &values).map_err(|e| format!("{}: {}", e.instr, e.what));
    assert_eq!(said(&program(vec![arg(0, table - 1)])), Ok(()));
    let beyond = format!("0: reads argument {table}, and there are {table}");
    assert_eq!(said(&program(vec![arg(0, table)])), Err(beyond));
    let by_register = program(vec![Set { rd: 2, imm: u32::MAX }.into(), arg(2, table - 1), arg(2, 0)]);
    assert!(said(&by_register).unwrap_err().starts_with("2: reads argument 4294967295"));
    let mut many = program(vec![arg(0, 0)]);
    let one = crate::program::Arg { name: "a".into(), value: crate::program::ArgValue::Const(0) };
    many.args = vec![one.clone(); table as usize];
    assert_eq!(said(&many), Ok(()));
    many.args.push(one);
    assert!(said(&many).unwrap_err().contains("declares 65 arguments, and the table holds 64"));
}

#[test]
fn fields_are_checked() {
    let v = copy(0, 0);
    let same = vec_addr(0, 1);
    let norm = Vector { fun: Function::LayerNorm as u32, b: vec_addr(2, 0), ..v };
    let given = Vector { fun: Function::Requantise as u32, len: 1 << 15, shift: 31, out: out::Q8, ..v };
    assert_eq!(what(vec![given.into()]), "legal");
    assert_eq!(what(vec![Vector { len: (1 << 16) - 1, shift: -15, ..given }.into()]), "legal");
    let most = v.rows * machine().matrix.lanes;
    assert_eq!(what(vec![Vector { len: most, ..norm }.into()]), "legal");
    let top = Vector { fun: Function::TopK as u32, len: most, imm: most, o: vec_addr(1, 9), ..v };
    assert_eq!(what(vec![top.into()]), "legal");
    let bad: Vec<(Body, &str)> = vec![
        (Vector { rows: 0, ..v }.into(), "`rows` is 0"),
        (Vector { fun: Function::Rope as u32, rows: 3, b: vec_addr(2, 0), ..v }.into(), "odd"),
        (Vector { fun: Function::Silu as u32, gated: 1, ..v }.into(), "same bank"),
        (Vector { fun: Function::Add as u32, ..v }.into(), "same bank"),
        (Vector { gated: 1, ..v }.into(), "no factor"),
        (Vector { d: same, ..v }.into(), "overlaps the result"),
        (Vector { tokens: 2, a_stride: 9, ..v }.into(), "twice"),
        (Vector { out: out::Q4K, o: vec_addr(1, 9), ..v }.into(), "same bank"),
        (Vector { out: out::Q4K, o: vec_addr(2, 9), ..v }.into(), "twice"),
        (Vector { out: out::Q8, o_token: 2, ..v }.into(), "3 tokens"),
        (Vector { fun: Function::Softmax as u32, b: vec_addr(2, 0), ..v }.into(), "`len` is 0"),
        (Vector { out: out::NONE, ..given }.into(), "`out` is none"),
        (Vector { imm: 0, ..top }.into(), "the 0 largest of 16 elements"),
        (Vector { imm: 3, len: 2, ..top }.into(), "the 3 largest of 2 elements"),
        (Vector { imm: 64, rows: 9, len: 70, ..top }.into(), "the 64 largest of 70 elements"),
        (Vector { len: most + 1, ..top }.into(), "a vector has"),
        (Vector { out: out::Q8, ..top }.into(), "`out` is q8"),
        (Vector { d: top.a, ..top }.into(), "overlaps the result"),
        (Vector { o: top.a, ..top }.into(), "overlaps the staging rows or places"),
        (Vector { o: top.d, ..top }.into(), "twice"),
        (Vector { len: (1 << 15) - 1, ..given }.into(), "a scale of 32767 * 2^31"),
        (Vector { inc: 1, ..given }.into(), "a scale of"),
        (Vector { shift: -16, ..given }.into(), "2^-16"),
        (Vector { shift: 32, ..given }.into(), "2^32"),
        (Vector { out: out::Q4K, o: given.a, ..given }.into(), "overlaps the staging rows or places"),
        (Vector { len: 0, ..norm }.into(), "`len` is 0 to 0"),
        (Vector { len: most + 1, ..norm }.into(), "a vector has"),
        (Vector { len: most, inc: 1, tokens: 2, a_stride: 2, d_stride: 2, ..norm }.into(), "a vector has"),
        (Gemm { tokens: 3, ntiles: 1, groups: 1, steps: 1, ..Default::default() }.into(), "3 tokens"),
        (Load { blocks: 1, dst: 512, ..Default::default() }.into(), "32832"),
        (Load { blocks: 1, addr: u32::MAX, ..Default::default() }.into(), "DRAM"),
        (Load { blocks: 1, space: space::V, bank: 4, ..Default::default() }.into(), "vector bank 4"),
        (
            StoreBlocks { blocks: 1, addr: (1 << 20) / 64, ..Default::default() }.into(),
            "where the program lies",
        ),
        (StoreSegments { count: 1, seg_log2: 5, ..Default::default() }.into(), "32 bytes"),
        (StoreSegments { count: 1, seg_log2: 2, src: 2, ..Default::default() }.into(), "multiples"),
        (
            Gemm { tokens: 1, ntiles: 4095, groups: 1023, steps: 255, wn_stride: 4095, ..Default::default() }
                .into(),
            "up to",
        ),
    ];
    for (body, expected) in bad {
        let got = what(vec![body.into()]);
        assert!(got.contains(expected), "{expected} / {got}");
    }
}

#[test]
fn what_a_machine_lacks_is_refused_by_name() {
    let mut machine = machine();
    machine.vector.functions = vec![Function::Copy, Function::Tanh];
    machine.matrix.modes = vec![hw::Mode::W2];
    let tanh = Vector { fun: Function::Tanh as u32, ..copy(0, 0) };
    let gemm = Gemm { tokens: 1, ntiles: 1, groups: 1, steps: 1, ..Default::default() };
    let cases: [(Body, &str); 5] = [
        (tanh.into(), "legal"),
        (Vector { fun: Function::Gelu as u32, ..tanh }.into(), "function gelu, which this machine lacks"),
        (gemm.into(), "legal"),
        (Gemm { mode: hw::Mode::W8 as u32, ..gemm }.into(), "mode w8, which this machine lacks"),
        (
            Gemm { narrow: 1, ..gemm }.into(),
            "`narrow` is set, and this machine has no products of 4-bit activations",
        ),
    ];
    for (body, expected) in cases {
        let mut program = program(vec![Instr::from(body)]);
        program.machine_hash = machine.hash();
        let said = check(&program, &machine, &[]).map_or_else(|e| e.what, |()| "legal".into());
        assert_eq!(said, expected);
    }
}

#[test]
fn regions_bound_what_is_touched() {
    let mut p = program(vec![store(0).into()]);
    p.regions = vec![Region { name: "out".into(), addr: 0, bytes: 64, writable: false }];
    assert!(check(&p, &machine(), &[]).is_err());
    p.regions[0].writable = true;
    assert!(check(&p, &machine(), &[]).is_ok());
    p.regions[0].bytes = 63;
    assert!(check(&p, &machine(), &[]).is_err());
}

use crate::program::Region;

/// Of programs that are legal, and of such with a wait, a post or a drain left out.
#[test]
fn what_no_rule_reads_makes_no_program_illegal() {
    let machine = machine();
    let mut other = Machine { clock_hz: 2 * machine.clock_hz, name: "other".into(), ..machine.clone() };
    other.memory.model = hw::machine::MemoryModel::Fixed { read_latency: 2, write_latency: 77 };
    (other.load.outstanding, other.load.burst_beats, other.store.burst_beats) = (1, 4, 8);
    (other.sequencer.queue_depth.matrix, other.matrix.drain_lanes) = (64, machine.matrix.drain_lanes / 2);
    other.verify().unwrap();
    assert!(carries_over(&machine, &other) && carries_over(&other, &machine) && machine != other);
    let mut large = other.clone();
    large.sequencer.imem_words *= 2;
    assert!(carries_over(&machine, &large) && !carries_over(&large, &machine));
    let changes: [fn(&mut Machine); 4] = [
        |m| m.memory.beat_bytes *= 2,
        |m| m.memory.size_bytes *= 2,
        |m| m.sequencer.imem_words /= 2,
        |m| m.sequencer.fetch_words *= 2,
    ];
    for change in changes {
        let mut changed = machine.clone();
        change(&mut changed);
        assert!(!carries_over(&machine, &changed));
    }
    let mut verdicts = [0; 2];
    for seed in 0..40u64 {
        let case = crate::random::case(&machine, seed).unwrap();
        for damage in 0..8usize {
            let mut program = case.program.clone();
            let at = (seed as usize * 31 + damage * 7) % program.instrs.len();
            let head = &mut program.instrs[at].head;
            match damage {
                0 => {}
                1..4 => head.wait = 0,
                4..6 => head.post = 0,
                _ => head.drain = false,
            }
            let there = Program { machine_hash: other.hash(), ..program.clone() };
            let said = |result: Result<(), Illegal>| result.map_err(|e| (e.instr, e.what));
            let here = said(check(&program, &machine, &case.args));
            assert_eq!(here, said(check(&there, &other, &case.args)), "seed {seed}, damage {damage}");
            if here.is_ok() {
                let there = Program { machine_hash: large.hash(), ..program };
                assert_eq!(said(check(&there, &large, &case.args)), Ok(()), "seed {seed}, damage {damage}");
            }
            verdicts[usize::from(here.is_ok())] += 1;
        }
    }
    assert!(verdicts.iter().all(|n| *n >= 20), "{verdicts:?}");
}
