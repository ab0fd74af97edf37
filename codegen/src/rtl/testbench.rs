//! The testbench of a machine: a C++ harness for Verilator and the Makefile that builds and runs it. It needs nothing of
//! Tilewright, so that it can be carried to where the hardware is used.

use super::{RtlFile, header};
use askama::Template;
use hw::Machine;
use hw::machine::MemoryModel;

/// View of `tb.cpp`.
#[derive(Template)]
#[template(path = "tb/tb.cpp", escape = "none")]
struct Harness {
    beat: u32,
    dram_bytes: u64,
    slices: u32,
    args: u32,
}

/// View of the Makefile.
#[derive(Template)]
#[template(path = "tb/Makefile", escape = "none")]
struct Make {
    /// Read and write latency of the machine's memory, in cycles, if it has fixed ones.
    latencies: Option<(u32, u32)>,
}

/// Harness and Makefile, in the folder `tb` beside the SystemVerilog.
///
/// # Errors
/// None that a verified machine can cause; rendering is fallible in its type only.
pub fn testbench(machine: &Machine) -> Result<Vec<RtlFile>, askama::Error> {
    let memory = &machine.memory;
    let latencies = match memory.model {
        MemoryModel::Fixed { read_latency, write_latency } => Some((read_latency, write_latency)),
        MemoryModel::Random { .. } | MemoryModel::Dram(_) => None,
    };
    let harness = Harness {
        beat: memory.beat_bytes,
        dram_bytes: memory.size_bytes,
        slices: machine.slices.count,
        args: machine.sequencer.args,
    };
    let file = |name: &str, comment: &str, body: String| RtlFile {
        name: format!("tb/{name}"),
        text: format!("{}{}\n", header(comment, name, machine), body.trim_end()),
    };
    Ok(vec![file("tb.cpp", "//", harness.render()?), file("Makefile", "#", Make { latencies }.render()?)])
}
