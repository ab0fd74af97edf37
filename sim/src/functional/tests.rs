use super::*;
use hw::{Geometry, Mode};
use ir::num::Scale;
use isa::Instr;
use isa::table::*;

const ONE: Scale = Scale { mantissa: 1 << 15, exponent: -15 };

fn program(bodies: Vec<Body>) -> Program {
    let mut instrs: Vec<Instr> = bodies.into_iter().map(Instr::from).collect();
    instrs.push(Halt {}.into());
    Program {
        machine_hash: 0,
        base: 0,
        instrs,
        args: vec![],
        regions: vec![],
        origin_of: vec![],
        origins: vec![],
    }
}

fn machine(name: &str) -> Machine {
    hw::presets::load(name).unwrap()
}

fn put_words(bytes: &mut [u8], at: usize, words: &[u32]) {
    for (i, w) in words.iter().enumerate() {
        bytes[at + 4 * i..][..4].copy_from_slice(&w.to_le_bytes());
    }
}

/// Loads of 4 blocks of C from 0, 1 block of W from 512, and of the given banks from 1024 * (bank + 1).
fn loads(banks: u32) -> Vec<Body> {
    let bank = |bank| Load { space: space::V, bank, addr: 16 * (bank + 1), blocks: 8, ..Default::default() };
    let mut loads = vec![
        Load { space: space::C, blocks: 4, ..Default::default() }.into(),
        Load { space: space::W, addr: 8, blocks: 4, ..Default::default() }.into(),
    ];
    loads.extend((0..banks).map(|b| Body::from(bank(b))));
    loads
}

fn word(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn a_gemm_of_quantised_activations() {
    for name in ["tiny", "unit", "three", "odd"] {
        let machine = machine(name);
        let g = Geometry::of(&machine);
        let mut image = vec![0; 8192];
        // Channel scales 1. Keys (mode w4): every code 3. Bank 0: x = 5.
        put_words(&mut image, 0, &[ONE.word(); 64]);
        image[512..768].fill(0x33);
        put_words(&mut image, 1024, &[5; 128]);
        let quantise =
            Vector { tokens: 1, subs: 1, rows: 1, d: vec_addr(1, 0), out: out::Q8, ..Default::default() };
        let gemm = Gemm {
            mode: Mode::W4 as u32,
            tokens: 1,
            ntiles: 1,
            groups: 1,
            steps: 1,
            dst: vec_addr(2, 0),
            ..Default::default()
        };
        let mut bodies = loads(2);
        bodies.extend([Body::from(quantise), gemm.into()]);
        let state = run(&program(bodies), &machine, &[], &image, &mut ()).unwrap();
        // Code 127 stands for 5: the slot's scale is 5 and the product 127 * 3 * lanes * 5.
        assert_eq!(state.a[0], 127, "{name}");
        assert_eq!(word(&state.v[2], 0), 127 * 3 * 5 * g.l as i32, "{name}");
        assert_eq!(word(&state.v[2], 4 * (g.l as usize - 1)), 127 * 3 * 5 * g.l as i32, "{name}");
        assert_eq!(state.a[g.l as usize..g.lp as usize], vec![0; (g.lp - g.l) as usize], "{name}");
    }
}

#[test]
fn a_cached_value_reads_back_through_v4() {
    for name in ["tiny", "unit", "three", "odd"] {
        let machine = machine(name);
        let g = Geometry::of(&machine);
        let rows = g.n / g.l;
        let mut image = vec![0; 8192];
        put_words(&mut image, 0, &[ONE.word(); 64]);
        let values: Vec<u32> = (0..64).map(|i| (i % 8) as u32).collect();
        for row in 0..rows {
            put_words(
                &mut image,
                1024 + (row * g.v_row) as usize,
                &values[(row * g.l) as usize..][..g.l as usize],
            );
        }
        // Position 0 of a V4 row: quantise to nibbles in bank 2, through DRAM into W, against an activation of 1.
        let one = Vector { tokens: 1, subs: 1, rows, d: vec_addr(1, 0), ..Default::default() };
        let q4 = Vector { out: out::Q4V, o: vec_addr(2, 0), imm: 4, ..one };
        let store = StoreBlocks { bank: 2, addr: 100, blocks: 1, ..Default::default() };
        let load = Load { space: space::W, addr: 100, blocks: 1, ..Default::default() };
        let probe = Vector { a: vec_addr(0, 64), d: vec_addr(1, 100), rows: 1, out: out::Q8, ..one };
        image.resize(16384, 0);
        put_words(&mut image, 8192, &[127]);
        let lane =
            Load { space: space::V, bank: 0, dst: g.v_row, addr: 128, blocks: 1, ..Default::default() };
        let gemm = Gemm {
            mode: Mode::V4 as u32,
            tokens: 1,
            ntiles: 1,
            groups: 1,
            steps: 1,
            dst: vec_addr(3, 0),
            ..Default::default()
        };
        let mut bodies = loads(1);
        bodies.extend([Body::from(q4), store.into(), load.into(), lane.into(), probe.into(), gemm.into()]);
        let state = run(&program(bodies), &machine, &[], &image, &mut ()).unwrap();
        let top = values[..g.n as usize].iter().max().copied().unwrap_or(0);
        for n in 0..g.n as usize {
            // Activation 127 at scale 127: a factor of 127 * 127; codes are round(7 v / top).
            let code = if top == 0 { 0 } else { (values[n] * 14 + top) / (2 * top) };
            let (row, lane) = (n / g.l as usize, n % g.l as usize);
            let got = word(&state.v[3], row * g.v_row as usize + 4 * lane);
            assert_eq!(got, 127 * 127 * code as i32, "{name} output {n}");
        }
    }
}

#[test]
fn residuals_are_added_after_the_observer_saw_the_product() {
    struct Seen(Vec<i32>);
    impl Observer for Seen {
        fn gemm_tile(&mut self, _: &Step, _: Tile, outputs: &[i32]) {
            self.0.extend(outputs);
        }
    }
    let mut image = vec![0; 8192];
    put_words(&mut image, 1024, &[7; 128]);
    let gemm = Gemm {
        mode: Mode::W4 as u32,
        tokens: 1,
        ntiles: 1,
        groups: 1,
        steps: 1,
        residual: 1,
        res: vec_addr(0, 0),
        dst: vec_addr(1, 0),
        ..Default::default()
    };
    let mut bodies = loads(1);
    bodies.push(gemm.into());
    let mut seen = Seen(vec![]);
    let state = run(&program(bodies), &machine("tiny"), &[], &image, &mut seen).unwrap();
    assert_eq!(seen.0, [0; 8]);
    assert_eq!(word(&state.v[1], 0), 7);
}

#[test]
fn whatever_leaves_a_memory_is_named() {
    let bad: Vec<Body> = vec![
        Load { space: space::W, dst: 512, blocks: 1, ..Default::default() }.into(),
        Load { space: space::V, bank: 9, blocks: 1, ..Default::default() }.into(),
        StoreBlocks { addr: u32::MAX, blocks: 65535, ..Default::default() }.into(),
        Gemm { tokens: 1, ntiles: 4095, groups: 16383, steps: 255, wn_stride: 4095, ..Default::default() }
            .into(),
        Gemm { tokens: 63, ntiles: 1, groups: 1, steps: 1, ..Default::default() }.into(),
        Vector { tokens: 1, subs: 1, rows: 1, out: out::Q8, o: 1 << 17, ..Default::default() }.into(),
        Vector { tokens: 1, subs: 1, rows: 1, out: out::Q4K, imm: u32::MAX, ..Default::default() }.into(),
        Vector { tokens: 1, subs: 1, rows: 3, fun: hw::Function::Rope as u32, ..Default::default() }.into(),
    ];
    for body in bad {
        let error = run(&program(vec![body]), &machine("tiny"), &[], &[], &mut ()).unwrap_err();
        assert_eq!(error.instr, 0, "{error}");
    }
}

/// Slices of a machine know of each other: some of them alone are no machine.
#[test]
fn slices_run_together() {
    let slices = hw::machine::Slices { count: 2, crossing: 1 };
    let machine = hw::Machine { slices, ..hw::presets::load("tiny").unwrap() };
    let case = isa::random::case(&machine, 1).unwrap();
    let mut all = State::of_slices(&machine, &case.images());
    let one = run_on(&mut all[0], &case.program, &case.args, &mut ()).unwrap_err();
    assert!(one.to_string().contains("is run on 1 slices"), "{one}");
    run_slices(&mut all, &case.program, &case.args, &mut ()).unwrap();
}
