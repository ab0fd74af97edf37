//! An elaborated design as Yosys writes it (RTLIL), cut into its modules.
//!
//! The text of a [`Part`] holds nothing of where it came from: no source positions, no numbers that depend on what was read before. So
//! it is the same in every machine that has this module with these parameters.

use std::collections::BTreeMap;

/// A module of the design with its parameters.
#[derive(Debug, Clone)]
pub struct Part {
    /// Module and parameters, as [`codegen::resources::Module::key`] writes them.
    pub key: String,
    /// Its name in [`Part::text`].
    pub name: String,
    /// Instances in the design.
    pub count: u64,
    /// RTLIL of the module.
    pub text: String,
    /// RTLIL of the modules that it instantiates, by name: their ports, as black boxes.
    pub boxes: BTreeMap<String, String>,
}

/// A module as it stands in the design.
struct Module<'a> {
    name: &'a str,
    key: String,
    library: bool,
    lines: Vec<&'a str>,
    /// Types of its cells.
    cells: Vec<&'a str>,
}

/// The modules below `top` that have logic or cells of their own, in the order of the design; nothing if it is not there.
pub fn parts(rtlil: &str, top: &str) -> Option<Vec<Part>> {
    let modules: BTreeMap<&str, Module> = modules(rtlil).into_iter().map(|m| (m.name, m)).collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    count(&modules, modules.get_key_value(top)?.0, 1, &mut counts);
    let part = |(name, &count): (&&str, &u64)| {
        let module = &modules[name];
        Part {
            key: module.key.clone(),
            name: name.to_string(),
            count,
            text: text(module),
            boxes: boxes(&modules, module),
        }
    };
    Some(counts.iter().map(part).collect())
}

fn count<'a>(
    modules: &BTreeMap<&'a str, Module<'a>>,
    name: &'a str,
    times: u64,
    counts: &mut BTreeMap<&'a str, u64>,
) {
    let Some(module) = modules.get(name).filter(|m| !m.library) else { return };
    *counts.entry(name).or_default() += times;
    module.cells.iter().for_each(|cell| count(modules, cell, times, counts));
}

fn modules(rtlil: &str) -> Vec<Module<'_>> {
    let mut found = Vec::new();
    let mut attributes: Vec<&str> = Vec::new();
    let mut lines = rtlil.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("module ") {
            let body = lines
                .by_ref()
                .take_while(|l| *l != "end")
                .filter(|l| !l.trim_start().starts_with("attribute \\src "));
            found.push(module(name, &attributes, body.collect()));
            attributes.clear();
        } else if line.starts_with("attribute ") {
            attributes.push(line);
        }
    }
    found
}

fn module<'a>(name: &'a str, attributes: &[&str], lines: Vec<&'a str>) -> Module<'a> {
    let named =
        attributes.iter().find_map(|a| a.strip_prefix("attribute \\hdlname \"\\\\")?.strip_suffix('"'));
    let written = named.unwrap_or(name.trim_start_matches('\\'));
    let parameter = |line: &&str| {
        let (name, value) = line.strip_prefix("  parameter \\")?.split_once(' ')?;
        Some((name.to_string(), plain(value)))
    };
    let parameters: BTreeMap<String, String> = lines.iter().filter_map(parameter).collect();
    let of_cell = |line: &&'a str| line.strip_prefix("  cell ").and_then(|rest| rest.split(' ').next());
    Module {
        name,
        key: codegen::resources::key(written, &parameters),
        library: attributes.iter().any(|a| a.starts_with("attribute \\blackbox")),
        cells: lines.iter().filter_map(of_cell).collect(),
        lines,
    }
}

/// A constant as a number if it is one: `32'0..0101`, `5`, `"auto"`.
fn plain(value: &str) -> String {
    match value.split_once('\'') {
        Some((_, bits)) => u64::from_str_radix(bits, 2).map_or(value.to_string(), |n| n.to_string()),
        None => value.trim_matches('"').to_string(),
    }
}

fn text(module: &Module) -> String {
    let mut numbers = BTreeMap::new();
    let lines: String = module.lines.iter().map(|l| renumbered(l, &mut numbers) + "\n").collect();
    format!("module {}\n{lines}end\n", module.name)
}

/// A line in which names that Yosys has made (`$procdff$16249`, or `"$rom$7"` where a memory is meant) are numbered as they come in
/// the module.
fn renumbered<'a>(line: &'a str, numbers: &mut BTreeMap<&'a str, usize>) -> String {
    let mut word = |word: &'a str| {
        let name = word.trim_matches('"');
        match name.rsplit_once('$') {
            Some((kind, n))
                if kind.starts_with('$') && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) =>
            {
                let next = numbers.len();
                word.replace(name, &format!("$made${}", numbers.entry(name).or_insert(next)))
            }
            _ => word.to_string(),
        }
    };
    line.split(' ').map(&mut word).collect::<Vec<_>>().join(" ")
}

fn boxes(modules: &BTreeMap<&str, Module>, module: &Module) -> BTreeMap<String, String> {
    let own = module.cells.iter().filter_map(|name| modules.get(name)).filter(|m| !m.library);
    let text = |m: &Module| {
        let port = |l: &&&str| l.starts_with("  wire ") && (l.contains(" input ") || l.contains(" output "));
        let ports: String = m.lines.iter().filter(port).map(|l| format!("{l}\n")).collect();
        format!("attribute \\blackbox 1\nmodule {}\n{ports}end\n", m.name)
    };
    own.map(|m| (m.name.to_string(), text(m))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIGN: &str = "autoidx 7\nattribute \\blackbox 1\nmodule \\DSP48E2\n  wire input 1 \\CLK\nend\n\
        attribute \\hdlname \"\\\\leaf\"\nattribute \\src \"leaf.sv:1\"\nmodule $paramod$1\\leaf\n  parameter \\WIDTH 32'00000101\n  \
        parameter \\STYLE \"auto\"\n  attribute \\src \"leaf.sv:2\"\n  wire width 5 input 1 \\d_i\n  cell \\DSP48E2 \\u\n  end\nend\n\
        module \\top\n  cell $paramod$1\\leaf \\a\n  end\n  cell $paramod$1\\leaf \\b\n  end\nend\n";

    #[test]
    fn a_design_is_cut_into_modules_with_their_parameters() {
        let parts = parts(DESIGN, "\\top").unwrap();
        let of = |p: &Part| (p.key.clone(), p.count);
        assert_eq!(
            parts.iter().map(of).collect::<Vec<_>>(),
            [("leaf STYLE=auto WIDTH=5".into(), 2), ("top".into(), 1)]
        );
        assert!(parts.iter().all(|p| !p.text.contains("src") && !p.text.contains("autoidx")));
        let boxed = "attribute \\blackbox 1\nmodule $paramod$1\\leaf\n  wire width 5 input 1 \\d_i\nend\n";
        assert_eq!(parts[1].boxes.values().collect::<Vec<_>>(), [boxed]);
        assert!(super::parts(DESIGN, "\\other").is_none());
    }
}
