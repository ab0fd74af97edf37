//! Tilewright: co-design simulator and code generator for low-bit neural-network accelerators.
