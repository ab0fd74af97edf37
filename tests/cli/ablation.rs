//! `run --ablate`: what each technique of a scheme is worth, and rows that say why there is no figure.

use crate::Scratch;
use serde_json::Value;

/// Every technique at once, on a machine that has all modes.
#[test]
fn every_technique_is_off_by_itself() {
    let s = Scratch::new("ablate");
    let scheme = s.good(&["schemes", "--show", "w2s24a8kv4"]);
    let all = scheme
        .replace("sparsity = \"2:4\"", "sparsity = \"2:4\"\nshared = 4")
        .replace("[attention]\n", "[attention]\nsink = 4\nwindow = 32\n");
    s.write("all.toml", all);
    let paired = ["--machine", "paired", "--context", "200", "--decode", "2"];
    let shown = [
        vec!["run", "--ablate", "--scheme", "all.toml", "--decode", "5"],
        [&["run", "--ablate", "--scheme", "all.toml"], &paired[..]].concat(),
        // Nothing is written; a machine of one mode of wide weights.
        vec!["run", "--ablate", "--scheme", "w4a4", "--prefill", "20", "--decode", "0"],
        vec!["run", "--ablate", "--scheme", "w2a8kv4", "--machine", "llm-u280", "--decode", "1"],
        vec!["run", "--ablate", "--scheme", "w8a8"],
    ];
    let text = shown.map(|args| format!("$ tilewright {}\n{}", args.join(" "), s.good(&args)));
    insta::assert_snapshot!(text.join("\n"));
    let refused = s.run(&["run", "--ablate", "--out", "out"]);
    assert_eq!(refused.status.code(), Some(2));
}

/// The whole scheme's row is what `run` reports; rows tell more, or less, or why they are empty.
#[test]
fn rows_of_llama2_7b_on_llm_u280() {
    let s = Scratch::new("ablate-7b");
    let args =
        ["llama2-7b", "--machine", "llm-u280", "--scheme", "w2s24a8kv4-g128-w512", "--context", "1024"];
    let args = [&["run"], &args[..], &["--decode", "1"]].concat();
    let [run, ablated] = [&[][..], &["--ablate"]].map(|more| s.json(&[&args[..], more].concat()));
    let rows = ablated["rows"].as_array().unwrap();
    let row = |off: &[&str]| rows.iter().find(|row| row["off"] == Value::from(off)).unwrap();
    let figure = |row: &Value, key: &str| row[key].as_f64().unwrap();
    let whole = row(&[]);
    assert_eq!(whole["tokens_per_second"], run["decode"]["tokens_per_second"]);
    let moved = ["read_bytes", "write_bytes"].map(|key| run["dram"][key].as_f64().unwrap());
    assert_eq!(figure(whole, "dram_bytes_per_token"), moved[0] + moved[1]);
    let joules = figure(whole, "joules_per_token") / run["energy"]["total_joules"].as_f64().unwrap();
    assert!((joules - 1.0).abs() < 1e-9);
    for off in [["pruning"], ["window"]] {
        let relative = &row(&off)["relative"];
        assert!(figure(relative, "tokens_per_second") < 1.0, "{relative}");
        assert!(figure(relative, "dram_bytes_per_token") > 1.0, "{relative}");
        assert!(figure(relative, "joules_per_token") > 1.0, "{relative}");
    }
    for (off, code) in [
        (&["weights"][..], "scheme-unsupported"),
        (&["pruning", "weights"], "accumulator-narrow"),
        (&["cache"], "mode-missing"),
    ] {
        let row = row(off);
        assert_eq!((row["refused"]["code"].as_str(), row["relative"].is_null()), (Some(code), true), "{row}");
    }
    assert_eq!(rows.len(), 6);
}
