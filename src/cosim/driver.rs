//! Runs a program on built hardware: the host on the control port, [`sim::axi`] on the memory ports, the probe as the witness.

use super::library::{In, Instance, Out, Simulator};
use super::pins::{drive, outputs};
use hw::Machine;
use ir::diag::Diagnostic;
use isa::regs;
use isa::table::Unit;
use isa::{Program, regs::Register};
use sim::axi::{AxiMemory, Burst, Inputs};
use sim::trace::{Counters, Dispatch, Request, SequencerCounters, Span, Trace, UnitCounters};
use std::path::Path;

/// Cycles in which the control port must answer.
const PATIENCE: u32 = 64;
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
    /// Every memory at the end, DRAM first, then in the order of [`places`].
    pub memories: Vec<Vec<u8>>,
    /// What went wrong on the way: a failed assertion, a broken protocol, a run without end, an error cause.
    pub failure: Option<String>,
}

/// A run to be made.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    pub machine: &'a Machine,
    pub program: &'a Program,
    pub args: &'a [u32],
    /// DRAM from address 0 on, program words included.
    pub image: &'a [u8],
    /// Cycles after which the run is given up.
    pub limit: u64,
}

impl Hardware {
    /// Loads a library that [`super::build()`] made.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn load(library: &Path) -> Result<Hardware, Diagnostic> {
        Ok(Hardware { simulator: Simulator::load(library)? })
    }

    /// Fresh hardware; every register holds noise drawn from `seed` until the first run resets it.
    pub fn session(&self, seed: u32) -> Session<'_> {
        Session { instance: self.simulator.instance(seed), reset: false }
    }
}

/// One piece of hardware that runs program after program; what its memories hold stays.
pub struct Session<'a> {
    instance: Instance<'a>,
    reset: bool,
}

impl Session<'_> {
    /// Runs a program to its end and reads the counters.
    pub fn run(&mut self, run: &Run) -> Observed {
        let reset = std::mem::replace(&mut self.reset, true);
        let mut bench = Bench::new(&mut self.instance, run);
        let outcome = if reset { Ok(()) } else { bench.reset() };
        let failure = outcome.and_then(|()| bench.program(run)).err();
        let failure = bench.assertion.take().or(failure);
        let observed = bench.observed();
        Observed { failure: failure.or(observed.failure), ..observed }
    }
}

/// The hardware with everything around it.
struct Bench<'a, 'b> {
    instance: &'a mut Instance<'b>,
    pins: In,
    memory: AxiMemory,
    /// What the memory drives in this cycle; nothing before the start.
    inputs: Option<Inputs>,
    trace: Trace,
    /// The first failed assertion of the hardware.
    assertion: Option<String>,
    /// On-chip memories: place in the hierarchy, bytes.
    places: Vec<(String, usize)>,
    /// For each unit the words that wait to start.
    queued: [Vec<u32>; 4],
    program: &'a Program,
}

impl<'a, 'b> Bench<'a, 'b> {
    fn new(instance: &'a mut Instance<'b>, run: &Run<'a>) -> Bench<'a, 'b> {
        Bench {
            instance,
            pins: In { rst_n: 1, ..In::default() },
            memory: AxiMemory::new(run.machine, run.image),
            inputs: None,
            trace: Trace::default(),
            assertion: None,
            places: places(run.machine),
            queued: Default::default(),
            program: run.program,
        }
    }

    fn program(&mut self, run: &Run) -> Result<(), String> {
        self.write(register("EXPECTED_HASH"), run.machine.hash())?;
        self.write(register("PROGRAM_ADDR"), run.program.base)?;
        self.write(register("PROGRAM_WORDS"), run.program.instrs.len() as u32)?;
        for (i, value) in run.args.iter().enumerate() {
            self.write(regs::ARGS + 4 * i as u32, *value)?;
        }
        self.write(register("CONTROL"), 1)?;
        self.until_end(run.limit)?;
        self.until_idle()?;
        self.counters()
    }

    fn reset(&mut self) -> Result<(), String> {
        // Before the first clock edge, because registers of noise would write the memories; and twice, because Verilator
        // sees edges of a reset and not its level: the first time may find the soft reset, which is noise too, active.
        for rst_n in [1, 0, 1, 0] {
            self.pins.rst_n = rst_n;
            self.instance.settle(&self.pins);
        }
        for rst_n in [0, 0, 0, 1, 1] {
            self.pins.rst_n = rst_n;
            self.cycle()?;
        }
        Ok(())
    }

    /// One clock cycle: pins, observation, memory, edge.
    fn cycle(&mut self) -> Result<Out, String> {
        if let Some(inputs) = &self.inputs {
            drive(&mut self.pins, inputs);
        }
        let out = self.instance.settle(&self.pins);
        if self.inputs.is_some() {
            let next = self.memory.tick(&outputs(&out)).map_err(|e| e.to_string())?;
            self.inputs = Some(next);
        }
        self.instance.edge();
        Ok(out)
    }

    /// A write on the control port. The memory begins with the cycle after a write of START.
    fn write(&mut self, address: u32, value: u32) -> Result<(), String> {
        self.pins.ctrl_awaddr = address as u16;
        self.pins.ctrl_wdata = value;
        (self.pins.ctrl_awvalid, self.pins.ctrl_wvalid, self.pins.ctrl_bready) = (1, 1, 1);
        self.wait("write", |out| out.ctrl_awready != 0)?;
        (self.pins.ctrl_awvalid, self.pins.ctrl_wvalid) = (0, 0);
        if address == register("CONTROL") {
            self.inputs = Some(self.memory.inputs());
            return Ok(());
        }
        self.wait("write response", |out| out.ctrl_bvalid != 0).map(|_| ())
    }

    fn read(&mut self, address: u32) -> Result<u32, String> {
        self.pins.ctrl_araddr = address as u16;
        (self.pins.ctrl_arvalid, self.pins.ctrl_rready) = (1, 1);
        self.wait("read", |out| out.ctrl_arready != 0)?;
        self.pins.ctrl_arvalid = 0;
        self.wait("read data", |out| out.ctrl_rvalid != 0).map(|out| out.ctrl_rdata)
    }

    fn wait(&mut self, what: &str, happened: impl Fn(&Out) -> bool) -> Result<Out, String> {
        for _ in 0..PATIENCE {
            let out = self.cycle()?;
            if happened(&out) {
                return Ok(out);
            }
        }
        Err(format!("the control port does not answer: {what}"))
    }

    fn until_end(&mut self, limit: u64) -> Result<(), String> {
        for cycle in 0..limit {
            let out = self.cycle()?;
            if out.run == 0 {
                return Err("the hardware does not start; is it that of another machine?".into());
            }
            self.observe(&out, cycle)?;
            if self.assertion.is_none() {
                self.assertion = self.instance.failure().map(|said| format!("cycle {cycle}: {said}"));
            }
            if out.end != 0 {
                self.trace.cycles = cycle;
                return Ok(());
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

    /// After the end a fetch may still be open.
    fn until_idle(&mut self) -> Result<(), String> {
        for _ in 0..10_000 {
            if self.read(register("STATUS"))? & 1 != 0 {
                return Ok(());
            }
        }
        Err("the hardware is not idle after the end of the run".into())
    }

    fn counters(&mut self) -> Result<(), String> {
        let error = self.read(register("ERROR"))?;
        if error != 0 {
            let word = self.read(register("ERROR_WORD"))?;
            return Err(format!("error cause {error} at word {word}"));
        }
        let cycles =
            u64::from(self.read(register("CYCLES_HI"))?) << 32 | u64::from(self.read(register("CYCLES_LO"))?);
        if cycles != self.trace.cycles {
            return Err(format!("the cycle counter reads {cycles} after {} cycles", self.trace.cycles));
        }
        let values: Result<Vec<u64>, String> =
            regs::stall_counters().iter().map(|r: &Register| self.read(r.offset).map(u64::from)).collect();
        self.trace.counters = attribution(&values?, &self.trace.counters);
        Ok(())
    }

    fn observed(mut self) -> Observed {
        let end = self.trace.cycles;
        let mut requests: Vec<Request> = self
            .memory
            .handshakes()
            .iter()
            .filter(|h| h.2 < end)
            .map(|&(channel, Burst { addr, beats }, cycle)| Request { channel, addr, beats, cycle })
            .collect();
        requests.sort_by_key(|r| r.channel);
        self.trace.requests = requests;
        let chip = self.places.iter().map(|(place, bytes)| self.instance.memory(place, *bytes));
        let absent = chip.clone().zip(&self.places).find(|(m, _)| m.is_none());
        let failure = absent.map(|(_, (place, _))| format!("the hardware has no memory {place}"));
        let dram = self.memory.bytes().to_vec();
        let memories = std::iter::once(dram).chain(chip.map(Option::unwrap_or_default)).collect();
        Observed { trace: self.trace, memories, failure }
    }
}

/// The on-chip memories of a machine, in the order in which [`Observed`] holds them behind DRAM.
fn places(machine: &Machine) -> Vec<(String, usize)> {
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
        .map(|(place, bytes)| (format!("u_datapath.u_memories.{place}"), bytes as usize))
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

/// Address of a register by name; the map is fixed, so a name that is not in it cannot occur.
fn register(name: &str) -> u32 {
    regs::table().iter().find(|r| r.name == name).map_or(0, |r| r.offset)
}
