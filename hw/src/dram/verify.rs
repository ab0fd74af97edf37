//! Which DRAM can be used: the invariants of [`super`].

use super::{Controller, Dram, Field, MAX_RATIO, Organisation, Timing};
use crate::machine::{MachineError, power, range, rule};

impl Dram {
    /// Checks the invariants of this module's head for a machine with this clock and capacity.
    ///
    /// # Errors
    /// The first violated one.
    pub fn verify(&self, core_hz: u64, size_bytes: u64) -> Result<(), MachineError> {
        power("memory.model.channels", self.channels, 1, 64)?;
        self.device.organisation.verify()?;
        self.device.timing.verify(&self.device.organisation)?;
        self.device.controller.verify(&self.device.organisation)?;
        if let Some(energy) = &self.device.energy {
            energy.verify(&key("energy"))?;
        }
        range("memory.model.device.clock_hz", self.device.clock_hz, 1_000_000, 10_000_000_000)?;
        let (memory, core) = self.clock_ratio(core_hz);
        rule(
            "clock_hz",
            memory <= MAX_RATIO && core <= MAX_RATIO,
            &format!(
                "the clocks of memory and core are as {memory} to {core}; each may be at most {MAX_RATIO}"
            ),
            "choose clocks in a simpler ratio",
        )?;
        let capacity = u64::from(self.channels) * self.device.organisation.bytes();
        rule(
            "memory.size_bytes",
            size_bytes <= capacity,
            &format!("{size_bytes} is more than the {capacity} bytes of the DRAM"),
            "use more channels or less memory",
        )
    }
}

fn key(name: &str) -> String {
    format!("memory.model.device.{name}")
}

impl Organisation {
    fn verify(&self) -> Result<(), MachineError> {
        power(&key("organisation.groups"), self.groups, 1, 16)?;
        power(&key("organisation.banks"), self.banks, 1, 16)?;
        range(&key("organisation.groups * banks"), self.all_banks(), 1, 64)?;
        power(&key("organisation.rows"), self.rows, 1, 1 << 20)?;
        power(&key("organisation.columns"), self.columns, 1, 1 << 12)?;
        power(&key("organisation.access_bytes"), self.access_bytes, 8, 128)?;
        power(&key("organisation.command_clocks"), self.command_clocks, 1, 8)
    }
}

impl Timing {
    fn verify(&self, organisation: &Organisation) -> Result<(), MachineError> {
        for (name, value, most) in self.named() {
            range(&key(&format!("timing.{name}")), value, 1, most.into())?;
        }
        let longest = |name: &str, longer: u32, shorter: u32| {
            let at = key(&format!("timing.{name}"));
            rule(
                &at,
                longer >= shorter,
                &format!("{longer} is less than {shorter}"),
                "see the device's data sheet",
            )
        };
        longest("ccd_s (against bl)", self.ccd_s, self.bl)?;
        longest("ccd_l (against ccd_s)", self.ccd_l, self.ccd_s)?;
        longest("rrd_l (against rrd_s)", self.rrd_l, self.rrd_s)?;
        longest("wtr_l (against wtr_s)", self.wtr_l, self.wtr_s)?;
        longest("rtw + cwl (against cl + bl)", self.rtw + self.cwl, self.cl + self.bl)?;
        longest("rfc (against faw)", self.rfc, self.faw)?;
        longest("rfc (against rc)", self.rfc, self.rc)?;
        longest("rfc (against turnaround)", self.rfc, self.rtw.max(self.cwl + self.bl + self.wtr_l))?;
        let read = self.rcd_read + self.rtp;
        let write = self.rcd_write + self.write_to_precharge();
        let access = self.ras.max(read).max(write) + 4 * organisation.slot_clocks();
        longest("refi (against rfc, rp_all and one access)", self.refi, self.rfc + self.rp_all + access)
    }
}

impl Controller {
    fn verify(&self, organisation: &Organisation) -> Result<(), MachineError> {
        let at = key("controller.map");
        let bits =
            |field: Field| self.map.iter().filter(|(f, _)| *f == field).map(|(_, b)| u64::from(*b)).sum();
        for (field, name, count) in [
            (Field::Group, "group", organisation.groups),
            (Field::Bank, "bank", organisation.banks),
            (Field::Column, "column", organisation.columns),
            (Field::Row, "row", organisation.rows),
        ] {
            let (have, need): (u64, u64) = (bits(field), count.trailing_zeros().into());
            rule(
                &at,
                have == need,
                &format!("{have} bits of `{name}` where {need} are needed"),
                "name each field with as many bits as its count has",
            )?;
        }
        let rows = self.map.iter().position(|(f, _)| *f == Field::Row);
        rule(
            &at,
            rows.is_none_or(|first| first + 1 == self.map.len()),
            "the row is not the last field",
            "put all bits of the row last",
        )?;
        range(&key("controller.map"), self.map.len() as u64, 0, 16)?;
        range(&key("controller.request_clocks"), self.request_clocks, 0, 10_000)?;
        range(&key("controller.response_clocks"), self.response_clocks, 0, 10_000)?;
        range(&key("controller.write_bursts"), self.write_bursts, 1, 1024)
    }
}
