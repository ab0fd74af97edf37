//! The node tests of ONNX: models of one operator, or of the body of a function, with inputs and outputs.
//!
//! They are not part of the repository. Their folder, `onnx/backend/test/data/node` of the Python wheel onnx 1.22.0, is named
//! by `TILEWRIGHT_ONNX_NODES`; what passes is written into `docs/onnx-operators.md`.

use ir::diag::Diagnostic;
use ir::eval::evaluate;
use ir::front::onnx::proto::ModelProto;
use ir::front::onnx::{self, Options};
use ir::tensor::{Data, Tensor};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the page lies.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/onnx-operators.md");

/// What became of a test.
pub enum Outcome {
    Passed,
    /// The importer said why it does not take it.
    Refused(String),
    Failed(String),
}

/// A test of a supported operator.
pub struct Node {
    pub name: String,
    /// The operator, or none for the body of a function of several operators.
    pub operator: Option<String>,
    pub outcome: Outcome,
}

/// Runs all tests of supported operators below a folder; tells also which operators are not supported.
pub fn run(folder: &Path) -> (Vec<Node>, BTreeSet<String>) {
    let known: BTreeSet<&str> = onnx::operators().collect();
    let (mut tests, mut unknown) = (Vec::new(), BTreeSet::new());
    let mut folders: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    for path in folders {
        let Ok(model) = ModelProto::decode(&*fs::read(path.join("model.onnx")).unwrap()) else { continue };
        let nodes = || model.graph.iter().flat_map(|g| &g.node);
        let operators: BTreeSet<&str> = nodes().map(|n| n.op_type.as_str()).collect();
        let strange: Vec<&str> = operators.iter().copied().filter(|o| !known.contains(o)).collect();
        if !strange.is_empty() {
            unknown.extend(strange.into_iter().map(String::from));
            continue;
        }
        let operator = (operators.len() == 1).then(|| operators.iter().map(|o| o.to_string()).collect());
        let name = path.file_name().unwrap().to_string_lossy().trim_start_matches("test_").to_string();
        tests.push(Node { name, operator, outcome: test(model.clone(), &path.join("test_data_set_0")) });
    }
    (tests, unknown)
}

fn tensors(folder: &Path, kind: &str) -> Result<Vec<(String, Tensor)>, Diagnostic> {
    let path = |i: usize| folder.join(format!("{kind}_{i}.pb"));
    let files = (0..).map(path).take_while(|p| p.exists());
    files.map(|p| onnx::read_tensor(&fs::read(p).unwrap())).collect()
}

fn test(mut model: ModelProto, folder: &Path) -> Outcome {
    // The version at which the operator was changed last is stated; older ones than the oldest supported are the same.
    for set in model.opset_import.iter_mut().filter(|s| s.domain.is_empty()) {
        set.version = set.version.max(13);
    }
    let refused = |d: Diagnostic| Outcome::Refused(format!("{}: {}", d.what, d.why));
    let graph = match imported(&mut model, folder) {
        Ok(graph) => graph,
        Err(d) => return refused(d),
    };
    let (inputs, expected) = match (tensors(folder, "input"), tensors(folder, "output")) {
        (Ok(inputs), Ok(outputs)) => (inputs, outputs),
        (Err(d), _) | (_, Err(d)) => return refused(d),
    };
    let names: Vec<&str> = graph.inputs().iter().filter_map(|&i| graph.input_name(i)).collect();
    let given = model.graph.iter().flat_map(|g| &g.input).map(|i| i.name.as_str());
    let initial: Vec<&str> =
        model.graph.iter().flat_map(|g| &g.initializer).map(|t| t.name.as_str()).collect();
    let by_name: BTreeMap<&str, &Tensor> =
        given.filter(|n| !initial.contains(n)).zip(kept(&model, &inputs)).collect();
    let Some(live) = names.iter().map(|n| by_name.get(n).map(|t| (*t).clone())).collect::<Option<Vec<_>>>()
    else {
        return Outcome::Failed("inputs are missing".into());
    };
    match evaluate(&graph, &live) {
        Err(d) if d.code == "eval-absent" => refused(d),
        Err(d) => Outcome::Failed(format!("{}: {}", d.what, d.why)),
        Ok(results) => {
            let pairs = results.iter().zip(&expected);
            match pairs.filter_map(|(a, (name, b))| differs(a, b).map(|why| format!("{name}: {why}"))).next()
            {
                _ if results.len() != expected.len() => Outcome::Failed("another number of results".into()),
                Some(why) => Outcome::Failed(why),
                None => Outcome::Passed,
            }
        }
    }
}

/// Inputs that did not become initialisers. Those come in the order of the graph's inputs, which keep their places.
fn kept<'t>(model: &ModelProto, inputs: &'t [(String, Tensor)]) -> impl Iterator<Item = &'t Tensor> {
    let all = model.graph.iter().flat_map(|g| &g.input).map(|i| i.name.clone());
    let initial: BTreeSet<String> =
        model.graph.iter().flat_map(|g| &g.initializer).map(|t| t.name.clone()).collect();
    let kept: Vec<bool> = all.map(|name| !initial.contains(&name)).collect();
    inputs.iter().zip(kept).filter(|(_, kept)| *kept).map(|((_, tensor), _)| tensor)
}

/// Imports a model. Operands that must be known beforehand become initialisers, one after the other, with the value
/// that the test gives them.
fn imported(model: &mut ModelProto, folder: &Path) -> Result<ir::graph::Graph, Diagnostic> {
    loop {
        let refusal = match onnx::import(&model.encode_to_vec(), &Options::default()) {
            Ok(graph) => return Ok(graph),
            Err(refusal) => refusal,
        };
        let Some(graph) = &mut model.graph else { return Err(refusal) };
        if !refusal.why.contains("is not known before the model runs") {
            return Err(refusal);
        }
        let free = |i: &usize| graph.initializer.iter().all(|t| t.name != graph.input[*i].name);
        let named = |i: &usize| refusal.why.contains(&format!("`{}`", graph.input[*i].name));
        let free: Vec<usize> = (0..graph.input.len()).filter(free).collect();
        // Where the operand is computed, the last input is the one that shapes come from.
        let Some(&next) = free.iter().find(|i| named(i)).or(free.last()) else { return Err(refusal) };
        let bytes = fs::read(folder.join(format!("input_{next}.pb"))).unwrap();
        let mut tensor = ir::front::onnx::proto::TensorProto::decode(&*bytes).unwrap();
        tensor.name = graph.input[next].name.clone();
        graph.initializer.push(tensor);
    }
}

/// How a result differs, with the tolerances of the ONNX backend tests.
fn differs(a: &Tensor, b: &Tensor) -> Option<String> {
    if a.ty() != b.ty() {
        return Some(format!("{} instead of {}", a.ty(), b.ty()));
    }
    let (Data::Float(x), Data::Float(y)) = (a.data(), b.data()) else {
        return (a.data() != b.data()).then(|| format!("{:?} instead of {:?}", a.data(), b.data()));
    };
    let near = |(p, q): &(&f32, &f32)| {
        p == q || p.is_nan() && q.is_nan() || f64::from((*p - *q).abs()) <= 1e-7 + 1e-3 * f64::from(q.abs())
    };
    x.iter().zip(y).find(|pair| !near(pair)).map(|(p, q)| format!("{p} instead of {q}"))
}

/// Passed, refused and failed.
fn counts<'n>(tests: impl Iterator<Item = &'n Node>) -> [usize; 3] {
    tests.fold([0; 3], |mut counts, test| {
        counts[match test.outcome {
            Outcome::Passed => 0,
            Outcome::Refused(_) => 1,
            Outcome::Failed(_) => 2,
        }] += 1;
        counts
    })
}

/// The page.
pub fn page(tests: &[Node], unknown: &BTreeSet<String>) -> String {
    let mut text = String::from(
        "# ONNX operators\n\n@generated by `tests/network/nodes.rs`; CONTRIBUTING says how.\n\n\
         Operators are known by their name, in whichever domain they stand. The counts are of the node tests of ONNX 1.22.0: \
         models of one operator with inputs and outputs. What is refused is refused by name before anything is computed.\n\n\
         | operator | passed | refused | failed |\n|---|---|---|---|\n",
    );
    let mut names: Vec<&str> = onnx::operators().collect();
    names.sort_unstable();
    for name in names {
        let [passed, refused, failed] = counts(tests.iter().filter(|t| t.operator.as_deref() == Some(name)));
        let _ = writeln!(text, "| {name} | {passed} | {refused} | {failed} |");
    }
    let [passed, refused, failed] = counts(tests.iter().filter(|t| t.operator.is_none()));
    let _ = writeln!(text, "| bodies of functions, several operators | {passed} | {refused} | {failed} |");
    let [passed, refused, failed] = counts(tests.iter());
    let _ = writeln!(text, "| **all** | {passed} | {refused} | {failed} |");
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in tests {
        match &test.outcome {
            Outcome::Refused(why) => reasons.entry(why).or_default().push(&test.name),
            Outcome::Failed(_) | Outcome::Passed => {}
        }
    }
    text.push_str("\n## What is refused\n\n| why | tests |\n|---|---|\n");
    for (why, names) in reasons {
        let _ = writeln!(text, "| {} | {} |", why.replace('|', "\\|").replace('\n', " "), names.join(", "));
    }
    let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
    let _ = writeln!(text, "\n## Operators of the node tests that are not read\n\n{}", unknown.join(", "));
    text
}

#[test]
#[ignore = "TILEWRIGHT_ONNX_NODES=FOLDER cargo test --test network nodes -- --ignored"]
fn node_tests_pass_or_are_refused() {
    let folder =
        std::env::var("TILEWRIGHT_ONNX_NODES").expect("TILEWRIGHT_ONNX_NODES names the folder of node tests");
    let (tests, unknown) = run(Path::new(&folder));
    let failed: Vec<String> = tests
        .iter()
        .filter_map(|t| match &t.outcome {
            Outcome::Failed(why) => Some(format!("{}: {why}", t.name)),
            _ => None,
        })
        .collect();
    let [passed, refused, _] = counts(tests.iter());
    println!("{passed} passed, {refused} refused");
    assert!(passed > 900 && failed.is_empty(), "{}", failed.join("\n"));
    let page = page(&tests, &unknown);
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        fs::write(PAGE, &page).unwrap();
    }
    assert!(fs::read_to_string(PAGE).unwrap() == page, "{PAGE} is not what the tests say");
}

#[test]
fn the_page_has_every_operator() {
    let page = fs::read_to_string(PAGE).unwrap();
    let rows = page.lines().filter_map(|l| l.strip_prefix("| ")?.strip_suffix(" | 0 |")?.split(" | ").next());
    let listed: BTreeSet<&str> = rows.collect();
    let missing: Vec<&str> = onnx::operators().filter(|name| !listed.contains(name)).collect();
    assert!(missing.is_empty(), "no row without failures for {missing:?}");
}
