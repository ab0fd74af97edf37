//! Every delay that the simulator applies, as data: the contract's, or the contract's with one deliberate fault.
//!
//! Faults exist to show that the comparison with the hardware notices each of them.

use hw::{Machine, Multipliers, timing};

/// A wrong rule of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Fault {
    /// The contract.
    #[default]
    None,
    /// Each pass of the vector unit takes a cycle more.
    VectorGap,
    /// Vector instructions retire a cycle late.
    VectorRetire,
    /// Matrix instructions retire a cycle early.
    MatrixRetire,
    /// A tile does not wait for the drain of the one before.
    MatrixPace,
    /// Every step takes one cycle.
    MatrixBeats,
    /// Narrow activations take as many beats as others.
    MatrixNarrow,
    /// Every queue holds one instruction more.
    QueueDepth,
    /// A post is visible in the cycle of the retire pulse.
    SemaphoreEarly,
    /// `drain` does not wait for the instruction before, only for the one before that.
    DrainShort,
    /// A loop's wrap costs a cycle.
    LoopWrap,
    /// `arg` costs one cycle.
    ArgShort,
    /// A word can dispatch a cycle earlier after its fetch.
    FetchEarly,
    /// Fetch may overwrite the body of a running loop.
    FetchBase,
    /// Loads retire a cycle early.
    LoadRetire,
    /// One more burst of loads may be open.
    LoadOutstanding,
    /// Load bursts are cut by length, not by address.
    LoadCut,
    /// Store bursts are cut by length, not by address.
    StoreCut,
    /// The store holds two beats less between buffer and bus (one less would not be seen from outside).
    StoreFifo,
    /// Stores retire a cycle late.
    StoreRetire,
}

impl Fault {
    /// Every fault, without [`Fault::None`].
    pub const ALL: [Fault; 19] = [
        Fault::VectorGap,
        Fault::VectorRetire,
        Fault::MatrixRetire,
        Fault::MatrixPace,
        Fault::MatrixBeats,
        Fault::MatrixNarrow,
        Fault::QueueDepth,
        Fault::SemaphoreEarly,
        Fault::DrainShort,
        Fault::LoopWrap,
        Fault::ArgShort,
        Fault::FetchEarly,
        Fault::FetchBase,
        Fault::LoadRetire,
        Fault::LoadOutstanding,
        Fault::LoadCut,
        Fault::StoreCut,
        Fault::StoreFifo,
        Fault::StoreRetire,
    ];
}

/// The delays in force.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub queue_depth: [usize; 4],
    pub in_flight: usize,
    /// From a retire pulse to the first start that may use its posts.
    pub post_visible: u64,
    /// Earlier instructions that a drain does not wait for.
    pub drain_skips: usize,
    pub loop_wrap: u64,
    pub arg_cycles: u64,
    pub fetch_to_dispatch: u64,
    pub fetch_keeps_loops: bool,
    pub matrix_latency: u64,
    pub matrix_pace: bool,
    /// What decides how many cycles a step takes.
    pub multipliers: Multipliers,
    /// Whether narrow activations do.
    pub narrow: bool,
    pub vector_gap_extra: u64,
    pub vector_latency: u64,
    pub load_retire: u64,
    pub load_outstanding: usize,
    /// Bursts are cut at multiples of this many beats of address; `None`: only by length.
    pub load_cut: Cut,
    pub store_cut: Cut,
    pub store_fifo: usize,
    pub store_retire: u64,
    /// Units whose instructions take a cycle and retire in the next one.
    pub at_once: [bool; 4],
}

/// How transfers are cut into bursts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub beats: u32,
    pub aligned: bool,
}

impl Rules {
    pub fn new(machine: &Machine, fault: Fault) -> Rules {
        let is = |f: Fault| u64::from(fault == f);
        let depth = &machine.sequencer.queue_depth;
        let deeper = |d: u32| d as usize + is(Fault::QueueDepth) as usize;
        let cut = |beats, f| Cut { beats, aligned: fault != f };
        Rules {
            queue_depth: [depth.load, depth.matrix, depth.vector, depth.store].map(deeper),
            in_flight: timing::IN_FLIGHT,
            post_visible: 1 - is(Fault::SemaphoreEarly),
            drain_skips: is(Fault::DrainShort) as usize,
            loop_wrap: is(Fault::LoopWrap),
            arg_cycles: timing::ARG_CYCLES - is(Fault::ArgShort),
            fetch_to_dispatch: timing::FETCH_TO_DISPATCH - is(Fault::FetchEarly),
            fetch_keeps_loops: fault != Fault::FetchBase,
            matrix_latency: timing::matrix_latency(&machine.matrix) - is(Fault::MatrixRetire),
            matrix_pace: fault != Fault::MatrixPace,
            multipliers: match fault {
                Fault::MatrixBeats => Multipliers::Plain,
                _ => machine.matrix.multipliers,
            },
            narrow: fault != Fault::MatrixNarrow,
            vector_gap_extra: is(Fault::VectorGap),
            vector_latency: timing::VECTOR_LATENCY + is(Fault::VectorRetire),
            load_retire: timing::LOAD_RETIRE - is(Fault::LoadRetire),
            load_outstanding: machine.load.outstanding as usize + is(Fault::LoadOutstanding) as usize,
            load_cut: cut(machine.load.burst_beats, Fault::LoadCut),
            store_cut: cut(machine.store.burst_beats, Fault::StoreCut),
            store_fifo: timing::STORE_FIFO - 2 * is(Fault::StoreFifo) as usize,
            store_retire: timing::STORE_RETIRE + is(Fault::StoreRetire),
            at_once: [false; 4],
        }
    }
}
