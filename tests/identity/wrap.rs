//! Accumulators wrap: a program by hand whose sum is beyond the narrowest accumulator, in simulator and hardware alike.

use crate::bench::{cache, check, emitted};
use tilewright::cosim::{self, Hardware};
use tilewright::hw::machine::Matrix;
use tilewright::isa::random::Case;
use tilewright::sim::functional::{State, run_on};
use tilewright::{hw, isa};

const ROWS: i64 = 1000;
const PIECES: i64 = 6;
const LANES: i64 = 4;

/// 24000 codes of 127, times level 3, times group scale 255: all positive.
const SUM: i64 = ROWS * PIECES * LANES * 127 * 3 * 255;

fn text(machine: &hw::Machine) -> String {
    let quantise = |i: i64| {
        let sync = match i {
            0 => " wait 0",
            _ if i == PIECES - 1 => " post 2",
            _ => "",
        };
        format!("vec fun=copy out=q8 tokens=1 subs=1 rows={ROWS} a=v0:0 d=v1:0 o=v0:{}{sync}\n", i * ROWS)
    };
    let codes: String = (0..PIECES).map(quantise).collect();
    format!(
        ".machine {:#010x}\n.base 0x10000\n\
         load space=v bank=0 addr=0 blocks=250 post 0\n\
         load space=g addr=250 blocks=63\n\
         load space=w addr=313 blocks=1\n\
         load space=c addr=314 blocks=1 post 1\n\
         {codes}\
         gemm mode=w2 tokens=1 ntiles=1 groups={ROWS} steps={PIECES} scaled dst=v2:0 dst_stride=1 shift=16 wait 1,2 post 3\n\
         store.blocks bank=2 src=0 addr=512 blocks=1 wait 3\n\
         halt\n",
        machine.hash()
    )
}

/// Ones with 16 fractional bits, group scales of 255, weight codes of 3, channel scales of 1.
fn image() -> Vec<u8> {
    let mut image: Vec<u8> = (1i32 << 16).to_le_bytes().repeat(250 * 16);
    image.extend([0xff; 64 * 64]);
    image.extend((0x8000u32 | 0xf1 << 16).to_le_bytes().repeat(16));
    image
}

#[test]
fn sums_wrap_in_simulator_and_hardware_alike() {
    let mut machine = hw::presets::load("tiny").unwrap();
    machine.matrix =
        Matrix { tokens: 1, outputs: 4, lanes: 4, drain_lanes: 4, accumulator_bits: 32, ..machine.matrix };
    machine.buffers.activation_bytes = 32768;
    machine.verify().unwrap();
    let program = isa::asm::assemble(&text(&machine)).unwrap_or_else(|e| panic!("{}", e.render()));
    isa::check::check(&program, &machine, &[]).unwrap();
    let case = Case { program, image: image(), others: Vec::new(), args: Vec::new() };

    assert!(SUM > i64::from(i32::MAX));
    let mut state = State::new(&machine, &case.image);
    run_on(&mut state, &case.program, &[], &mut ()).unwrap();
    assert_eq!(state.dram.get(512 * 64, 16), Some((SUM as i32).to_le_bytes().repeat(4)));

    let library =
        cosim::build(&emitted(&machine, "narrow"), &cache()).unwrap_or_else(|e| panic!("{}", e.render()));
    check(&Hardware::load(&library).unwrap(), &machine, "wrap", &case, 1);
}
