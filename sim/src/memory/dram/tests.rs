use super::checker::{Event, Kind, Recorder, check};
use super::*;
use hw::dram::{CommandBus, Controller, Device, Field, Organisation, PRESETS, Timing};

/// A device on which every constraint decides something.
fn narrow() -> Device {
    Device {
        name: "narrow".into(),
        clock_hz: 700_000_000,
        organisation: Organisation {
            groups: 2,
            banks: 4,
            rows: 1 << 12,
            columns: 16,
            access_bytes: 16,
            command_bus: CommandBus::Split,
            command_clocks: 1,
        },
        timing: Timing {
            cl: 8,
            cwl: 3,
            bl: 2,
            rcd_read: 7,
            rcd_write: 5,
            rp: 6,
            rp_all: 9,
            ras: 17,
            rc: 29,
            ccd_s: 2,
            ccd_l: 5,
            rrd_s: 3,
            rrd_l: 5,
            faw: 23,
            rtp: 8,
            wr: 11,
            wtr_s: 4,
            wtr_l: 9,
            rtw: 9,
            refi: 600,
            rfc: 61,
        },
        controller: Controller {
            map: vec![
                (Field::Column, 1),
                (Field::Group, 1),
                (Field::Column, 3),
                (Field::Bank, 2),
                (Field::Row, 12),
            ],
            request_clocks: 3,
            response_clocks: 2,
            write_bursts: 3,
        },
        energy: None,
        sources: Default::default(),
    }
}

fn devices() -> Vec<Device> {
    let presets = PRESETS.iter().map(|(name, _)| hw::dram::Dram::preset(name).unwrap().device);
    presets.chain([narrow()]).collect()
}

fn machine(device: Device, channels: u32, clock_hz: u64, beat_bytes: u32) -> Machine {
    let tiny = hw::presets::load("tiny").unwrap();
    let model = hw::machine::MemoryModel::Dram(Box::new(hw::dram::Dram { channels, device }));
    let memory = hw::machine::Memory { model, beat_bytes, size_bytes: 1 << 20 };
    let machine = Machine { clock_hz, memory, ..tiny };
    machine.verify().unwrap();
    machine
}

fn dram(machine: &Machine) -> Dram {
    let hw::machine::MemoryModel::Dram(model) = &machine.memory.model else { panic!() };
    Dram::new(model, machine)
}

/// splitmix64
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

/// Runs of accesses with the clocks at which they arrive: streams, jumps between few rows, turnarounds, idle times.
fn traffic(rng: &mut Rng, bursts: usize) -> Vec<(Access, Range<u64>, u64)> {
    let (mut clock, mut next, mut access) = (0, 0, Access::Read);
    let mut burst = |rng: &mut Rng| {
        if rng.below(3) == 0 {
            access = if rng.below(2) == 0 { Access::Read } else { Access::Write };
        }
        next = match rng.below(8) {
            0..3 => next,
            3..6 => rng.below(1 << 9),
            _ => rng.below(1 << 16),
        };
        clock += match rng.below(40) {
            0 => rng.below(30_000),
            1..20 => rng.below(60),
            _ => 0,
        };
        let length = if rng.below(4) == 0 { 1 + rng.below(200) } else { 1 + rng.below(9) };
        let range = next..next + length;
        next = range.end;
        (access, range, clock)
    };
    (0..bursts).map(|_| burst(rng)).collect()
}

/// The command stream of a scheduler with this timing.
fn commands(device: &Device, timing: Timing, seed: u64) -> (Vec<Event>, Vec<(Access, u64)>) {
    let mut scheduler = Scheduler::new(&Device { timing, ..device.clone() });
    let (mut recorder, mut accesses) = (Recorder::default(), Vec::new());
    for (access, range, clock) in traffic(&mut Rng(seed), 400) {
        scheduler.arrive(clock, &mut recorder);
        for number in range {
            scheduler.access(access, number, clock, &mut recorder);
            accesses.push((access, number));
        }
    }
    let count = |kind| recorder.events.iter().filter(|e| e.kind == kind).count() as u64;
    let Counts { activations, reads, writes } = scheduler.state.counts;
    assert_eq!([Kind::Act, Kind::Rd, Kind::Wr].map(count), [activations, reads, writes]);
    (recorder.events, accesses)
}

#[test]
fn commands_keep_every_constraint() {
    let mut kinds = [0; 6];
    for device in devices() {
        for seed in 0..8 {
            let (events, accesses) = commands(&device, device.timing, seed);
            check(&device, &events, &accesses)
                .unwrap_or_else(|e| panic!("{}, seed {seed}: {e}", device.name));
            events.iter().for_each(|e| kinds[e.kind as usize] += 1);
        }
    }
    println!("ACT, PRE, RD, WR, PREA, REF: {kinds:?}");
    assert!(kinds.iter().all(|n| *n > 1_000), "{kinds:?}");
}

/// A device with distances from a wide range, if it can be used.
fn drawn(rng: &mut Rng) -> Option<Device> {
    let mut device = narrow();
    let mut clocks = || 1 + if rng.below(3) == 0 { rng.below(60) } else { rng.below(12) } as u32;
    device.timing = Timing {
        cl: clocks(),
        cwl: clocks(),
        bl: clocks(),
        rcd_read: clocks(),
        rcd_write: clocks(),
        rp: clocks(),
        rp_all: clocks(),
        ras: clocks(),
        rc: clocks(),
        ccd_s: clocks(),
        ccd_l: clocks(),
        rrd_s: clocks(),
        rrd_l: clocks(),
        faw: clocks(),
        rtp: clocks(),
        wr: clocks(),
        wtr_s: clocks(),
        wtr_l: clocks(),
        rtw: clocks(),
        rfc: 60 + clocks(),
        refi: 100 + 9 * clocks(),
    };
    device.organisation.command_clocks = 1 << rng.below(3);
    device.organisation.command_bus = if rng.below(2) == 0 { CommandBus::Split } else { CommandBus::Shared };
    let dram = hw::dram::Dram { channels: 1, device };
    dram.verify(100_000_000, 4096).ok().map(|()| dram.device)
}

#[test]
fn every_device_that_is_accepted_is_driven_right() {
    let (mut rng, mut devices) = (Rng(77), 0);
    while devices < 60 {
        let Some(device) = drawn(&mut rng) else { continue };
        devices += 1;
        let (events, accesses) = commands(&device, device.timing, devices);
        check(&device, &events, &accesses).unwrap_or_else(|e| panic!("{e}: {device:?}"));
    }
}

/// Each constraint shortened by a clock, and refresh delayed, is noticed.
#[test]
fn a_scheduler_that_breaks_a_constraint_is_caught() {
    let device = narrow();
    let t = device.timing;
    let faulty = [
        ("tRCD of reads", Timing { rcd_read: t.rcd_read - 1, ..t }),
        ("tRCD of writes", Timing { rcd_write: t.rcd_write - 1, ..t }),
        ("tRP", Timing { rp: t.rp - 1, ..t }),
        ("tRP of all banks", Timing { rp_all: t.rp_all - 1, ..t }),
        ("tRAS", Timing { ras: t.ras - 1, ..t }),
        ("tRC", Timing { rc: t.rc - 1, ..t }),
        ("tCCD_S", Timing { ccd_s: t.ccd_s - 1, ..t }),
        ("tCCD_L", Timing { ccd_l: t.ccd_l - 1, ..t }),
        ("tRRD_S", Timing { rrd_s: t.rrd_s - 1, ..t }),
        ("tRRD_L", Timing { rrd_l: t.rrd_l - 1, ..t }),
        ("tFAW", Timing { faw: t.faw - 1, ..t }),
        ("tRTP", Timing { rtp: t.rtp - 1, ..t }),
        ("tWR", Timing { wr: t.wr - 1, ..t }),
        ("tWTR_S", Timing { wtr_s: t.wtr_s - 1, ..t }),
        ("tWTR_L", Timing { wtr_l: t.wtr_l - 1, ..t }),
        ("tRTW", Timing { rtw: t.rtw - 1, ..t }),
        ("tRFC", Timing { rfc: t.rfc - 1, ..t }),
        ("refresh", Timing { refi: t.refi + 2, ..t }),
        ("tW", Timing { cwl: t.cwl - 1, ..t }),
        ("tW", Timing { bl: t.bl - 1, ..t }),
    ];
    for (name, timing) in faulty {
        let found = (0..8).find_map(|seed| {
            let (events, accesses) = commands(&device, timing, seed);
            check(&device, &events, &accesses).err()
        });
        let found = found.unwrap_or_else(|| panic!("not caught: {name}"));
        assert!(found.contains(name), "{name}: {found}");
    }
}

/// A stream of commands in which one is left out, in another row, elsewhere or too late is noticed.
#[test]
fn a_damaged_stream_of_commands_is_caught() {
    let device = narrow();
    let (mut events, accesses) = commands(&device, device.timing, 3);
    events.sort_by_key(|e| e.clock);
    assert_eq!(check(&device, &events, &accesses), Ok(()));
    let mut rng = Rng(9);
    let mut damaged = 0;
    while damaged < 200 {
        // The last ones may be what nothing depends on.
        let at = rng.below(events.len() as u64 - 100) as usize;
        let mut copy = events.clone();
        match (rng.below(4), copy[at].kind) {
            (0, kind) if kind != Kind::PreAll => drop(copy.remove(at)),
            (1, Kind::Act) => copy[at].row ^= 1,
            (2, Kind::Rd | Kind::Wr) => copy[at].column ^= 1,
            (3, Kind::Ref) => copy[at].clock += 40,
            _ => continue,
        }
        damaged += 1;
        assert!(check(&device, &copy, &accesses).is_err(), "{at}: {:?}", events[at]);
    }
}

/// Bursts of a port in order of time, with what came before in mind.
fn bursts(rng: &mut Rng, beat: u32, count: usize) -> Vec<(bool, Burst, u64)> {
    let (mut cycle, mut next) = (0, 0);
    let mut burst = |rng: &mut Rng| {
        let beats = 1 + rng.below(4096 / u64::from(beat)) as u32;
        let write = rng.below(4) == 0;
        if rng.below(3) == 0 || next + 4096 > 1 << 20 {
            next = rng.below((1 << 20) - 4096) as u32 / beat * beat;
        }
        let burst = Burst { addr: next, beats };
        next += beats * beat;
        cycle += match rng.below(50) {
            0 => rng.below(20_000),
            1..30 => rng.below(2 * u64::from(beats)),
            _ => 0,
        };
        (write, burst, cycle)
    };
    (0..count).map(|_| burst(rng)).collect()
}

/// Streams of a port: how many bursts, and how many cycles after each other they are accepted. Half of them suit a device whose
/// ways hold `unit` bytes together and whose clock meets that of the core every `meet` cycles.
fn streams(rng: &mut Rng, (beat, unit, meet): (u32, u32, u64), count: usize) -> Vec<(bool, Burst, u64, u64)> {
    let lengths = |(write, mut burst, cycle): (bool, Burst, u64), rng: &mut Rng| {
        if rng.below(2) == 0 {
            burst.beats = (unit.max(beat) << rng.below(3)).min(4096) / beat;
            burst.addr = burst.addr / (burst.beats * beat) * (burst.beats * beat);
        }
        let beats = u64::from(burst.beats);
        let paces = [0, 1, beats, 2 * beats, 4 * beats, 6 * beats, 12 * beats, 1 + rng.below(40)];
        let pace = paces[rng.below(8) as usize];
        (write, burst, cycle, if rng.below(2) == 0 { pace } else { pace.next_multiple_of(meet) })
    };
    bursts(rng, beat, count).into_iter().map(|b| lengths(b, rng)).collect()
}

/// The advance by stream gives the cycles and leaves the state of the advance by access, whatever the device.
#[test]
fn the_advance_by_stream_equals_the_advance_by_access() {
    let mut rng = Rng(5);
    let drawn: Vec<Device> = std::iter::from_fn(|| Some(drawn(&mut rng))).flatten().take(3).collect();
    let mut all = (0, 0);
    // As they are, and with rows that hold many bursts.
    let long = |mut device: Device| {
        let column = device.controller.map.iter_mut().find(|(field, _)| *field == Field::Column);
        column.unwrap().1 += 4;
        device.organisation.columns *= 16;
        device
    };
    let devices: Vec<Device> = devices().into_iter().chain(drawn).collect();
    for device in devices.iter().cloned().chain(devices.iter().cloned().map(long)) {
        for (channels, clock_hz, beat) in [(1, 300_000_000, 64), (1, 100_000_000, 8), (4, 225_000_000, 16)] {
            let machine = machine(device.clone(), channels, clock_hz, beat);
            let (mut slow, mut fast) = (dram(&machine), dram(&machine));
            let (mut free, mut now, mut at) = (0u64, 0u64, Vec::new());
            let (mut accepted, mut scheduled) = (0, 0);
            let unit = (slow.access * slow.scheduler.map.ways) as u32;
            let meet = hw::dram::Dram { channels, device: device.clone() }.clock_ratio(clock_hz).1;
            for (write, first, cycle, mut cycles) in streams(&mut rng, (beat, unit, meet), 150) {
                // As many as a port has open, not any number.
                now = cycle.max(now).max(free.saturating_sub(500));
                if write {
                    let (arrival, accesses) = slow.arrive(first, now);
                    let column = |n| slow.scheduler.access(Access::Write, n, arrival, &mut ());
                    let last = accesses.map(column).last().unwrap();
                    let done = slow.crossing.back(last + slow.data_end(Access::Write));
                    assert_eq!(fast.write(first, now), done);
                }
                let mut left = if write { 0 } else { 1 + rng.below(60) };
                let mut burst = first;
                // Half of them ask as the load unit does: at the distance at which they were answered.
                let follows = rng.below(2) == 0;
                while left > 0 && burst.addr + 4096 < 1 << 20 {
                    now = now.max(free.saturating_sub(500));
                    let done =
                        fast.read_stream(&Stream { first: burst, accepted: now, cycles, most: left }, free);
                    assert!((1..=left).contains(&done.count));
                    let mut distance = cycles;
                    for i in 0..done.count {
                        at.clear();
                        slow.read(burst, now, free, &mut at);
                        let last = *at.last().unwrap();
                        assert!(done.count == 1 || last + 1 == free + cycles, "burst {i} of {}", done.count);
                        distance = last + 1 - free;
                        free = last + 1;
                        now += cycles;
                        burst.addr += burst.beats * beat;
                    }
                    let here = format!("{}: {done:?} before {burst:?}", device.name);
                    assert_eq!(done.last + 1, free, "{here}");
                    assert_eq!(slow.scheduler.state, fast.scheduler.state, "{here}");
                    cycles = if follows { distance } else { cycles };
                    (left, accepted, scheduled) = (left - done.count, accepted + done.count, scheduled + 1);
                }
            }
            // Each device has met both ways.
            // Both ways were met; a row of the narrow device ends before a stream is steady.
            let met = scheduled > 0 && (accepted > scheduled || device.name == "narrow");
            assert!(met, "{}: {accepted}, {scheduled}", device.name);
            all = (all.0 + accepted, all.1 + scheduled);
        }
    }
    println!("{} bursts accepted in {} steps", all.0, all.1);
}

/// Once a row streams, what is left of it costs no more steps however long it is.
#[test]
fn a_stream_in_open_rows_takes_few_steps() {
    // Bursts of 256 bytes, back to back on a bus that is slower than the device.
    for (device, clock_hz) in [("hbm2", 225_000_000), ("ddr4", 300_000_000), ("lpddr4", 200_000_000)] {
        let machine = machine(hw::dram::Dram::preset(device).unwrap().device, 1, clock_hz, 16);
        let mut dram = dram(&machine);
        let end = dram.scheduler.map.run_end(0) * dram.access;
        let (mut first, mut accepted, mut free, mut steps) = (Burst { addr: 0, beats: 16 }, 500, 0, 0);
        while u64::from(first.addr) < end {
            let most = (end - u64::from(first.addr)) / 256;
            let done = dram.read_stream(&Stream { first, accepted, cycles: 16, most }, free);
            (free, accepted, steps) = (done.last + 1, accepted + 16 * done.count, steps + 1);
            first.addr += 256 * done.count as u32;
        }
        assert!(steps <= 16 && 2 * steps <= end / 256, "{device}: {steps} of {}", end / 256);
    }
}

mod figures;
