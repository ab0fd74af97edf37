//! An independent judge of command streams: every constraint between any two commands, the state of every bank, the buses,
//! and that the data commands are those of the requests. It knows the device and nothing of the scheduler.

use super::command::{Access, Command, Observer};
use super::map::Place;
use hw::dram::{CommandBus, Device, Field};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Act,
    Pre,
    Rd,
    Wr,
    /// Of all banks.
    PreAll,
    Ref,
}
use Kind::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub clock: u64,
    pub kind: Kind,
    pub group: usize,
    pub bank: usize,
    pub row: u64,
    pub column: u64,
}

/// Records what a scheduler does.
#[derive(Default)]
pub struct Recorder {
    pub events: Vec<Event>,
}

impl Observer for Recorder {
    fn command(&mut self, command: Command, place: &Place, clock: u64) {
        let kind = match command {
            Command::Activate => Act,
            Command::Precharge => Pre,
            Command::Column(Access::Read) => Rd,
            Command::Column(Access::Write) => Wr,
        };
        let Place { group, bank, row, column } = *place;
        self.events.push(Event { clock, kind, group, bank, row, column });
    }

    fn refresh(&mut self, precharge: u64, refresh: u64) {
        for (clock, kind) in [(precharge, PreAll), (refresh, Ref)] {
            self.events.push(Event { clock, kind, group: 0, bank: 0, row: 0, column: 0 });
        }
    }
}

/// Which two commands a distance is between.
#[derive(Clone, Copy)]
enum Scope {
    Bank,
    Group,
    Channel,
}
use Scope::*;

fn rules(device: &Device) -> Vec<(Kind, Kind, Scope, &'static str, u64)> {
    let t = &device.timing;
    let mut rules = vec![
        (Act, Rd, Bank, "tRCD of reads", t.rcd_read),
        (Act, Wr, Bank, "tRCD of writes", t.rcd_write),
        (Act, Pre, Bank, "tRAS", t.ras),
        (Act, PreAll, Channel, "tRAS", t.ras),
        (Act, Act, Bank, "tRC", t.rc),
        (Act, Act, Group, "tRRD_L", t.rrd_l),
        (Act, Act, Channel, "tRRD_S", t.rrd_s),
        (Pre, Act, Bank, "tRP", t.rp),
        (Pre, Ref, Channel, "tRP", t.rp),
        (PreAll, Ref, Channel, "tRP of all banks", t.rp_all),
        (PreAll, Act, Channel, "tRP of all banks", t.rp_all),
        (Rd, Rd, Channel, "tCCD_S", t.ccd_s),
        (Rd, Rd, Group, "tCCD_L", t.ccd_l),
        (Wr, Wr, Channel, "tCCD_S", t.ccd_s),
        (Wr, Wr, Group, "tCCD_L", t.ccd_l),
        (Rd, Wr, Channel, "tRTW", t.rtw),
        (Wr, Rd, Channel, "tWTR_S", t.cwl + t.bl + t.wtr_s),
        (Wr, Rd, Group, "tWTR_L", t.cwl + t.bl + t.wtr_l),
        (Rd, Pre, Bank, "tRTP", t.rtp),
        (Rd, PreAll, Channel, "tRTP", t.rtp),
        (Wr, Pre, Bank, "tWR", t.cwl + t.bl + t.wr),
        (Wr, PreAll, Channel, "tWR", t.cwl + t.bl + t.wr),
    ];
    rules.extend([Act, Pre, Rd, Wr, PreAll, Ref].map(|later| (Ref, later, Channel, "tRFC", t.rfc)));
    rules.into_iter().map(|(a, b, scope, name, clocks)| (a, b, scope, name, u64::from(clocks))).collect()
}

/// Judges the commands that a channel got for these accesses.
pub fn check(device: &Device, events: &[Event], accesses: &[(Access, u64)]) -> Result<(), String> {
    let mut events = events.to_vec();
    events.sort_by_key(|e| e.clock);
    distances(device, &events)?;
    banks(device, &events)?;
    refreshes(device, &events)?;
    buses(device, &events)?;
    data(device, &events, accesses)
}

fn distances(device: &Device, events: &[Event]) -> Result<(), String> {
    let rules = rules(device);
    let longest = rules.iter().map(|r| r.4).max().unwrap();
    for (i, later) in events.iter().enumerate() {
        for earlier in events[..i].iter().rev().take_while(|e| later.clock - e.clock < longest) {
            for (a, b, scope, name, clocks) in &rules {
                let concerns = match scope {
                    Bank => earlier.bank == later.bank,
                    Group => earlier.group == later.group,
                    Channel => true,
                };
                let kinds = *a == earlier.kind && *b == later.kind;
                if kinds && concerns && later.clock - earlier.clock < *clocks {
                    return Err(format!("{name}: {earlier:?} and {later:?}"));
                }
            }
        }
    }
    let acts: Vec<u64> = events.iter().filter(|e| e.kind == Act).map(|e| e.clock).collect();
    let faw = u64::from(device.timing.faw);
    match acts.windows(5).find(|w| w[4] - w[0] < faw) {
        Some(five) => Err(format!("tFAW: activations at {five:?}")),
        None => Ok(()),
    }
}

/// Rows are opened when closed, accessed when open, and all closed at a refresh.
fn banks(device: &Device, events: &[Event]) -> Result<(), String> {
    let mut open = vec![None; device.organisation.all_banks() as usize];
    for e in events {
        let bank = &mut open[e.bank];
        let right = match e.kind {
            Act => bank.replace(e.row).is_none(),
            Pre => bank.take().is_some(),
            Rd | Wr => *bank == Some(e.row),
            PreAll => {
                open.fill(None);
                true
            }
            Ref => open.iter().all(Option::is_none),
        };
        if !right {
            return Err(format!("the state of the bank: {e:?}"));
        }
    }
    Ok(())
}

/// One refresh in each interval, in the first slots of row commands behind multiples of the interval.
fn refreshes(device: &Device, events: &[Event]) -> Result<(), String> {
    let refi = u64::from(device.timing.refi);
    let slots = 2 * u64::from(device.organisation.slot_clocks());
    let found: Vec<u64> = events.iter().filter(|e| e.kind == Ref).map(|e| e.clock).collect();
    for (number, clock) in (1..).zip(&found) {
        if !(number * refi..number * refi + slots).contains(clock) {
            return Err(format!("refresh {number} at {clock}"));
        }
    }
    let last = events.iter().map(|e| e.clock).max().unwrap_or(0);
    if last >= (found.len() as u64 + 1) * refi + slots { Err("a refresh is missing".into()) } else { Ok(()) }
}

/// No two commands and no two bursts of data at once.
fn buses(device: &Device, events: &[Event]) -> Result<(), String> {
    let (o, t) = (&device.organisation, &device.timing);
    let is_column = |e: &&Event| matches!(e.kind, Rd | Wr);
    let (command, burst) = (u64::from(o.command_clocks), u64::from(t.bl));
    let apart = |events: Vec<&Event>| {
        let overlap = events.windows(2).find(|w| w[1].clock - w[0].clock < command);
        overlap.map_or(Ok(()), |w| Err(format!("the command bus: {w:?}")))
    };
    if o.command_bus == CommandBus::Shared {
        apart(events.iter().collect())?;
    } else {
        apart(events.iter().filter(is_column).collect())?;
        apart(events.iter().filter(|e| !is_column(e)).collect())?;
    }
    let latency = |e: &Event| u64::from(if e.kind == Rd { t.cl } else { t.cwl });
    let mut bursts: Vec<u64> = events.iter().filter(is_column).map(|e| e.clock + latency(e)).collect();
    bursts.sort_unstable();
    match bursts.windows(2).find(|w| w[1] - w[0] < burst) {
        Some(two) => Err(format!("the data bus: bursts at {two:?}")),
        None => Ok(()),
    }
}

/// Column commands are those of the accesses, in their order.
fn data(device: &Device, events: &[Event], accesses: &[(Access, u64)]) -> Result<(), String> {
    let columns: Vec<_> = events.iter().filter(|e| matches!(e.kind, Rd | Wr)).collect();
    if columns.len() != accesses.len() {
        return Err(format!("{} column commands for {} accesses", columns.len(), accesses.len()));
    }
    for (event, (access, number)) in columns.into_iter().zip(accesses) {
        let kind = if *access == Access::Read { Rd } else { Wr };
        if event.kind != kind || address(device, event) != *number {
            return Err(format!("{event:?} for {access:?} of access {number}"));
        }
    }
    Ok(())
}

/// The number of the access that lies there.
fn address(device: &Device, event: &Event) -> u64 {
    let bank = event.bank as u64 % u64::from(device.organisation.banks);
    let (mut group, mut bank, mut row, mut column) = (event.group as u64, bank, event.row, event.column);
    let (mut number, mut place) = (0, 1);
    for (field, bits) in &device.controller.map {
        let left = match field {
            Field::Group => &mut group,
            Field::Bank => &mut bank,
            Field::Row => &mut row,
            Field::Column => &mut column,
        };
        number += *left % (1 << bits) * place;
        *left /= 1 << bits;
        place *= 1 << bits;
    }
    number
}
