use crate::corpus::{Case, llamas};
use crate::eval::evaluate;
use crate::graph::Graph;
use crate::pass;
use crate::text;

/// The graph as it is imported, and in normal form, gives the outputs of the vectors.
fn assert_vectors(case: &Case) {
    let graph = case.import();
    let error = |graph: &Graph| {
        case.error(&evaluate(graph, &case.inputs).unwrap_or_else(|d| panic!("{}: {d}", case.name)))
    };
    let imported = error(&graph);
    let normal = pass::run(&pass::normalise(), graph, |_, _| ()).unwrap();
    let normalised = error(&normal);
    println!("{}: {imported:e}, normalised {normalised:e}, {} nodes", case.name, normal.node_count());
    assert!(imported <= 1e-4 && normalised <= 1e-4, "{}", case.name);
}

#[test]
fn evaluator_reproduces_the_shipped_vectors() {
    llamas().flatten().for_each(|case| assert_vectors(&case));
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

mod broken {
    use crate::front::onnx::proto::{
        AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
        StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    };
    use crate::front::onnx::{Options, import, read_tensor};
    use prost::Message;

    fn model(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
        let dim = |n| DimensionProto { dim_value: n, dim_param: n.is_none().then(|| "batch".into()) };
        let shape = TensorShapeProto { dim: vec![dim(None), dim(Some(4))] };
        let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: Some(shape) });
        let value = |name: &str| ValueInfoProto {
            name: name.into(),
            r#type: Some(TypeProto { tensor_type: tensor_type.clone() }),
        };
        let (input, output) = (vec![value("x")], vec![value("y")]);
        let graph =
            GraphProto { node: nodes, name: "g".into(), initializer, input, output, ..Default::default() };
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
        ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }
    }

    fn node(op_type: &str, input: &[&str], output: &str) -> NodeProto {
        let input = input.iter().map(|s| s.to_string()).collect();
        let name = format!("/{op_type}");
        NodeProto { input, output: vec![output.into()], name, op_type: op_type.into(), ..Default::default() }
    }

    fn longs(name: &str, data: &[i64]) -> TensorProto {
        let dims = vec![data.len() as i64];
        TensorProto { dims, data_type: 7, int64_data: data.to_vec(), name: name.into(), ..Default::default() }
    }

    fn error(bytes: &[u8]) -> String {
        import(bytes, &Options::default()).map_or_else(|d| d.to_string(), |_| "read without complaint".into())
    }

    fn render(name: &str, model: &ModelProto) -> String {
        format!("--- {name}\n{}\n", error(&model.encode_to_vec()))
    }

    /// A model of one operator on `x` and the initialiser `c`.
    fn single(op_type: &str, c: TensorProto) -> ModelProto {
        model(vec![node(op_type, &["x", "c"], "y")], vec![c])
    }

    #[test]
    fn diagnostics_of_nodes() {
        let unsupported = vec![
            node("GridSample", &["x", "x"], "a"),
            NodeProto { domain: "com.microsoft".into(), ..node("BeamSearch", &["a"], "b") },
            node("GridSample", &["b", "x"], "y"),
        ];
        let mut old = model(vec![node("Relu", &["x"], "y")], vec![]);
        old.opset_import[0].version = 9;
        let fill = node("ConstantOfShape", &["c"], "y");
        let cast = AttributeProto { name: "to".into(), i: 8, ..Default::default() };
        let cast = NodeProto { attribute: vec![cast], ..node("Cast", &["x"], "y") };
        let rendered = [
            render("unsupported operators", &model(unsupported, vec![])),
            render("old operator set", &old),
            render("undefined operand", &model(vec![node("Relu", &["z"], "y")], vec![])),
            render("defined twice", &model(vec![node("Relu", &["x"], "x")], vec![])),
            render("shapes that do not fit", &single("Add", longs("c", &[1, 2, 3]))),
            render("reshape to another size", &single("Reshape", longs("c", &[3, 5]))),
            render("reshape without a known target", &model(vec![node("Reshape", &["x", "x"], "y")], vec![])),
            render("shape of a named dimension", &model(vec![node("Shape", &["x"], "y")], vec![])),
            render("axis out of range", &single("Unsqueeze", longs("c", &[7]))),
            render("absurd fill", &model(vec![fill.clone()], vec![longs("c", &[1 << 40, 1 << 40])])),
            render("negative fill", &model(vec![fill], vec![longs("c", &[-2])])),
            render("absurd range", &model(vec![node("Range", &["a", "b", "s"], "y")], ranges())),
            render("strings", &model(vec![cast], vec![])),
        ];
        insta::assert_snapshot!(rendered.concat());
    }

    fn ranges() -> Vec<TensorProto> {
        let scalar = |name, x| TensorProto { dims: vec![], ..longs(name, &[x]) };
        vec![scalar("a", 0), scalar("b", i64::MAX), scalar("s", 1)]
    }

    #[test]
    fn diagnostics_of_files_and_tensors() {
        let good = single(
            "Mul",
            TensorProto { dims: vec![4], data_type: 1, float_data: vec![1.0; 4], ..longs("c", &[]) },
        );
        let bytes = good.encode_to_vec();
        assert_eq!(error(&bytes), "read without complaint");
        let tensor = |f: &dyn Fn(&mut TensorProto)| {
            let mut model = good.clone();
            model.graph.iter_mut().flat_map(|g| &mut g.initializer).for_each(f);
            model
        };
        let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        let external = tensor(&|t| {
            t.data_location = 1;
            t.external_data = vec![entry("location", "w.bin"), entry("offset", "8"), entry("length", "16")];
        });
        let mut options = Options::default();
        assert!(
            import(&external.encode_to_vec(), &options).is_ok(),
            "an absent file makes an absent constant"
        );
        options.external.insert("w.bin".into(), vec![0; 20].into());
        let outside = import(&external.encode_to_vec(), &options).unwrap_err();
        let text = [
            format!("--- empty\n{}\n", error(&[])),
            format!("--- truncated\n{}\n", error(&bytes[..bytes.len() - 9])),
            format!("--- no ONNX\n{}\n", error(b"graph \"text\" {\n}\n")),
            format!("--- no tensor\n{}\n", read_tensor(&bytes[..20]).unwrap_err()),
            render("too few elements", &tensor(&|t| t.float_data.truncate(3))),
            render("too few bytes", &tensor(&|t| (t.float_data, t.raw_data) = (vec![], vec![0; 15].into()))),
            render("negative dimension", &tensor(&|t| t.dims = vec![-4])),
            render("absurd dimensions", &tensor(&|t| t.dims = vec![1 << 62, 1 << 62])),
            render("many axes", &tensor(&|t| t.dims = vec![1; 4000])),
            render("unknown type", &tensor(&|t| t.data_type = 99)),
            format!("--- outside of the external file\n{outside}\n"),
        ];
        insta::assert_snapshot!(text.concat());
    }
}
