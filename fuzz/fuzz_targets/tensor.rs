//! A file of one ONNX tensor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = ir::front::onnx::read_tensor(data);
});
