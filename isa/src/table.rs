//! The instruction table: the only place that knows mnemonics, opcodes, fields and bits.
//!
//! To add an instruction: add it here with its fields; encoder, decoder, assembler, packages and manual follow. Then give it
//! its timing in `hw::timing`, its meaning in `sim`, its hardware in `codegen`, and its coverage in the random programs.
//!
//! A word has 256 bits. Bits 0..41 are the head (below); fields follow from bit [`BODY_LSB`] upwards in the order of the
//! table; all other bits are reserved and zero.
//!
//! | bits | head field |
//! |---|---|
//! | 2:0 | unit |
//! | 6:3 | opcode |
//! | 7 | `drain`: start only when every earlier instruction of the unit is done |
//! | 8 | `mark`: of interest to traces; no effect |
//! | 24:9 | `wait` mask of semaphores |
//! | 40:25 | `post` mask of semaphores |

use hw::function::{Operand, Product};
use hw::timing::VectorShape;

/// First bit of the fields of every instruction.
pub const BODY_LSB: u32 = 41;
/// Version of this table; in program.bin and in the hardware's version register.
pub const ISA_VERSION: u32 = 4;

/// A unit with a queue of its own, or the sequencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Unit {
    /// Dispatches everything; has no queue.
    Sequencer = 0,
    /// DRAM to buffers.
    Load = 1,
    /// Products, through the epilogue.
    Matrix = 2,
    /// Functions of vectors.
    Vector = 3,
    /// Vector banks to DRAM.
    Store = 4,
}

impl Unit {
    /// The units that have queues, in probe and report order.
    pub const QUEUED: [Unit; 4] = [Unit::Load, Unit::Matrix, Unit::Vector, Unit::Store];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Sequencer => "sequencer",
            Unit::Load => "load",
            Unit::Matrix => "matrix",
            Unit::Vector => "vector",
            Unit::Store => "store",
        }
    }

    /// Position in [`Unit::QUEUED`], or `None` for the sequencer.
    pub const fn queue(self) -> Option<usize> {
        (self as usize).checked_sub(1)
    }
}

/// How a field's bits are read and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned number.
    Num,
    /// Two's complement number.
    Int,
    /// Register number; printed `r3`.
    Reg,
    /// Vector address: bank in the upper 4 bits, row in the lower 14; printed `v2:17`.
    Vec,
    /// One of the named values.
    Enum(&'static [&'static str]),
    /// One bit, printed as a flag.
    Flag,
}

/// A field of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name in assembly and packages.
    pub name: &'static str,
    /// Bits.
    pub width: u32,
    /// How they are read and printed.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
}

/// An instruction of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Name in assembly.
    pub mnemonic: &'static str,
    /// The unit that runs it.
    pub unit: Unit,
    /// Number within the unit.
    pub opcode: u32,
    /// Fields, from the lowest bit up.
    pub fields: &'static [Field],
    /// What it does.
    pub doc: &'static str,
}

/// Bits of the row part of a vector address.
pub const VEC_ROW_BITS: u32 = 14;

/// A vector address field from bank and row.
pub const fn vec_addr(bank: u32, row: u32) -> u32 {
    bank << VEC_ROW_BITS | row
}

/// Bank and row of a vector address field.
pub const fn vec_parts(addr: u32) -> (u32, u32) {
    (addr >> VEC_ROW_BITS, addr & ((1 << VEC_ROW_BITS) - 1))
}

/// Destinations of a load, in the order of the `space` field.
pub const SPACES: &[&str] = &["w", "g", "c", "v"];
/// Forms of what is loaded: [`hw::Form`] by number.
pub const FORMS: &[&str] = hw::Form::NAMES;
/// Operand modes of a gemm: [`hw::Mode`] by number.
pub const MODES: &[&str] = hw::Mode::NAMES;
/// Vector functions: [`hw::Function`] by number.
pub const FUNS: &[&str] = hw::Function::NAMES;
/// Outputs of a vector instruction beside its int32 result.
pub const OUTS: &[&str] = &["none", "q8", "q4", "q8k", "q4k", "q8v", "q4v"];

/// Values of the `space` field.
pub mod space {
    /// Weight buffer.
    pub const W: u32 = 0;
    /// Group scales.
    pub const G: u32 = 1;
    /// Channel scales.
    pub const C: u32 = 2;
    /// A vector bank.
    pub const V: u32 = 3;
}
/// Values of the `out` field.
pub mod out {
    /// int32 only.
    pub const NONE: u32 = 0;
    /// 8-bit codes into the activation buffer.
    pub const Q8: u32 = 1;
    /// 4-bit codes into the activation buffer, a byte each.
    pub const Q4: u32 = 2;
    /// 8-bit codes as keys, to staging rows.
    pub const Q8K: u32 = 3;
    /// 4-bit codes as keys, to staging rows.
    pub const Q4K: u32 = 4;
    /// 8-bit codes as values, to staging rows.
    pub const Q8V: u32 = 5;
    /// 4-bit codes as values, to staging rows.
    pub const Q4V: u32 = 6;

    /// Bits of the codes of an output; 0 without codes.
    pub const fn bits(out: u32) -> u32 {
        match out {
            NONE => 0,
            Q8 | Q8K | Q8V => 8,
            _ => 4,
        }
    }

    /// The mode that reads the codes of an output from the weight buffer, if they go to staging rows.
    pub fn staged(out: u32) -> Option<hw::Mode> {
        (out > Q4).then(|| hw::Mode::of_cache(bits(out), out > Q4K)).flatten()
    }
}

macro_rules! kind {
    (num) => {
        Kind::Num
    };
    (int) => {
        Kind::Int
    };
    (reg) => {
        Kind::Reg
    };
    (vec) => {
        Kind::Vec
    };
    (flag) => {
        Kind::Flag
    };
    (space) => {
        Kind::Enum(SPACES)
    };
    (form) => {
        Kind::Enum(FORMS)
    };
    (mode) => {
        Kind::Enum(MODES)
    };
    (fun) => {
        Kind::Enum(FUNS)
    };
    (out) => {
        Kind::Enum(OUTS)
    };
}

macro_rules! field_type {
    (int) => {
        i32
    };
    ($other:ident) => {
        u32
    };
}

macro_rules! instructions {
    ($( #[doc = $doc:literal] $name:ident $mnemonic:literal $unit:ident $opcode:literal {
        $( #[doc = $fdoc:literal] $field:ident : $width:literal $kind:ident ),* $(,)?
    } )*) => {
        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
            pub struct $name { $( #[doc = $fdoc] pub $field: field_type!($kind), )* }
        )*

        /// What an instruction does, with its fields.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Body { $( #[doc = $doc] $name($name), )* }

        /// Every instruction, in the order of [`Body`].
        pub const TABLE: &[Spec] = &[ $( Spec {
            mnemonic: $mnemonic, unit: Unit::$unit, opcode: $opcode, doc: $doc,
            fields: &[ $( Field { name: stringify!($field), width: $width, kind: kind!($kind), doc: $fdoc } ),* ],
        } ),* ];

        impl Body {
            /// Position in [`TABLE`].
            pub fn index(&self) -> usize {
                let mut i = 0;
                $( if matches!(self, Body::$name(_)) { return i; } i += 1; )*
                i
            }

            /// The instruction of this place in the table with all fields zero.
            pub fn zero(index: usize) -> Option<Body> {
                let mut i = 0;
                $( if index == i { return Some(Body::$name($name::default())); } i += 1; )*
                let _ = i;
                None
            }

            /// Field values in table order; signed fields as their two's complement in 32 bits.
            pub fn values(&self) -> Vec<u32> {
                match self { $( Body::$name(b) => { let _ = b; vec![ $( b.$field as u32 ),* ] } )* }
            }

            /// Sets every field from `values` (as given by [`Body::values`]); missing ones stay zero.
            pub fn set_values(&mut self, values: &[u32]) {
                let mut values = values.iter().copied();
                match self { $( Body::$name(b) => { let _ = &b; $( b.$field = values.next().unwrap_or(0) as _; )* } )* }
                let _ = values.next();
            }
        }

        $( impl From<$name> for Body { fn from(b: $name) -> Body { Body::$name(b) } } )*
    };
}

instructions! {
    /// Does nothing for one dispatch cycle.
    Nop "nop" Sequencer 0 {}
    /// rd = imm.
    Set "set" Sequencer 1 {
        /// destination register
        rd: 4 reg,
        /// value
        imm: 32 num,
    }
    /// rd = rs + imm, modulo 2^32.
    Add "add" Sequencer 2 {
        /// destination register
        rd: 4 reg,
        /// source register
        rs: 4 reg,
        /// addend
        imm: 32 num,
    }
    /// rd = argument table entry imm + rs; two dispatch cycles.
    Arg "arg" Sequencer 3 {
        /// destination register
        rd: 4 reg,
        /// added to the entry number
        rs: 4 reg,
        /// entry number
        imm: 16 num,
    }
    /// Runs the next `body` words `count` (+ register) times; may be zero; loops nest 4 deep.
    Loop "loop" Sequencer 4 {
        /// rounds
        count: 16 num,
        /// added to the rounds
        rcount: 4 reg,
        /// words of the body
        body: 16 num,
    }
    /// Ends the program when every unit is idle.
    Halt "halt" Sequencer 5 {}
    /// Moves blocks from DRAM into a buffer.
    Load "load" Load 0 {
        /// destination buffer
        space: 2 space,
        /// bank, for vector banks
        bank: 4 num,
        /// destination in 64-byte blocks of the buffer
        dst: 18 num,
        /// source in 64-byte blocks of DRAM
        addr: 32 num,
        /// added to the source
        raddr: 4 reg,
        /// 64-byte blocks to move
        blocks: 16 num,
        /// added to the blocks
        rblocks: 4 reg,
        /// how rows of pruned weights lie in DRAM
        form: 2 form,
    }
    /// Tiled matrix product through the epilogue into a vector bank.
    Gemm "gemm" Matrix 0 {
        /// operand mode
        mode: 3 mode,
        /// tokens of this product, 1 to the engine's
        tokens: 6 num,
        /// output tiles
        ntiles: 12 num,
        /// added to the output tiles
        rntiles: 4 reg,
        /// groups along K
        groups: 10 num,
        /// added to the groups
        rgroups: 4 reg,
        /// steps of each group
        steps: 8 num,
        /// groups have scales
        scaled: 1 flag,
        /// first activation row, even if the mode is pruned
        a_row: 16 num,
        /// first weight row, in rows of the mode
        w_row: 16 num,
        /// weight rows between output tiles
        wn_stride: 12 num,
        /// weight rows between steps
        wk_stride: 12 num,
        /// first group-scale row
        g_row: 14 num,
        /// first channel row
        c_row: 12 num,
        /// first result row
        dst: 18 vec,
        /// result (and residual) rows between tokens
        dst_stride: 10 num,
        /// scale slot of the first token
        slot: 8 num,
        /// added to the right shift of the epilogue
        shift: 8 int,
        /// add the residual
        residual: 1 flag,
        /// first residual row
        res: 18 vec,
        /// activations are the low four bits of their bytes, signed
        narrow: 1 flag,
    }
    /// A vector function over rows of the vector banks, with an optional quantised output.
    Vector "vec" Vector 0 {
        /// function
        fun: 5 fun,
        /// the result is multiplied by operand b
        gated: 1 flag,
        /// output beside the int32 result
        out: 3 out,
        /// tokens
        tokens: 6 num,
        /// vectors of each token
        subs: 6 num,
        /// rows of each vector
        rows: 10 num,
        /// added to the rows
        rrows: 4 reg,
        /// softmax: valid scores; layer_norm, sum, top_k: elements; rope, rope_pairs: position, of the first token; requantise: scale word (mantissa, and of a register its exponent, too)
        len: 16 num,
        /// added to the length
        rlen: 4 reg,
        /// the length grows by one with each token
        inc: 1 flag,
        /// operand a
        a: 18 vec,
        /// rows of a between tokens
        a_stride: 10 num,
        /// a is int16; its row and stride count int16 rows
        a_half: 1 flag,
        /// operand b (rms_norm: int16, row and stride count int16 rows)
        b: 18 vec,
        /// rows of b between tokens
        b_stride: 10 num,
        /// int32 result; sum, top_k: first row of words
        d: 18 vec,
        /// rows of d between tokens
        d_stride: 10 num,
        /// q8, q4: first activation row; keys and values: staging rows (vector address); top_k: first row of places (the same)
        o: 18 vec,
        /// q8, q4: first scale slot; keys and values: staging rows between tokens; top_k: rows of places between tokens
        o_step: 10 num,
        /// q8, q4: place of the first token in its activation rows
        o_token: 5 num,
        /// copy, add, mul, norms, sum: shift of the result; requantise: added to the exponent of the scale
        shift: 8 int,
        /// keys and values: rows from the codes to the scale words; norms: epsilon; top_k: k
        imm: 32 num,
        /// the vector lies across all slices: reductions are those of all, and each gets the codes of all
        across: 1 flag,
    }
    /// Moves whole blocks from a vector bank to DRAM.
    StoreBlocks "store.blocks" Store 0 {
        /// source bank
        bank: 4 num,
        /// source in 64-byte blocks of the bank
        src: 18 num,
        /// destination in 64-byte blocks of DRAM
        addr: 32 num,
        /// added to the destination
        raddr: 4 reg,
        /// 64-byte blocks to move
        blocks: 16 num,
    }
    /// Moves small aligned segments from a vector bank to DRAM.
    StoreSegments "store.segments" Store 1 {
        /// source bank
        bank: 4 num,
        /// source byte of the first segment
        src: 24 num,
        /// bytes between source segments
        src_stride: 16 num,
        /// log2 of the bytes of a segment
        seg_log2: 3 num,
        /// segments
        count: 12 num,
        /// destination byte of the first segment
        addr: 32 num,
        /// added to the destination
        raddr: 4 reg,
        /// bytes between destination segments
        dst_stride: 24 num,
    }
}

impl Spec {
    /// Least significant bit of each field.
    pub fn lsbs(&self) -> impl Iterator<Item = (Field, u32)> + '_ {
        self.fields.iter().scan(BODY_LSB, |lsb, field| {
            let at = *lsb;
            *lsb += field.width;
            Some((*field, at))
        })
    }

    /// Bits from the head to the last field.
    pub fn bits(&self) -> u32 {
        BODY_LSB + self.fields.iter().map(|f| f.width).sum::<u32>()
    }
}

impl Body {
    /// The table entry of this instruction.
    pub fn spec(&self) -> &'static Spec {
        &TABLE[self.index()]
    }

    /// The unit that runs it.
    pub fn unit(&self) -> Unit {
        self.spec().unit
    }
}

impl Vector {
    /// What it computes; `None` for a number that no function has.
    pub fn function(&self) -> Option<hw::Function> {
        hw::Function::of(self.fun)
    }

    /// What it reads as operand b.
    pub fn operand(&self) -> Operand {
        self.function().map_or(Operand::None, |f| f.operand(self.gated != 0))
    }

    /// What it writes beside its output.
    pub fn product(&self) -> Product {
        self.function().map_or(Product::Rows, hw::Function::product)
    }

    /// Mantissa and exponent of the scale that a `requantise` names: those of the scale word `len`, `shift` added.
    pub fn given_scale(&self) -> (u16, i32) {
        (self.len as u16, i32::from((self.len >> 16) as i8) + self.shift)
    }

    /// Passes over each vector, with that of a quantised output.
    pub fn passes(&self) -> u64 {
        let round = self.function().map_or(1, hw::Function::passes);
        round * u64::from(self.rounds()) + u64::from(self.out != out::NONE)
    }

    /// Slices that a vector of it lies in.
    pub fn parts(&self, g: &hw::Geometry) -> u32 {
        if self.across == 0 { 1 } else { g.slices }
    }

    /// What its time depends on.
    pub fn shape(&self, g: &hw::Geometry) -> VectorShape {
        let (rows, coded) = (u64::from(self.rows), self.out != out::NONE);
        VectorShape {
            vectors: u64::from(self.tokens) * u64::from(self.subs),
            passes: self.passes(),
            rows,
            crossing: u64::from(self.across * g.crossing),
            gathered: if coded { u64::from(self.parts(g) - 1) * rows } else { 0 },
        }
    }

    /// Rounds of its function over each vector: k of a `top_k`.
    pub fn rounds(&self) -> u32 {
        if self.function() == Some(hw::Function::TopK) { self.imm } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_fits_its_word_and_is_unique() {
        for (i, s) in TABLE.iter().enumerate() {
            assert!(s.bits() <= 256, "{} needs {} bits", s.mnemonic, s.bits());
            assert!(s.opcode < 16);
            assert!(
                !TABLE[..i]
                    .iter()
                    .any(|o| o.mnemonic == s.mnemonic || (o.unit, o.opcode) == (s.unit, s.opcode))
            );
            assert_eq!(Body::zero(i).map(|b| b.index()), Some(i));
        }
    }
}
