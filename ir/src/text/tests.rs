use super::*;
use crate::constant::Constant;
use crate::graph::{Builder, Graph, Origin};
use crate::op::{Add, Concat, Gather, Linear, Reshape, RmsNorm, Transpose};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape, Type};

fn sample() -> Graph {
    let mut b = Builder::new("a \"small\" one\n");
    let tokens = b.input("tokens", Type::new(DType::I64, Shape(vec![Dim::Symbol("n".into())])));
    let table = Tensor::f32([2, 3], vec![0.1, -0.0, 1e-30, f32::INFINITY, 3.0, 1.5e9]).unwrap();
    let table = b.constant("table", table.to_constant());
    let big = b.constant("big", Tensor::f32([6, 3], vec![1.0; 18]).unwrap().to_constant());
    let gain = b.constant("", Constant::absent(Type::of(DType::F32, [3])));
    let small = Tensor::new(DType::I4, [3], Data::Int(vec![-8, 7, 0])).unwrap();
    b.constant("unused", small.to_constant());
    let x = b.node1(Gather { axis: 0 }, &[table, tokens], Origin::named("embed").in_block(3)).unwrap();
    let y = b.node1(RmsNorm { eps: 1e-6 }, &[x, gain], Origin::default()).unwrap();
    let z = b.node1(Add {}, &[x, y], Origin::named("/add")).unwrap();
    let w = b.node1(Linear {}, &[z, big], Origin::default()).unwrap();
    let shape = Shape(vec![Dim::Symbol("n".into()), Dim::Static(6)]);
    let w = b.node1(Reshape { shape }, &[w], Origin::default()).unwrap();
    let t = b.node1(Transpose { perm: vec![1, 0] }, &[w], Origin::default()).unwrap();
    let c = b.node1(Concat { axis: 0 }, &[t, t], Origin::default()).unwrap();
    b.output("y", c);
    b.finish().unwrap()
}

#[test]
fn print_parse_print_is_the_identity() {
    let graph = sample();
    let text = print(&graph);
    let again = parse(&text).unwrap_or_else(|d| panic!("{d}\n{text}"));
    assert_eq!(again, graph);
    assert_eq!(print(&again), text);
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn diagnostics() {
    let cases = [
        ("empty", ""),
        ("unclosed", "graph \"g\" {\n"),
        ("unknown statement", "graph \"g\" {\n  inptu %0 \"x\": f32[2]\n}"),
        ("unknown type", "graph \"g\" {\n  input %0 \"x\": f31[2]\n}"),
        ("undefined value", "graph \"g\" {\n  output \"y\": %7\n}"),
        ("defined twice", "graph \"g\" {\n  input %0 \"x\": f32[2]\n  input %0 \"y\": f32[2]\n}"),
        ("unknown operator", "graph \"g\" {\n  input %0 \"x\": f32[2]\n  n0 %1: f32[2] = sigmod(%0)\n}"),
        ("wrong type", "graph \"g\" {\n  input %0 \"x\": f32[2]\n  n0 %1: f32[3] = sigmoid(%0)\n}"),
        ("used early", "graph \"g\" {\n  n0 %0: f32[2] = neg(%1)\n  n1 %1: f32[2] = neg(%0)\n}"),
        ("arity", "graph \"g\" {\n  input %0 \"x\": f32[2]\n  n0 %1: f32[2] = add(%0)\n}"),
        ("missing attribute", "graph \"g\" {\n  input %0 \"x\": f32[2]\n  n0 %1: f32[2] = softmax(%0)\n}"),
        ("absurd shape", "graph \"g\" {\n  input %0 \"x\": f32[4294967296, 4294967296, 4294967296]\n}"),
        ("absurd constant", "graph \"g\" {\n  const %0 \"x\": f32[99999999999999] = absent\n}"),
        ("wrong length", "graph \"g\" {\n  const %0 \"x\": f32[3] = [1.0, 2.0]\n}"),
        ("wrong bytes", "graph \"g\" {\n  const %0 \"x\": f32[3] = hex 00ff\n}"),
    ];
    let rendered: Vec<String> =
        cases.iter().map(|(name, text)| format!("--- {name}\n{}\n", error(text))).collect();
    insta::assert_snapshot!(rendered.concat());
}
