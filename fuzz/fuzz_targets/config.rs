//! A configuration, to a graph without weights.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(network) = ir::front::config::read(data) {
        let _ = network.graph(&Default::default(), 3, 2);
    }
});
