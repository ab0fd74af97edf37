//! An ONNX model, and the passes behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(graph) = ir::front::onnx::import(data, &Default::default()) {
        let _ = ir::pass::run(&ir::pass::normalise(), graph, |_, _| ()).and_then(|g| ir::decoder::recognise(&g));
    }
});
