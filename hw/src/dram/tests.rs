use super::*;
use crate::machine::{Machine, MachineError, MemoryModel};

#[test]
fn every_preset_is_valid_and_says_where_its_numbers_come_from() {
    for (name, _) in PRESETS {
        let dram = Dram::preset(name).unwrap();
        dram.verify(200_000_000, 1 << 20).unwrap();
        assert_eq!(&dram.device.name, name);
        let sources = &dram.device.sources;
        let timing = dram.device.timing.named().map(|t| format!("timing.{}", t.0));
        let controller = ["map", "request_clocks", "response_clocks", "write_bursts"];
        let others = controller.map(|c| format!("controller.{c}")).into_iter();
        for key in timing.into_iter().chain(others).chain(["organisation".into(), "clock_hz".into()]) {
            let part = key.split('.').next().unwrap();
            assert!(sources.contains_key(&key) || sources.contains_key(part), "{name}: {key} has no source");
        }
        for key in sources.keys() {
            let value: toml::Table =
                toml::from_str(PRESETS.iter().find(|p| p.0 == *name).unwrap().1).unwrap();
            let found = key.split('.').try_fold(toml::Value::Table(value), |v, k| v.get(k).cloned());
            assert!(found.is_some(), "{name}: a source of {key}, which is not there");
        }
    }
}

#[test]
fn the_ratio_of_clocks_is_in_lowest_terms() {
    let hbm2 = Dram::preset("hbm2").unwrap();
    assert_eq!(hbm2.clock_ratio(225_000_000), (4, 1));
    assert_eq!(hbm2.clock_ratio(250_000_000), (18, 5));
}

fn tiny_with(model: &str) -> Result<Machine, MachineError> {
    let tiny = crate::presets::text("tiny").unwrap();
    let line = tiny.lines().find(|l| l.starts_with("model =")).unwrap();
    Machine::parse(&tiny.replace(line, model), "tiny.toml")
}

#[test]
fn a_machine_names_a_device_or_holds_all_of_it() {
    let named = tiny_with("model = { kind = \"dram\", preset = \"hbm2\", channels = 2 }").unwrap();
    let MemoryModel::Dram(dram) = &named.memory.model else { panic!("{named:?}") };
    assert_eq!((dram.channels, dram.device.name.as_str(), dram.access_bytes()), (2, "hbm2", 64));
    let full = toml::to_string(&named).unwrap();
    assert!(full.contains("rcd_read = 14"), "{full}");
    assert_eq!(Machine::parse(&full, "full.toml").unwrap(), named);
    assert_eq!(named.hash(), crate::presets::load("tiny").unwrap().hash());
}

#[test]
fn dram_that_cannot_be_used_is_refused() {
    let hbm2 = || PRESETS.iter().find(|p| p.0 == "hbm2").unwrap().1;
    let change = |from: &str, to: &str| {
        let mut device: Device = toml::from_str(&hbm2().replacen(from, to, 1)).unwrap();
        device.sources.clear();
        let dram = Dram { channels: 1, device };
        let error = dram.verify(225_000_000, 1 << 22).unwrap_err();
        (error.at.trim_start_matches("memory.model.device.").to_string(), error.why)
    };
    let refused = |from: &str, to: &str, at: &str| {
        let found = change(from, to);
        assert!(found.0.contains(at), "{from} -> {to}: {found:?}");
    };
    refused("banks = 4", "banks = 3", "organisation.banks");
    refused("groups = 4", "groups = 2", "controller.map");
    refused("rows = 16_384", "rows = 4_294_967_295", "organisation.rows");
    refused("refi = 3_510", "refi = 280", "timing.refi");
    refused("refi = 3_510", "refi = 4_294_967_295", "timing.refi");
    refused("ccd_s = 2", "ccd_s = 1", "timing.ccd_s");
    refused("rtw = 14", "rtw = 11", "timing.rtw");
    refused("cl = 14", "cl = 0", "timing.cl");
    refused("[[\"group\", 1], [\"column\", 5]", "[[\"row\", 1], [\"column\", 5]", "controller.map");
    refused("[\"column\", 5]", "[\"column\", 4_294_967_295]", "controller.map");
    refused("write_bursts = 16", "write_bursts = 0", "controller.write_bursts");
    refused("clock_hz = 900_000_000", "clock_hz = 900_000_001", "clock_hz");
    for (model, why) in [
        ("model = { kind = \"dram\", preset = \"ddr9\" }", "no DRAM is called `ddr9`"),
        ("model = { kind = \"dram\" }", "either `preset`"),
        ("model = { kind = \"dram\", preset = \"hbm2\", channels = 3 }", "not a power of two"),
        ("model = { kind = \"dram\", preset = \"hbm2\", efficiency = 0.9 }", "unknown field"),
    ] {
        let error = tiny_with(model).unwrap_err();
        assert!(error.why.contains(why), "{error}");
    }
}
