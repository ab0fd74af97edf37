//! Rotary embedding and attention, on rows of tokens: a row holds the heads one after the other.

use super::attr::{Attr, AttrValue};
use super::linear::dot;
use super::reduce::softmax;
use super::{Fault, Operator, one_float, operator, rank, result};
use crate::tensor::{Data, Tensor};
use crate::types::Type;
use std::ops::{Range, RangeInclusive};

/// Which tokens a token sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Those before it and itself.
    Causal,
    /// The first `sink` of the sequence, and the last `window` up to itself, which counts: at position p those at
    /// `0..sink` and at `p + 1 - window..=p`, none behind p (Xiao et al., "StreamingLLM", 2023).
    Window {
        /// Positions at the start that are always seen.
        sink: usize,
        /// Positions up to the token's own, at least 1.
        window: usize,
    },
    /// All of its sequence.
    Full,
}

impl Visibility {
    /// Of `rows` positions, those that token `t` of the last `n` sees: two ranges, apart and ascending.
    pub fn seen(&self, t: usize, n: usize, rows: usize) -> [Range<usize>; 2] {
        let end = rows - n + t + 1;
        match *self {
            Visibility::Causal => [0..end, end..end],
            Visibility::Window { sink, window } => {
                let sink = sink.min(end);
                [0..sink, end.saturating_sub(window).max(sink)..end]
            }
            Visibility::Full => [0..rows, rows..rows],
        }
    }
}

/// `true`, `false`, or `[sink, window]`.
impl AttrValue for Visibility {
    fn to_attr(&self) -> Attr {
        match *self {
            Visibility::Causal => true.to_attr(),
            Visibility::Full => false.to_attr(),
            Visibility::Window { sink, window } => vec![sink, window].to_attr(),
        }
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match bool::from_attr(attr) {
            Some(true) => Some(Visibility::Causal),
            Some(false) => Some(Visibility::Full),
            None => match Vec::<usize>::from_attr(attr)?[..] {
                [sink, window] if window > 0 => Some(Visibility::Window { sink, window }),
                _ => None,
            },
        }
    }
}

operator! {
    /// Rotary position embedding of `x [tokens, heads * head_dim]` in the half-rotation layout: elements `i` and
    /// `i + head_dim / 2` of a head are a pair, turned by `position * theta^(-2 i / head_dim)` (Su et al., "RoFormer",
    /// 2021). Row `t` stands at position `start + t`.
    Rope "rope" {
        /// Elements of a head, an even number.
        head_dim: usize,
        /// Base of the geometric series of frequencies.
        theta: f64,
        /// Position of the first row.
        start: usize,
    }
}

impl Operator for Rope {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        one_float(operands)?;
        rank(&operands[0], 2, "the operand")?;
        let width = operands[0].shape.0[1].fixed();
        let dim = self.head_dim as u64;
        if dim == 0 || dim % 2 != 0 || width.is_none_or(|w| w % dim != 0) {
            return Err(Fault::new(format!(
                "a row is a whole number of heads of {dim} elements, an even number"
            )));
        }
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let x = operands[0];
        let (width, half) = (x.shape()[1], self.head_dim / 2);
        let mut data = x.floats().to_vec();
        for (t, row) in data.chunks_exact_mut(width.max(1)).enumerate() {
            let turns: Vec<(f32, f32)> = (0..half).map(|i| self.turn(t, i)).collect();
            for head in row.chunks_exact_mut(self.head_dim) {
                let (low, high) = head.split_at_mut(half);
                for ((a, b), (cos, sin)) in low.iter_mut().zip(high).zip(&turns) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
        result(x.dtype(), x.shape(), Data::Float(data))
    }
}

impl Rope {
    /// Cosine and sine of the angle of pair `i` in row `t`. The frequency is rounded to f32, as models store it.
    fn turn(&self, t: usize, i: usize) -> (f32, f32) {
        let frequency = self.theta.powf(-2.0 * i as f64 / self.head_dim as f64) as f32;
        let angle = f64::from((self.start + t) as f32 * frequency);
        (angle.cos() as f32, angle.sin() as f32)
    }
}

operator! {
    /// Attention of `q [n, heads * d]` over `k [t, kv_heads * d]` and `v [t, kv_heads * d]`. If causal, the last `n` rows of k
    /// stand at the positions of q, and row `i` of q sees the rows of k up to `t - n + i`; otherwise all. Heads of q share those of k and v
    /// evenly, in order.
    Attention "attention" {
        /// Heads of q.
        heads: usize,
        /// Heads of k and v, a divisor of `heads`.
        kv_heads: usize,
        /// Factor of the scores, usually 1 / sqrt(d).
        scale: f64,
        /// Which rows a row sees: `true` for those before it and itself, `false` for all.
        causal: Visibility,
    }
}

impl Operator for Attention {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        one_float(operands)?;
        let (q, k) = (&operands[0], &operands[1]);
        rank(q, 2, "q")?;
        rank(k, 2, "k")?;
        if *k != operands[2] {
            return Err(Fault::new("k and v are of one type"));
        }
        let per_head = |ty: &Type, heads: usize| {
            let width = ty.shape.0[1].fixed()?;
            (heads > 0 && width % heads as u64 == 0).then(|| width / heads as u64)
        };
        let shared = self.kv_heads > 0 && self.heads % self.kv_heads == 0;
        let dims = per_head(q, self.heads).zip(per_head(k, self.kv_heads));
        if !shared || dims.is_none_or(|(a, b)| a != b) {
            return Err(Fault::new(
                "rows are whole numbers of heads of one size, and heads of q share those of k evenly",
            ));
        }
        let rows = q.shape.0[0].fixed().zip(k.shape.0[0].fixed());
        if self.causal != Visibility::Full && rows.is_some_and(|(n, t)| n > t) {
            return Err(
                Fault::new("k has at least as many rows as q").help("join the cache and the new rows first")
            );
        }
        Ok(vec![q.clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (q, k, v) = (operands[0], operands[1].floats(), operands[2].floats());
        let (n, width) = (q.shape()[0], q.shape()[1]);
        let (rows, kv_width) = (operands[1].shape()[0], operands[1].shape()[1]);
        let (dim, group) = (width / self.heads, self.heads / self.kv_heads);
        let mut data = vec![0f32; n * width];
        for (i, row) in q.floats().chunks_exact(width.max(1)).enumerate() {
            for (h, query) in row.chunks_exact(dim.max(1)).enumerate() {
                let kv = |t: usize| t * kv_width + h / group * dim..t * kv_width + (h / group + 1) * dim;
                let seen = || self.causal.seen(i, n, rows).into_iter().flatten();
                let scale = self.scale as f32;
                let mut scores: Vec<f32> = seen().map(|t| dot(query, &k[kv(t)]) * scale).collect();
                let count = scores.len();
                softmax(&mut scores, 0..count);
                let mut sums = vec![0f64; dim];
                for (t, &p) in seen().zip(&scores) {
                    for (s, &x) in sums.iter_mut().zip(&v[kv(t)]) {
                        *s += f64::from(p) * f64::from(x);
                    }
                }
                let out = &mut data[i * width + h * dim..][..dim];
                out.iter_mut().zip(&sums).for_each(|(o, &s)| *o = s as f32);
            }
        }
        result(q.dtype(), q.shape(), Data::Float(data))
    }
}
