//! `tw_matrix` against the gemm of docs/machine.md.

use crate::bench::{Bench, hex_rows, hex_word};
use crate::rng::Rng;
use hw::timing::{GemmShape, beats, gemm_occupancy, matrix_latency};
use hw::{Geometry, Machine, Mode};
use ir::num::{Scale, accumulate, dot, epilogue, residual, wrap};
use isa::table::{Gemm, vec_addr, vec_parts};

const A_ROWS: u32 = 512;
const W_BYTES: u32 = 32768;
const G_ROWS: u32 = 512;
const C_ROWS: u32 = 64;
const SLOTS: u32 = 256;
const V_ROWS: u32 = 1024;

/// Everything a gemm reads and writes.
struct State {
    g: Geometry,
    acc_bits: u32,
    a: Vec<u8>,
    w: Vec<u8>,
    group: Vec<u8>,
    channel: Vec<u32>,
    slots: Vec<Scale>,
    v: Vec<i32>,
}

fn byte(rng: &mut Rng) -> u8 {
    if rng.one_in(4) { rng.pick(&[0x80, 0x7f, 0, 0xff, 0x88, 0x77]) } else { rng.next() as u8 }
}

fn scale(rng: &mut Rng) -> Scale {
    let mantissa = if rng.one_in(16) { rng.next() as u16 } else { rng.next() as u16 | 0x8000 };
    let exponent = if rng.one_in(8) { rng.range(-128, 127) } else { rng.range(-22, -8) };
    Scale { mantissa, exponent: exponent as i8 }
}

fn word(rng: &mut Rng) -> i32 {
    match rng.up_to(7) {
        0 => rng.pick(&[i32::MIN, i32::MAX, 0, -1]),
        1 => rng.next() as i32,
        _ => rng.range(-1 << 20, 1 << 20) as i32,
    }
}

impl State {
    fn random(machine: &Machine, rng: &mut Rng) -> State {
        let g = Geometry::of(machine);
        // One image in four is all extremes: the largest sums there are.
        let extreme = rng.one_in(4);
        let mut bytes = |n: u32| -> Vec<u8> {
            (0..n).map(|_| if extreme { rng.pick(&[0x80, 0x88, 0xff, 0]) } else { byte(rng) }).collect()
        };
        let (a, w, group) = (bytes(A_ROWS * g.a_row), bytes(W_BYTES), bytes(G_ROWS * g.g_row));
        State {
            g,
            acc_bits: machine.matrix.accumulator_bits,
            a,
            w,
            group,
            channel: (0..C_ROWS * g.np).map(|_| scale(rng).word() | (rng.next() as u32) << 24).collect(),
            slots: (0..SLOTS).map(|_| scale(rng)).collect(),
            v: (0..4 * V_ROWS * g.lp).map(|_| word(rng)).collect(),
        }
    }

    fn v_index(&self, addr: u32, lane: u32) -> usize {
        let (bank, row) = vec_parts(addr);
        ((bank * V_ROWS + row) * self.g.lp + lane) as usize
    }

    fn weight(&self, m: u32, row: u32, n: u32, l: u32) -> i8 {
        let g = &self.g;
        // (bits, code in its row, sign or levels) as docs/machine.md section 1 puts it.
        let (bits, code) = match m {
            0 | 1 | 6 | 7 => (2, n * g.lp + l),
            2 => (4, n * g.lp.max(2) + l),
            3 => (8, n * g.lp + l),
            4 => (4, l * g.np.max(2) + n),
            _ => (8, l * g.np + n),
        };
        let code = self.bits(row * g.w_row(Mode::ALL[m as usize]) * 8 + bits * code, bits);
        let signed = if code >= 1 << (bits - 1) { code - (1 << bits) } else { code };
        (if m == 0 || m == 6 { 2 * code - 3 } else { signed }) as i8
    }

    /// Bits of the weight buffer.
    fn bits(&self, at: u32, bits: u32) -> i32 {
        i32::from(self.w[(at / 8) as usize]) >> (at % 8) & ((1 << bits) - 1)
    }

    /// The column of a step that a lane multiplies.
    fn column(&self, m: u32, row: u32, n: u32, l: u32) -> u32 {
        let g = &self.g;
        if m < 6 {
            return l;
        }
        let at = row * g.w_row(Mode::ALL[m as usize]) * 8 + 2 * (g.np * g.lp + n * g.lp + l);
        let reached = if l % 2 == 0 { [0, 1, 2, 2] } else { [1, 1, 2, 3] };
        4 * (l / 2) + reached[self.bits(at, 2) as usize]
    }

    fn run(&mut self, i: &Gemm) {
        let g = self.g;
        let (ksteps, a_rows) = (i.groups * i.steps, 1 + i.mode / 6);
        let mut writes = Vec::new();
        for t in 0..i.tokens {
            for e in 0..i.ntiles * g.n {
                let (tile, n) = (e / g.n, e % g.n);
                let mut acc = 0;
                for group in 0..i.groups {
                    let mut sum = 0;
                    for k in group * i.steps..(group + 1) * i.steps {
                        let activation = |c: u32| {
                            let row = i.a_row + k * a_rows + c / g.l;
                            let byte = self.a[(row * g.a_row + t * g.lp + c % g.l) as usize] as i8;
                            if i.narrow == 0 { byte } else { (byte << 4) >> 4 }
                        };
                        let w_row = i.w_row + tile * i.wn_stride + k * i.wk_stride;
                        let a: Vec<i8> =
                            (0..g.l).map(|l| activation(self.column(i.mode, w_row, n, l))).collect();
                        let w: Vec<i8> = (0..g.l).map(|l| self.weight(i.mode, w_row, n, l)).collect();
                        sum += dot(&a, &w);
                    }
                    let row = i.g_row + tile * i.groups + group;
                    let scale = if i.scaled == 1 { self.group[(row * g.g_row + n) as usize] } else { 1 };
                    acc = wrap(accumulate(acc, scale, sum), self.acc_bits);
                }
                assert!(ksteps > 0);
                let channel = Scale::from_word(self.channel[((i.c_row + tile) * g.np + n) as usize]);
                let token = self.slots[(i.slot + t) as usize];
                let mut y = epilogue(acc, channel, token, i.shift);
                let row = t * i.dst_stride + e / g.l;
                if i.residual != 0 {
                    y = residual(y, self.v[self.v_index(i.res + row, e % g.l)]);
                }
                writes.push((self.v_index(i.dst + row, e % g.l), y));
            }
        }
        for (at, y) in writes {
            self.v[at] = y;
        }
    }
}

/// Results go to fresh rows of banks 0 and 1, residuals come from banks 2 and 3 or from the result's own place.
fn program(state: &State, rng: &mut Rng, count: usize) -> Vec<(Gemm, u8)> {
    let g = state.g;
    let mut next_row = [0, 0];
    let mut instrs = Vec::new();
    while instrs.len() < count {
        let modes: Vec<Mode> = g.modes.iter().collect();
        let mode = modes[rng.up_to(modes.len() as u32 - 1) as usize];
        let w_rows = W_BYTES / g.w_row(mode);
        let w_rows = w_rows.min(1 << 16);
        let (groups, steps) = match rng.up_to(9) {
            0 => (1, 255),
            1 => (rng.range(20, 200) as u32, 1),
            _ => (1 + rng.up_to(5), 1 + rng.up_to(7)),
        };
        let ntiles = if rng.one_in(8) { 1 + rng.up_to(11) } else { 1 + rng.up_to(3) };
        let ksteps = groups * steps;
        let a_span = ksteps * mode.a_rows();
        let tile_rows = ntiles * (g.n / g.l);
        let tokens = 1 + rng.up_to(g.t - 1);
        let dst_stride = tile_rows + rng.up_to(3);
        let rows = (tokens - 1) * dst_stride + tile_rows;
        let (wk_stride, wn_stride) = (rng.up_to(40), rng.up_to(90));
        let w_span = (ntiles - 1) * wn_stride + (ksteps - 1) * wk_stride;
        if ntiles * groups > G_ROWS || w_span >= w_rows || rows > V_ROWS || a_span > A_ROWS {
            continue;
        }
        let bank = rng.up_to(1);
        let first = &mut next_row[bank as usize];
        if *first + rows > V_ROWS {
            *first = 0;
        }
        let dst = vec_addr(bank, *first);
        *first += rows;
        let in_place = rng.one_in(3);
        let res = if in_place { dst } else { vec_addr(2 + rng.up_to(1), rng.up_to(V_ROWS - rows)) };
        let instr = Gemm {
            mode: mode as u32,
            scaled: rng.up_to(1),
            tokens,
            ntiles,
            groups,
            steps,
            a_row: rng.up_to((A_ROWS - a_span) / mode.a_rows()) * mode.a_rows(),
            w_row: rng.up_to(w_rows - 1 - w_span),
            wn_stride,
            wk_stride,
            g_row: rng.up_to(G_ROWS - ntiles * groups),
            c_row: rng.up_to(C_ROWS - ntiles),
            dst,
            dst_stride,
            slot: rng.up_to(SLOTS - tokens),
            shift: rng.range(-12, 20) as i32,
            residual: rng.up_to(1),
            res,
            narrow: if g.narrow { rng.up_to(1) } else { 0 },
            ..Gemm::default()
        };
        instrs.push((instr, if rng.one_in(3) { rng.up_to(30) as u8 } else { 0 }));
    }
    instrs
}

fn fields(i: &Gemm) -> Vec<(u64, u32)> {
    let shift = u64::from(i.shift as u32);
    [
        (i.mode, 3),
        (i.tokens, 6),
        (i.ntiles, 16),
        (i.groups, 16),
        (i.steps, 8),
        (i.a_row, 13),
        (i.w_row, 16),
        (i.wn_stride, 12),
        (i.wk_stride, 12),
        (i.g_row, 14),
        (i.c_row, 12),
        (i.dst, 18),
        (i.dst_stride, 10),
        (i.slot, 8),
    ]
    .map(|(v, w)| (u64::from(v), w))
    .into_iter()
    .chain([
        (shift, 8),
        (i.residual.into(), 1),
        (i.res.into(), 18),
        (i.scaled.into(), 1),
        (i.narrow.into(), 1),
    ])
    .collect()
}

fn check(name: &str, seed: u64, count: usize) {
    let machine = hw::presets::load(name).unwrap();
    let g = Geometry::of(&machine);
    let parameters = [
        ("T", g.t),
        ("N", g.n),
        ("L", g.l),
        ("D", g.d),
        ("TP", g.tp),
        ("NP", g.np),
        ("LP", g.lp),
        ("ACC_BITS", machine.matrix.accumulator_bits),
        ("MODES", g.modes.bits()),
        ("PACKED", machine.matrix.multipliers.packed()),
        ("NARROW", g.narrow.into()),
        ("A_WIDTH", g.a_width),
        ("W_ROW", g.widest_row()),
        ("V_ROWS", V_ROWS),
    ];
    let bench = Bench::build("matrix", &machine, &parameters);
    let mut rng = Rng::new(seed);
    let mut state = State::random(&machine, &mut rng);
    let program = program(&state, &mut rng, count);
    let words = |v: &[u32]| -> Vec<u8> { v.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let slots: Vec<u8> =
        state.slots.iter().flat_map(|s| s.word().to_le_bytes().into_iter().take(3)).collect();
    let v: Vec<u8> = state.v.iter().flat_map(|w| w.to_le_bytes()).collect();
    let images = [
        ("instr", program.iter().map(|(i, gap)| hex_word(&fields(i), *gap)).collect()),
        ("a", hex_rows(&state.a, g.a_row as usize)),
        ("w", hex_rows(&state.w, 1)),
        ("g", hex_rows(&state.group, g.g_row as usize)),
        ("c", hex_rows(&words(&state.channel), g.c_row as usize)),
        ("s", hex_rows(&slots, 3)),
        ("v", hex_rows(&v, 4)),
    ];
    let (events, memories) = bench.run(seed, count, &images, &["v_out"]);
    assert_eq!((events.start.len(), events.done.len()), (count, count), "{name}: instructions lost");
    for (n, (i, gap)) in program.iter().enumerate() {
        let shape = GemmShape {
            tokens: i.tokens.into(),
            ntiles: i.ntiles.into(),
            ksteps: u64::from(i.groups * i.steps),
            beats: beats(machine.matrix.multipliers, i.mode, i.narrow != 0, i.tokens.into()),
        };
        let occupancy = gemm_occupancy(shape, g.n.into(), g.d.into());
        let start = events.start[n];
        assert_eq!(events.free[n], start + occupancy, "{name}, seed {seed}: free of {n}: {i:?}");
        assert_eq!(
            events.done[n],
            start + occupancy + matrix_latency(&machine.matrix),
            "{name}, seed {seed}: done of {n}: {i:?}"
        );
        if n > 0 {
            assert_eq!(start, events.free[n - 1] + u64::from(*gap), "{name}, seed {seed}: start of {n}");
        }
        state.run(i);
    }
    let got: Vec<i32> =
        memories[0].chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(got.len(), state.v.len());
    let wrong: Vec<_> = (0..got.len()).filter(|&n| got[n] != state.v[n]).collect();
    if let Some(&at) = wrong.first() {
        let (row, lane) = (at as u32 / g.lp, at as u32 % g.lp);
        let (bank, row) = (row / V_ROWS, row % V_ROWS);
        panic!(
            "{name}, seed {seed}: {} words differ, first v{bank}:{row} lane {lane}: {} instead of {}",
            wrong.len(),
            got[at],
            state.v[at]
        );
    }
}

fn sweep(name: &str) {
    for seed in 0..8 {
        check(name, seed, 60);
    }
}

#[test]
fn gemm_on_tiny() {
    sweep("tiny");
}

#[test]
fn gemm_on_unit() {
    sweep("unit");
}

#[test]
fn gemm_on_three() {
    sweep("three");
}

#[test]
fn gemm_on_paired() {
    sweep("paired");
}

#[test]
fn gemm_on_quads() {
    sweep("quads");
}

#[test]
fn gemm_on_gemv() {
    sweep("gemv");
}

#[test]
fn gemm_on_odd() {
    sweep("odd");
}

#[test]
fn gemm_on_crumbs() {
    sweep("crumbs");
}

#[test]
fn gemm_on_nibbles() {
    sweep("nibbles");
}
