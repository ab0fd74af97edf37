//! The plan: what each unit does, in which order, on which data, before semaphores and registers exist.
//!
//! ```text
//! Model + Machine + Options -> map (DRAM) -> build (steps) -> order (dependences, schedule) -> sync (semaphores)
//!                                                                          verify: everything again, independently
//! ```
//!
//! A plan has segments, and a flow that runs them in loops. That of a decoder has three: the prologue, the body of the layer
//! loop, and the epilogue behind it; that of a layer without ends has one; encoders, and decoders that end early, have others. A [`Step`] is one instruction without
//! synchronisation, with the data that it touches; what it waits for follows from that.

pub mod access;
pub mod build;
pub mod map;
pub mod options;
pub mod order;
pub mod print;
pub mod sync;
pub mod touched;
pub mod verify;
pub mod width;

mod attention;
mod buffers;
mod cache;
mod chunks;
mod encoder;
mod ends;
mod exit;
mod linear;
mod ring;
mod stem;

pub use map::Map;
pub use options::Options;

use isa::program::Origin;
use isa::table::{Body, Unit};

/// A memory that steps share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memory {
    /// Weight buffer, bytes.
    W,
    /// Group-scale buffer, bytes.
    G,
    /// Channel buffer, bytes.
    C,
    /// Activation buffer, rows.
    A,
    /// Token scales, slots.
    S,
    /// A vector bank, rows.
    V(u8),
    /// Cached data of the layer at hand, blocks; other layers have their own.
    Cache,
}

/// A range of a memory that a step reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub memory: Memory,
    pub from: u32,
    pub to: u32,
    pub write: bool,
}

/// Which tokens a program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reads {
    /// Tokens of one sequence that follow each other.
    Of(u32),
    /// A token of each sequence, all at the same position.
    Each,
}

/// Registers by their use; the number is the register's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Reg {
    Zero = 0,
    /// Blocks from the first layer's weights to this one's.
    Layer = 1,
    /// Tokens already cached.
    Position = 2,
    /// Output tiles that they fill.
    Tiles = 3,
    /// V rows that they fill.
    Rows = 4,
    KLoad = 5,
    KScaleLoad = 6,
    VLoad = 7,
    VScaleLoad = 8,
    /// Byte addresses of the first new position in this layer's cache.
    KStore = 9,
    KScaleStore = 10,
    VStore = 11,
    VScaleStore = 12,
    /// Address of a token's embedding.
    Token = 13,
    /// Blocks from the first layer's cache to this one's.
    Cache = 14,
    /// Address of the first new position's row in the table of positions.
    PositionRow = 15,
}

/// Registers of fixed scales, which nothing before the layers needs any more.
#[allow(non_upper_case_globals)]
impl Reg {
    /// Fixed scales from those of the first layer to this one's.
    pub const Scales: Reg = Reg::PositionRow;
    /// A fixed scale.
    pub const Scale: Reg = Reg::Token;
    /// With a window and a rotary embedding: others that a token sees, where it is not the position.
    pub const Seen: Reg = Reg::PositionRow;
}

/// Registers of encoders, which load whole caches and need no sizes that grow with the position.
#[allow(non_upper_case_globals)]
impl Reg {
    /// Blocks from the first chunk's residual stream to this one's.
    pub const Stream: Reg = Reg::KLoad;
    /// Bytes from the first layer's cache to this one's.
    pub const CacheBytes: Reg = Reg::KScaleLoad;
    /// Blocks from the first chunk's frames to this one's.
    pub const Frames: Reg = Reg::VLoad;
}

impl Reg {
    /// Registers that are set once from an argument.
    pub const ARGUMENTS: [Reg; 12] = [
        Reg::Position,
        Reg::Tiles,
        Reg::Rows,
        Reg::KLoad,
        Reg::KScaleLoad,
        Reg::VLoad,
        Reg::VScaleLoad,
        Reg::KStore,
        Reg::KScaleStore,
        Reg::VStore,
        Reg::VScaleStore,
        Reg::PositionRow,
    ];
    /// Registers that move on by a layer's cache, in bytes.
    pub const STORES: [Reg; 4] = [Reg::KStore, Reg::KScaleStore, Reg::VStore, Reg::VScaleStore];
}

/// One instruction of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub body: Body,
    pub accesses: Vec<Access>,
    /// What its register adds to its size, at most: blocks, tiles, groups or rows.
    pub more: u32,
    /// Index into [`Plan::origins`].
    pub origin: u32,
    /// What it needs of the argument table.
    pub argument: Option<Argument>,
    /// Which operator's result is complete with this step, for the taps.
    pub produces: Option<Produces>,
    /// Steps of the same segment that must be done first for reasons beyond the segment.
    pub after: Vec<usize>,
}

impl Step {
    /// The unit that runs it.
    pub fn unit(&self) -> Unit {
        self.body.unit()
    }
}

/// An entry of the argument table that is read right before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Address of the embedding of a token of the run, into [`Reg::Token`].
    Token(u32),
    /// A fixed scale, into [`Reg::Scale`].
    Scale(Site),
}

/// Which of the fixed scales what enters a linear layer has: `at` behind the one that a register counts up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    pub from: Reg,
    pub at: u32,
}

impl Site {
    /// Scales of a layer.
    pub const OF_LAYER: u32 = 4;
    /// What enters q, k and v.
    pub const INPUT: Site = Site { from: Reg::Scales, at: 0 };
    /// What enters the output projection.
    pub const ATTENTION: Site = Site { from: Reg::Scales, at: 1 };
    /// What enters the first half of the MLP.
    pub const MLP: Site = Site { from: Reg::Scales, at: 2 };
    /// What enters its second half.
    pub const PRODUCT: Site = Site { from: Reg::Scales, at: 3 };
    /// What enters q, k and v of the next layer, or what is behind the last one.
    pub const NEXT: Site = Site { from: Reg::Scales, at: Site::OF_LAYER };

    /// One of the scales from the first on.
    pub fn first(at: u32) -> Site {
        Site { from: Reg::Zero, at }
    }
}

/// A part of an operator's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produces {
    pub value: Value,
    /// Tokens of the part: `token`, `token + step`, ... (`count` of them).
    pub token: u32,
    pub step: u32,
    pub count: u32,
    /// Head of q (or of k and v) that it belongs to, where it is one head's.
    pub head: u32,
    /// First element row of the part, where a linear layer comes in chunks.
    pub row: u32,
    /// Its bias is still to be added.
    pub partial: bool,
}

/// A value of the integer graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Embedding,
    /// Rows of learned positions.
    Positions,
    /// Residual stream before the first layer, where positions are learned.
    Stream,
    InputNorm,
    K,
    V,
    Q,
    /// k as it is quantised.
    RopeK,
    /// v as it is quantised.
    PackedV,
    /// q as it is quantised.
    RopeQ,
    Scores,
    /// Numerators times V's scales; its codes are the probabilities.
    Softmax,
    /// Weighted values of a head.
    Attention,
    /// All heads, as they are quantised.
    AttentionOutput,
    /// Residual stream behind attention.
    AttentionResidual,
    PostNorm,
    Gate,
    Up,
    Product,
    /// Residual stream behind the MLP.
    MlpResidual,
    FinalNorm,
    /// What a convolution of the stem gives.
    Stem,
    /// What the pooling layer of an encoder gives.
    Pool,
    Logits,
}

/// A carried token: the last steps of one segment post it, the first of the next wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carry {
    pub from: Unit,
    pub to: Unit,
    /// Posting steps in the prologue and in the body, in order.
    pub posts: [Vec<usize>; 2],
    /// Waiting steps in the body and in the epilogue, in order.
    pub waits: [Vec<usize>; 2],
}

/// Steps that run one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Segment {
    pub name: &'static str,
    pub steps: Vec<Step>,
}

/// How segments follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// The steps of a segment, by its number.
    Segment(usize),
    /// `to` = `from` + `imm`, modulo 2^32.
    Add { to: Reg, from: Reg, imm: u32 },
    /// The parts of the body, `count` times, at least once.
    Loop { count: u32, body: Vec<Flow> },
}

impl Flow {
    /// A register moves on.
    pub fn advance((reg, imm): (Reg, u32)) -> Flow {
        Flow::Add { to: reg, from: reg, imm }
    }
}

/// A plan for `tokens` tokens. See the module head.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub tokens: u32,
    pub layers: u32,
    pub map: Map,
    pub segments: Vec<Segment>,
    pub flow: Vec<Flow>,
    /// Between the three segments of a decoder: prologue, layer body, epilogue.
    pub carries: Vec<Carry>,
    pub origins: Vec<Origin>,
    /// Words of the fixed scales, in the order of [`ir::quant::QuantDecoder::inputs`].
    pub scales: Vec<u32>,
}
