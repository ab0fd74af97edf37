//! WHAT we write: plan (tile, schedule, allocate), program, SystemVerilog.

pub mod rtl;
