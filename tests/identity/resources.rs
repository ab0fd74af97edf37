//! Predicted against synthesised cells on drawn machines. Every module is synthesised, so it takes long; what was synthesised is kept.

use crate::drawn::drawn;
use std::path::Path;
use tilewright::codegen::resources::Cells;
use tilewright::synth::{error_percent, synthesise};

/// What the machines are drawn from; `TILEWRIGHT_SEED` draws others.
const SEED: u64 = 0x3c3_e674;
const MACHINES: u64 = 12;
/// Most that LUTs and flip-flops of a machine may be off.
const PERCENT: f64 = 10.0;

#[test]
#[ignore = "Yosys on every module of twelve machines, an hour of CPU: cargo test --test identity -- --ignored --nocapture resources"]
fn resources_of_drawn_machines_are_as_predicted() {
    let seed = std::env::var("TILEWRIGHT_SEED").map_or(SEED, |s| s.parse().unwrap());
    let count = std::env::var("TILEWRIGHT_MACHINES").map_or(MACHINES, |s| s.parse().unwrap());
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("synth");
    std::fs::create_dir_all(&cache).unwrap();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut errors: Vec<(f64, String)> = Vec::new();
    for n in 0..count {
        let machine = drawn(seed + n);
        let found = synthesise(&machine, &[], &cache, workers).unwrap();
        for row in &found.rows {
            assert_eq!(row.count.0, row.count.1, "instances of {} in {}", row.module, machine.name);
        }
        let (p, s) = (&found.predicted, &found.synthesised);
        let exact = |c: &Cells| (c.dsp, c.bram18, c.uram);
        for (what, p, s) in [("LUT", p.lut, s.lut), ("FF", p.ff, s.ff)] {
            let error = error_percent(p, s);
            errors.push((error, format!("{error:+6.1} %  {what:<3} of {}: {p} for {s}", machine.name)));
            println!("{}", errors.last().unwrap().1);
        }
        assert_eq!(exact(p), exact(s), "DSP48E2, RAMB18E2, URAM288 of {}", machine.name);
    }
    errors.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    println!("worst first:");
    errors.iter().for_each(|(_, line)| println!("{line}"));
    assert!(errors.iter().all(|(error, _)| error.abs() <= PERCENT), "{}", errors[0].1);
}
