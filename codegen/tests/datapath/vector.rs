//! `tw_vector` against the vec of docs/machine.md.

use crate::bench::{Bench, hex_rows, hex_word};
use crate::rng::Rng;
use hw::function::Product;
use hw::timing::{VECTOR_LATENCY, VectorShape, vector_occupancy};
use hw::{Function, Geometry, Machine};
use ir::num::{
    Scale, add, copy_vector, layer_norm, log_np, mul, quantise_vector, requantise, rms_norm, rope,
    rope_pairs, softmax, softmax_slot, sum as sum_of, top_k,
};
use isa::table::{OUTS, Vector, out, vec_addr, vec_parts};

const A_ROWS: u32 = 512;
const SLOTS: u32 = 256;
const V_ROWS: u32 = 1024;
/// Rows from here on are results, rows below sources.
const RESULTS: u32 = 512;

/// Everything a vec reads and writes, in bytes, and for each byte of the banks its last writer.
struct State {
    g: Geometry,
    v: Vec<u8>,
    writer: Vec<usize>,
    act: Vec<u8>,
    slots: Vec<Scale>,
}

/// Rows of a kind: what a block of rows is filled with.
fn block(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let kind = rng.up_to(9);
    let word = |rng: &mut Rng| -> i32 {
        match kind {
            0 => rng.next() as i32,
            1 => rng.pick(&[i32::MIN, i32::MAX, 0, -1, 1]),
            2 => 0,
            3 => rng.range(-100, 100) as i32,
            4 => {
                if rng.one_in(20) {
                    rng.next() as i32
                } else {
                    rng.range(-1 << 16, 1 << 16) as i32
                }
            }
            5 | 6 => rng.range(-1 << 21, 1 << 21) as i32,
            7 => i32::MIN,
            _ => scale_word(rng),
        }
    };
    (0..bytes / 4).flat_map(|_| word(rng).to_le_bytes()).collect()
}

fn scale_word(rng: &mut Rng) -> i32 {
    let mantissa = if rng.one_in(16) { rng.next() as u16 } else { rng.next() as u16 | 0x8000 };
    let exponent = if rng.one_in(8) { rng.range(-128, 127) } else { rng.range(-20, 16) } as i8;
    (Scale { mantissa, exponent }.word() | (rng.next() as u32) << 24) as i32
}

impl State {
    fn random(machine: &Machine, rng: &mut Rng) -> State {
        let g = Geometry::of(machine);
        let mut v: Vec<u8> = (0..4 * V_ROWS / 8).flat_map(|_| block(rng, (8 * g.v_row) as usize)).collect();
        // An eighth of each bank holds scale words only, for softmax.
        for bank in 0..4 {
            for row in RESULTS / 4..RESULTS / 2 {
                let at = ((bank * V_ROWS + row) * g.v_row) as usize;
                for word in v[at..at + g.v_row as usize].chunks_exact_mut(4) {
                    word.copy_from_slice(&scale_word(rng).to_le_bytes());
                }
            }
        }
        State {
            g,
            writer: vec![usize::MAX; v.len()],
            v,
            act: (0..A_ROWS * g.a_row).map(|_| rng.next() as u8).collect(),
            slots: (0..SLOTS).map(|_| Scale { mantissa: rng.next() as u16, exponent: 5 }).collect(),
        }
    }

    /// Byte of a V row.
    fn at(&self, addr: u32) -> usize {
        let (bank, row) = vec_parts(addr);
        ((bank * V_ROWS + row) * self.g.v_row) as usize
    }

    /// Byte of an int16 row.
    fn half_at(&self, addr: u32) -> usize {
        let (bank, row) = vec_parts(addr);
        self.at(vec_addr(bank, row / 2)) + (row % 2 * self.g.v_row / 2) as usize
    }

    fn words(&self, addr: u32, rows: u32) -> Vec<i32> {
        let mut words = Vec::new();
        for row in 0..rows {
            let at = self.at(addr + row);
            let lanes = self.v[at..at + 4 * self.g.l as usize].chunks_exact(4);
            words.extend(lanes.map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        words
    }

    fn halves(&self, addr: u32, rows: u32) -> Vec<i16> {
        let mut words = Vec::new();
        for row in 0..rows {
            let at = self.half_at(addr + row);
            let lanes = self.v[at..at + 2 * self.g.l as usize].chunks_exact(2);
            words.extend(lanes.map(|b| i16::from_le_bytes([b[0], b[1]])));
        }
        words
    }

    fn write(&mut self, at: usize, bytes: &[u8], writer: usize) {
        self.v[at..at + bytes.len()].copy_from_slice(bytes);
        self.writer[at..at + bytes.len()].fill(writer);
    }

    fn run(&mut self, i: &Vector, writer: usize) {
        let g = self.g;
        for t in 0..i.tokens {
            let len = i.len + t * i.inc;
            for u in 0..i.subs {
                let a_at = i.a + t * i.a_stride + u * i.rows;
                let a = if i.a_half == 0 {
                    self.words(a_at, i.rows)
                } else {
                    self.halves(a_at, i.rows).into_iter().map(i32::from).collect()
                };
                let b = i.b + t * i.b_stride;
                if i.function().unwrap().product() == Product::Words {
                    self.reduce(i, t, u, &a[..len as usize], writer);
                    continue;
                }
                let mut y = vec![0; a.len()];
                let mut sum = 0;
                let function = i.function().unwrap();
                match function {
                    Function::Copy => copy_vector(&a, i.shift, &mut y),
                    Function::RmsNorm => rms_norm(&a, &self.halves(b, i.rows), i.imm, i.shift, &mut y),
                    Function::Rope | Function::RopePairs => {
                        let halves = function == Function::Rope;
                        let rows = if halves { i.rows / 2 } else { i.rows };
                        let steps: Vec<u32> = self.words(b, rows).into_iter().map(|s| s as u32).collect();
                        (if halves { rope } else { rope_pairs })(&a, &steps, len as u16, &mut y);
                    }
                    Function::Requantise => y.copy_from_slice(&a),
                    Function::Softmax => {
                        let scales: Vec<Scale> =
                            self.words(b, i.rows).into_iter().map(|w| Scale::from_word(w as u32)).collect();
                        sum = softmax(&a, &scales, len as usize, &mut y);
                    }
                    Function::LayerNorm => {
                        layer_norm(&a, &self.words(b, i.rows), len as usize, i.imm, i.shift, &mut y);
                    }
                    Function::Add | Function::Mul => {
                        let of = if function == Function::Add { add } else { mul };
                        let b = self.words(b, i.rows);
                        y.iter_mut().zip(a.iter().zip(&b)).for_each(|(y, (&a, &b))| *y = of(a, b, i.shift));
                    }
                    Function::LogNp => {
                        let scales = self.words(b, i.rows).into_iter().map(|w| Scale::from_word(w as u32));
                        y.iter_mut().zip(a.iter().zip(scales)).for_each(|(y, (&a, b))| *y = log_np(a, b));
                    }
                    _ => {
                        let b = (i.gated != 0).then(|| self.words(b, i.rows));
                        function.point().unwrap().vector(&a, b.as_deref(), &mut y);
                    }
                }
                let rows = if function == Function::Requantise { 0 } else { i.rows as usize };
                for (j, row) in y.chunks_exact(g.l as usize).enumerate().take(rows) {
                    let at = self.at(i.d + t * i.d_stride + u * i.rows + j as u32);
                    let bytes: Vec<u8> = row.iter().flat_map(|y| y.to_le_bytes()).collect();
                    self.write(at, &bytes, writer);
                }
                self.quantise(i, t, u, &y, sum, writer);
            }
        }
    }

    fn reduce(&mut self, i: &Vector, t: u32, u: u32, a: &[i32], writer: usize) {
        let (words, places) = (self.at(i.d + t * i.d_stride), self.at(i.o + t * i.o_step));
        if i.function() == Some(Function::Sum) {
            self.write(words + 4 * u as usize, &sum_of(a, i.shift).to_le_bytes(), writer);
            return;
        }
        for (n, (value, place)) in top_k(a, i.imm as usize).into_iter().enumerate() {
            let byte = 4 * ((u * i.imm) as usize + n);
            self.write(words + byte, &value.to_le_bytes(), writer);
            self.write(places + byte, &place.to_le_bytes(), writer);
        }
    }

    fn quantise(&mut self, i: &Vector, t: u32, u: u32, y: &[i32], sum: u32, writer: usize) {
        let g = self.g;
        let (bits, staged) = match i.out {
            out::NONE => return,
            out::Q8 | out::Q4 => (if i.out == out::Q8 { 8 } else { 4 }, false),
            _ => (if i.out == out::Q8K || i.out == out::Q8V { 8 } else { 4 }, true),
        };
        let qmax = if bits == 8 { 127 } else { 7 };
        let mut codes = vec![0; y.len()];
        let scale = if i.function() == Some(Function::Requantise) {
            let (mantissa, exponent) = i.given_scale();
            let given = Scale { mantissa, exponent: exponent as i8 };
            requantise(y, given, qmax, &mut codes);
            given
        } else {
            quantise_vector(y, qmax, &mut codes)
        };
        for (j, row) in (0..).zip(codes.chunks_exact(g.l as usize)) {
            if !staged {
                let at = ((i.o + u * i.rows + j) * g.a_row + (i.o_token + t) * g.lp) as usize;
                let token = &mut self.act[at..at + g.lp as usize];
                token.fill(0);
                for (byte, &code) in token.iter_mut().zip(row) {
                    *byte = code as u8;
                }
                continue;
            }
            let parts = g.n / g.l;
            let codes_to_bytes = |codes: u32| (codes * bits / 8).max(1);
            let (byte, count) = if i.out == out::Q4K || i.out == out::Q8K {
                ((u * i.rows + j) * codes_to_bytes(g.lp), codes_to_bytes(g.lp))
            } else {
                let segment = u * i.rows.div_ceil(parts) + j / parts;
                (segment * codes_to_bytes(g.np) + j % parts * g.l * bits / 8, (g.l * bits).div_ceil(8))
            };
            let code = |n: u32| row.get(n as usize).map_or(0, |&code| code as u8);
            let nibbles = |n: u32| code(2 * n) & 15 | code(2 * n + 1) << 4;
            let bytes: Vec<u8> = (0..count).map(|n| if bits == 8 { code(n) } else { nibbles(n) }).collect();
            let at = self.at(i.o + t * i.o_step) + byte as usize;
            self.write(at, &bytes, writer);
        }
        if !staged {
            let slot = (i.o_step + u * g.t + i.o_token + t) as usize;
            self.slots[slot] =
                if i.function() == Some(Function::Softmax) { softmax_slot(scale, sum) } else { scale };
        } else {
            let at = self.at(i.o + t * i.o_step + i.imm) + 4 * u as usize;
            self.write(at, &scale.word().to_le_bytes(), writer);
        }
    }
}

/// Every function with every output in turn; the rest is drawn.
fn program(g: &Geometry, rng: &mut Rng, count: usize) -> Vec<(Vector, u8)> {
    let functions: Vec<Function> = g.functions.iter().collect();
    let mut instrs: Vec<(Vector, u8)> = Vec::new();
    while instrs.len() < count {
        let which = instrs.len() % (functions.len() * OUTS.len());
        let (function, out) = (functions[which % functions.len()], (which / functions.len()) as u32);
        let out = match function.product() {
            Product::Rows => out,
            Product::Codes => out.max(out::Q8),
            Product::Words => out::NONE,
        };
        let mut rows = if rng.one_in(8) { 1 + rng.up_to(40) } else { 1 + rng.up_to(5) };
        if function == Function::Rope {
            rows = rows.next_multiple_of(2);
        }
        let subs = if rng.one_in(4) { 1 + rng.up_to(11) } else { 1 + rng.up_to(2) };
        let (o_token, tokens) = if out == out::Q8 || out == out::Q4 {
            let first = rng.up_to(g.t - 1);
            (first, 1 + rng.up_to(g.t - first - 1))
        } else {
            (0, 1 + rng.up_to(2))
        };
        let a_half = u32::from(function == Function::Copy && rng.one_in(2));
        let own = subs * rows;
        let (a_stride, b_stride, d_stride) = (own + rng.up_to(3), rng.up_to(7), own + rng.up_to(3));
        let a_span = (tokens - 1) * a_stride + own;
        let b_span = (tokens - 1) * b_stride + rows;
        let d_span = (tokens - 1) * d_stride + own;
        let limit = RESULTS / 4;
        if a_span > limit || b_span > limit || d_span > limit {
            continue;
        }
        // Four different banks in some order: a, b, staging; results share one with a or b, but no rows.
        let shift = rng.up_to(3);
        let bank = |n: u32| (n + shift) % 4;
        let a = vec_addr(bank(0), rng.up_to(RESULTS - a_span));
        let scales = matches!(function, Function::Softmax | Function::LogNp);
        let b_row = if scales && !rng.one_in(4) {
            RESULTS / 4 + rng.up_to(RESULTS / 4 - b_span)
        } else {
            rng.up_to(RESULTS - b_span)
        };
        let in_place = a_half == 0 && function.product() == Product::Rows && rng.one_in(3);
        let d = if in_place { a } else { vec_addr(bank(rng.up_to(1)), RESULTS + rng.up_to(limit)) };
        let parts = g.n / g.l;
        let code_bytes = match out {
            out::Q4K | out::Q8K => own * g.lp,
            _ => subs * rows.div_ceil(parts) * g.np,
        };
        let code_rows = code_bytes.div_ceil(g.v_row);
        let scale_rows = (4 * subs).div_ceil(g.v_row);
        let staging = code_rows + rng.up_to(2);
        let q4_step = staging + scale_rows + rng.up_to(2);
        if q4_step * tokens > V_ROWS || q4_step >= 1 << 10 {
            continue;
        }
        // The part of a given exponent that its word has.
        let part = rng.range(-90, 90);
        let given = rng.pick(&[0, part]);
        let len = match function {
            Function::Softmax => rng.up_to(rows * g.l + 3),
            Function::LayerNorm | Function::Sum | Function::TopK => 1 + rng.up_to(rows * g.l - 1),
            Function::Requantise => rng.range(1 << 15, (1 << 16) - 1) as u32 | u32::from(given as u8) << 16,
            _ => rng.next() as u32 & 0x7fff_ffff,
        };
        let ranks = 1 + rng.up_to(len.clamp(1, 6) - 1);
        let (o, o_step) = match out {
            out::NONE if function == Function::TopK => {
                let step = 1 + 4 * subs * ranks / g.v_row + rng.up_to(2);
                (vec_addr(bank(2), rng.up_to(V_ROWS - step * tokens)), step)
            }
            out::NONE => (rng.next() as u32 & 0x3ffff, rng.up_to(1023)),
            out::Q8 | out::Q4 => (rng.up_to(A_ROWS - own), rng.up_to(SLOTS - (subs + 1) * g.t)),
            _ => (vec_addr(bank(2), rng.up_to(V_ROWS - q4_step * tokens)), q4_step),
        };
        let imm = match (out, function) {
            (out::Q8K.., _) => staging,
            (_, Function::TopK) => ranks,
            (_, Function::RmsNorm | Function::LayerNorm) => {
                let eps = rng.next() as u32;
                rng.pick(&[0, 1, 167_772, u32::MAX, eps, eps >> 16])
            }
            _ => rng.next() as u32,
        };
        let shift = match rng.up_to(7) {
            _ if function == Function::Requantise => rng.range(-15, 31) - given,
            0 => rng.range(-128, 127),
            1 | 2 => rng.range(-12, 40),
            _ if matches!(function, Function::RmsNorm | Function::LayerNorm) => rng.range(14, 30),
            _ if function == Function::Mul => rng.range(8, 24),
            _ => rng.range(-4, 8),
        };
        let instr = Vector {
            fun: function as u32,
            gated: u32::from(function.takes_gate() && rng.one_in(2)),
            out,
            tokens,
            subs,
            rows,
            len,
            inc: match function {
                Function::LayerNorm | Function::Sum | Function::TopK if rows * g.l < len + tokens => 0,
                Function::Requantise => 0,
                _ => rng.up_to(1),
            },
            a,
            a_stride: if in_place { d_stride } else { a_stride },
            a_half,
            b: vec_addr(bank(1), b_row),
            b_stride,
            d,
            d_stride,
            o,
            o_step,
            o_token,
            shift: shift as i32,
            imm,
            ..Vector::default()
        };
        if in_place && vec_parts(a).1 + d_span > RESULTS {
            continue;
        }
        instrs.push((instr, if rng.one_in(3) { rng.up_to(30) as u8 } else { 0 }));
    }
    instrs
}

fn fields(i: &Vector) -> Vec<(u64, u32)> {
    [
        (i.fun, 5),
        (i.gated, 1),
        (i.out, 3),
        (i.tokens, 6),
        (i.subs, 6),
        (i.rows, 16),
        (i.len, 32),
        (i.inc, 1),
        (i.a, 18),
        (i.a_stride, 10),
        (i.a_half, 1),
        (i.b, 18),
        (i.b_stride, 10),
        (i.d, 18),
        (i.d_stride, 10),
        (i.o, 18),
        (i.o_step, 10),
        (i.o_token, 5),
        (i.shift as u32, 8),
        (i.imm, 32),
    ]
    .map(|(v, w)| (u64::from(v), w))
    .to_vec()
}

fn passes(i: &Vector) -> u64 {
    let function = match i.function() {
        Some(Function::RmsNorm) => 3,
        Some(Function::Softmax) => 2,
        Some(Function::LayerNorm) => 4,
        Some(Function::Requantise) => 0,
        Some(Function::TopK) => i.imm.into(),
        _ => 1,
    };
    function + u64::from(i.out != out::NONE)
}

fn check(name: &str, seed: u64, count: usize) {
    let machine = hw::presets::load(name).unwrap();
    let g = Geometry::of(&machine);
    let parameters = [
        ("T", g.t),
        ("N", g.n),
        ("L", g.l),
        ("NP", g.np),
        ("LP", g.lp),
        ("TP", g.tp),
        ("FUNCTIONS", g.functions.bits()),
        ("V_ROWS", V_ROWS),
    ];
    let bench = Bench::build("vector", &machine, &parameters);
    let mut rng = Rng::new(seed);
    let mut state = State::random(&machine, &mut rng);
    let program = program(&g, &mut rng, count);
    let slots = |s: &State| -> Vec<u8> {
        s.slots.iter().flat_map(|s| s.word().to_le_bytes().into_iter().take(3)).collect()
    };
    let images = [
        ("instr", program.iter().map(|(i, gap)| hex_word(&fields(i), *gap)).collect()),
        ("v", hex_rows(&state.v, 4)),
        ("a", hex_rows(&state.act, 1)),
        ("s", hex_rows(&slots(&state), 3)),
    ];
    let (events, memories) = bench.run(seed, count, &images, &["v_out", "a_out", "s_out"]);
    assert_eq!((events.start.len(), events.done.len()), (count, count), "{name}: instructions lost");
    for (n, (i, gap)) in program.iter().enumerate() {
        let vectors = (i.tokens * i.subs).into();
        let shape = VectorShape { vectors, passes: passes(i), rows: i.rows.into(), crossing: 0, gathered: 0 };
        let occupancy = vector_occupancy(shape);
        let start = events.start[n];
        assert_eq!(events.free[n], start + occupancy, "{name}, seed {seed}: free of {n}: {i:?}");
        assert_eq!(
            events.done[n],
            start + occupancy + VECTOR_LATENCY,
            "{name}, seed {seed}: done of {n}: {i:?}"
        );
        if n > 0 {
            assert_eq!(start, events.free[n - 1] + u64::from(*gap), "{name}, seed {seed}: start of {n}");
        }
        state.run(i, n);
    }
    let [v, act, slots_got] = memories.as_slice() else { panic!("three memories") };
    let wrong = (0..v.len()).filter(|&at| v[at] != state.v[at]);
    if let Some(at) = wrong.min_by_key(|&at| state.writer[at]) {
        let row = at as u32 / g.v_row;
        let writer = state.writer[at];
        panic!(
            "{name}, seed {seed}: byte {} of v{}:{} is {:02x} instead of {:02x}, written by {writer}: {:?}",
            at as u32 % g.v_row,
            row / V_ROWS,
            row % V_ROWS,
            v[at],
            state.v[at],
            program.get(writer)
        );
    }
    assert!(*act == state.act, "{name}, seed {seed}: activations differ");
    assert!(*slots_got == slots(&state), "{name}, seed {seed}: token scales differ");
}

fn sweep(name: &str) {
    for seed in 0..8 {
        check(name, seed, 240);
    }
}

#[test]
fn vec_on_tiny() {
    sweep("tiny");
}

#[test]
fn vec_on_unit() {
    sweep("unit");
}

#[test]
fn vec_on_three() {
    sweep("three");
}

#[test]
fn vec_on_odd() {
    sweep("odd");
}
