//! Origins: every instruction that works for the network names the nodes of the model that it works for.

use crate::{machine, models, target};
use codegen::{Slot, plan};
use isa::program::Origin;
use isa::table::Unit;
use std::collections::BTreeSet;

/// Names of the nodes of the model file.
fn model_nodes() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/trained_llama_w2_prefill/model.onnx");
    let graph = ir::front::onnx::import(&std::fs::read(path).unwrap(), &Default::default()).unwrap();
    graph.nodes().map(|(_, node)| node.origin.name.to_string()).collect()
}

#[test]
fn every_cycle_belongs_to_nodes_of_the_model() {
    let (decoder, known) = (models::trained(), model_nodes());
    let target = target(&decoder, &machine("tiny"), &plan::Options::default());
    let mut seen: BTreeSet<Origin> = BTreeSet::new();
    for (tokens, slot) in [(1, Slot::Decode), (target.chunk, Slot::Chunk)] {
        let program = target.compile(tokens, slot).unwrap().program;
        for (i, instr) in program.instrs.iter().enumerate() {
            let origin = program.origin(i);
            let unit = instr.body.unit() != Unit::Sequencer;
            assert_eq!(unit, !origin.nodes.is_empty(), "instruction {i}: {origin:?}");
            seen.insert(origin.clone());
        }
    }
    for node in seen.iter().flat_map(|origin| &origin.nodes) {
        for layer in 0..decoder.layers.len() {
            let name = node.replace('*', &layer.to_string());
            assert!(known.contains(&name), "{name} is no node of the model");
        }
    }
    let line = |o: &Origin| format!("{:17} {}\n", o.step, o.nodes.join("\n                  "));
    insta::assert_snapshot!(seen.iter().map(line).collect::<String>());
}
