//! Banked DRAM as data: organisation and timing of a channel, and the parameters of the controller in front of it.
//!
//! A [`Dram`] of a verified machine holds, for the rooms above:
//! * counts of the organisation are powers of two, and the map places every bit of them once, the row's on top;
//! * between two refreshes there is time for any single access; no other constraint outlasts a refresh;
//! * memory clock and core clock are in a ratio of integers up to [`MAX_RATIO`].

use crate::technology::DramPrices;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod verify;

/// Largest term of the ratio of memory clock to core clock.
pub const MAX_RATIO: u64 = 4096;

/// Name and text of every built-in device.
pub const PRESETS: &[(&str, &str)] = &[
    ("ddr4", include_str!("../../dram/ddr4.toml")),
    ("lpddr4", include_str!("../../dram/lpddr4.toml")),
    ("hbm2", include_str!("../../dram/hbm2.toml")),
];

/// DRAM behind the machine's port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choice", into = "Choice")]
pub struct Dram {
    /// Channels in lockstep: one stream of commands, data buses side by side. A power of two.
    pub channels: u32,
    /// One of them.
    pub device: Device,
}

/// A channel and its controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Name, as reports print it and technology data refer to it.
    pub name: String,
    /// Command clock in hertz; data moves on both edges.
    pub clock_hz: u64,
    /// What there is.
    pub organisation: Organisation,
    /// Minimum distances of commands.
    pub timing: Timing,
    /// How it is driven.
    pub controller: Controller,
    /// What it costs, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<DramPrices>,
    /// Where the numbers come from, by key or part of a key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
}

/// Organisation of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Bank groups.
    pub groups: u32,
    /// Banks of a group.
    pub banks: u32,
    /// Rows of a bank.
    pub rows: u32,
    /// Accesses that a row holds.
    pub columns: u32,
    /// Bytes of an access: one burst of the data bus.
    pub access_bytes: u32,
    /// Whether column and row commands share a bus.
    pub command_bus: CommandBus,
    /// Clocks of the longest command.
    pub command_clocks: u32,
}

/// Buses of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandBus {
    /// Column commands and row commands have buses of their own.
    Split,
    /// They take turns on one bus: slots of `command_clocks`, column first.
    Shared,
}

/// Minimum distances between commands, in clocks; the names are JEDEC's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// RD to its first data.
    pub cl: u32,
    /// WR to its first data.
    pub cwl: u32,
    /// Clocks of data of an access.
    pub bl: u32,
    /// ACT to RD.
    pub rcd_read: u32,
    /// ACT to WR.
    pub rcd_write: u32,
    /// PRE to ACT.
    pub rp: u32,
    /// PRE of all banks to REF.
    pub rp_all: u32,
    /// ACT to PRE.
    pub ras: u32,
    /// ACT to ACT of a bank.
    pub rc: u32,
    /// RD to RD and WR to WR, different groups.
    pub ccd_s: u32,
    /// The same within a group.
    pub ccd_l: u32,
    /// ACT to ACT, different groups.
    pub rrd_s: u32,
    /// The same within a group.
    pub rrd_l: u32,
    /// Window that holds at most four ACT.
    pub faw: u32,
    /// RD to PRE.
    pub rtp: u32,
    /// End of write data to PRE.
    pub wr: u32,
    /// End of write data to RD, different groups.
    pub wtr_s: u32,
    /// The same within a group.
    pub wtr_l: u32,
    /// RD to WR.
    pub rtw: u32,
    /// REF to REF.
    pub refi: u32,
    /// REF to whatever follows.
    pub rfc: u32,
}

/// A field of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Bank group.
    Group,
    /// Bank of the group.
    Bank,
    /// Access of the row.
    Column,
    /// Row of the bank.
    Row,
}

/// The controller: in order, rows stay open, activation looks ahead, refresh of all banks by absolute time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Fields and their bits, from the least significant bit of the number of an access.
    pub map: Vec<(Field, u32)>,
    /// Clocks from the handshake of a request to the earliest command for it.
    pub request_clocks: u32,
    /// Clocks from the end of data on the bus to the port.
    pub response_clocks: u32,
    /// Write bursts between their address and their response.
    pub write_bursts: u32,
}

/// How a machine file names its DRAM: a built-in device or all of one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    #[serde(default = "one")]
    channels: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
}

fn one() -> u32 {
    1
}

impl TryFrom<Choice> for Dram {
    type Error = String;

    fn try_from(choice: Choice) -> Result<Dram, String> {
        let known = || PRESETS.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        let device = match (choice.preset, choice.device) {
            (Some(name), None) => preset(&name)
                .ok_or_else(|| format!("no DRAM is called `{name}`; built in are {}", known()))??,
            (None, Some(device)) => device,
            _ => return Err(format!("DRAM needs either `preset` (one of {}) or `device`", known())),
        };
        Ok(Dram { channels: choice.channels, device })
    }
}

impl From<Dram> for Choice {
    fn from(dram: Dram) -> Choice {
        Choice { channels: dram.channels, preset: None, device: Some(dram.device) }
    }
}

/// A built-in device, or `None` if there is none of that name.
fn preset(name: &str) -> Option<Result<Device, String>> {
    let (_, text) = PRESETS.iter().find(|(n, _)| *n == name)?;
    Some(toml::from_str(text).map_err(|e| format!("{name}: {}", e.message())))
}

impl Organisation {
    /// Banks of all groups.
    pub fn all_banks(&self) -> u32 {
        self.groups * self.banks
    }

    /// Clocks from one slot of a command bus to the next one of the same kind.
    pub fn slot_clocks(&self) -> u32 {
        self.command_clocks * if self.command_bus == CommandBus::Shared { 2 } else { 1 }
    }

    /// Clocks by which slots of row commands lie behind those of column commands.
    pub fn row_slot(&self) -> u32 {
        if self.command_bus == CommandBus::Shared { self.command_clocks } else { 0 }
    }

    /// Bytes of a channel.
    pub fn bytes(&self) -> u64 {
        u64::from(self.access_bytes)
            * u64::from(self.columns)
            * u64::from(self.rows)
            * u64::from(self.all_banks())
    }
}

impl Dram {
    /// One channel of a built-in device, or of none if there is none of that name.
    pub fn preset(name: &str) -> Option<Dram> {
        Some(Dram { channels: 1, device: preset(name)?.ok()? })
    }

    /// Bytes of an access of all channels together.
    pub fn access_bytes(&self) -> u32 {
        self.channels * self.device.organisation.access_bytes
    }

    /// Memory clocks and core cycles of equal duration, in lowest terms.
    pub fn clock_ratio(&self, core_hz: u64) -> (u64, u64) {
        let (mut a, mut b) = (self.device.clock_hz, core_hz);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        (self.device.clock_hz / a.max(1), core_hz / a.max(1))
    }
}

impl Timing {
    /// Every distance with its name, and the longest that is allowed.
    pub fn named(&self) -> [(&'static str, u32, u32); 21] {
        const SHORT: u32 = 1_000;
        [
            ("cl", self.cl, SHORT),
            ("cwl", self.cwl, SHORT),
            ("bl", self.bl, SHORT),
            ("rcd_read", self.rcd_read, SHORT),
            ("rcd_write", self.rcd_write, SHORT),
            ("rp", self.rp, SHORT),
            ("rp_all", self.rp_all, SHORT),
            ("ras", self.ras, SHORT),
            ("rc", self.rc, SHORT),
            ("ccd_s", self.ccd_s, SHORT),
            ("ccd_l", self.ccd_l, SHORT),
            ("rrd_s", self.rrd_s, SHORT),
            ("rrd_l", self.rrd_l, SHORT),
            ("faw", self.faw, SHORT),
            ("rtp", self.rtp, SHORT),
            ("wr", self.wr, SHORT),
            ("wtr_s", self.wtr_s, SHORT),
            ("wtr_l", self.wtr_l, SHORT),
            ("rtw", self.rtw, SHORT),
            ("refi", self.refi, 10_000_000),
            ("rfc", self.rfc, 100_000),
        ]
    }

    /// WR to PRE.
    pub fn write_to_precharge(&self) -> u32 {
        self.cwl + self.bl + self.wr
    }
}

#[cfg(test)]
mod tests;
