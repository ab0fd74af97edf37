//! `cosim --wave`: the wave holds the cycle of the first divergence, and shows there what the report says.

use crate::Scratch;
use crate::verbs::LIBRARIES;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Faults in the folder's hardware, each there if AWPROT says its number, which the driver takes from `--seed`.
const FAULTS: [(&str, &str, &str); 2] = [
    ("tw_load.sv", "assign done_o = done_q;", "assign done_o = @ ? last_q : done_q;"),
    ("tw_epilogue.sv", "PBITS'(fine_q[0])", "PBITS'(fine_q[0] && !@)"),
];

fn seed_faults(rtl: &Path) {
    for (number, (file, from, to)) in (1..).zip(FAULTS) {
        let text = std::fs::read_to_string(rtl.join(file)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{file}");
        let to = to.replace('@', &format!("(tw_top.s_axi_ctrl_awprot_i == 3'd{number})"));
        std::fs::write(rtl.join(file), text.replace(from, &to)).unwrap();
    }
}

/// Times of a VCD, and the values of some signals of the testbench's level at each of them.
struct Vcd {
    times: Vec<u64>,
    values: Vec<BTreeMap<&'static str, String>>,
}

impl Vcd {
    fn read(text: &str, signals: &[&'static str]) -> Vcd {
        let (head, body) = text.split_once("$enddefinitions $end").unwrap();
        assert!(head.contains("$timescale 1ps $end"));
        let code = |name: &&'static str| {
            let declared = |l: &&str| l.contains("$var") && l.split_whitespace().nth(4) == Some(name);
            let line = head.lines().find(declared).unwrap_or_else(|| panic!("no signal {name}"));
            (line.split_whitespace().nth(3).unwrap(), *name)
        };
        let codes: BTreeMap<&str, &'static str> = signals.iter().map(code).collect();
        let mut vcd = Vcd { times: Vec::new(), values: Vec::new() };
        let mut now = BTreeMap::new();
        for line in body.lines() {
            if let Some(time) = line.strip_prefix('#') {
                vcd.times.push(time.parse().unwrap());
                vcd.values.push(now.clone());
                continue;
            }
            let change = match line.strip_prefix('b') {
                Some(vector) => vector.split_once(' '),
                None => line.split_at_checked(1),
            };
            if let Some((value, name)) = change.and_then(|(value, code)| Some((value, codes.get(code)?))) {
                now.insert(*name, value.to_string());
                if let Some(values) = vcd.values.last_mut() {
                    values.insert(*name, value.to_string());
                }
            }
        }
        assert!(vcd.times.is_sorted_by(|a, b| a < b), "times go back");
        vcd
    }

    /// A signal's value in a cycle: in its second half, when the pins have settled.
    fn at(&self, signal: &str, cycle: u64) -> u64 {
        let last = self.times.partition_point(|t| *t <= cycle * 1000 + 500);
        u64::from_str_radix(&self.values[last - 1][signal], 2).unwrap()
    }
}

#[test]
fn a_wave_covers_the_divergence() {
    let s = Scratch::new("wave");
    s.good(&["compile", "--machine", "tiny", "--out", "out"]);
    s.good(&["rtl", "--machine", "tiny", "--out", "out/rtl"]);
    seed_faults(&s.0.join("out/rtl"));
    let cosim = |seed: &str| {
        let base = ["cosim", "out", "--position", "5", "--tokens", "65", "--cache", LIBRARIES, "--json"];
        let output = s.run(&[&base[..], &["--seed", seed, "--wave", "w.vcd"]].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(output.status.code(), Some(i32::from(!report["first_divergence"].is_null())));
        let text = String::from_utf8(s.read("w.vcd")).unwrap();
        assert_eq!(report["wave"]["bytes"], text.len());
        let signals = ["clk_i", "probe_run_o", "probe_done_o"];
        let vcd = Vcd::read(&text, &signals);
        let [first, end] = ["first_cycle", "end_cycle"].map(|key| report["wave"][key].as_u64().unwrap());
        // Both halves of every cycle; the edge before cycle 0 is that of the start.
        let halves: Vec<u64> =
            (2 * first..2 * end).map(|half| half * 500).skip(usize::from(first == 0)).collect();
        assert_eq!(vcd.times, halves);
        assert!((first + 1..end).all(|c| vcd.at("clk_i", c) == 0));
        (report, vcd)
    };
    // Unit 0 is the load, 1 the matrix engine: the retire pulse of what the report names is in the wave, in that cycle.
    for (seed, unit, says) in [("1", 0, "load #"), ("2", 1, "matrix #")] {
        let (report, vcd) = cosim(seed);
        let first = report["first_divergence"].as_str().unwrap();
        let cycle = report["divergence_cycle"].as_u64().unwrap();
        assert!(first.starts_with(says) && first.contains(&format!("cycle {cycle}:")), "{first}");
        assert!(
            vcd.at("probe_run_o", cycle) == 1 && vcd.at("probe_done_o", cycle) >> unit & 1 == 1,
            "{first}"
        );
        assert!((cycle.saturating_sub(4096), cycle + 512) == range(&report), "{report}");
    }
    let (report, vcd) = cosim("64");
    assert!(report["divergence_cycle"].is_null() && report["cycles"].as_u64() > Some(4096), "{report}");
    assert!(range(&report) == (0, 4096) && vcd.at("probe_run_o", 0) == 1);
    let told = s.bad(&["cosim", "out", "--cache", LIBRARIES, "--wave", "no/such/folder.vcd"]);
    assert!(told.starts_with("error[file-unwritable]"), "{told}");
    let told = s.bad(&["cosim", "out", "--wave", "w.fst"]);
    assert!(told.starts_with("error[wave-form]"), "{told}");
}

fn range(report: &Value) -> (u64, u64) {
    let at = |key: &str| report["wave"][key].as_u64().unwrap();
    (at("first_cycle"), at("end_cycle"))
}
