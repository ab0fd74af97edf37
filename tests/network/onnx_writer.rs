//! Writes decoders as ONNX files, as exporters do: heads of k and v repeated by a live `Expand`, angles gathered by
//! position, a mask that is added; or as those for onnxruntime do: q, k and v of one linear layer, attention and the rotary
//! embedding as operators of their own. The number of tokens is the named dimension `tokens`, the mask that of the writer.

use ir::front::onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use prost::Message;

/// Sizes of a decoder.
pub struct Sizes {
    pub tokens: usize,
    pub vocab: usize,
    pub hidden: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub intermediate: usize,
    pub layers: usize,
    pub form: Form,
}

/// How attention is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In operators of tensors.
    Apart,
    /// In operators of onnxruntime.
    Fused,
    /// The same, which turns queries and keys itself.
    Turning,
}

/// Positions that the table of angles holds.
const POSITIONS: usize = 64;
const THETA: f64 = 10000.0;
/// Operators of onnxruntime.
const RUNTIME: &str = "com.microsoft";

/// The bytes of a model whose weights are drawn from `seed`.
pub fn write(sizes: &Sizes, seed: u64) -> Vec<u8> {
    let mut w = Writer { graph: GraphProto { name: "grouped".into(), ..Default::default() }, draw: seed };
    w.model(sizes);
    let domains = [("", 23), (RUNTIME, 1)];
    let opset_import = domains.map(|(domain, version)| OperatorSetIdProto { domain: domain.into(), version });
    let opset_import = opset_import.to_vec();
    ModelProto { ir_version: 11, graph: Some(w.graph), opset_import, ..Default::default() }.encode_to_vec()
}

struct Writer {
    graph: GraphProto,
    draw: u64,
}

impl Writer {
    fn model(&mut self, s: &Sizes) {
        self.graph.input = vec![value("input_ids", 7, &[]), value("position_ids", 7, &[])];
        self.graph.output = vec![value("logits", 1, &[s.vocab])];
        self.tables(s);
        self.weight("embed", &[s.vocab, s.hidden], 1.0);
        self.node("Gather", &["embed", "input_ids"], "x0");
        for layer in 0..s.layers {
            self.layer(s, layer);
        }
        let last = format!("x{}", s.layers);
        self.norm(&last, "final", s.hidden);
        self.project("final", "lm_head", "logits", [s.hidden, s.vocab]);
    }

    /// Cosines, sines, mask, and the constants of shapes.
    fn tables(&mut self, s: &Sizes) {
        let angle = |i: usize| {
            let (position, pair) = (i / s.head_dim, i % s.head_dim % (s.head_dim / 2));
            position as f64 * THETA.powf(-2.0 * pair as f64 / s.head_dim as f64)
        };
        for (name, f) in [("cos", f64::cos as fn(f64) -> f64), ("sin", f64::sin)] {
            let all = (0..POSITIONS * s.head_dim).map(|i| f(angle(i)) as f32).collect();
            self.floats(&format!("{name}_table"), &[POSITIONS, s.head_dim], all);
            self.node("Gather", &[&format!("{name}_table"), "position_ids"], &format!("{name}_rows"));
            self.node("Unsqueeze", &[&format!("{name}_rows"), "one"], name);
            let half = s.head_dim / 2;
            let pairs = (0..POSITIONS * half).map(|i| f(angle(i / half * s.head_dim + i % half)) as f32);
            self.floats(&format!("{name}_pairs"), &[POSITIONS, half], pairs.collect());
        }
        for (name, number) in [("last_token", s.tokens - 1), ("all_tokens", s.tokens)] {
            let (dims, int32_data) = (vec![1], vec![number as i32]);
            let tensor =
                TensorProto { dims, data_type: 6, int32_data, name: name.into(), ..Default::default() };
            self.graph.initializer.push(tensor);
        }
        let hidden = |i: usize| if i % s.tokens > i / s.tokens { f32::MIN } else { 0.0 };
        self.floats("mask", &[1, 1, s.tokens, s.tokens], (0..s.tokens * s.tokens).map(hidden).collect());
        self.floats("scale", &[], vec![(s.head_dim as f32).sqrt().recip()]);
        let (half, dim, shared) = (s.head_dim / 2, s.head_dim, s.heads / s.kv_heads);
        self.longs("zero", &[0]);
        self.longs("one", &[1]);
        self.longs("two", &[2]);
        self.longs("half", &[half]);
        self.longs("dim", &[dim]);
        self.longs("last", &[3]);
        self.longs("repeat", &[1, s.kv_heads, shared, 1, 1]);
        // -1: as many as there are.
        self.shape("q_heads", &[1, -1, s.heads as i64, dim as i64]);
        self.shape("kv_heads", &[1, -1, s.kv_heads as i64, dim as i64]);
        self.shape("all_heads", &[1, s.heads as i64, -1, dim as i64]);
        self.shape("rows", &[1, -1, (s.heads * dim) as i64]);
    }

    fn layer(&mut self, s: &Sizes, layer: usize) {
        let n = |part: &str| format!("layers.{layer}.{part}");
        let (x, middle, end) = (format!("x{layer}"), n("middle"), format!("x{}", layer + 1));
        self.norm(&x, &n("input_norm"), s.hidden);
        match s.form {
            Form::Apart => self.attention(s, &n),
            form => self.fused(s, &n, form == Form::Turning),
        }
        self.project(&n("merged"), &n("wo"), &n("attended"), [s.heads * s.head_dim, s.hidden]);
        self.node("Add", &[&x, &n("attended")], &middle);
        self.norm(&middle, &n("post_norm"), s.hidden);
        self.project(&n("post_norm"), &n("wgate"), &n("gate"), [s.hidden, s.intermediate]);
        self.project(&n("post_norm"), &n("wup"), &n("up"), [s.hidden, s.intermediate]);
        self.node("Sigmoid", &[&n("gate")], &n("sigmoid"));
        self.node("Mul", &[&n("gate"), &n("sigmoid")], &n("active"));
        self.node("Mul", &[&n("active"), &n("up")], &n("product"));
        self.project(&n("product"), &n("wdown"), &n("down"), [s.intermediate, s.hidden]);
        self.node("Add", &[&middle, &n("down")], &end);
    }

    /// From the norm to all heads side by side.
    fn attention(&mut self, s: &Sizes, n: &impl Fn(&str) -> String) {
        for (part, heads, shape) in
            [("q", s.heads, "q_heads"), ("k", s.kv_heads, "kv_heads"), ("v", s.kv_heads, "kv_heads")]
        {
            let (name, wide) = (n(part), n(&format!("{part}_wide")));
            self.project(&n("input_norm"), &n(&format!("w{part}")), &wide, [s.hidden, heads * s.head_dim]);
            self.node("Reshape", &[&wide, shape], &format!("{name}_split"));
            self.transpose(&format!("{name}_split"), &name, &[0, 2, 1, 3]);
        }
        for part in ["q", "k"] {
            self.rope(&n(part));
        }
        self.repeat(&n("k_turned"));
        self.repeat(&n("v"));
        self.transpose(&n("k_turned_all"), &n("keys"), &[0, 1, 3, 2]);
        self.node("MatMul", &[&n("q_turned"), &n("keys")], &n("products"));
        self.node("Mul", &[&n("products"), "scale"], &n("scores"));
        self.node("Add", &[&n("scores"), "mask"], &n("masked"));
        self.with_axis("Softmax", &[&n("masked")], &n("weights"), -1);
        self.node("MatMul", &[&n("weights"), &n("v_all")], &n("mixed"));
        self.transpose(&n("mixed"), &n("mixed_rows"), &[0, 2, 1, 3]);
        self.node("Reshape", &[&n("mixed_rows"), "rows"], &n("merged"));
    }

    /// The same, of one linear layer with a bias that is split, in operators of onnxruntime.
    fn fused(&mut self, s: &Sizes, n: &impl Fn(&str) -> String, turning: bool) {
        let (q, kv) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
        self.project(&n("input_norm"), &n("wqkv"), &n("product_qkv"), [s.hidden, q + 2 * kv]);
        self.weight(&n("bias"), &[q + 2 * kv], 1.0);
        self.node("Add", &[&n("product_qkv"), &n("bias")], &n("qkv"));
        self.longs(&n("widths"), &[q, kv, kv]);
        self.with_axis("Split", &[&n("qkv"), &n("widths")], &n("q"), -1);
        self.graph.node.last_mut().unwrap().output.extend([n("k"), n("v")]);
        let (mut queries, mut keys) = (n("q"), n("k"));
        if !turning {
            for (x, heads) in [(&mut queries, s.heads), (&mut keys, s.kv_heads)] {
                let turned = format!("{x}_turned");
                let operands = [x.as_str(), "position_ids", "cos_pairs", "sin_pairs"];
                self.of_runtime("RotaryEmbedding", &operands, &turned, &[("num_heads", heads)]);
                *x = turned;
            }
        }
        let tables = if turning { ["cos_pairs", "sin_pairs"] } else { [""; 2] };
        let operands = [&queries, &keys, &n("v"), "", "", "last_token", "all_tokens", tables[0], tables[1]];
        let numbers =
            [("num_heads", s.heads), ("kv_num_heads", s.kv_heads), ("do_rotary", usize::from(turning))];
        self.of_runtime("GroupQueryAttention", &operands, &n("merged"), &numbers);
    }

    fn of_runtime(&mut self, op: &str, inputs: &[&str], to: &str, numbers: &[(&str, usize)]) {
        self.node(op, inputs, to);
        let node = self.graph.node.last_mut().unwrap();
        node.domain = RUNTIME.into();
        node.attribute.extend(numbers.iter().map(|(name, i)| AttributeProto {
            name: (*name).into(),
            i: *i as i64,
            r#type: 2,
            ..Default::default()
        }));
    }

    /// `x cos + rotate_half(x) sin`.
    fn rope(&mut self, x: &str) {
        let n = |part: &str| format!("{x}_{part}");
        self.node("Mul", &[x, "cos"], &n("straight"));
        self.node("Slice", &[x, "zero", "half", "last"], &n("low"));
        self.node("Slice", &[x, "half", "dim", "last"], &n("high"));
        self.node("Neg", &[&n("high")], &n("negated"));
        self.with_axis("Concat", &[&n("negated"), &n("low")], &n("rotated"), -1);
        self.node("Mul", &[&n("rotated"), "sin"], &n("crossed"));
        self.node("Add", &[&n("straight"), &n("crossed")], &n("turned"));
    }

    /// Each head as often as heads of q share it.
    fn repeat(&mut self, x: &str) {
        self.node("Unsqueeze", &[x, "two"], &format!("{x}_one"));
        self.node("Expand", &[&format!("{x}_one"), "repeat"], &format!("{x}_more"));
        self.node("Reshape", &[&format!("{x}_more"), "all_heads"], &format!("{x}_all"));
    }

    fn norm(&mut self, x: &str, to: &str, width: usize) {
        let gain = format!("{to}.gain");
        let draw = (0..width).map(|_| 1.0 + self.unit() / 2.0).collect();
        self.floats(&gain, &[width], draw);
        self.node("RMSNormalization", &[x, &gain], to);
        if let Some(node) = self.graph.node.last_mut() {
            node.attribute.push(AttributeProto {
                name: "epsilon".into(),
                f: 1e-6,
                r#type: 1,
                ..Default::default()
            });
        }
    }

    fn project(&mut self, x: &str, weight: &str, to: &str, shape: [usize; 2]) {
        self.weight(weight, &shape, 2.0 / (shape[0] as f32).sqrt());
        self.node("MatMul", &[x, weight], to);
    }

    fn transpose(&mut self, x: &str, to: &str, perm: &[i64]) {
        self.node("Transpose", &[x], to);
        let attribute =
            AttributeProto { name: "perm".into(), ints: perm.to_vec(), r#type: 7, ..Default::default() };
        self.graph.node.last_mut().unwrap().attribute.push(attribute);
    }

    fn with_axis(&mut self, op: &str, inputs: &[&str], to: &str, axis: i64) {
        self.node(op, inputs, to);
        let attribute = AttributeProto { name: "axis".into(), i: axis, r#type: 2, ..Default::default() };
        self.graph.node.last_mut().unwrap().attribute.push(attribute);
    }

    /// A node with the name of its result.
    fn node(&mut self, op: &str, inputs: &[&str], to: &str) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: vec![to.into()],
            name: to.into(),
            op_type: op.into(),
            ..Default::default()
        });
    }

    fn weight(&mut self, name: &str, dims: &[usize], spread: f32) {
        let data = (0..dims.iter().product()).map(|_| self.unit() * spread).collect();
        self.floats(name, dims, data);
    }

    fn floats(&mut self, name: &str, dims: &[usize], float_data: Vec<f32>) {
        let dims = dims.iter().map(|&d| d as i64).collect();
        let tensor = TensorProto { dims, data_type: 1, float_data, name: name.into(), ..Default::default() };
        self.graph.initializer.push(tensor);
    }

    fn longs(&mut self, name: &str, data: &[usize]) {
        self.shape(name, &data.iter().map(|&d| d as i64).collect::<Vec<_>>());
    }

    fn shape(&mut self, name: &str, int64_data: &[i64]) {
        let (dims, int64_data) = (vec![int64_data.len() as i64], int64_data.to_vec());
        let tensor = TensorProto { dims, data_type: 7, int64_data, name: name.into(), ..Default::default() };
        self.graph.initializer.push(tensor);
    }

    /// From -1 to 1 (splitmix64, Steele et al. 2014).
    fn unit(&mut self) -> f32 {
        self.draw = self.draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.draw;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// An input or output of `[1, tokens]` and further axes.
fn value(name: &str, elem_type: i32, further: &[usize]) -> ValueInfoProto {
    let number = |n: i64| DimensionProto { dim_value: Some(n), dim_param: None };
    let mut dim = vec![number(1), DimensionProto { dim_value: None, dim_param: Some("tokens".into()) }];
    dim.extend(further.iter().map(|&n| number(n as i64)));
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}
