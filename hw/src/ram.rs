//! What memories of an FPGA are made of. It changes cells, never bits or cycles.

use serde::{Deserialize, Serialize};

/// What a memory of an FPGA is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RamStyle {
    /// What synthesis finds cheapest: block RAM or LUTs.
    #[default]
    Auto,
    /// UltraRAM: 4096 words of 72 bits each.
    Ultra,
}

impl RamStyle {
    /// As attributes of the RTL spell it.
    pub fn name(self) -> &'static str {
        match self {
            RamStyle::Auto => "auto",
            RamStyle::Ultra => "ultra",
        }
    }

    /// Whether synthesis decides.
    pub fn is_auto(&self) -> bool {
        *self == RamStyle::Auto
    }
}
