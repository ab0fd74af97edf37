//! Rung 4 of the ladder of trust: the simulator's cycles and bytes are those of the emitted hardware. Allowed difference: 0.
//!
//! All of it runs in CI; `cargo test --test identity -- --nocapture` shows what was compared.

mod attention;
mod bench;
mod control;
mod corners;
mod drawn;
mod errors;
mod faults;
mod lint;
mod networks;
mod programs;
mod random;
mod resources;
mod testbench;
mod time_faults;
mod wrap;
