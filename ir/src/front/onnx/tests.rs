use crate::corpus::{llamas, relative_error};
use crate::eval::evaluate;
use crate::graph::Graph;
use crate::pass;
use crate::tensor::Tensor;
use crate::text;

fn worst_error(graph: &Graph, inputs: &[Tensor], expected: &[Tensor]) -> f32 {
    let outputs = evaluate(graph, inputs).unwrap();
    assert_eq!(outputs.len(), expected.len());
    let error = |(a, b): (&Tensor, &Tensor)| {
        assert_eq!(a.ty(), b.ty());
        relative_error(a.floats(), b.floats())
    };
    outputs.iter().zip(expected).map(error).fold(0.0, f32::max)
}

#[test]
fn evaluator_reproduces_the_shipped_vectors() {
    for case in llamas().flatten() {
        let graph = case.import();
        let imported = worst_error(&graph, &case.inputs, &case.outputs);
        let normal = pass::run(&pass::normalise(), graph, |_, _| ()).unwrap();
        let normalised = worst_error(&normal, &case.inputs, &case.outputs);
        println!("{}: {imported:e}, normalised {normalised:e}, {} nodes", case.name, normal.node_count());
        assert!(imported <= 1e-4 && normalised <= 1e-4);
    }
}

#[test]
fn imported_graphs_round_trip_through_text() {
    for case in llamas().flatten() {
        let graph = case.import();
        let printed = text::print(&graph);
        let again = text::parse(&printed).unwrap();
        assert!(again == graph);
        assert!(text::print(&again) == printed);
    }
}
