//! The C interface of a built library: the only unsafe code of the package.

use ir::diag::Diagnostic;
use libloading::{Library, Symbol};
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;

/// Version of the interface; `shim.cpp` states the same.
const ABI: u32 = 6;

/// Pins driven by the harness. Layout shared with `shim.cpp`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct In {
    pub rst_n: u8,
    pub fetch_arready: u8,
    pub fetch_rvalid: u8,
    pub fetch_rlast: u8,
    pub load_arready: u8,
    pub load_rvalid: u8,
    pub load_rlast: u8,
    pub store_awready: u8,
    pub store_wready: u8,
    pub store_bvalid: u8,
    pub ctrl_awvalid: u8,
    pub ctrl_wvalid: u8,
    pub ctrl_bready: u8,
    pub ctrl_arvalid: u8,
    pub ctrl_rready: u8,
    pub ctrl_wstrb: u8,
    pub fetch_rresp: u8,
    pub load_rresp: u8,
    pub store_bresp: u8,
    /// What hardware must ignore, from bit 0 on: AWPROT, ARPROT, bits 1:0 of AWADDR and of ARADDR.
    pub ctrl_ignored: u16,
    pub ctrl_awaddr: u16,
    pub ctrl_araddr: u16,
    pub ctrl_wdata: u32,
    /// Bytes of a beat.
    pub beat: u32,
    pub slices: u32,
    pub fetch_rdata: [u8; 64],
}

/// Pins driven by the hardware. Layout shared with `shim.cpp`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Out {
    pub fetch_arvalid: u8,
    pub load_arvalid: u8,
    pub store_awvalid: u8,
    pub store_wvalid: u8,
    pub store_wlast: u8,
    pub ctrl_awready: u8,
    pub ctrl_bvalid: u8,
    pub ctrl_arready: u8,
    pub ctrl_rvalid: u8,
    pub run: u8,
    pub end: u8,
    pub dispatch: u8,
    pub start: u8,
    pub done: u8,
    pub irq: u8,
    pub ctrl_bresp: u8,
    pub ctrl_rresp: u8,
    pub ctrl_wready: u8,
    /// Load and store ports of all slices say the same.
    pub in_step: u8,
    padding: u8,
    /// Size, burst, cache and prot of fetch, load and store.
    pub attributes: [[u8; 4]; 3],
    pub fetch_araddr: u32,
    pub fetch_arlen: u32,
    pub load_araddr: u32,
    pub load_arlen: u32,
    pub store_awaddr: u32,
    pub store_awlen: u32,
    pub ctrl_rdata: u32,
    pub pc: u32,
    pub start_number: [u32; 4],
    pub done_number: [u32; 4],
    pub missing: u64,
    pub store_wstrb: u64,
}

// SAFETY of both: integers and arrays of integers; zero is a value of each.
impl Default for In {
    fn default() -> In {
        unsafe { std::mem::zeroed() }
    }
}
impl Default for Out {
    fn default() -> Out {
        unsafe { std::mem::zeroed() }
    }
}

type Wave = unsafe extern "C" fn(*mut c_void, u64, *mut *const u8) -> u64;

/// A loaded library: hardware that can be instantiated.
pub struct Simulator {
    new: unsafe extern "C" fn(u32) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    settle: unsafe extern "C" fn(*mut c_void, *const In, *const u8, *mut Out, *mut u8),
    edge: unsafe extern "C" fn(*mut c_void),
    memory: unsafe extern "C" fn(*mut c_void, *const c_char, *mut u8, u64) -> u64,
    failure: unsafe extern "C" fn() -> *const c_char,
    /// Only a library that was built for it records waves.
    wave: Option<Wave>,
    /// Keeps the functions above alive.
    _library: Library,
}

impl Simulator {
    /// Loads a library that [`super::build`] made.
    ///
    /// # Errors
    /// It cannot be loaded or has another interface.
    pub fn load(path: &Path) -> Result<Simulator, Diagnostic> {
        let refuse = |why: String| {
            Diagnostic::new("cosim-library", "the built hardware cannot be loaded")
                .because(why)
                .help("delete the cache folder and run again")
                .in_file(path.display().to_string())
        };
        // SAFETY: the library was compiled from shim.cpp, whose interface version is checked before anything else is used.
        unsafe {
            let library = Library::new(path).map_err(|e| refuse(e.to_string()))?;
            let abi: Symbol<unsafe extern "C" fn() -> u32> =
                library.get(b"tw_abi").map_err(|e| refuse(e.to_string()))?;
            if abi() != ABI {
                return Err(refuse(format!("interface version {} instead of {ABI}", abi())));
            }
            macro_rules! symbol {
                ($name:literal) => {
                    *library.get($name).map_err(|e| refuse(e.to_string()))?
                };
            }
            Ok(Simulator {
                new: symbol!(b"tw_new"),
                free: symbol!(b"tw_free"),
                settle: symbol!(b"tw_settle"),
                edge: symbol!(b"tw_edge"),
                memory: symbol!(b"tw_memory"),
                failure: symbol!(b"tw_failure"),
                wave: library.get(b"tw_wave").ok().map(|symbol: Symbol<Wave>| *symbol),
                _library: library,
            })
        }
    }

    /// Hardware before reset; every register and memory holds noise drawn from `seed`.
    pub fn instance(&self, seed: u32) -> Instance<'_> {
        // SAFETY: the function only allocates.
        Instance { simulator: self, handle: unsafe { (self.new)(seed) } }
    }
}

/// One piece of running hardware.
pub struct Instance<'a> {
    simulator: &'a Simulator,
    handle: *mut c_void,
}

impl Instance<'_> {
    /// Drives the pins of a cycle and gives what the hardware drives in it. `read` and `written` are the data of the load and
    /// of the store ports, a beat for each slice.
    pub fn settle(&mut self, pins: &In, read: &[u8], written: &mut [u8]) -> Out {
        let mut out = Out::default();
        let bytes = pins.beat as usize * pins.slices as usize;
        assert!(read.len() == bytes && written.len() == bytes, "a beat for each slice");
        // SAFETY: the handle lives as long as self; both layouts are those of shim.cpp, which refuses hardware whose data pins
        // are not as wide as both buffers.
        unsafe { (self.simulator.settle)(self.handle, pins, read.as_ptr(), &mut out, written.as_mut_ptr()) };
        out
    }

    /// The rising edge that ends the cycle.
    pub fn edge(&mut self) {
        // SAFETY: as above.
        unsafe { (self.simulator.edge)(self.handle) }
    }

    /// Records every signal at a time in picoseconds, later than that of the call before. Gives what it adds to the wave;
    /// nothing if the library was not built for waves.
    pub fn wave(&mut self, picoseconds: u64) -> &[u8] {
        let Some(wave) = self.simulator.wave else { return &[] };
        let mut text = std::ptr::null();
        // SAFETY: the text belongs to the handle, which does not change while self is borrowed; it is null for length 0 only.
        unsafe {
            let length = wave(self.handle, picoseconds, &mut text);
            if length == 0 { &[] } else { std::slice::from_raw_parts(text, length as usize) }
        }
    }

    /// The bytes of the memory wrapper at this place in the hierarchy, or `None` if it is not there or does not hold `bytes`.
    pub fn memory(&self, place: &str, bytes: usize) -> Option<Vec<u8>> {
        let scope = CString::new(format!("TOP.tw_top.{place}")).ok()?;
        let mut data = vec![0; bytes];
        // SAFETY: the library writes no more than the capacity that it is told.
        let copied =
            unsafe { (self.simulator.memory)(self.handle, scope.as_ptr(), data.as_mut_ptr(), bytes as u64) };
        (copied == bytes as u64).then_some(data)
    }

    /// What the first failed assertion of the hardware said, if one has failed.
    pub fn failure(&self) -> Option<String> {
        // SAFETY: the text is owned by the library's thread and copied at once.
        let text = unsafe { CStr::from_ptr((self.simulator.failure)()) };
        (!text.is_empty()).then(|| text.to_string_lossy().lines().next().unwrap_or_default().to_string())
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from tw_new and is freed once.
        unsafe { (self.simulator.free)(self.handle) }
    }
}
