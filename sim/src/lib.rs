//! WHAT happens, when: functional and cycle-exact timing simulation of a Program, and memory models.
//!
//! | module | answers |
//! |---|---|
//! | [`attribution`] | what every unit did in every cycle, and for whom |
//! | [`coverage`] | what a set of runs has exercised |
//! | [`energy`] | which events cost energy, and how many of them an instruction is |
//! | [`functional`] | which bytes a program computes |
//! | [`memory`] | when off-chip memory accepts and answers: the one model of simulator and co-simulation |
//! | [`pages`] | which bytes it holds, at the cost of what is touched |
//! | [`axi`] | the same memory behind pins, with bytes, one cycle at a time |
//! | [`sink`] | who is told of it, while it happens |
//! | [`timing`] | at which cycle everything happens, in events |
//! | [`mod@reference`] | the same cycle by cycle, to check it |
//! | [`trace`] | what a run's observable times are, and where two runs differ |

pub mod attribution;
pub mod axi;
pub mod coverage;
pub mod energy;
pub mod functional;
pub mod memory;
pub mod pages;
pub mod reference;
pub mod sink;
pub mod timing;
pub mod trace;
