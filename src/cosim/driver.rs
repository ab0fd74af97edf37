//! Runs a program on built hardware: the host on the control port, [`sim::axi`] on the memory ports, the probe as the witness.

use super::host::{Host, register};
use super::library::{Instance, Out, Simulator};
use super::wave::Recorder;
use hw::Machine;
use ir::diag::Diagnostic;
use isa::access::Space;
use isa::regs;
use isa::table::Unit;
use isa::{Program, regs::Register};
use sim::axi::{AxiMemory, Burst};
use sim::pages::Pages;
use sim::trace::{Counters, Dispatch, Request, SequencerCounters, Span, Trace, UnitCounters};
use std::ops::{ControlFlow, Range};
use std::path::Path;

/// `done` of an instruction that never was.
const NEVER: u64 = u64::MAX;

/// Built hardware of one machine; runs any number of programs.
pub struct Hardware {
    simulator: Simulator,
}

/// What a run of the hardware showed.
#[derive(Debug, Clone)]
pub struct Observed {
    pub trace: Trace,
    /// DRAM of each slice at the end.
    pub dram: Vec<Pages>,
    /// Every on-chip memory of each slice at the end, in the order of [`places`].
    pub memories: Vec<Vec<u8>>,
    /// Error cause of the hardware and its ERROR_WORD, unless it is 0.
    pub error: Option<(u32, u32)>,
    /// What went wrong on the way: a failed assertion, a broken protocol, a run without end.
    pub failure: Option<String>,
    /// The cycle in which it did.
    pub failed_in: Option<u64>,
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    pub machine: &'a Machine,
    pub program: &'a Program,
    pub args: &'a [u32],
    /// DRAM of each slice at the start, program words included.
    pub dram: &'a [Pages],
    /// Cycles after which the run is given up.
    pub limit: u64,
    /// Bytes of DRAM whose bursts are answered with an error.
    pub poison: Range<u32>,
}

impl Hardware {
    /// Loads a library that [`super::build()`] made.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn load(library: &Path) -> Result<Hardware, Diagnostic> {
        Ok(Hardware { simulator: Simulator::load(library)? })
    }

    /// Fresh hardware; every register holds noise drawn from `seed` until the first run resets it. Pins of the control port
    /// that change nothing are the lowest ten bits of `seed`: AWPROT, ARPROT, bits 1:0 of AWADDR and of ARADDR.
    pub fn session(&self, seed: u32) -> Session<'_> {
        Session { instance: self.simulator.instance(seed), ignored: seed as u16, reset: false }
    }
}

/// One piece of hardware that runs program after program; what its memories hold stays.
pub struct Session<'a> {
    instance: Instance<'a>,
    ignored: u16,
    reset: bool,
}

/// Looks on after each cycle of a run, which ends if it breaks.
pub type Watch<'w> = dyn FnMut(u64, &Host) -> ControlFlow<()> + 'w;

impl<'b> Session<'b> {
    /// Runs a program to its end and reads the counters.
    pub fn run(&mut self, run: &Run) -> Observed {
        self.run_watched(run, &mut |_, _| ControlFlow::Continue(()))
    }

    /// Runs a program to its end, or its limit, for the waves alone.
    pub(super) fn run_recorded(&mut self, run: &Run, recorder: &mut Recorder) {
        let memory = AxiMemory::new(run.machine, run.dram.to_vec());
        let (mut host, reset) = self.attach(memory);
        host.record(recorder);
        // Whatever goes wrong is in the waves.
        let _ =
            reset.and_then(|()| Bench::new(host, run).program(run, &mut |_, _| ControlFlow::Continue(())));
    }

    /// Runs a program to its end or until `watch` has seen enough.
    pub fn run_watched(&mut self, run: &Run, watch: &mut Watch) -> Observed {
        let memory = AxiMemory::new(run.machine, run.dram.to_vec()).with_errors(run.poison.clone());
        let (host, reset) = self.attach(memory);
        let mut bench = Bench::new(host, run);
        let failure = reset.and_then(|()| bench.program(run, watch)).err();
        let now = bench.host.now();
        let (failed_in, assertion) = bench.assertion.take().unzip();
        let failure = assertion.or_else(|| bench.host.instance().failure()).or(failure);
        let observed = bench.observed();
        let failure = failure.or(observed.failure);
        let failed_in = failed_in.or(failure.is_some().then(|| now.saturating_sub(1)));
        Observed { failure, failed_in, ..observed }
    }

    /// The hardware with a host that does as it is told, and this DRAM of each slice.
    ///
    /// # Errors
    /// The first reset fails.
    pub fn host(&mut self, machine: &Machine, dram: Vec<Pages>) -> Result<Host<'_, 'b>, String> {
        let (host, reset) = self.attach(AxiMemory::new(machine, dram));
        reset.map(|()| host)
    }

    /// With a host, and what came of the reset before first use.
    fn attach(&mut self, memory: AxiMemory) -> (Host<'_, 'b>, Result<(), String>) {
        let reset = std::mem::replace(&mut self.reset, true);
        let mut host = Host::new(&mut self.instance, memory, self.ignored);
        let outcome = if reset { Ok(()) } else { host.hard_reset() };
        (host, outcome)
    }

    /// The bytes of every on-chip memory, in the order of [`Observed::memories`]; `None` for one that is missing.
    pub fn on_chip(&self, machine: &Machine) -> Vec<Option<Vec<u8>>> {
        places(machine).iter().map(|(place, bytes)| self.instance.memory(place, *bytes)).collect()
    }

    /// What the first failed assertion of the hardware said.
    pub fn assertion(&self) -> Option<String> {
        self.instance.failure()
    }
}

/// The hardware with everything around it.
struct Bench<'a, 'b, 'p> {
    host: Host<'a, 'b>,
    trace: Trace,
    error: Option<(u32, u32)>,
    /// The first failed assertion of the hardware, with its cycle.
    assertion: Option<(u64, String)>,
    /// On-chip memories: place in the hierarchy, bytes.
    places: Vec<(String, usize)>,
    /// For each unit the words that wait to start.
    queued: [Vec<u32>; 4],
    program: &'p Program,
}

impl<'a, 'b, 'p> Bench<'a, 'b, 'p> {
    fn new(host: Host<'a, 'b>, run: &Run<'p>) -> Bench<'a, 'b, 'p> {
        Bench {
            host,
            trace: Trace::default(),
            error: None,
            assertion: None,
            places: places(run.machine),
            queued: Default::default(),
            program: run.program,
        }
    }

    fn program(&mut self, run: &Run, watch: &mut Watch) -> Result<(), String> {
        self.host.program(run.program, run.args)?;
        self.host.start()?;
        if self.until_end(run.limit, watch)?.is_break() {
            return Ok(());
        }
        self.host.until_idle()?;
        self.counters()
    }

    fn until_end(&mut self, limit: u64, watch: &mut Watch) -> Result<ControlFlow<()>, String> {
        for cycle in 0..limit {
            let out = self.host.cycle()?;
            if out.run == 0 {
                return Err("the hardware does not start; is it that of another machine?".into());
            }
            self.observe(&out, cycle)?;
            if self.assertion.is_none() {
                let said = self.host.instance().failure();
                self.assertion = said.map(|said| (cycle, format!("cycle {cycle}: {said}")));
            }
            let flow = watch(cycle, &self.host);
            if out.end != 0 || flow.is_break() {
                self.trace.cycles = cycle;
                return Ok(flow);
            }
        }
        self.trace.cycles = limit;
        Err(format!("the run did not end within {limit} cycles"))
    }

    fn observe(&mut self, out: &Out, cycle: u64) -> Result<(), String> {
        if out.dispatch != 0 {
            self.trace.dispatches.push(Dispatch { instr: out.pc, cycle });
            let unit = self.program.instrs.get(out.pc as usize).and_then(|i| i.unit().queue());
            if let Some(unit) = unit {
                self.queued[unit].push(out.pc);
            }
        }
        for unit in 0..4 {
            self.observe_unit(out, unit, cycle)?;
        }
        Ok(())
    }

    fn observe_unit(&mut self, out: &Out, unit: usize, cycle: u64) -> Result<(), String> {
        let spans = &mut self.trace.units[unit];
        let name = Unit::QUEUED[unit].name();
        if out.start >> unit & 1 != 0 {
            let number = out.start_number[unit] as usize;
            let instr = self.queued[unit].get(number).copied();
            let (true, Some(instr)) = (number == spans.len(), instr) else {
                return Err(format!("cycle {cycle}: {name} starts number {number}, out of order"));
            };
            spans.push(Span { instr, start: cycle, done: NEVER });
        }
        if out.done >> unit & 1 != 0 {
            let number = out.done_number[unit] as usize;
            match spans.get_mut(number) {
                Some(span) if span.done == NEVER => span.done = cycle,
                _ => return Err(format!("cycle {cycle}: {name} retires number {number}, out of order")),
            }
        }
        let missing = (out.missing >> (16 * unit)) as u16;
        if missing != 0 {
            self.trace.counters.units[unit].by_semaphore[missing.trailing_zeros() as usize] += 1;
        }
        Ok(())
    }

    fn counters(&mut self) -> Result<(), String> {
        let error = self.host.read(register("ERROR"))?;
        let word = self.host.read(register("ERROR_WORD"))?;
        self.error = (error != 0).then_some((error, word));
        let high = self.host.read(register("CYCLES_HI"))?;
        let cycles = u64::from(high) << 32 | u64::from(self.host.read(register("CYCLES_LO"))?);
        if cycles != self.trace.cycles {
            return Err(format!("the cycle counter reads {cycles} after {} cycles", self.trace.cycles));
        }
        let values: Result<Vec<u64>, String> = regs::stall_counters()
            .iter()
            .map(|r: &Register| self.host.read(r.offset).map(u64::from))
            .collect();
        self.trace.counters = attribution(&values?, &self.trace.counters);
        Ok(())
    }

    fn observed(mut self) -> Observed {
        let end = self.trace.cycles;
        let mut requests: Vec<Request> = self
            .host
            .memory()
            .handshakes()
            .iter()
            .filter(|h| h.2 < end)
            .map(|&(channel, Burst { addr, beats }, cycle)| Request { channel, addr, beats, cycle })
            .collect();
        requests.sort_by_key(|r| r.channel);
        self.trace.requests = requests;
        let chip = self.places.iter().map(|(place, bytes)| self.host.instance().memory(place, *bytes));
        let absent = chip.clone().zip(&self.places).find(|(m, _)| m.is_none());
        let failure = absent.map(|(_, (place, _))| format!("the hardware has no memory {place}"));
        let memories = chip.map(Option::unwrap_or_default).collect();
        let dram = self.host.memory().bytes().to_vec();
        Observed { trace: self.trace, dram, memories, error: self.error, failure, failed_in: None }
    }
}

/// Bytes of a slice's memory from `at` on while a program runs, those of an on-chip one as the last cycle left them. Nothing
/// if the memory ends before.
pub fn memory(
    host: &Host,
    machine: &Machine,
    (slice, space): (usize, Space),
    at: u64,
    length: usize,
) -> Vec<u8> {
    let place = match space {
        Space::Dram => {
            let held = host.memory().bytes().get(slice).and_then(|dram| dram.get(at, length));
            return held.unwrap_or_default();
        }
        Space::Vector(bank) => 5 + usize::from(bank),
        on_chip => on_chip.index(),
    };
    let place = places_of(machine, slice).into_iter().nth(place);
    let held = place.and_then(|(place, bytes)| host.instance().memory(&place, bytes)).unwrap_or_default();
    let from = at as usize;
    held.get(from..from.saturating_add(length)).unwrap_or_default().to_vec()
}

/// The on-chip memories of a machine, in the order in which [`Observed`] holds them: those of slice 0, of slice 1, and so on.
fn places(machine: &Machine) -> Vec<(String, usize)> {
    (0..machine.slices.count as usize).flat_map(|slice| places_of(machine, slice)).collect()
}

fn places_of(machine: &Machine, slice: usize) -> Vec<(String, usize)> {
    let b = &machine.buffers;
    let mut list = vec![
        ("u_weights.u_buffer.u_ram".to_string(), b.weight_bytes),
        ("u_group_scales.u_buffer.u_ram".to_string(), b.group_scale_bytes),
        ("u_channels.u_buffer.u_ram".to_string(), b.channel_bytes),
        ("u_activations".to_string(), b.activation_bytes),
        ("u_token_scales".to_string(), 3 * b.token_scales),
    ];
    list.extend((0..b.vector_banks).map(|k| (format!("u_vbanks.gen_bank[{k}].u_ram"), b.vector_bank_bytes)));
    list.into_iter()
        .map(|(place, bytes)| (format!("gen_slice[{slice}].u_datapath.u_memories.{place}"), bytes as usize))
        .collect()
}

/// Stall counters in the order of the register map; the split by semaphore comes from the probe.
fn attribution(values: &[u64], probed: &Counters) -> Counters {
    let at = |i: usize| values.get(i).copied().unwrap_or(0);
    let units = std::array::from_fn(|u| UnitCounters {
        busy: at(4 * u),
        wait_semaphore: at(4 * u + 1),
        wait_drain: at(4 * u + 2),
        empty: at(4 * u + 3),
        by_semaphore: probed.units[u].by_semaphore,
    });
    let sequencer = SequencerCounters {
        dispatching: at(16),
        fetch: at(17),
        queue: at(18),
        argument: at(19),
        halt: at(20),
    };
    Counters { sequencer, units }
}
