//! WHAT is written: plan, program, SystemVerilog.
