//! A binary program.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = isa::binary::read(data);
});
