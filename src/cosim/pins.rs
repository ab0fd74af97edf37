//! Between the pins of the library and those of [`sim::axi`].

use super::library::{In, Out};
use sim::axi::{Burst, Inputs, Outputs, WriteBeat};

/// Puts what the memory drives onto the hardware's pins, but for data.
pub fn drive(pins: &mut In, inputs: &Inputs) {
    pins.fetch_arready = inputs.fetch_arready.into();
    pins.load_arready = inputs.load_arready.into();
    pins.store_awready = inputs.store_awready.into();
    pins.store_wready = inputs.store_wready.into();
    pins.store_bvalid = inputs.store_b.is_some().into();
    pins.store_bresp = inputs.store_b.map_or(0, response);
    pins.fetch_rvalid = inputs.fetch_r.is_some().into();
    pins.load_rvalid = inputs.load_r.is_some().into();
    if let Some(beat) = &inputs.fetch_r {
        (pins.fetch_rlast, pins.fetch_rresp) = (beat.last.into(), response(beat.error));
    }
    if let Some(beat) = &inputs.load_r {
        (pins.load_rlast, pins.load_rresp) = (beat.last.into(), response(beat.error));
    }
}

/// OKAY or SLVERR.
fn response(error: bool) -> u8 {
    if error { 2 } else { 0 }
}

/// What every request says beside its place: whole beats, incrementing addresses, neither cached nor buffered, secure and
/// unprivileged data.
///
/// # Errors
/// A port says something else.
pub fn attributes(out: &Out, beat_bytes: u32) -> Result<(), String> {
    let expected = [beat_bytes.trailing_zeros() as u8, 0b01, 0b0010, 0b000];
    let ports = ["fetch", "load", "store"].into_iter().zip(out.attributes);
    match ports.into_iter().find(|p| p.1 != expected) {
        None => Ok(()),
        Some((port, is)) => {
            Err(format!("size, burst, cache and prot of {port} are {is:?} instead of {expected:?}"))
        }
    }
}

/// What the hardware drives on its memory ports.
pub fn outputs(out: &Out) -> Outputs {
    let burst = |valid: u8, addr: u32, len: u32| (valid != 0).then_some(Burst { addr, beats: len + 1 });
    let beat = WriteBeat { strobe: out.store_wstrb, last: out.store_wlast != 0 };
    Outputs {
        fetch_ar: burst(out.fetch_arvalid, out.fetch_araddr, out.fetch_arlen),
        load_ar: burst(out.load_arvalid, out.load_araddr, out.load_arlen),
        store_aw: burst(out.store_awvalid, out.store_awaddr, out.store_awlen),
        store_w: (out.store_wvalid != 0).then_some(beat),
    }
}
