//! Forms that a file may take, each written by hand: the results are those of the plain form.

use super::proto::{
    AttributeProto, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    SparseTensorProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::{Options, import};
use crate::eval::evaluate;
use crate::tensor::Tensor;
use prost::Message;

fn value(name: &str, elem_type: i32, dims: &[&str]) -> ValueInfoProto {
    let dim = |d: &&str| match d.parse() {
        Ok(n) => DimensionProto { dim_value: Some(n), dim_param: None },
        Err(_) => DimensionProto { dim_value: None, dim_param: Some(d.to_string()) },
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
    let input = inputs.iter().map(|s| s.to_string()).collect();
    NodeProto { input, output: vec![output.into()], op_type: op_type.into(), ..Default::default() }
}

fn floats(name: &str, data: &[f32]) -> TensorProto {
    let dims = vec![data.len() as i64];
    TensorProto { dims, data_type: 1, float_data: data.to_vec(), name: name.into(), ..Default::default() }
}

fn longs(name: &str, dims: &[i64], data: &[i64]) -> TensorProto {
    let (dims, int64_data) = (dims.to_vec(), data.to_vec());
    TensorProto { dims, data_type: 7, int64_data, name: name.into(), ..Default::default() }
}

/// A model of `x [n, 4]` and `y`.
fn model(version: i64, node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let (input, output) = (vec![value("x", 1, &["n", "4"])], vec![value("y", 1, &["n", "4"])]);
    let graph = GraphProto { node, name: "g".into(), initializer, input, output, ..Default::default() };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }
}

const X: [f32; 8] = [-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0];

/// `y` of a model for `n` = 2.
fn run(model: &ModelProto) -> Vec<f32> {
    let bindings = [("n".to_string(), 2)].into();
    let graph = import(&model.encode_to_vec(), &Options { bindings, ..Options::default() });
    let graph = graph.unwrap_or_else(|d| panic!("{d}"));
    let x = Tensor::f32([2, 4], X.to_vec()).unwrap();
    evaluate(&graph, &[x]).unwrap()[0].floats().to_vec()
}

/// Wide unsigned constants, in bytes and in fields: as shapes of a reshape to and fro.
#[test]
fn constants_of_wide_unsigned_types_are_read() {
    let raw = |data_type, bytes: Vec<u8>| TensorProto {
        dims: vec![2],
        data_type,
        raw_data: bytes.into(),
        name: "s".into(),
        ..Default::default()
    };
    let four = [4u32, 2].iter().flat_map(|x| x.to_le_bytes()).collect();
    let eight = |x: u64| [x, 2].iter().flat_map(|x| x.to_le_bytes()).collect();
    let fields = |data_type| TensorProto { uint64_data: vec![4, 2], ..raw(data_type, Vec::new()) };
    let reshaped = |shape: TensorProto| {
        let nodes = vec![node("Reshape", &["x", "s"], "z"), node("Reshape", &["z", "back"], "y")];
        model(17, nodes, vec![shape, longs("back", &[2], &[2, 4])])
    };
    for shape in [raw(12, four), raw(13, eight(4)), fields(12), fields(13)] {
        assert_eq!(run(&reshaped(shape)), X);
    }
    assert!(refusal(&reshaped(raw(13, eight(u64::MAX)))).contains("below 2^63"));
}

/// A number for a dimension that there is not is no slip to be passed over.
#[test]
fn bindings_name_dimensions_of_the_model() {
    let relu = model(17, vec![node("Relu", &["x"], "y")], vec![]).encode_to_vec();
    let bound = |name: &str| {
        let bindings = [(name.to_string(), 2)].into();
        import(&relu, &Options { bindings, ..Options::default() })
    };
    assert!(bound("n").is_ok());
    insta::assert_snapshot!(bound("m").unwrap_err());
}

fn refusal(model: &ModelProto) -> String {
    import(&model.encode_to_vec(), &Options::default()).unwrap_err().to_string()
}

#[test]
fn operator_sets_and_domains() {
    for version in 13..=23 {
        assert_eq!(run(&model(version, vec![node("Relu", &["x"], "y")], vec![])), X.map(|x| x.max(0.0)));
    }
    let strange = NodeProto { domain: "com.microsoft".into(), ..node("Relu", &["x"], "y") };
    assert_eq!(run(&model(17, vec![strange], vec![])), X.map(|x| x.max(0.0)));
}

#[test]
fn initialisers_that_are_listed_as_inputs() {
    let mut listed = model(13, vec![node("Add", &["x", "w"], "y")], vec![floats("w", &[1.0, 2.0, 3.0, 4.0])]);
    let plain = run(&listed);
    listed.graph.as_mut().unwrap().input.insert(0, value("w", 1, &["4"]));
    assert_eq!(run(&listed), plain);
    assert_eq!(plain[..4], [-2.0, 1.0, 3.0, 4.5]);
}

#[test]
fn sparse_initialisers_and_constants() {
    let dense =
        run(&model(13, vec![node("Add", &["x", "w"], "y")], vec![floats("w", &[0.0, 5.0, 0.0, -1.0])]));
    let sparse = |indices: TensorProto| SparseTensorProto {
        values: Some(floats("w", &[5.0, -1.0])),
        indices: Some(indices),
        dims: vec![4],
    };
    for indices in [longs("i", &[2], &[1, 3]), longs("i", &[2, 1], &[1, 3])] {
        let mut m = model(13, vec![node("Add", &["x", "w"], "y")], vec![]);
        m.graph.as_mut().unwrap().sparse_initializer.push(sparse(indices.clone()));
        assert_eq!(run(&m), dense);
        let attribute = AttributeProto {
            name: "sparse_value".into(),
            sparse_tensor: Some(sparse(indices)),
            ..Default::default()
        };
        let constant = NodeProto { attribute: vec![attribute], ..node("Constant", &[], "w") };
        assert_eq!(run(&model(13, vec![constant, node("Add", &["x", "w"], "y")], vec![])), dense);
    }
    let mut outside = model(13, vec![node("Add", &["x", "w"], "y")], vec![]);
    outside.graph.as_mut().unwrap().sparse_initializer.push(sparse(longs("i", &[2], &[1, 4])));
    let mut absurd = outside.clone();
    absurd.graph.as_mut().unwrap().sparse_initializer[0].dims = vec![1 << 39];
    insta::assert_snapshot!([refusal(&outside), refusal(&absurd)].join("\n\n"));
}

#[test]
fn packed_fields_of_narrow_integers() {
    let codes =
        |name: &str| TensorProto { dims: vec![4], data_type: 21, name: name.into(), ..Default::default() };
    let fields = TensorProto { int32_data: vec![0x21, 0x43], ..codes("c") };
    let raw = TensorProto { raw_data: vec![0x21u8, 0x43].into(), ..codes("c") };
    let scale = TensorProto { dims: vec![], ..floats("s", &[0.5]) };
    for tensor in [fields, raw] {
        let nodes = vec![node("DequantizeLinear", &["c", "s"], "w"), node("Add", &["x", "w"], "y")];
        let result = run(&model(21, nodes, vec![tensor, scale.clone()]));
        assert_eq!(result[..4], [-2.5, 0.0, 1.5, 2.5]);
    }
}

/// `scaled(a) = a * k + 1`, k an attribute with a default; `twice(a) = scaled(scaled(a))`.
fn functions() -> Vec<FunctionProto> {
    let names = |all: &[&str]| all.iter().map(|s| s.to_string()).collect();
    let reference =
        AttributeProto { name: "value_float".into(), ref_attr_name: "k".into(), ..Default::default() };
    let one = AttributeProto { name: "value_float".into(), f: 1.0, ..Default::default() };
    let constant = |a, name| NodeProto { attribute: vec![a], ..node("Constant", &[], name) };
    let body = vec![
        constant(reference, "f"),
        node("Mul", &["a", "f"], "m"),
        constant(one, "o"),
        node("Add", &["m", "o"], "b"),
    ];
    let default = AttributeProto { name: "k".into(), f: 2.0, ..Default::default() };
    let local = |n: NodeProto| NodeProto { domain: "local".into(), ..n };
    let given = AttributeProto { name: "k".into(), f: 3.0, ..Default::default() };
    let inner = [
        local(node("scaled", &["a"], "m")),
        NodeProto { attribute: vec![given], ..local(node("scaled", &["m"], "b")) },
    ];
    let function = |name: &str, node: Vec<NodeProto>, defaults: Vec<AttributeProto>| FunctionProto {
        name: name.into(),
        domain: "local".into(),
        input: names(&["a"]),
        output: names(&["b"]),
        node,
        attribute_proto: defaults,
    };
    vec![function("scaled", body, vec![default]), function("twice", inner.to_vec(), vec![])]
}

#[test]
fn local_functions_are_put_in_place_of_their_calls() {
    let call = |name: &str, x: &str, y: &str| NodeProto { domain: "local".into(), ..node(name, &[x], y) };
    let mut m = model(18, vec![call("twice", "x", "m"), call("scaled", "m", "y")], vec![]);
    m.functions = functions();
    assert_eq!(run(&m), X.map(|x| ((x * 2.0 + 1.0) * 3.0 + 1.0) * 2.0 + 1.0));
    m.functions[0].node = vec![call("twice", "a", "b")];
    insta::assert_snapshot!(refusal(&m));
}

#[test]
fn what_is_found_while_the_graph_runs_has_a_name() {
    // The rows of x in which the first element is positive, through shape arithmetic on how many there are.
    let attribute = |name: &str, i: i64| AttributeProto { name: name.into(), i, ..Default::default() };
    let gather = |x: &str, i: &str, y: &str, axis: i64| NodeProto {
        attribute: vec![attribute("axis", axis)],
        ..node("Gather", &[x, i], y)
    };
    let concat =
        NodeProto { attribute: vec![attribute("axis", 0)], ..node("Concat", &["count", "four"], "target") };
    let nodes = vec![
        gather("x", "zero", "first", 1),
        node("Greater", &["first", "nothing"], "positive"),
        node("NonZero", &["positive"], "found"),
        gather("found", "zero", "rows", 0),
        gather("x", "rows", "kept", 0),
        node("Shape", &["rows"], "count"),
        concat,
        node("Reshape", &["kept", "target"], "y"),
    ];
    let scalar = |t: TensorProto| TensorProto { dims: vec![], ..t };
    let constants =
        vec![scalar(longs("zero", &[1], &[0])), longs("four", &[1], &[4]), scalar(floats("nothing", &[0.0]))];
    let m = model(17, nodes.clone(), constants.clone());
    assert_eq!(run(&m), X[4..]);
    // A number of rows that is not known cannot be reshaped to a known one.
    let mut wrong = constants;
    wrong[1] = longs("four", &[1], &[3]);
    let bindings = [("n".to_string(), 2)].into();
    let graph = import(&model(17, nodes, wrong).encode_to_vec(), &Options { bindings, ..Options::default() });
    insta::assert_snapshot!(graph.unwrap_err().to_string());
}
