//! WHAT the machine is: machine description, presets, unit timing contracts. Facts and prices, no decisions.
//!
//! | module | answers |
//! |---|---|
//! | [`machine`] | what is there: the machine file, its limits and its hash |
//! | [`dram`] | how banked DRAM is built, timed and driven |
//! | [`function`] | what the vector engine computes |
//! | [`mode`] | how weights and cached codes lie in rows of the weight buffer |
//! | [`multipliers`] | what the multipliers are made of, and which products share one |
//! | [`presets`] | which machines are built in |
//! | [`geometry`] | how wide every row is and how many fit: derived, never stated twice |
//! | [`ram`] | what memories of an FPGA are made of |
//! | [`slices`] | copies in lockstep |
//! | [`technology`] | what events cost, each price with its source and range |
//! | [`timing`] | how long an instruction keeps its unit and when its results stand |

#![warn(missing_docs)]

pub mod dram;
pub mod form;
pub mod function;
pub mod geometry;
pub mod machine;
pub mod mode;
pub mod multipliers;
pub mod presets;
pub mod ram;
pub mod slices;
pub mod technology;
pub mod timing;

pub use form::Form;
pub use function::Function;
pub use geometry::Geometry;
pub use machine::{Machine, MachineError};
pub use mode::Mode;
pub use multipliers::Multipliers;
