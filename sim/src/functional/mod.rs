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
    /// After each dispatched word; the registers of `step` are resolved.
    fn after(&mut self, step: &Step, state: &State) {
        let _ = (step, state);
    }

    /// The outputs of one tile and token of a gemm, before the residual is added.
    fn gemm_tile(&mut self, step: &Step, tile: u32, token: u32, outputs: &[i32]) {
        let _ = (step, tile, token, outputs);
    }
}

/// Looks away.
impl Observer for () {}

/// Runs a program on a machine whose DRAM begins with `image`; gives the machine's state at the end.
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
    let mut scratch = Scratch::default();
    for step in Walk::new(program, args) {
        let step = step?;
        execute(state, &step, &mut scratch, observer).map_err(|e| illegal(program, &step, e))?;
        observer.after(&step, state);
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
    state: &mut State,
    step: &Step,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<(), Refused> {
    match &step.instr.body {
        Body::Load(i) => transfer::load(state, i)?,
        Body::StoreBlocks(i) => transfer::store_blocks(state, i)?,
        Body::StoreSegments(i) => transfer::store_segments(state, i)?,
        Body::Gemm(i) => {
            let mut seen = |tile, token, y: &[i32]| observer.gemm_tile(step, tile, token, y);
            matrix::gemm(state, i, &mut scratch.matrix, &mut seen)?;
        }
        Body::Vector(i) => vector::vector(state, i, &mut scratch.vector)?,
        Body::Nop(_) | Body::Set(_) | Body::Add(_) | Body::Arg(_) | Body::Loop(_) | Body::Halt(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
