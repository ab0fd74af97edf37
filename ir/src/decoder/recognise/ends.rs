//! Matches what stands before the layers and behind them.

use super::matcher::Matcher;
use super::norm::Found;
use super::probe;
use super::stem::Stem;
use super::{Front, Head, Op, Weight};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::{Graph, Node, NodeId, ValueId};
use crate::num::Point;
use crate::types::Shape;

/// What stands behind the layers.
pub(super) struct Back {
    /// The last norm, and its result.
    pub(super) norm: Option<(Found, ValueId)>,
    pub(super) head: Option<Head>,
}

impl Back {
    /// Matches logits of a norm, of its first token through a pooling layer, or a norm alone; neither where layers end.
    pub(super) fn of(m: &Matcher<'_>, end: ValueId) -> Result<Back, Diagnostic> {
        let Ok((x, lm_head)) = m.projection(end) else {
            return Ok(Back { norm: m.norm(end).ok().map(|norm| (norm, end)), head: None });
        };
        let (normed, pool) = match m.find(x, is!(Op::Tanh(_))) {
            None => (x, None),
            Some((_, tanh)) => {
                let (first, pool) = m.projection(tanh.inputs[0])?;
                (m.first_token(first)?, Some(pool))
            }
        };
        Ok(Back { norm: Some((m.norm(normed)?, normed)), head: Some(Head { pool, lm_head }) })
    }
}

/// What the first layer reads, where tokens or frames come in.
pub(super) struct Embedding {
    pub(super) front: Front,
    /// What each convolution over frames goes through.
    pub(super) function: Option<Point>,
    /// Table of positions, and its row of the first token.
    pub(super) positions: Option<(Weight, usize)>,
    pub(super) batch: usize,
    pub(super) tokens: usize,
}

impl From<Stem> for Embedding {
    fn from(stem: Stem) -> Embedding {
        let Stem { convs, function, positions, batch, tokens } = stem;
        let (front, positions) = (Front::Frames(convs), Some((positions, 0)));
        Embedding { front, function: Some(function), positions, batch, tokens }
    }
}

/// Most parts of an embedding: words, positions, types.
const PARTS: usize = 3;

impl Matcher<'_> {
    /// Matches the rows of the first token of each sequence; returns the rows of all.
    fn first_token(&self, value: ValueId) -> Result<ValueId, Diagnostic> {
        let value = self.plain(value);
        let expected = "the first token of each sequence";
        let (id, node) = self.node(value, expected, is!(Op::Gather(_) | Op::Slice(_)))?;
        let first = match &node.op {
            Op::Gather(g) if g.axis == 1 => {
                let row = self.graph.constant(node.inputs[1]).and_then(Constant::tensor);
                row.and_then(|row| row.to_i64s()) == Some(vec![0])
            }
            Op::Slice(s) => (s.axis, s.start, s.length) == (1, 0, 1),
            _ => false,
        };
        self.expect(first && self.dims(node.inputs[0])?.len() == 3, Some(id), expected)?;
        Ok(self.plain(node.inputs[0]))
    }

    /// The lookup of rows in a constant table, if the value is one.
    fn gather(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        let rows = |op: &Op| matches!(op, Op::Gather(g) if g.axis == 0);
        let (id, node) = self.graph.producer(value).filter(|(_, node)| rows(&node.op))?;
        self.graph.constant(node.inputs[0]).map(|_| (id, node))
    }

    /// What a sum of lookups and tables adds up; `None` if it has other parts, or too many.
    fn parts(&self, value: ValueId) -> Option<Vec<ValueId>> {
        let (mut open, mut parts) = (vec![value], Vec::new());
        while let Some(value) = open.pop() {
            let value = self.plain(value);
            match self.find(value, is!(Op::Add(_))) {
                Some((_, sum)) => open.extend(sum.inputs.iter().rev()),
                None if self.gather(value).is_some() || self.graph.constant(value).is_some() => {
                    parts.push(value);
                }
                None => return None,
            }
            if open.len() + parts.len() > PARTS {
                return None;
            }
        }
        Some(parts)
    }

    /// Matches the embedding of a graph input of `[batch, tokens]` ids, plus a table of positions if there is one, plus one of
    /// types of tokens, which is read at its first row. `None` where a value is neither: a layer ends there.
    pub(super) fn embedding(
        &self,
        graph: &Graph,
        value: ValueId,
        past: usize,
    ) -> Result<Option<Embedding>, Diagnostic> {
        let Some(parts) = self.parts(value) else { return Ok(self.stem(value)?.map(Embedding::from)) };
        let id = graph.producer(value).map(|p| p.0);
        let (mut words, mut positions, mut types) = (None, None, None);
        for part in parts {
            let place = match self.gather(part) {
                None => &mut positions,
                Some((_, node)) => match graph.input_name(node.inputs[1]) {
                    Some(name) if name.to_ascii_lowercase().contains("type") => &mut types,
                    Some(_) => &mut words,
                    None => &mut positions,
                },
            };
            self.expect(place.replace(part).is_none(), id, "words, positions and types, each once")?;
        }
        let Some((words, (_, word))) = words.and_then(|w| Some((w, self.gather(w)?))) else {
            return Err(self.mismatch(id, "tokens that are a graph input", "computed ones"));
        };
        let (table, [batch, tokens]) = self.tokens(word, words)?;
        let mut positions = positions.map(|value| self.positions(graph, value, tokens, past)).transpose()?;
        if let Some(types) = types.and_then(|value| Some((value, self.gather(value)?.1))) {
            let table = self.weight(types.1.inputs[0], types.0);
            let sum =
                positions.zip(table).and_then(|((at, first), types)| Some((at.with_row(&types)?, first)));
            let sum = sum.ok_or_else(|| self.mismatch(id, "positions beside types of tokens", "none"))?;
            positions = Some(sum);
        }
        Ok(Some(Embedding { front: Front::Tokens(table), function: None, positions, batch, tokens }))
    }

    /// The table and the shape of the ids of a lookup.
    fn tokens(&self, node: &Node, value: ValueId) -> Result<(Weight, [usize; 2]), Diagnostic> {
        let id = self.graph.producer(value).map(|p| p.0);
        let table = self.weight(node.inputs[0], value);
        let table = table.ok_or_else(|| self.mismatch(id, "a constant table", "a computed one"))?;
        match self.dims(node.inputs[1])?[..] {
            [batch, tokens] => Ok((table, [batch, tokens])),
            _ => Err(self.mismatch(id, "ids of shape [batch, tokens]", "another shape")),
        }
    }

    /// The table of positions, and its row of the first token: looked up, or cut out already.
    fn positions(
        &self,
        graph: &Graph,
        value: ValueId,
        tokens: usize,
        past: usize,
    ) -> Result<(Weight, usize), Diagnostic> {
        let id = graph.producer(value).map(|p| p.0);
        let Some((_, place)) = self.gather(value) else {
            let refuse = || self.mismatch(id, "a row of positions for each token", "something else");
            let weight = self.weight(value, value).filter(|_| past == 0).ok_or_else(refuse)?;
            let hidden = self.dims(value)?.last().copied().unwrap_or(0);
            let constant = weight.constant.with_shape(Shape::of([tokens, hidden])).ok_or_else(refuse)?;
            return Ok((Weight { constant, ..weight }, 0));
        };
        let rows = probe::rows(graph, self, place.inputs[1], past)?;
        let first = rows.first().and_then(|&row| usize::try_from(row).ok()?.checked_sub(past));
        let first = first.ok_or_else(|| self.mismatch(id, "rows of positions", "something else"))?;
        let straight = (0..tokens).map(|t| (first + past + t) as i64).eq(rows.into_iter().take(tokens));
        self.expect(straight, id, "a row of the table for each position, in order")?;
        let table = self.weight(place.inputs[0], value);
        let table = table.ok_or_else(|| self.mismatch(id, "a constant table", "a computed one"))?;
        Ok((table, first))
    }
}
