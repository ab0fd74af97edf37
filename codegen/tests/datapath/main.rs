//! The datapath of the emitted RTL against `ir::num`: each unit alone, in Verilator, on random and extreme data.
//!
//! A test bench per unit (`tb_*.sv`) holds the memories and plays instructions; the references here walk the layouts of
//! docs/machine.md with the functions of `ir::num`. Every word of memory and the cycle of every event are compared.

mod bench;
mod matrix;
mod rng;

/// Every module that is the same for all machines.
fn sources(_: &hw::Machine) -> Vec<(String, String)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/rtl");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let text = files.iter().map(|f| {
        let name = f.file_name().unwrap().to_str().unwrap().to_string();
        (name, std::fs::read_to_string(f).unwrap())
    });
    text.filter(|(_, text)| !text.contains("{%")).collect()
}
