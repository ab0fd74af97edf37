//! Programs by hand, each for one corner of the machine. Waits and posts are filled in as for random programs.

use super::builder::{Builder, Wish};
use super::memory::{self, Map};
use super::{Bodies, Case, Limits, Rng, program};
use crate::table::*;
use crate::{Body, Head, Instr};
use hw::machine::LOOP_LEVELS;
use hw::{Function, Geometry, Machine};

/// A program's name, and what writes it.
type Directed = (&'static str, fn(&mut Sheet));

/// The named programs for a machine. All are legal.
pub fn directed(machine: &Machine) -> Vec<(&'static str, Case)> {
    let programs: [Directed; 17] = [
        ("halt-only", |_| {}),
        ("full-queues", full_queues),
        ("drain", drain),
        ("loops", loops),
        ("longest-bodies", longest_bodies),
        ("zero-trip-loops", zero_trip_loops),
        ("nested-loops", nested_loops),
        ("a-nest-as-long-as-memory", longest_nest),
        ("fetch-wrap", fetch_wrap),
        ("post-meets-wait", post_meets_wait),
        ("registers", registers),
        ("load-tails", load_tails),
        ("load-forms", load_forms),
        ("store-tails", store_tails),
        ("gemm-tails", gemm_tails),
        ("vec-tails", vec_tails),
        ("longer-than-a-field", longer_than_a_field),
    ];
    programs.iter().map(|(name, write)| (*name, sheet(machine, write))).collect()
}

fn sheet(machine: &Machine, write: &fn(&mut Sheet)) -> Case {
    let map = Map::of(machine);
    let mut rng = Rng::new(1);
    let image = memory::image(&map, &mut rng);
    let mut more = Rng::new(2);
    let others = (1..machine.slices.count).map(|_| memory::image(&map, &mut more)).collect();
    let reserved = program(machine, &map, vec![Instr::from(Halt {}); 2048], &[]);
    let mut builder = Builder::new(rng, Bodies::new(machine, Limits::new(&reserved, machine)), machine);
    builder.plain = true;
    let mut sheet = Sheet { b: builder, g: Geometry::of(machine), depth: 1, out: map.out };
    let q = &machine.sequencer.queue_depth;
    sheet.depth = q.load.max(q.matrix).max(q.vector).max(q.store);
    write(&mut sheet);
    sheet.b.push(Halt {});
    let args = sheet.b.args.clone();
    Case { program: program(machine, &map, sheet.b.instrs, &args), image, others, args }
}

struct Sheet<'a> {
    b: Builder<'a>,
    g: Geometry,
    /// Of the deepest queue.
    depth: u32,
    /// First byte that may be stored to.
    out: u32,
}

impl Sheet<'_> {
    /// Writes an instruction if it is legal on this machine, with the waits that it needs.
    fn put(&mut self, body: impl Into<Body>) {
        let body = body.into();
        if let Some(unit) = body.unit().queue()
            && self.b.bodies.legal(&body)
        {
            self.b.put(&Wish::of(unit), body);
        }
    }

    /// The same, and it drains.
    fn put_drained(&mut self, body: impl Into<Body>) {
        let before = self.b.instrs.len();
        self.put(body);
        self.b.instrs[before..].iter_mut().for_each(|i| i.head.drain = true);
    }

    /// The same with a part of a field in a register, if the whole is legal.
    fn put_split(&mut self, whole: impl Into<Body>, register: u32, part: u32, split: impl Fn(&mut Body)) {
        self.b.push(Set { rd: register, imm: part });
        let before = self.b.instrs.len();
        self.put(whole);
        self.b.instrs[before..].iter_mut().for_each(|i| split(&mut i.body));
    }

    fn load(&self, space: u32, dst: u32, addr: u32, blocks: u32) -> Load {
        Load { space, dst, addr, blocks, ..Default::default() }
    }

    fn copy(&self, rows: u32) -> Vector {
        Vector { tokens: 1, subs: 1, rows, a: vec_addr(0, 0), d: vec_addr(1, 0), ..Default::default() }
    }

    fn gemm(&self, ntiles: u32, groups: u32, steps: u32) -> Gemm {
        let dst_stride = ntiles * (self.g.n / self.g.l);
        let dst = vec_addr(2, 0);
        Gemm {
            tokens: 1,
            ntiles,
            groups,
            steps,
            dst,
            dst_stride,
            wn_stride: 1,
            scaled: 1,
            shift: 20,
            ..Default::default()
        }
    }

    fn store(&self, bank: u32, src: u32, blocks: u32) -> StoreBlocks {
        StoreBlocks { bank, src, addr: self.out / 64 + src, blocks, ..Default::default() }
    }

    /// Operands of every kind, so that results are more than zeros.
    fn operands(&mut self) {
        let scales = self.b.scales() / 64;
        self.put(self.load(space::W, 0, 3, 16));
        self.put(self.load(space::G, 0, 40, 4));
        self.put(self.load(space::C, 0, scales, 8));
        for (bank, addr) in [(0, 0), (3, scales + 16)] {
            self.put(Load { bank, ..self.load(space::V, 0, addr, 8) });
        }
        self.put(Vector { out: out::Q8, ..self.copy(4) });
    }
}

fn full_queues(s: &mut Sheet) {
    s.operands();
    let n = s.depth + 3;
    (0..n).for_each(|i| s.put(s.load(space::W, 4 * i, i, 4)));
    (0..n).for_each(|_| s.put(s.gemm(3, 2, 2)));
    (0..n).for_each(|i| s.put(s.copy(4 + i)));
    (0..n).for_each(|i| s.put(s.store(3, i, 2)));
}

fn drain(s: &mut Sheet) {
    s.operands();
    for _ in 0..3 {
        s.put_drained(s.load(space::W, 0, 9, 3));
        s.put_drained(s.gemm(2, 1, 3));
        s.put_drained(s.copy(3));
        s.put_drained(s.store(3, 0, 3));
        s.put(s.copy(1));
    }
}

/// A loop whose body is these words; no hazards between its rounds.
fn repeat(s: &mut Sheet, rounds: u32, body: &[Body]) {
    s.b.push(Loop { count: rounds, rcount: 0, body: body.len() as u32 });
    body.iter().for_each(|b| {
        s.b.push(*b);
    });
}

fn loops(s: &mut Sheet) {
    let tick = [Body::from(Nop {})];
    for rounds in [1, 2, 3, 5, 40] {
        repeat(s, rounds, &tick);
        repeat(s, rounds, &[Nop {}.into(), Add { rd: 3, rs: 3, imm: 1 }.into()]);
    }
    // Rounds that fill a queue: the wrap meets a full queue.
    let copy = Body::from(s.copy(2));
    repeat(s, 12, &[copy]);
    repeat(s, 9, &[copy, Nop {}.into(), copy]);
}

/// Bodies as long as instruction memory allows, from the border of a fetch chunk on, from one word behind it, and from one
/// word before the next.
fn longest_bodies(s: &mut Sheet) {
    let chunk = s.b.fetch_words;
    for behind in [0, 1, chunk - 1] {
        while (s.b.instrs.len() + 1) % chunk != behind % chunk {
            s.b.push(Nop {});
        }
        let long = s.b.longest_body(s.b.instrs.len() + 1);
        repeat(s, 3, &vec![Nop {}.into(); long]);
    }
}

fn zero_trip_loops(s: &mut Sheet) {
    let copy = Body::from(s.copy(1));
    repeat(s, 0, &[copy]);
    repeat(s, 0, &vec![copy; 37]);
    s.b.push(Set { rd: 4, imm: 0u32.wrapping_sub(7) });
    s.b.push(Loop { count: 7, rcount: 4, body: 2 });
    s.b.push(Nop {});
    s.b.push(copy);
    s.put(s.copy(2));
    repeat(s, 0, &vec![Nop {}.into(); 120]);
    repeat(s, 0, &[Nop {}.into()]);
}

/// Nests of every depth, with no rounds at each level in turn, by fields and by registers; bodies that end together and words
/// apart.
fn nested_loops(s: &mut Sheet) {
    let copy = Body::from(s.copy(2));
    for (levels, apart) in (1..=LOOP_LEVELS).flat_map(|l| [(l, false), (l, true)]) {
        for idle in 0..=levels {
            let mut rounds = vec![2; levels];
            if let Some(none) = rounds.get_mut(idle) {
                *none = 0;
            }
            nest(s, &rounds, &[copy], apart);
        }
    }
    // The wrap of several levels meets a full queue, and words that are fetched no earlier.
    nest(s, &[3, 2, 2], &[copy, copy], false);
    nest(s, &[2, 1, 3, 1], &[Nop {}.into()], false);
}

/// Loops inside each other that run `rounds`, the outermost first, every other one by a register. Each round of a level adds to
/// the register of its stride.
fn nest(s: &mut Sheet, rounds: &[u32], body: &[Body], apart: bool) {
    let mut heads = Vec::new();
    for (level, rounds) in (0..).zip(rounds) {
        let (register, stride) = (1 + level % 2 * level, 5 + level);
        s.b.push(Set { rd: register, imm: rounds.wrapping_sub(9) });
        s.b.push(Add { rd: stride, rs: stride, imm: 1 << level });
        let by_register = level % 2 == 1;
        let (count, rcount) = if by_register { (9, register) } else { (*rounds, 0) };
        heads.push(s.b.push(Loop { count, rcount, body: 0 }));
    }
    body.iter().for_each(|b| {
        s.b.push(*b);
    });
    for head in heads.into_iter().rev() {
        let words = (s.b.instrs.len() - head - 1) as u32;
        if let Body::Loop(l) = &mut s.b.instrs[head].body {
            l.body = words;
        }
        if apart {
            s.b.push(Nop {});
        }
    }
}

/// The outermost body fills instruction memory, and an inner one runs for long at its end: what lies before stays.
fn longest_nest(s: &mut Sheet) {
    let inner = 20;
    let long = s.b.longest_body(s.b.instrs.len() + 1);
    s.b.push(Loop { count: 3, rcount: 0, body: long as u32 });
    (0..long - inner - 1).for_each(|_| {
        s.b.push(Add { rd: 3, rs: 3, imm: 1 });
    });
    repeat(s, 40, &vec![Nop {}.into(); inner]);
    (0..s.b.imem_words).for_each(|_| {
        s.b.push(Nop {});
    });
}

/// Longer than instruction memory, with loops across the place where it wraps.
fn fetch_wrap(s: &mut Sheet) {
    let words = s.b.imem_words;
    let body = vec![Body::from(Nop {}); 25];
    while s.b.instrs.len() < 2 * words + 100 {
        repeat(s, 30, &body);
        (0..7).for_each(|_| {
            s.b.push(Nop {});
        });
        if s.b.instrs.len() % 3 == 0 {
            repeat(s, 0, &body);
        }
    }
}

/// Posts of vector meet waits of store at every distance, on one semaphore and on several at once.
fn post_meets_wait(s: &mut Sheet) {
    s.operands();
    let paired = |body: Body, wait, post| Instr { head: Head { wait, post, ..Default::default() }, body };
    // Ties the raw part below to the operands.
    s.put_drained(s.copy(8));
    s.put(s.store(1, 0, 1));
    let far = 600;
    for rows in 1..12 {
        let vector = Vector { a: vec_addr(0, 100), d: vec_addr(1, far), ..s.copy(rows) };
        let masks = if rows % 3 == 0 { 1 << 15 | 1 << 14 } else { 1 << 15 };
        let masks = s.b.spare_mask(masks);
        s.b.instrs.push(paired(vector.into(), 0, masks));
        let store = StoreBlocks { bank: 2, src: 100, addr: s.out / 64 + 300, blocks: 1 + rows % 3, raddr: 0 };
        s.b.instrs.push(paired(store.into(), masks, 0));
    }
}

fn registers(s: &mut Sheet) {
    for (rd, value) in [(1, 0), (2, u32::MAX), (15, 77), (0, 5)] {
        (0..4).for_each(|_| s.b.load_register(rd, value));
        s.b.push(Add { rd: 15, rs: rd, imm: 3 });
    }
    // Back to back: an `arg` right after a write of its index, a use right after an `arg`.
    for blocks in 1..4 {
        s.b.args.push(blocks - 1);
        let entry = s.b.args.len() as u32 - 1;
        s.b.push(Set { rd: 6, imm: entry });
        s.b.push(Arg { rd: 7, rs: 6, imm: 0 });
        s.b.push(Load { space: space::W, blocks: 1, rblocks: 7, addr: 2, ..Default::default() });
    }
    // The last entry of the table, by its number and by a register alone.
    let last = s.b.most_args as u32 - 1;
    s.b.args.resize(last as usize, 0);
    s.b.args.push(1);
    s.b.push(Arg { rd: 7, rs: 0, imm: last });
    s.b.push(Set { rd: 6, imm: last });
    s.b.push(Arg { rd: 8, rs: 6, imm: 0 });
    s.b.push(Load { space: space::W, blocks: 0, rblocks: 7, addr: 2, raddr: 8, ..Default::default() });
}

/// Every form, once and once more behind itself, and a plain load behind it.
fn load_forms(s: &mut Sheet) {
    for form in s.g.forms.iter().skip(1) {
        let blocks = (form.on_chip(form.blocks()) / 64) as u32;
        for dst in [0, blocks] {
            s.put(Load { form: form as u32, ..s.load(space::W, dst, dst, form.blocks()) });
        }
        s.put(s.load(space::W, 2, 7, 3));
    }
}

fn load_tails(s: &mut Sheet) {
    let spaces = [space::W, space::G, space::C, space::V];
    for addr in [0, 1, 3, 7] {
        for (i, blocks) in [1, 2, 3, 5, 9, 13].into_iter().enumerate() {
            s.put(s.load(spaces[i % 4], 1, addr, blocks));
        }
    }
}

fn store_tails(s: &mut Sheet) {
    s.operands();
    for blocks in [1, 2, 3, 5, 8] {
        for src in [0, 1, 3] {
            s.put(s.store(3, src, blocks));
        }
    }
    for seg_log2 in 0..7 {
        for count in [1, 2, 7] {
            let unit = 1 << seg_log2;
            let src_stride = 3 * unit;
            let (addr, dst_stride) = (s.out + 4096 + unit, 5 * unit);
            s.put(StoreSegments {
                bank: 0,
                src: unit,
                src_stride,
                seg_log2,
                count,
                addr,
                dst_stride,
                raddr: 0,
            });
        }
    }
}

fn gemm_tails(s: &mut Sheet) {
    s.operands();
    for (mode, narrow) in (0..3).flat_map(|mode| [(mode, 0), (mode, 1)]) {
        for tokens in 1..=s.g.t {
            for (ntiles, groups, steps) in [(1, 1, 1), (1, 3, 1), (2, 1, 1), (3, 2, 3), (2, 1, 9)] {
                let residual = u32::from(steps == 1);
                let res = vec_addr(2, 0);
                s.put(Gemm { mode, narrow, tokens, residual, res, ..s.gemm(ntiles, groups, steps) });
            }
        }
    }
    s.put(s.store(2, 0, 8));
}

fn vec_tails(s: &mut Sheet) {
    s.operands();
    for &function in Function::ALL {
        for out in 0..OUTS.len() as u32 {
            for (tokens, subs, rows) in [(1, 1, 2), (2, 1, 4), (1, 3, 2), (s.g.t, 2, 2), (1, 1, 5)] {
                let all = subs * rows;
                let q8 = out == out::Q8;
                let given = function == Function::Requantise;
                let vector = Vector {
                    fun: function as u32,
                    gated: u32::from(function.takes_gate() && rows > 2),
                    out,
                    tokens,
                    subs,
                    b: vec_addr(3, 0),
                    a_stride: all,
                    d_stride: all,
                    len: if given { 0xabcd } else { s.g.l * rows - 1 + s.g.l % 2 },
                    inc: if given { 0 } else { (tokens - 1) & 1 },
                    o: if q8 { 0 } else { vec_addr(2, 0) },
                    o_step: if q8 { 0 } else { all + 8 },
                    imm: if function == Function::TopK { 2 } else { all + 1 },
                    shift: match function {
                        Function::RmsNorm | Function::LayerNorm => 24,
                        Function::Sum => 3,
                        _ => 0,
                    },
                    ..s.copy(rows)
                };
                s.put(vector);
                if s.g.slices > 1 && function.spans_slices() {
                    let whole = function == Function::LayerNorm;
                    let (len, inc) = if whole { (rows * s.g.l, 0) } else { (vector.len, vector.inc) };
                    s.put(Vector { across: 1, len, inc, ..vector });
                }
            }
            // What the next function writes over.
            if out == out::NONE {
                s.put(StoreBlocks { addr: s.out / 64 + 64 + 2 * function as u32, ..s.store(1, 0, 2) });
            }
        }
    }
    // Few values, so that many elements are equal.
    s.put(Vector { shift: 30, ..s.copy(4) });
    let (len, d, o) = (4 * s.g.l, vec_addr(2, 0), vec_addr(2, 4));
    let ranks = Vector { fun: Function::TopK as u32, a: vec_addr(1, 0), d, o, len, imm: 3, ..s.copy(4) };
    s.put(ranks);
    // A scale that is given as soon as a softmax without codes is done.
    for rows in 1..4 {
        let whole = Vector { len: 0xabcd, b: vec_addr(3, 0), ..s.copy(rows) };
        let of = |function| Vector { fun: function as u32, ..whole };
        s.put(of(Function::Softmax));
        s.put_drained(Vector { out: out::Q8, o: 0, o_step: 2, ..of(Function::Requantise) });
    }
    s.put(s.store(1, 0, 8));
    s.put(StoreBlocks { addr: s.out / 64 + 16, ..s.store(2, 0, 8) });
}

/// Vectors and sums over more rows and groups than their fields can say: the rest comes from a register.
fn longer_than_a_field(s: &mut Sheet) {
    s.operands();
    const FEW: u32 = 5;
    for rows in [1024, 1500, 2047] {
        let len = (rows - 3) * s.g.l;
        let softmax = Vector { fun: Function::Softmax as u32, len, b: vec_addr(3, 0), ..s.copy(rows) };
        for vector in [s.copy(rows), softmax] {
            s.put_split(vector, 9, rows - FEW, |body| {
                if let Body::Vector(i) = body {
                    (i.rows, i.rrows) = (FEW, 9);
                }
            });
        }
    }
    for groups in [1024, 2047] {
        s.put_split(Gemm { scaled: 0, wk_stride: 0, ..s.gemm(2, groups, 1) }, 9, groups - FEW, |body| {
            if let Body::Gemm(i) = body {
                (i.groups, i.rgroups) = (FEW, 9);
            }
        });
    }
    s.put(s.store(1, 0, 8));
    s.put(s.store(2, 0, 8));
}
