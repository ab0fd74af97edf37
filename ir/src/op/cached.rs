//! Integer attention on a quantised cache: rotation, scores, softmax, values. Conventions: [`super::integer`].
//!
//! The cache holds a row per position; a row holds the heads one after the other, as codes of 4 or 8 bits with a scale per
//! head, and a zero point if they are unsigned. With `n` rows of q and `p` positions in the cache, row `t` of q stands at position `p - n + t` and sees the positions up to its
//! own, those of them in its window, or all where attention is not causal ([`Visibility`]). Results of positions that a row does not see are 0 and stand for nothing.

use super::integer::{dims, require, scales};
use super::quantise::{Code, check_zeros, code_of, differences};
use super::{Fault, Operator, Visibility, operator, result};
use crate::num::{self, Scale};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
use std::ops::RangeInclusive;

operator! {
    /// `int-rope(x i32[n, heads * head_dim], steps i32[head_dim / 2])`: [`num::rope`] of each head; row `t` stands at
    /// position `start + t`.
    IntRope "int-rope" {
        /// Elements of a head, an even number.
        head_dim: usize,
        /// Position of the first row.
        start: usize,
    }
}

/// Positions that the machine's rotary embedding tells apart.
pub const MAX_POSITIONS: usize = 1 << 16;

/// Elements of a head whose products sum exactly in 32 bits, and as many positions do: 2^16 products of 128 and 255.
pub const MAX_HEAD_DIM: usize = 1 << 16;

impl Operator for IntRope {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [n, width] = dims(&operands[0], DType::I32, "x")?;
        let [steps] = dims(&operands[1], DType::I32, "the phase steps")?;
        let even = self.head_dim > 0 && self.head_dim % 2 == 0;
        require(even && width % self.head_dim == 0, "a row is a whole number of heads of an even size")?;
        require(steps == self.head_dim / 2, "each pair of a head has a phase step")?;
        require(self.start.saturating_add(n) <= MAX_POSITIONS, "positions are below 65536")?;
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, width) = (operands[0], operands[0].shape()[1]);
        let steps: Vec<u32> = operands[1].ints().iter().map(|&s| s as u32).collect();
        let mut data = vec![0; x.ints().len()];
        let rows = x.ints().chunks_exact(width.max(1)).zip(data.chunks_exact_mut(width.max(1)));
        for (t, (x, y)) in rows.enumerate() {
            let heads = x.chunks_exact(self.head_dim).zip(y.chunks_exact_mut(self.head_dim));
            heads.for_each(|(x, y)| num::rope(x, &steps, (self.start + t) as u16, y));
        }
        result(DType::I32, x.shape(), Data::Int(data))
    }
}

operator! {
    /// `cached-scores(q [n, heads * d], q_scales i32[n, heads], k [p, kv_heads * d], k_scales i32[p, kv_heads])`: scores
    /// `i32[heads, n, p]` in log2 units; K's scale acts as the channel scale of [`num::epilogue`]. q is i8 or i4; k is i8 or
    /// i4, or u8 or u4 with zero points `[p, kv_heads]` as a fifth operand.
    CachedScores "cached-scores" {
        /// Heads of q.
        heads: usize,
        /// Heads of k; each serves `heads / kv_heads` heads of q.
        kv_heads: usize,
        /// Added to the right shift of the epilogue.
        shift: i32,
        /// Which positions a row sees: `true` for those up to its own, `false` for all.
        causal: Visibility,
    }
}

/// Refuses head counts that do not share evenly.
fn shared(heads: usize, kv_heads: usize) -> Result<(), Fault> {
    require(kv_heads > 0 && heads > 0 && heads % kv_heads == 0, "heads of q share those of k and v evenly")
}

/// The code of q or of the probabilities.
fn signed(ty: &Type, what: &str) -> Result<Code, Fault> {
    let code = code_of(ty, what)?;
    require(code.symmetric, &format!("codes of {what} are signed"))?;
    Ok(code)
}

impl Operator for CachedScores {
    fn arity(&self) -> RangeInclusive<usize> {
        4..=5
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (q, k) = (signed(&operands[0], "q")?, code_of(&operands[2], "k")?);
        let [n, q_width] = dims(&operands[0], q.dtype(), "q")?;
        let q_scales = dims::<2>(&operands[1], DType::I32, "the scales of q")?;
        let [p, k_width] = dims(&operands[2], k.dtype(), "k")?;
        let k_scales = dims::<2>(&operands[3], DType::I32, "the scales of k")?;
        shared(self.heads, self.kv_heads)?;
        let dim = q_width / self.heads;
        let fits = q_width == dim * self.heads && k_width == dim * self.kv_heads;
        require(fits, "rows are whole numbers of heads of one size")?;
        require(dim <= MAX_HEAD_DIM, "heads have at most 65536 elements")?;
        let scaled = q_scales == [n, self.heads] && k_scales == [p, self.kv_heads];
        require(scaled, "each row has a scale per head")?;
        check_zeros(k, operands.get(4), k_scales, "k")?;
        require(n <= p, "the cache holds the new rows too")?;
        Ok(vec![Type::of(DType::I32, [self.heads, n, p])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (n, p) = (operands[0].shape()[0], operands[2].shape()[0]);
        let dim = operands[0].shape()[1] / self.heads;
        let (q, k) = (differences(operands[0], None), differences(operands[2], operands.get(4).copied()));
        let (q_scales, k_scales) = (scales(operands[1]), scales(operands[3]));
        let mut data = vec![0; self.heads * n * p];
        for (row, y) in data.chunks_exact_mut(p.max(1)).enumerate() {
            let (h, t) = (row / n, row % n);
            let (query, head) = (&q[(t * self.heads + h) * dim..][..dim], h / (self.heads / self.kv_heads));
            for i in self.causal.seen(t, n, p).into_iter().flatten() {
                let at = i * self.kv_heads + head;
                let sum = num::dot(query, &k[at * dim..][..dim]);
                y[i] = num::epilogue(sum.into(), k_scales[at], q_scales[t * self.heads + h], self.shift);
            }
        }
        result(DType::I32, [self.heads, n, p], Data::Int(data))
    }
}

operator! {
    /// `folded-softmax(scores i32[heads, n, p], v_scales i32[p, kv_heads])`: probabilities times the scales of V, as signed
    /// codes `[heads, n, p]` with scales `i32[heads, n]` ([`num::softmax`], [`num::softmax_slot`]).
    FoldedSoftmax "folded-softmax" {
        /// Heads of v.
        kv_heads: usize,
        /// Bits of a code: 8 or 4.
        bits: u32,
        /// Which positions a row sees: `true` for those up to its own, `false` for all.
        causal: Visibility,
    }
}

impl Operator for FoldedSoftmax {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [heads, n, p] = dims(&operands[0], DType::I32, "the scores")?;
        let v_scales = dims::<2>(&operands[1], DType::I32, "the scales of v")?;
        shared(heads, self.kv_heads)?;
        require(v_scales == [p, self.kv_heads] && n <= p, "v has a scale per position and head")?;
        require(self.bits == 8 || self.bits == 4, "codes have 8 or 4 bits")?;
        Ok(vec![Type::of(self.code().dtype(), [heads, n, p]), Type::of(DType::I32, [heads, n])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let &[heads, n, p] = operands[0].shape() else { return Err(Fault::new("scores have three axes")) };
        let (v_scales, steps) = (scales(operands[1]), self.code().steps() as i32);
        let (mut codes, mut words) = (vec![0i8; heads * n * p], Vec::with_capacity(heads * n));
        let mut weights = vec![0; p];
        for (row, scores) in operands[0].ints().chunks_exact(p.max(1)).enumerate() {
            let head = row / n / (heads / self.kv_heads);
            // The sum is one of integers: the order of positions has no part in it.
            let seen: Vec<usize> = self.causal.seen(row % n, n, p).into_iter().flatten().collect();
            let v: Vec<Scale> = seen.iter().map(|i| v_scales[i * self.kv_heads + head]).collect();
            let of_seen: Vec<i32> = seen.iter().map(|&i| scores[i]).collect();
            let mut y = vec![0; seen.len()];
            let sum = num::softmax(&of_seen, &v, seen.len(), &mut y);
            weights.fill(0);
            seen.iter().zip(y).for_each(|(&i, y)| weights[i] = y);
            let scale = num::quantise_vector(&weights, steps, &mut codes[row * p..][..p]);
            words.push(num::softmax_slot(scale, sum).word() as i32);
        }
        let codes = Data::Int(codes.into_iter().map(i32::from).collect());
        let codes = result(self.code().dtype(), [heads, n, p], codes)?;
        Ok([codes, result(DType::I32, [heads, n], Data::Int(words))?].concat())
    }
}

impl FoldedSoftmax {
    /// What its codes are.
    fn code(&self) -> Code {
        Code { bits: self.bits, symmetric: true }
    }
}

operator! {
    /// `cached-values(probabilities [heads, n, p], scales i32[heads, n], v [p, kv_heads * d], channel i32[1])`: the weighted
    /// sums of the codes of v, `i32[n, heads * d]`; all outputs have one channel scale. Probabilities are i8 or i4; v is i8 or
    /// i4, or u8 or u4 with zero points `[p, kv_heads]` as a fifth operand.
    CachedValues "cached-values" {
        /// Heads of v.
        kv_heads: usize,
        /// Added to the right shift of the epilogue.
        shift: i32,
    }
}

impl Operator for CachedValues {
    fn arity(&self) -> RangeInclusive<usize> {
        4..=5
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (probability, code) = (signed(&operands[0], "the probabilities")?, code_of(&operands[2], "v")?);
        let [heads, n, p] = dims(&operands[0], probability.dtype(), "the probabilities")?;
        let slots = dims::<2>(&operands[1], DType::I32, "their scales")?;
        let [positions, width] = dims(&operands[2], code.dtype(), "v")?;
        let [one] = dims(&operands[3], DType::I32, "the channel scale")?;
        shared(heads, self.kv_heads)?;
        require(width % self.kv_heads == 0, "a row of v is a whole number of heads")?;
        require(
            slots == [heads, n] && positions == p,
            "there is a row of v per position and a scale per row",
        )?;
        require(one == 1, "there is one channel scale")?;
        check_zeros(code, operands.get(4), [p, self.kv_heads], "v")?;
        require(p <= MAX_POSITIONS, "positions are below 65536")?;
        let width = heads.checked_mul(width / self.kv_heads);
        let width = width.ok_or_else(|| Fault::new("the result is too wide"))?;
        Ok(vec![Type::of(DType::I32, [n, width])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let &[heads, n, p] = operands[0].shape() else {
            return Err(Fault::new("probabilities have three axes"));
        };
        let dim = operands[2].shape()[1] / self.kv_heads;
        let codes = differences(operands[0], None);
        let v = differences(operands[2], operands.get(4).copied());
        let (slots, channel) = (scales(operands[1]), scales(operands[3]));
        let columns = transposed(&v, p, self.kv_heads * dim);
        let mut data = vec![0; n * heads * dim];
        for (i, y) in data.iter_mut().enumerate() {
            let (t, h, d) = (i / (heads * dim), i / dim % heads, i % dim);
            let column = h / (heads / self.kv_heads) * dim + d;
            // Probabilities of positions that a row does not see are 0.
            let sum = num::dot(&codes[(h * n + t) * p..][..p], &columns[column * p..][..p]);
            *y = num::epilogue(sum.into(), channel[0], slots[h * n + t], self.shift);
        }
        result(DType::I32, [n, heads * dim], Data::Int(data))
    }
}

fn transposed(v: &[i16], rows: usize, columns: usize) -> Vec<i16> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| v[r * columns + c])).collect()
}
