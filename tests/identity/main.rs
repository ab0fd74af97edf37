//! Rung 4 of the ladder of trust: the simulator's cycles and bytes are those of the emitted hardware. Allowed difference: 0.
//!
//! CI runs a part; the long sweep is `cargo test --release --test identity -- --ignored --nocapture`.

mod bench;
mod faults;
mod lint;
mod networks;
mod programs;
