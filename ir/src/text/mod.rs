//! The text form of a graph.
//!
//! ```text
//! graph "tiny" {
//!   input %0 "tokens": i64[4]
//!   const %1 "embedding": f32[2, 3] = [0.0, 0.5, 1.0, -1.0, 2.0, 1e-6]
//!   const %2 "": f32[256, 128] = absent
//!   n0 %3: f32[4, 3] = gather(%1, %0) {axis = 0} @ "embed" block 0
//!   output "y": %3
//! }
//! ```
//!
//! Constants of up to sixteen elements are written out, larger ones as packed bytes (`hex 00ff..`). `//` starts a
//! comment.
//!
//! Invariants:
//! - print -> parse -> print is the identity;
//! - what the parser returns has been verified;
//! - the parser allocates in proportion to the text, whatever the text says.

mod parse;
mod print;

pub use parse::parse;
pub use print::{print, print_without_weights};

#[cfg(test)]
mod tests;
