//! Rung 4 of the ladder of trust: the simulator's cycles and bytes are those of the emitted hardware. Allowed difference: 0.

mod bench;
mod directed;
mod lint;
