//! The whole machine `tiny` through Yosys for UltraScale+: its multipliers are in DSP48E2, as many as are stated, and its
//! memories in RAM primitives.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Memories of more bits than this must not be flip-flops.
const KBIT: u64 = 1024;

/// Cells of a module above the design's, by type, after synthesis for UltraScale+; `before` is run on what was read.
pub fn cells(machine: &hw::Machine, module: &str, before: &str, top: &str) -> BTreeMap<String, u64> {
    let name = format!("cells-{top}-{}-{:?}", std::process::id(), std::thread::current().id());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.replace(['(', ')'], ""));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("top.sv"), module).unwrap();
    let files = emitted(machine, &dir);
    let script = format!(
        "read_verilog -sv {} top.sv; {before}; synth_xilinx -family xcup -flatten -top {top}; write_json cells.json",
        files.join(" ")
    );
    let yosys = Command::new("yosys").current_dir(&dir).args(["-q", "-p", &script]).output().unwrap();
    assert!(yosys.status.success(), "{}", String::from_utf8_lossy(&yosys.stderr));
    let json = std::fs::read_to_string(dir.join("cells.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mut count: BTreeMap<String, u64> = BTreeMap::new();
    for cell in json["modules"][top]["cells"].as_object().unwrap().values() {
        *count.entry(cell["type"].as_str().unwrap().to_string()).or_default() += 1;
    }
    let _ = std::fs::remove_dir_all(&dir);
    count
}

/// Writes what a synthesis reads and gives the names: of primitives there are no twins.
fn emitted(machine: &hw::Machine, dir: &Path) -> Vec<String> {
    let files = codegen::rtl::emit(machine).unwrap();
    let twin = |f: &codegen::rtl::RtlFile| codegen::rtl::TWINS.contains(&f.name.trim_end_matches(".sv"));
    let files: Vec<_> = files.into_iter().filter(|f| !twin(f)).collect();
    files.iter().for_each(|file| std::fs::write(dir.join(&file.name), &file.text).unwrap());
    files.into_iter().map(|f| f.name).collect()
}

#[test]
fn tiny_holds_what_it_states() {
    let machine = hw::presets::load("tiny").unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("synthesis-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let names = emitted(&machine, &dir);
    // Memories that are written lie in `tw_ram`; ROMs, and tables of constants that Yosys makes ROMs, are no storage.
    let script = format!(
        "read_verilog -sv {}; hierarchy -check -top tw_top; proc; memory_dff; memory_collect; \
         select -assert-none t:$mem* r:WR_PORTS>0 %i =*tw_ram* %d; design -reset; \
         read_verilog -sv {}; synth_xilinx -family xcup -top tw_top; tee -o cells.txt stat -top tw_top; \
         delete =* =*tw_ram* %d; write_json rams.json",
        names.join(" "),
        names.join(" ")
    );
    let yosys = Command::new("yosys").current_dir(&dir).args(["-q", "-p", &script]).output().unwrap();
    assert!(yosys.status.success(), "{}", String::from_utf8_lossy(&yosys.stderr));
    let stated: u32 = codegen::rtl::multipliers(&machine).iter().map(|m| m.count * m.dsp48e2()).sum();
    let cells = std::fs::read_to_string(dir.join("cells.txt")).unwrap();
    assert_eq!(whole_design(&cells, "DSP48E2"), u64::from(stated), "{cells}");
    let rams = std::fs::read_to_string(dir.join("rams.json")).unwrap();
    memories(&serde_json::from_str(&rams).unwrap());
    let _ = std::fs::remove_dir_all(&dir);
}

/// Cells of a type in the last section of a report, which is about the whole design.
fn whole_design(report: &str, cell: &str) -> u64 {
    let count = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some(cell)).then(|| words.next().and_then(|n| n.parse().ok())).flatten()
    };
    report.lines().filter_map(count).next_back().unwrap_or(0)
}

/// Every large memory has RAM primitives, and flip-flops at most for the word at its read port.
fn memories(json: &serde_json::Value) {
    let mut large = 0;
    for (name, module) in json["modules"].as_object().unwrap() {
        let bits = |port: &str| module["ports"][port]["bits"].as_array().unwrap().len() as u64;
        let (width, words) = (bits("w_data_i"), 1 << bits("w_addr_i"));
        let mut cells: BTreeMap<&str, u64> = BTreeMap::new();
        for cell in module["cells"].as_object().unwrap().values() {
            *cells.entry(cell["type"].as_str().unwrap()).or_default() += 1;
        }
        let of = |start: &str| cells.iter().filter(|c| c.0.starts_with(start)).map(|c| c.1).sum::<u64>();
        let (rams, flip_flops) = (of("RAM"), of("FD"));
        println!(
            "{name}: {words} words of {width} bits in {rams} RAM primitives and {flip_flops} flip-flops"
        );
        if width * words > KBIT {
            large += 1;
            assert!(rams > 0 && flip_flops <= width, "{name}: {cells:?}");
        }
    }
    assert!(large > 0, "no memory was seen");
}
