//! Co-simulation: the emitted hardware, run by Verilator on the simulator's memory model, against the simulator.
//!
//! | module | does |
//! |---|---|
//! | [`mod@build`] | makes a shared library of the `.sv` files that lie in a folder, once for each content |
//! | [`mod@cache`] | where they are kept |
//! | [`host`] | clocks it: control port, memory pins |
//! | [`driver`] | runs a program on it, with the probe as the witness |
//! | [`mod@compare`] | runs a program on both sides and counts what differs; the allowed number is zero |
//! | [`mod@locate`] | finds the instruction that first leaves a wrong byte |
//! | [`mod@wave`] | records the waves of the cycles around a divergence |
//!
//! Nothing of the simulator reaches the hardware's side but the memory model, which both sides must share.

pub mod build;
pub mod compare;
pub mod driver;
pub mod host;
pub mod locate;
pub mod wave;

mod cache;
mod library;
mod pins;

pub use build::{build, build_recording};
pub use cache::cache;
pub use compare::{Comparison, compare, compare_in};
pub use driver::{Hardware, Session};
pub use locate::first_wrong;
