//! An instruction as a value, and its 256-bit encoding.
//!
//! Law: `decode(encode(i)) == i` for every instruction whose fields fit, and `encode(decode(w)) == w` for every word that decodes.

use crate::table::{BODY_LSB, Body, Kind, TABLE, Unit};

/// A 256-bit word, least significant 64 bits first.
pub type Word = [u64; 4];

/// What every instruction has beside its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Start only when every earlier instruction of the unit is done.
    pub drain: bool,
    /// Of interest to traces.
    pub mark: bool,
    /// Semaphores of which one count each is taken at start.
    pub wait: u16,
    /// Semaphores to which one count each is added when done.
    pub post: u16,
}

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instr {
    /// Synchronisation.
    pub head: Head,
    /// What it does.
    pub body: Body,
}

/// Why a value is not an instruction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A field is too narrow for its value.
    #[error("field `{field}` of `{mnemonic}` holds {value}, which does not fit {width} bits")]
    FieldTooLarge {
        /// The instruction.
        mnemonic: &'static str,
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i64,
        /// Its bits.
        width: u32,
    },
    /// Synchronisation on a sequencer instruction.
    #[error("`{mnemonic}`: the sequencer takes no drain, waits or posts")]
    SequencerHead {
        /// The instruction.
        mnemonic: &'static str,
    },
    /// No such instruction.
    #[error("no instruction has unit {unit} and opcode {opcode}")]
    Unknown {
        /// Number of the unit.
        unit: u32,
        /// Number within the unit.
        opcode: u32,
    },
    /// Reserved bits are set.
    #[error("reserved bits of `{mnemonic}` are not zero")]
    Reserved {
        /// The instruction.
        mnemonic: &'static str,
    },
    /// An enumerated field names nothing.
    #[error("field `{field}` of `{mnemonic}` holds {value}, which names nothing")]
    NoSuchName {
        /// The instruction.
        mnemonic: &'static str,
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u32,
    },
}

impl<B: Into<Body>> From<B> for Instr {
    fn from(body: B) -> Instr {
        Instr { head: Head::default(), body: body.into() }
    }
}

impl Instr {
    /// The unit that runs it.
    pub fn unit(&self) -> Unit {
        self.body.unit()
    }

    /// The word of this instruction.
    ///
    /// # Errors
    /// A field that does not fit or names nothing, or synchronisation on the sequencer.
    pub fn encode(&self) -> Result<Word, CodeError> {
        let spec = self.body.spec();
        let h = &self.head;
        if spec.unit == Unit::Sequencer && (h.drain || h.wait != 0 || h.post != 0) {
            return Err(CodeError::SequencerHead { mnemonic: spec.mnemonic });
        }
        let mut word = [0; 4];
        put(&mut word, 0, 3, spec.unit as u64);
        put(&mut word, 3, 4, u64::from(spec.opcode));
        put(&mut word, 7, 1, u64::from(h.drain));
        put(&mut word, 8, 1, u64::from(h.mark));
        put(&mut word, 9, 16, u64::from(h.wait));
        put(&mut word, 25, 16, u64::from(h.post));
        for ((field, lsb), value) in spec.lsbs().zip(self.body.values()) {
            let fits = match field.kind {
                Kind::Int => {
                    i64::from(value as i32).abs() * 2 + i64::from((value as i32) >= 0)
                        < (1 << field.width) + 1
                }
                _ => u64::from(value) < 1 << field.width,
            };
            if !fits {
                let value = if field.kind == Kind::Int { i64::from(value as i32) } else { i64::from(value) };
                return Err(CodeError::FieldTooLarge {
                    mnemonic: spec.mnemonic,
                    field: field.name,
                    value,
                    width: field.width,
                });
            }
            named(spec.mnemonic, field, value)?;
            put(&mut word, lsb, field.width, u64::from(value) & ((1 << field.width) - 1));
        }
        Ok(word)
    }

    /// The instruction of a word.
    ///
    /// # Errors
    /// No such instruction, reserved bits set, or an enumerated field that names nothing.
    pub fn decode(word: &Word) -> Result<Instr, CodeError> {
        let (unit, opcode) = (get(word, 0, 3) as u32, get(word, 3, 4) as u32);
        let index = TABLE.iter().position(|s| (s.unit as u32, s.opcode) == (unit, opcode));
        let unknown = CodeError::Unknown { unit, opcode };
        let Some((index, mut body)) = index.and_then(|i| Body::zero(i).map(|b| (i, b))) else {
            return Err(unknown);
        };
        let spec = &TABLE[index];
        let mut values = Vec::with_capacity(spec.fields.len());
        for (field, lsb) in spec.lsbs() {
            let raw = get(word, lsb, field.width) as u32;
            named(spec.mnemonic, field, raw)?;
            let sign = field.kind == Kind::Int && raw >> (field.width - 1) != 0;
            values.push(if sign { raw | (u32::MAX << field.width) } else { raw });
        }
        body.set_values(&values);
        let head = Head {
            drain: get(word, 7, 1) != 0,
            mark: get(word, 8, 1) != 0,
            wait: get(word, 9, 16) as u16,
            post: get(word, 25, 16) as u16,
        };
        let instr = Instr { head, body };
        if instr.encode()? != *word {
            return Err(CodeError::Reserved { mnemonic: spec.mnemonic });
        }
        Ok(instr)
    }
}

fn named(mnemonic: &'static str, field: crate::table::Field, value: u32) -> Result<(), CodeError> {
    match field.kind {
        Kind::Enum(names) if value as usize >= names.len() => {
            Err(CodeError::NoSuchName { mnemonic, field: field.name, value })
        }
        _ => Ok(()),
    }
}

fn put(word: &mut Word, lsb: u32, width: u32, value: u64) {
    for bit in 0..width {
        let at = lsb + bit;
        word[(at / 64) as usize] |= (value >> bit & 1) << (at % 64);
    }
}

fn get(word: &Word, lsb: u32, width: u32) -> u64 {
    (0..width).map(|bit| (word[((lsb + bit) / 64) as usize] >> ((lsb + bit) % 64) & 1) << bit).sum()
}

const _: () = assert!(BODY_LSB == 41);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::*;

    #[test]
    fn signed_fields_keep_their_range() {
        for shift in [-128, -1, 0, 127] {
            let i = Instr::from(Gemm { shift, tokens: 1, ..Default::default() });
            assert_eq!(Instr::decode(&i.encode().unwrap()).unwrap(), i);
        }
        for shift in [-129, 128, i32::MIN, i32::MAX] {
            assert!(Instr::from(Gemm { shift, ..Default::default() }).encode().is_err(), "{shift}");
        }
    }

    #[test]
    fn reserved_bits_are_refused() {
        let mut word = Instr::from(Halt {}).encode().unwrap();
        word[3] |= 1 << 63;
        assert_eq!(Instr::decode(&word), Err(CodeError::Reserved { mnemonic: "halt" }));
    }
}
