//! How long the main job takes, as its user waits for it: the whole process, import, compilation, proof, simulation and report.
//! Throughput counts the tokens of a run. LLaMA-2-7B by its shape on `llm-u280`, every step exact.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::process::{Command, Stdio};

/// Runs the work on the built-in machine for large language models.
fn run(work: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_tilewright"))
        .args(["run", "llama2-7b", "--machine", "llm-u280", "--scheme", "w2s24a8kv4-g128"])
        .args(work)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{work:?}");
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("llama2-7b on llm-u280");
    let works: [(&str, u64, &[&str]); 3] = [
        ("a step behind 1024 positions", 1, &["--context", "1024", "--decode", "1"]),
        ("512 tokens read", 512, &["--prefill", "512", "--decode", "0"]),
        ("512 tokens read and 512 written", 1024, &["--prefill", "512", "--decode", "512"]),
    ];
    for (name, tokens, work) in works {
        group.throughput(Throughput::Elements(tokens));
        group.bench_function(name, |b| b.iter(|| run(work)));
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = whole }
criterion_main!(benches);
