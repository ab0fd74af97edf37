//! The crossing between core and memory clock: an integer ratio and constant latencies.

use hw::dram::Dram;

/// `memory` clocks of the DRAM take as long as `core` cycles; both count from the same edge.
#[derive(Debug, Clone)]
pub(super) struct Crossing {
    memory: u64,
    core: u64,
    request: u64,
    response: u64,
}

impl Crossing {
    pub fn new(dram: &Dram, core_hz: u64) -> Crossing {
        let (memory, core) = dram.clock_ratio(core_hz);
        let controller = &dram.device.controller;
        let (request, response) = (controller.request_clocks.into(), controller.response_clocks.into());
        Crossing { memory, core, request, response }
    }

    /// Earliest clock of a command for a request whose handshake is in `cycle`: known at the edge that ends it.
    pub fn arrival(&self, cycle: u64) -> u64 {
        ((cycle + 1) * self.memory).div_ceil(self.core) + self.request
    }

    /// Memory clocks that take as long as this many cycles, if there is a whole number of them.
    pub fn clocks(&self, cycles: u64) -> Option<u64> {
        let clocks = cycles * self.memory;
        (clocks % self.core == 0).then(|| clocks / self.core)
    }

    /// Whether what is complete at `clock`, shown `cycles` cycles earlier, comes no later than what is complete at `before`.
    pub fn no_later(&self, clock: u64, cycles: u64, before: u64) -> bool {
        clock.saturating_sub(before) * self.core <= cycles * self.memory
    }

    /// The first cycle that can show at the port what is complete at the begin of `clock`.
    pub fn back(&self, clock: u64) -> u64 {
        ((clock + self.response) * self.core).div_ceil(self.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In ticks of which a core cycle takes 18 and a memory clock 5.
    #[test]
    fn nothing_is_seen_before_its_edge_and_all_at_the_next_one() {
        let hbm2 = Dram::preset("hbm2").unwrap();
        let crossing = Crossing::new(&hbm2, 250_000_000);
        let controller = &hbm2.device.controller;
        for i in 0..100 {
            let arrival = crossing.arrival(i) - u64::from(controller.request_clocks);
            assert!(arrival * 5 >= (i + 1) * 18 && (arrival - 1) * 5 < (i + 1) * 18);
            for (before, cycles) in [(0, 20), (i / 2, 3), (i, 0), (i + 3, 1)] {
                let later = crossing.back(i) > crossing.back(before) + cycles;
                assert!(!(crossing.no_later(i, cycles, before) && later), "{i}, {before}, {cycles}");
            }
            let (back, done) = (crossing.back(i), i + u64::from(controller.response_clocks));
            assert!(back * 18 >= done * 5 && (back - 1) * 18 < done * 5);
        }
    }
}
