//! Seeded mutation of inputs: parsers and everything behind them must refuse or accept, never panic, and stay within
//! bounded memory. A failing seed is printed by the panic that it causes.

use crate::corpus;
use crate::decoder::recognise;
use crate::eval::evaluate;
use crate::front::onnx::proto::{AttributeProto, ModelProto, NodeProto, TensorProto};
use crate::front::onnx::{Options, import, operators};
use crate::graph::Graph;
use crate::pass;
use crate::tensor::{Data, Tensor};
use crate::text;
use prost::Message;

mod checkpoints;
mod random;

use random::*;

fn mutate_tensor(random: &mut Random, tensor: &mut TensorProto) {
    match random.below(6) {
        0 => tensor.dims.push(random.number()),
        1 => drop(tensor.dims.pop()),
        2 => tensor.data_type = random.below(28) as i32,
        3 => tensor.raw_data.truncate(random.below(64)),
        4 if !tensor.raw_data.is_empty() => {
            let mut bytes = tensor.raw_data.to_vec();
            mutate_bytes(random, &mut bytes);
            tensor.raw_data = bytes.into();
        }
        _ => {
            let (at, number) = (random.below(tensor.dims.len()), random.number());
            tensor.dims.get_mut(at).into_iter().for_each(|d| *d = number);
        }
    }
}

fn mutate_attribute(random: &mut Random, attribute: &mut AttributeProto) {
    match &mut attribute.t {
        Some(tensor) => mutate_tensor(random, tensor),
        None if random.below(2) == 0 => attribute.i = random.number(),
        None => {
            let number = random.number();
            attribute.ints.first_mut().into_iter().for_each(|i| *i = number);
        }
    }
}

fn mutate_node(random: &mut Random, node: &mut NodeProto, names: &[String], kinds: &[String]) {
    let at = random.below(node.input.len());
    match random.below(5) {
        0 => node.op_type = random.pick(kinds).clone(),
        1 => node.input.push(random.pick(names).clone()),
        2 => drop(node.input.pop()),
        3 if !node.attribute.is_empty() => {
            let at = random.below(node.attribute.len());
            mutate_attribute(random, &mut node.attribute[at]);
        }
        _ => node.input.get_mut(at).into_iter().for_each(|i| *i = random.pick(names).clone()),
    }
}

fn mutate_model(random: &mut Random, model: &mut ModelProto, kinds: &[String]) {
    let Some(graph) = &mut model.graph else { return };
    let names: Vec<String> = graph.node.iter().flat_map(|n| n.output.clone()).collect();
    let node = random.below(graph.node.len());
    match random.below(8) {
        0 => {
            let at = random.below(graph.initializer.len());
            mutate_tensor(random, &mut graph.initializer[at]);
        }
        1 => drop(graph.node.remove(node)),
        2 => {
            let at = random.below(graph.input.len());
            let dims =
                graph.input[at].r#type.iter_mut().flat_map(|t| &mut t.tensor_type).flat_map(|t| &mut t.shape);
            let number = random.number();
            dims.for_each(|s| s.dim.iter_mut().for_each(|d| d.dim_value = Some(number)));
        }
        _ => mutate_node(random, &mut graph.node[node], &names, kinds),
    }
}

/// Everything that may follow an import, without an evaluation.
fn exercise(result: Result<Graph, crate::diag::Diagnostic>) -> bool {
    let Ok(graph) = result else { return false };
    assert!(text::parse(&text::print(&graph)).is_ok_and(|g| text::print(&g) == text::print(&graph)));
    let Ok(normal) = pass::run(&pass::normalise(), graph, |_, _| ()) else { return false };
    recognise(&normal).is_ok_and(|found| found.decoder.graph(2, 3).is_ok())
}

/// The pair whose weights are in another file, which stays away here: 80 kB each.
fn small_models() -> Vec<Vec<u8>> {
    corpus::llamas().skip(1).take(1).flatten().map(|case| case.model.to_vec()).collect()
}

#[test]
fn mutated_onnx_bytes_are_refused_or_read() {
    for (kind, bytes) in small_models().into_iter().enumerate() {
        for n in 0..rounds(600) {
            let seed = Seed("bytes of an ONNX file", n * 2 + kind as u64);
            let (mut random, mut bytes) = (Random(seed.1), bytes.clone());
            (0..=random.below(3)).for_each(|_| {
                if !bytes.is_empty() {
                    mutate_bytes(&mut random, &mut bytes)
                }
            });
            exercise(import(&bytes, &Options::default()));
        }
    }
    assert_memory_stayed_small();
}

#[test]
fn mutated_onnx_models_are_refused_or_read() {
    for bytes in small_models() {
        let model = ModelProto::decode(bytes.as_slice()).unwrap();
        let nodes = model.graph.iter().flat_map(|g| &g.node);
        let mut kinds: Vec<String> = nodes.map(|n| n.op_type.clone()).collect();
        kinds.extend(operators().map(String::from));
        kinds.sort();
        kinds.dedup();
        let mut whole = 0;
        for n in 0..rounds(1000) {
            let seed = Seed("an ONNX model", n);
            let (mut random, mut model) = (Random(seed.1), model.clone());
            (0..=random.below(3)).for_each(|_| mutate_model(&mut random, &mut model, &kinds));
            whole += usize::from(exercise(import(&model.encode_to_vec(), &Options::default())));
        }
        // Some mutations do not matter; if none passed, the rest of the pipeline would not be exercised.
        assert!(whole > 10, "{whole}");
    }
    assert_memory_stayed_small();
}

/// Every operator, in the text form.
const ZOO: &str = include_str!("mutation/zoo.tw");

fn zeros(graph: &Graph) -> Option<Vec<Tensor>> {
    let zero = |&id| {
        let (shape, dtype) = (graph.ty(id).shape.fixed()?, graph.ty(id).dtype);
        let count = shape.iter().product();
        Tensor::new(dtype, shape, Data::zeros(dtype, count))
    };
    graph.inputs().iter().map(zero).collect()
}

#[test]
fn the_zoo_names_every_operator_and_evaluates() {
    let graph = text::parse(ZOO).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(text::print(&graph), ZOO);
    let missing: Vec<_> = crate::op::Op::NAMES.iter().filter(|n| !ZOO.contains(&format!("= {n}("))).collect();
    assert!(missing.is_empty(), "add these to mutation/zoo.tw: {missing:?}");
    evaluate(&graph, &zeros(&graph).unwrap()).unwrap();
}

#[test]
fn mutated_text_is_refused_or_evaluated() {
    let lines: Vec<&str> = ZOO.lines().collect();
    let mut evaluated = 0;
    for n in 0..rounds(6000) {
        let seed = Seed("text", n);
        let mut random = Random(seed.1);
        let mut lines: Vec<Vec<u8>> = lines.iter().map(|l| l.as_bytes().to_vec()).collect();
        for _ in 0..=random.below(2) {
            let at = 1 + random.below(lines.len() - 2);
            match random.below(4) {
                0 => lines.swap(at, 1 + at / 2),
                1 => lines[at] = number_replaced(&mut random, &lines[at]),
                2 => lines[at] = random.pick(&lines[1..]).clone(),
                _ if !lines[at].is_empty() => mutate_bytes(&mut random, &mut lines[at]),
                _ => {}
            }
        }
        let Ok(graph) = text::parse(&String::from_utf8_lossy(&lines.join(&b'\n'))) else { continue };
        let printed = text::print(&graph);
        assert_eq!(text::parse(&printed).map(|g| text::print(&g)), Ok(printed));
        let extent = graph.values().map(|(_, v)| v.ty.shape.extent().unwrap_or(u64::MAX)).max().unwrap_or(0);
        if let Some(inputs) = zeros(&graph).filter(|_| extent < 1 << 16) {
            evaluated += usize::from(evaluate(&graph, &inputs).is_ok());
        }
        let _ = pass::run(&pass::normalise(), graph, |_, _| ());
    }
    assert!(evaluated > 100, "{evaluated}");
    assert_memory_stayed_small();
}
