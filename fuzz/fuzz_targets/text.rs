//! The text form of a graph: what is read prints and reads again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(graph) = ir::text::parse(text) {
        assert!(ir::text::parse(&ir::text::print(&graph)).is_ok());
    }
});
