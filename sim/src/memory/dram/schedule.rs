//! The scheduler of a channel: from accesses, in order, to commands and their clocks.
//!
//! * Column commands (RD, WR) are issued in the order of the accesses, activations too; both as early as every constraint
//!   allows. An activation, and the precharge before it, may come before column commands of earlier accesses.
//! * Rows stay open until another row of the bank is wanted or a refresh comes.
//! * Refresh `n` is at clock `n * refi` (the next slot of a row command) and closes all rows. An access whose commands and
//!   recovery do not fit before it waits for its end.
//! * A state says of each kind of command from which clock on it is allowed; commands only ever raise these clocks.

use super::command::{Access, Command, Observer};
use super::map::{Map, Place};
use super::slots::Slots;
use hw::dram::{Device, Timing};
use std::ops::{AddAssign, Mul, Sub};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Bank {
    /// The open row, and the refresh since which it is open.
    open: Option<(u64, u64)>,
    activate_from: u64,
    precharge_from: u64,
    read_from: u64,
    write_from: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Group {
    activate_from: u64,
    read_from: u64,
    write_from: u64,
}

/// What the channel has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows opened.
    pub activations: u64,
    pub reads: u64,
    pub writes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, o: Counts) {
        self.activations += o.activations;
        self.reads += o.reads;
        self.writes += o.writes;
    }
}

impl Mul<u64> for Counts {
    type Output = Counts;

    /// What so many channels have done that do the same.
    fn mul(self, n: u64) -> Counts {
        Counts { activations: self.activations * n, reads: self.reads * n, writes: self.writes * n }
    }
}

impl Sub for Counts {
    type Output = Counts;

    /// What was done since `o`.
    fn sub(self, o: Counts) -> Counts {
        Counts {
            activations: self.activations - o.activations,
            reads: self.reads - o.reads,
            writes: self.writes - o.writes,
        }
    }
}

/// Clocks of the commands of an access.
struct Plan {
    precharge: Option<u64>,
    activate: Option<u64>,
    column: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Scheduler {
    pub timing: Timing,
    pub map: Map,
    pub state: State,
}

/// All that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    banks: Vec<Bank>,
    groups: Vec<Group>,
    slots: Slots,
    activate_from: u64,
    /// The last four activations, oldest first.
    window: [Option<u64>; 4],
    read_from: u64,
    write_from: u64,
    /// Refreshes so far.
    refreshes: u64,
    /// First clock after the last one.
    begin: u64,
    /// All banks are precharged here for the next one.
    end: u64,
    pub counts: Counts,
}

impl Scheduler {
    pub fn new(device: &Device) -> Scheduler {
        let organisation = &device.organisation;
        let state = State {
            banks: vec![Bank::default(); organisation.all_banks() as usize],
            groups: vec![Group::default(); organisation.groups as usize],
            slots: Slots::new(organisation),
            activate_from: 0,
            window: [None; 4],
            read_from: 0,
            write_from: 0,
            refreshes: 0,
            begin: 0,
            end: 0,
            counts: Counts::default(),
        };
        let mut scheduler = Scheduler { timing: device.timing, map: Map::new(device), state };
        scheduler.state.end = scheduler.precharge_all_before(1);
        scheduler
    }

    /// The clock of a refresh.
    pub fn refresh_at(&self, number: u64) -> u64 {
        self.state.slots.row(number * u64::from(self.timing.refi))
    }

    /// The clock at which all banks are precharged for a refresh.
    pub fn precharge_all_before(&self, number: u64) -> u64 {
        self.state.slots.row_before(self.refresh_at(number).saturating_sub(self.timing.rp_all.into()))
    }

    /// Accesses from now on arrive at `clock` or later.
    pub fn arrive(&mut self, clock: u64, seen: &mut impl Observer) {
        self.state.slots.forget_before(clock);
        if clock >= self.next_due() {
            self.refresh(clock / u64::from(self.timing.refi), seen);
        }
    }

    /// What arrives at this clock or later finds the next refresh due.
    pub fn next_due(&self) -> u64 {
        (self.state.refreshes + 1) * u64::from(self.timing.refi)
    }

    /// Schedules an access; gives the clock of its column command.
    pub fn access(&mut self, access: Access, number: u64, arrival: u64, seen: &mut impl Observer) -> u64 {
        let place = self.map.place(number);
        loop {
            let plan = self.plan(access, &place, arrival);
            if self.fits(access, &plan) {
                self.commit(access, &place, &plan, seen);
                return plan.column;
            }
            self.refresh(self.state.refreshes + 1, seen);
        }
    }

    /// The last clock before the next refresh at which such a column command may be issued.
    pub fn last_column(&self, access: Access) -> u64 {
        let recovery = match access {
            Access::Read => self.timing.rtp,
            Access::Write => self.timing.write_to_precharge(),
        };
        self.state.end.saturating_sub(recovery.into())
    }

    pub fn refreshes(&self) -> u64 {
        self.state.refreshes
    }

    fn plan(&self, access: Access, place: &Place, arrival: u64) -> Plan {
        let (s, t) = (&self.state, &self.timing);
        let (bank, group) = (&s.banks[place.bank], &s.groups[place.group]);
        let from = arrival.max(s.begin);
        let ready = match access {
            Access::Read => bank.read_from.max(group.read_from).max(s.read_from),
            Access::Write => bank.write_from.max(group.write_from).max(s.write_from),
        };
        let open = bank.open.filter(|(_, since)| *since == s.refreshes).map(|(row, _)| row);
        if open == Some(place.row) {
            return Plan { precharge: None, activate: None, column: s.slots.column(from.max(ready)) };
        }
        let precharge = open.map(|_| s.slots.free_row(from.max(bank.precharge_from)));
        let closed = precharge.map_or(from, |p| p + u64::from(t.rp));
        let window = s.window[0].map_or(0, |oldest| oldest + u64::from(t.faw));
        let allowed = bank.activate_from.max(group.activate_from).max(s.activate_from).max(window);
        let activate = s.slots.free_row(closed.max(allowed));
        let rcd = match access {
            Access::Read => t.rcd_read,
            Access::Write => t.rcd_write,
        };
        let column = s.slots.column(ready.max(activate + u64::from(rcd)));
        Plan { precharge, activate: Some(activate), column }
    }

    fn fits(&self, access: Access, plan: &Plan) -> bool {
        let row = plan.activate.is_none_or(|at| at + u64::from(self.timing.ras) <= self.state.end);
        row && plan.column <= self.last_column(access)
    }

    fn commit(&mut self, access: Access, place: &Place, plan: &Plan, seen: &mut impl Observer) {
        if let Some(at) = plan.precharge {
            self.state.slots.take(at);
            seen.command(Command::Precharge, place, at);
        }
        if let Some(at) = plan.activate {
            self.activated(place, at);
            seen.command(Command::Activate, place, at);
        }
        match access {
            Access::Read => self.state.counts.reads += 1,
            Access::Write => self.state.counts.writes += 1,
        }
        self.column(access, place, plan.column);
        seen.command(Command::Column(access), place, plan.column);
    }

    fn activated(&mut self, place: &Place, at: u64) {
        let (s, t) = (&mut self.state, &self.timing);
        let after = |clocks: u32| at + u64::from(clocks);
        s.slots.take(at);
        s.counts.activations += 1;
        s.window.rotate_left(1);
        s.window[3] = Some(at);
        s.activate_from = after(t.rrd_s);
        s.groups[place.group].activate_from = after(t.rrd_l);
        let bank = &mut s.banks[place.bank];
        bank.open = Some((place.row, s.refreshes));
        bank.activate_from = after(t.rc);
        bank.precharge_from = after(t.ras);
        bank.read_from = after(t.rcd_read);
        bank.write_from = after(t.rcd_write);
    }

    /// What a column command forbids from now on.
    pub fn column(&mut self, access: Access, place: &Place, at: u64) {
        let (s, t) = (&mut self.state, &self.timing);
        let (bank, group) = (&mut s.banks[place.bank], &mut s.groups[place.group]);
        let raise = |from: &mut u64, clocks: u32| *from = (*from).max(at + u64::from(clocks));
        match access {
            Access::Read => {
                raise(&mut s.read_from, t.ccd_s);
                raise(&mut group.read_from, t.ccd_l);
                raise(&mut s.write_from, t.rtw);
                raise(&mut bank.precharge_from, t.rtp);
            }
            Access::Write => {
                raise(&mut s.write_from, t.ccd_s);
                raise(&mut group.write_from, t.ccd_l);
                raise(&mut s.read_from, t.cwl + t.bl + t.wtr_s);
                raise(&mut group.read_from, t.cwl + t.bl + t.wtr_l);
                raise(&mut bank.precharge_from, t.write_to_precharge());
            }
        }
    }

    /// All refreshes up to this one have happened.
    fn refresh<O: Observer>(&mut self, number: u64, seen: &mut O) {
        if O::LOOKS {
            let missed = self.state.refreshes + 1..=number;
            missed.for_each(|n| seen.refresh(self.precharge_all_before(n), self.refresh_at(n)));
        }
        self.state.refreshes = number;
        self.state.begin = self.refresh_at(number) + u64::from(self.timing.rfc);
        self.state.end = self.precharge_all_before(number + 1);
    }
}
