//! The stated multipliers are those in the hardware, no more and no fewer.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn check(name: &str) {
    let machine = hw::presets::load(name).unwrap();
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("multipliers-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut script = String::from("read_verilog -sv");
    for file in codegen::rtl::emit(&machine).unwrap() {
        std::fs::write(dir.join(&file.name), file.text).unwrap();
        script += &format!(" {}", file.name);
    }
    let mut stated: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for m in codegen::rtl::multipliers(&machine) {
        *stated.entry((m.a_bits, m.b_bits)).or_default() += m.count;
    }
    // Positions times a power of two become wiring in opt_expr; it does not touch true products. Each module is simplified
    // once, then all but products and instances goes: a machine of thousands is too large to be flat with all else. What
    // `tw_ram` has of products it keeps, unsimplified: `proc` takes minutes over the write of a word of many bytes.
    script += "; hierarchy -check -top tw_top; proc * =*tw_ram* %d; opt_expr; opt_clean";
    script += "; delete t:$* t:$mul %d t:$paramod* %d; delete */p:*; flatten; select -assert-count ";
    script += &format!("{} t:$mul", stated.values().sum::<u32>());
    for ((a, b), count) in stated {
        script += &format!("; select -assert-count {count} t:$mul r:A_WIDTH={a} %i r:B_WIDTH={b} %i");
    }
    let yosys = Command::new("yosys").current_dir(&dir).args(["-q", "-p", &script]).output().unwrap();
    assert!(yosys.status.success(), "{name}: {}", String::from_utf8_lossy(&yosys.stderr));
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn multipliers_are_as_stated() {
    for (name, _) in hw::presets::PRESETS {
        check(name);
    }
}
