//! The hardware with a host on its control port and [`sim::axi`] on its memory ports, one clock cycle at a time.

use super::library::{In, Instance, Out};
use super::pins::{attributes, drive, outputs};
use super::wave::Recorder;
use isa::{Program, regs};
use sim::axi::{AxiMemory, Inputs};

/// Cycles in which the control port must answer.
const PATIENCE: u32 = 64;
/// Reads of STATUS until the hardware must be idle.
const IDLE_READS: u32 = 10_000;

/// Bits of CONTROL.
pub const START: u32 = 1;
/// Ends a run and resets the core.
pub const SOFT_RESET: u32 = 2;

/// In which of the cycles of a write its address and its data become valid; each stays until it is accepted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    pub address: u32,
    pub data: u32,
}

/// A host and its hardware. Cycles pass only within its methods. It lets every answer of the control port wait for a cycle.
pub struct Host<'a, 'b> {
    instance: &'a mut Instance<'b>,
    pins: In,
    /// Data of the load and of the store ports.
    read: Vec<u8>,
    written: Vec<u8>,
    memory: AxiMemory,
    /// What the memory drives in this cycle; nothing before the start.
    inputs: Option<Inputs>,
    /// Cycles since the start.
    now: u64,
    irq: bool,
    recorder: Option<&'a mut Recorder>,
}

impl<'a, 'b> Host<'a, 'b> {
    /// The host drives what hardware must ignore of the control port with the low bits of `ignored` ([`In::ctrl_ignored`]).
    pub(super) fn new(instance: &'a mut Instance<'b>, memory: AxiMemory, ignored: u16) -> Host<'a, 'b> {
        let (beat, slices) = (memory.beat_bytes(), memory.bytes().len() as u32);
        let pins = In { rst_n: 1, ctrl_ignored: ignored, beat, slices, ..In::default() };
        let data = vec![0; (beat * slices) as usize];
        let (read, written) = (data.clone(), data);
        Host { instance, pins, read, written, memory, inputs: None, now: 0, irq: false, recorder: None }
    }

    /// Has the waves of the run recorded.
    pub(super) fn record(&mut self, recorder: &'a mut Recorder) {
        self.recorder = Some(recorder);
    }

    /// The reset pin, low for three cycles. The memory is reset with it: it owes no answer afterwards.
    ///
    /// # Errors
    /// None that hardware in reset can cause.
    pub fn hard_reset(&mut self) -> Result<(), String> {
        self.inputs = None;
        let In { ctrl_ignored, beat, slices, .. } = self.pins;
        self.pins = In { rst_n: 1, ctrl_ignored, beat, slices, ..In::default() };
        // Before the first clock edge, because registers of noise would write the memories; and twice, because Verilator
        // sees edges of a reset and not its level: the first time may find the soft reset, which is noise too, active.
        for rst_n in [1, 0, 1, 0] {
            self.pins.rst_n = rst_n;
            self.instance.settle(&self.pins, &self.read, &mut self.written);
        }
        for rst_n in [0, 0, 0, 1, 1] {
            self.pins.rst_n = rst_n;
            self.cycle()?;
        }
        Ok(())
    }

    /// One clock cycle: pins, memory, edge.
    pub(super) fn cycle(&mut self) -> Result<Out, String> {
        if let Some(inputs) = &self.inputs {
            drive(&mut self.pins, inputs);
            if let Some(beat) = &inputs.fetch_r {
                self.memory.data(beat, &mut self.pins.fetch_rdata[..self.pins.beat as usize]);
            }
            if let Some(beat) = &inputs.load_r {
                self.memory.data(beat, &mut self.read);
            }
        }
        let out = self.instance.settle(&self.pins, &self.read, &mut self.written);
        self.irq = out.irq != 0;
        // A response is taken in its first cycle with BREADY.
        self.pins.ctrl_bready &= u8::from(out.ctrl_bvalid == 0);
        if self.inputs.is_some() {
            if let Some(recorder) = &mut self.recorder {
                recorder.settled(self.instance, self.now);
            }
            attributes(&out, self.memory.beat_bytes())?;
            if out.in_step == 0 {
                return Err(format!("cycle {}: the ports of a slice do not keep step", self.now));
            }
            // The edge comes first: what the hardware asserts tells more than the pins do.
            let next = self.memory.tick(&outputs(&out), &self.written).map_err(|e| e.to_string());
            self.instance.edge();
            self.now += 1;
            if let Some(recorder) = &mut self.recorder {
                recorder.edge(self.instance, self.now);
            }
            self.inputs = Some(next?);
        } else {
            self.instance.edge();
        }
        Ok(out)
    }

    /// Lets `cycles` cycles pass.
    ///
    /// # Errors
    /// The hardware broke the protocol of memory.
    pub fn step(&mut self, cycles: u64) -> Result<(), String> {
        (0..cycles).try_for_each(|_| self.cycle().map(|_| ()))
    }

    /// The interrupt pin in the last cycle.
    pub fn irq(&self) -> bool {
        self.irq
    }

    /// Writes a whole register; the hardware must accept.
    ///
    /// # Errors
    /// The control port does not answer, or refuses.
    pub fn write(&mut self, address: u32, value: u32) -> Result<(), String> {
        match self.write_bytes(address, value, 15)? {
            0 => Ok(()),
            response => Err(format!("a write of {address:#x} is answered with {response}")),
        }
    }

    /// Writes the bytes whose strobe is set; gives the response.
    ///
    /// # Errors
    /// The control port does not answer.
    pub fn write_bytes(&mut self, address: u32, value: u32, strobe: u8) -> Result<u8, String> {
        self.offer(address, value, strobe, Order::default())?;
        self.response()
    }

    /// Takes the response of the oldest write that has none.
    ///
    /// # Errors
    /// The control port does not answer.
    pub fn response(&mut self) -> Result<u8, String> {
        self.wait("write response", |out| out.ctrl_bvalid != 0)?;
        self.pins.ctrl_bready = 1;
        self.wait("held write response", |out| out.ctrl_bvalid != 0).map(|out| out.ctrl_bresp)
    }

    /// Writes what a run needs, all but START.
    ///
    /// # Errors
    /// The control port does not answer, or refuses.
    pub fn program(&mut self, program: &Program, args: &[u32]) -> Result<(), String> {
        self.write(register("EXPECTED_HASH"), program.machine_hash)?;
        self.write(register("PROGRAM_ADDR"), program.base)?;
        self.write(register("PROGRAM_WORDS"), program.instrs.len() as u32)?;
        let mut entries = (regs::ARGS..).step_by(4).zip(args);
        entries.try_for_each(|(address, value)| self.write(address, *value))
    }

    /// Presents a write until address and data are accepted; its response is not taken.
    ///
    /// # Errors
    /// The control port does not accept.
    pub fn offer(&mut self, address: u32, value: u32, strobe: u8, order: Order) -> Result<(), String> {
        let (mut address_left, mut data_left) = (true, true);
        for n in 0..PATIENCE {
            self.pins.ctrl_awvalid = (address_left && n >= order.address).into();
            self.pins.ctrl_wvalid = (data_left && n >= order.data).into();
            self.pins.ctrl_awaddr = address as u16;
            (self.pins.ctrl_wdata, self.pins.ctrl_wstrb) = (value, strobe);
            let out = self.cycle()?;
            address_left &= self.pins.ctrl_awvalid == 0 || out.ctrl_awready == 0;
            data_left &= self.pins.ctrl_wvalid == 0 || out.ctrl_wready == 0;
            if !address_left && !data_left {
                (self.pins.ctrl_awvalid, self.pins.ctrl_wvalid) = (0, 0);
                return Ok(());
            }
        }
        Err("the control port does not accept a write".into())
    }

    /// Writes START; the next cycle is cycle 0 of hardware and memory.
    ///
    /// # Errors
    /// The control port does not answer.
    pub fn start(&mut self) -> Result<(), String> {
        self.offer(register("CONTROL"), START, 15, Order::default())?;
        // The write is performed in the cycle after its handshakes; its response is taken whenever it comes.
        self.cycle()?;
        self.pins.ctrl_bready = 1;
        self.inputs = Some(self.memory.inputs());
        self.now = 0;
        Ok(())
    }

    /// Reads a register.
    ///
    /// # Errors
    /// The control port does not answer, or with an error.
    pub fn read(&mut self, address: u32) -> Result<u32, String> {
        match self.look(address)? {
            (value, 0) => Ok(value),
            (_, response) => Err(format!("a read of {address:#x} is answered with {response}")),
        }
    }

    /// Reads a word; gives it and the response.
    ///
    /// # Errors
    /// The control port does not answer.
    pub fn look(&mut self, address: u32) -> Result<(u32, u8), String> {
        self.pins.ctrl_araddr = address as u16;
        (self.pins.ctrl_arvalid, self.pins.ctrl_rready) = (1, 0);
        self.wait("read", |out| out.ctrl_arready != 0)?;
        self.pins.ctrl_arvalid = 0;
        self.wait("read data", |out| out.ctrl_rvalid != 0)?;
        self.pins.ctrl_rready = 1;
        let out = self.wait("held read data", |out| out.ctrl_rvalid != 0)?;
        Ok((out.ctrl_rdata, out.ctrl_rresp))
    }

    /// Waits until STATUS says that the hardware is idle.
    ///
    /// # Errors
    /// It does not become idle.
    pub fn until_idle(&mut self) -> Result<(), String> {
        for _ in 0..IDLE_READS {
            if self.read(register("STATUS"))? & 1 != 0 {
                return Ok(());
            }
        }
        Err("the hardware does not become idle".into())
    }

    /// DRAM and the handshakes with it.
    pub fn memory(&self) -> &AxiMemory {
        &self.memory
    }

    /// The cycles since the last start.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// The hardware.
    pub(super) fn instance(&self) -> &Instance<'b> {
        self.instance
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
}

/// Address of a register by name; the map is fixed, so a name that is not in it cannot occur.
pub fn register(name: &str) -> u32 {
    regs::table().iter().find(|r| r.name == name).map_or(0, |r| r.offset)
}
