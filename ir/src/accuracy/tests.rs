use super::*;
use crate::corpus::{Case, llamas};
use crate::quant::tests::decoder;
use crate::quant::{QuantDecoder, Scheme};
use crate::session::generate;
use std::path::Path;

fn texts() -> Texts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
    let rows = Rows::parse(&std::fs::read(folder.join("llama_eval.npz")).unwrap()).unwrap();
    let questions = std::fs::read_to_string(folder.join("llama_questions.json")).unwrap();
    Texts { rows, questions: Question::parse(&questions).unwrap() }
}

fn case(name: &str) -> Case {
    llamas().map(|[prefill, _]| prefill).find(|case| case.name.contains(name)).unwrap()
}

fn quantised(name: &str, scheme: &str) -> QuantDecoder {
    QuantDecoder::new(&decoder(&case(name)), &Scheme::named(scheme).unwrap()).unwrap()
}

fn measured(model: &dyn Predictor, texts: &Texts) -> Figures {
    measure(model, texts, &|| ()).unwrap()
}

/// Bits per byte and next-byte accuracy lie within these distances of the published figures.
fn assert_near(found: &Figures, published: [f64; 2], within: [f64; 2]) {
    let figures = [found.prediction.bits_per_token, found.prediction.next_token];
    println!("{figures:.4?}, {:?}, published {published:?}", found.answers_right);
    let near = |((a, b), w): ((&f64, &f64), &f64)| (a - b).abs() <= *w;
    assert!(figures.iter().zip(&published).zip(&within).all(near), "{figures:?}, published {published:?}");
}

#[test]
fn texts_are_read() {
    let texts = texts();
    assert_eq!((texts.rows.len(), texts.rows.length(), texts.questions.len()), (64, 129, 200));
    assert!(texts.rows.are_bytes() && texts.rows.row(64).is_empty());
    let first = &texts.questions[0];
    assert_eq!((&*first.prompt, &*first.answer), ("Mia has 52 pens and gets 41 more. Now Mia has ", "93 "));
    assert_eq!(first.prompt_tokens()[..2], [10, u32::from(b'M')]);
}

#[test]
fn damaged_texts_are_refused() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/llama_eval.npz");
    let good = std::fs::read(file).unwrap();
    for cut in [0, 10, 100, good.len() - 1, good.len() - 30] {
        assert_eq!(read_npz(&good[..cut]).unwrap_err().code, "npz-invalid");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        let _ = Rows::parse(&bad);
    }
    assert_eq!(Question::parse("{}").unwrap_err().code, "accuracy-questions");
}

/// Figures that came with the trained models: floats to the last digit that was published, and what the 2-bit models were
/// trained for. Bounds of rounding that no training saw come from the published roundings of the same model, 0.634 and 1.122.
#[test]
fn figures_are_those_published() {
    let mut texts = texts();
    texts.questions.clear();
    let float = |name| measured(&decoder(&case(name)), &texts);
    let under = |name, scheme| measured(&quantised(name, scheme), &texts);
    assert_near(&float("trained_llama/"), [0.5377, 0.8751], [0.0001, 0.0001]);
    assert_near(&float("trained_llama_w2_prefill"), [0.5218, 0.8793], [0.0001, 0.0001]);
    assert_near(&float("trained_llama_w2s24"), [0.5247, 0.8765], [0.0001, 0.0001]);
    assert_near(&under("trained_llama_w2_prefill", "w2a8kv4"), [0.5215, 0.8804], [0.002, 0.002]);
    assert_near(&under("trained_llama_w2s24", "w2s24a8kv4"), [0.5250, 0.8763], [0.002, 0.002]);
    assert_near(&under("trained_llama/", "w8a8"), [0.5377, 0.8751], [0.002, 0.002]);
    assert_near(&under("trained_llama/", "w4a8"), [0.5377, 0.8751], [0.02, 0.005]);
    assert_near(&under("trained_llama/", "w2a8kv4"), [0.634, 0.855], [0.02, 0.01]);
    assert_near(&under("trained_llama/", "w2s24a8kv4"), [1.122, 0.780], [0.1, 0.03]);
}

/// A share of the sums: the 2-bit models were trained to do them, and still do.
#[test]
fn sums_are_answered_as_published() {
    let mut texts = texts();
    texts.questions.truncate(60);
    let right = |name, scheme| {
        answers_right(&quantised(name, scheme), &texts.questions, &|| ()).unwrap() as f64 / 60.0
    };
    assert!((right("trained_llama_w2_prefill", "w2a8kv4") - 0.895).abs() < 0.1);
    assert!((right("trained_llama_w2s24", "w2s24a8kv4") - 0.960).abs() < 0.05);
}

#[test]
fn a_question_is_right_when_the_greedy_continuation_is_the_answer() {
    let model = quantised("trained_llama/", "w8a8");
    for question in &texts().questions[..12] {
        let expected: Vec<u32> = question.answer.bytes().map(u32::from).collect();
        let written = generate(&model, &question.prompt_tokens(), expected.len(), |_| true).unwrap();
        let one = std::slice::from_ref(question);
        assert_eq!(answers_right(&model, one, &|| ()).unwrap() == 1, written == expected, "{question:?}");
    }
}

#[test]
fn neither_threads_nor_other_rows_change_a_figure() {
    let model = quantised("trained_llama_w2_prefill", "w2a8kv4");
    let mut texts = texts();
    texts.rows.truncate(6);
    texts.questions.truncate(5);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| measured(&model, &texts))
    };
    assert!(on(1) == on(3));
    let steps = std::sync::atomic::AtomicUsize::new(0);
    let step = || {
        steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    measure(&model, &texts, &step).unwrap();
    assert_eq!(steps.into_inner(), 11);
}

#[test]
fn rows_of_any_integers_are_read_and_compared() {
    let rows = |rows: &[&[u8]]| Rows::of_bytes(&rows.iter().map(|r| r.to_vec()).collect::<Vec<_>>()).unwrap();
    let eval = rows(&[b"abcd", b"efgh", b"ijkl"]);
    assert_eq!(eval.row(1), b"efgh".map(u32::from));
    assert_eq!(rows(&[b"xxxx", b"ijkl"]).common(&eval), Some((1, 2)));
    assert_eq!(rows(&[b"ijk"]).common(&eval), Some((0, 2)));
    assert_eq!(rows(&[b"jkl", b"abd"]).common(&eval), None);
    assert!(Rows::of_bytes(&[vec![1], vec![]]).is_none());
    let codes = [
        eval.check(256).map_err(|d| d.code),
        eval.check(101).map_err(|d| d.code),
        rows(&[b"a"]).check(256).map_err(|d| d.code),
        rows(&[]).check(256).map_err(|d| d.code),
    ];
    assert_eq!(codes, [Ok(()), Err("accuracy-tokens"), Err("accuracy-tokens"), Err("accuracy-tokens")]);
}

#[test]
fn the_example_is_answered() {
    let prompt: Vec<u32> =
        b"\nAda has 12 coins and gets 30 more. Now Ada has ".iter().map(|&b| b.into()).collect();
    let written = generate(&quantised("trained_llama_w2_prefill", "w2a8kv4"), &prompt, 9, |_| true).unwrap();
    let text: String = written.iter().filter_map(|&t| char::from_u32(t)).collect();
    assert_eq!(text, "42 coins.");
}

/// Entries that name the same bytes: each alone is small enough, together they are not.
#[test]
fn the_arrays_of_a_file_share_one_limit() {
    let header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }";
    let npy = [b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header, b"abcd"].concat();
    let word = |n: usize| (n as u32).to_le_bytes();
    let entry = |size: usize| {
        let sizes = [word(npy.len()), word(size)].concat();
        [b"PK\x01\x02", &[0; 16][..], &sizes, &[5, 0], &[0; 16], b"t.npy"].concat()
    };
    let file = |second: usize| {
        let local = [b"PK\x03\x04", &[0; 26][..], &npy].concat();
        let end = [b"PK\x05\x06", &[0; 6][..], &[2, 0, 0, 0, 0, 0], &word(local.len()), &[0; 2]].concat();
        [local, entry(npy.len()), entry(second), end].concat()
    };
    let arrays = read_npz(&file(npy.len())).unwrap();
    assert!(arrays.len() == 2 && arrays.iter().all(|a| a.name == "t" && a.bytes == b"abcd"));
    let refused = read_npz(&file(1 << 30)).unwrap_err();
    assert!(refused.why.contains("its arrays are too large"), "{refused}");
}

/// Numbers that are no tokens are named as they stand in the file.
#[test]
fn negative_tokens_are_told() {
    let header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }";
    let data: Vec<u8> = [3i32, 5, 7, -9].iter().flat_map(|t| t.to_le_bytes()).collect();
    let npy = [b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header, &data].concat();
    let word = |n: usize| (n as u32).to_le_bytes();
    let local = [b"PK\x03\x04", &[0; 26][..], &npy].concat();
    let sizes = [word(npy.len()), word(npy.len())].concat();
    let entry = [b"PK\x01\x02", &[0; 16][..], &sizes, &[10, 0], &[0; 16], b"tokens.npy"].concat();
    let end = [b"PK\x05\x06", &[0; 6][..], &[1, 0, 0, 0, 0, 0], &word(local.len()), &[0; 2]].concat();
    let rows = Rows::parse(&[local, entry, end].concat()).unwrap();
    assert_eq!((rows.row(0), rows.row(1)), (vec![3, 5], vec![7, u32::MAX]));
    let refused = rows.check(10).unwrap_err();
    assert!(refused.why.contains("row 1 has the token -9") && refused.why.contains("0 to 9"), "{refused}");
}

/// What is written is read back; an array is found by its name, or is alone.
#[test]
fn arrays_come_back() {
    let elements = [0.5, -1.0, 3.25, 1e300, -0.0, 7.0];
    let npy = write_npy(&[2, 3], elements.into_iter());
    assert_eq!((npy.len() - 48) % 64, 0);
    let array = read_array(&npy, "anything").unwrap();
    assert_eq!(array.shape, [2, 3]);
    let back =
        array.of_type("<f8").unwrap().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
    assert!(back.eq(elements));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/llama_eval.npz");
    let npz = std::fs::read(file).unwrap();
    assert_eq!(read_array(&npz, "tokens").unwrap(), read_npz(&npz).unwrap()[0]);
    assert_eq!(read_array(&npz, "frames").unwrap_err().code, "npz-array");
}

/// What was published of the model: AbsRel 0.2355, delta1 0.6554, RMSE 1.054 m (PyTorch, float32). The file has depths in half precision,
/// which are off by up to one part in 2,048.
#[test]
fn depths_are_as_published() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
    let npz = std::fs::read(folder.join("depth_eval.npz")).unwrap();
    let scenes = Scenes::parse(&npz).unwrap();
    let graph = crate::corpus::model("trained_depth").normal();
    let found = scenes.measure(&graph, &|| ()).unwrap();
    println!("{found:?}");
    assert_eq!(scenes.len(), 64);
    assert!((found.abs_rel - 0.2355).abs() < 2e-4 && (found.delta1 - 0.6554).abs() < 2e-4, "{found:?}");
    assert!((found.rmse - 1.054).abs() < 2e-3, "{found:?}");
    // A classifier gives no map, and a file of texts no scenes.
    let why = scenes.measure(&crate::corpus::model("tiny_mobilenet_v2").normal(), &|| ()).unwrap_err().why;
    assert!(why.contains("f32[1, 3, 64, 64]"), "{why}");
    let texts = std::fs::read(folder.join("llama_eval.npz")).unwrap();
    assert!(Scenes::are_in(&npz) && !Scenes::are_in(&texts) && !Scenes::are_in(b"PK"));
    assert!(Scenes::parse(&texts).unwrap_err().why.contains("the file holds: tokens"));
}
