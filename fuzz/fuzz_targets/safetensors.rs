//! A file of named tensors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(tensors) = ir::front::safetensors::read(data) {
        tensors.names().for_each(|name| drop(tensors.get(name)));
    }
});
