//! What a program computes: every byte, in program order. Legal programs give the same bytes in every order that the
//! machine may take, so this is also what the machine computes.
//!
//! All arithmetic is [`ir::num`]; here is only which operand lies where.

mod matrix;
mod rows;
mod state;
mod transfer;
mod vector;

pub use state::{Outside, State};

use hw::Machine;
use isa::walk::Step;
use isa::{Body, Illegal, Program, Walk};

/// Looks on while a program runs.
pub trait Observer {
    /// After each dispatched word, with the state of every slice; the registers of `step` are resolved.
    fn after(&mut self, step: &Step, slices: &[State]) {
        let _ = (step, slices);
    }

    /// The outputs of one tile and token of a gemm in a slice, before the residual is added.
    fn gemm_tile(&mut self, step: &Step, at: Tile, outputs: &[i32]) {
        let _ = (step, at, outputs);
    }
}

/// Which outputs of a gemm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    pub slice: usize,
    pub tile: u32,
    pub token: u32,
}

/// Looks away.
impl Observer for () {}

/// Runs a program on a machine of one slice whose DRAM begins with `image`; gives its state at the end.
///
/// # Errors
/// The first instruction that cannot run: it leaves a memory or does nothing meaningful.
pub fn run(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    image: &[u8],
    observer: &mut impl Observer,
) -> Result<State, Illegal> {
    let mut state = State::new(machine, image);
    run_on(&mut state, program, args, observer)?;
    Ok(state)
}

/// As [`run`], on a machine that holds something already.
///
/// # Errors
/// As [`run`]; the state is then that of the instructions before.
pub fn run_on(
    state: &mut State,
    program: &Program,
    args: &[u32],
    observer: &mut impl Observer,
) -> Result<(), Illegal> {
    run_slices(std::slice::from_mut(state), program, args, observer)
}

/// As [`run_on`], on the slices of a machine.
///
/// # Errors
/// As [`run_on`]; or these are not all slices of the machine.
pub fn run_slices(
    slices: &mut [State],
    program: &Program,
    args: &[u32],
    observer: &mut impl Observer,
) -> Result<(), Illegal> {
    if slices.first().is_none_or(|s| s.geometry.slices as usize != slices.len()) {
        let what = format!("is run on {} slices, and its machine has others", slices.len());
        let why = "slices of a machine run together";
        return Err(Illegal::new(program, 0, what, why, "make the state of all of them"));
    }
    let mut scratch = Scratch::default();
    for step in Walk::new(program, args) {
        let step = step?;
        execute(slices, &step, &mut scratch, observer).map_err(|e| illegal(program, &step, e))?;
        observer.after(&step, slices);
    }
    Ok(())
}

/// Buffers that instructions reuse.
#[derive(Default)]
struct Scratch {
    matrix: matrix::Scratch,
    vector: vector::Scratch,
}

/// Why an instruction cannot run.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Outside(#[from] Outside),
    #[error("{0}")]
    Field(&'static str),
}

fn illegal(program: &Program, step: &Step, refused: Refused) -> Illegal {
    let help = "run the legality checker on this program";
    Illegal::new(program, step.word as usize, refused.to_string(), "the machine has no meaning for it", help)
}

fn execute(
    slices: &mut [State],
    step: &Step,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<(), Refused> {
    if let Body::Vector(i) = &step.instr.body {
        return vector::vector(slices, i, &mut scratch.vector);
    }
    for (slice, state) in slices.iter_mut().enumerate() {
        match &step.instr.body {
            Body::Load(i) => transfer::load(state, i)?,
            Body::StoreBlocks(i) => transfer::store_blocks(state, i)?,
            Body::StoreSegments(i) => transfer::store_segments(state, i)?,
            Body::Gemm(i) => {
                let mut seen =
                    |tile, token, y: &[i32]| observer.gemm_tile(step, Tile { slice, tile, token }, y);
                matrix::gemm(state, i, &mut scratch.matrix, &mut seen)?;
            }
            Body::Vector(_)
            | Body::Nop(_)
            | Body::Set(_)
            | Body::Add(_)
            | Body::Arg(_)
            | Body::Loop(_)
            | Body::Halt(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
