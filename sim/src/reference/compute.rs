//! Matrix and vector engine: counters that walk through an instruction a step a cycle. The first step is in the cycle of the
//! start.

use super::delay::Delay;
use hw::machine::Slices;
use hw::timing::{VECTOR_GAP, VECTOR_LATENCY, matrix_latency};
use hw::{Function, Machine, Mode, Multipliers};
use isa::Instr;
use isa::table::{Body, Gemm, Vector as Fields, out};

/// Products of a tile fill one set of accumulators while the results of the tile before leave the other.
#[derive(Debug)]
pub(super) struct Matrix {
    /// Cycles in which the results of a token leave.
    writes_per_token: u32,
    fields: Option<Gemm>,
    /// Of the products: tile, group and step; `None`: no products are left.
    product: Option<(u32, u32, u32)>,
    /// Beats of the step that are done: quads have multiplied for even tokens, dot multipliers the lower halves, others so many
    /// pairs of digits.
    beat: u32,
    /// All products of the tile are summed; its results wait for the way out.
    summed: bool,
    /// Of the results on their way out: token and write.
    result: Option<(u32, u32)>,
    retiring: Delay,
    latency: u64,
    multipliers: Multipliers,
}

impl Matrix {
    pub fn new(machine: &Machine) -> Matrix {
        Matrix {
            writes_per_token: machine.matrix.outputs / machine.matrix.drain_lanes,
            fields: None,
            product: None,
            beat: 0,
            summed: false,
            result: None,
            retiring: Delay::default(),
            latency: matrix_latency(&machine.matrix),
            multipliers: machine.matrix.multipliers,
        }
    }

    pub fn busy(&self) -> bool {
        self.fields.is_some()
    }

    pub fn retires(&mut self) -> bool {
        self.retiring.pulse()
    }

    pub fn step(&mut self, started: Option<&Instr>) {
        if let Some(Body::Gemm(i)) = started.map(|i| i.body) {
            (self.fields, self.product) = (Some(i), Some((0, 0, 0)));
        }
        let Some(i) = self.fields else { return };
        self.result = self.result.and_then(|at| self.next_result(&i, at));
        if let Some(at) = self.product.filter(|_| !self.summed) {
            self.multiply(&i, at);
        }
        if self.result.is_some() {
            return;
        }
        if self.summed {
            // Both sets of accumulators change places.
            self.summed = false;
            self.result = Some((0, 0));
        } else if self.product.is_none() {
            self.fields = None;
            self.retiring.push(1 + self.latency);
        }
    }

    fn multiply(&mut self, i: &Gemm, (tile, group, step): (u32, u32, u32)) {
        let two_bits = [Mode::W2 as u32, Mode::S2 as u32].contains(&i.mode);
        let bytes = [Mode::W8 as u32, Mode::V8 as u32].contains(&i.mode);
        let narrow = i.narrow == 1;
        let four_fit = two_bits || (narrow && !bytes);
        let last_beat = match self.multipliers {
            Multipliers::Quad => u32::from(!four_fit && i.tokens > 1),
            Multipliers::Dot => u32::from(bytes),
            Multipliers::Nibble if narrow => u32::from(bytes),
            Multipliers::Crumb | Multipliers::Nibble if bytes => 3,
            Multipliers::Crumb => u32::from([Mode::W4 as u32, Mode::V4 as u32].contains(&i.mode)),
            Multipliers::Nibble => 1,
            Multipliers::Plain | Multipliers::Dsp48e2 => 0,
        };
        if self.beat < last_beat {
            self.beat += 1;
            return;
        }
        self.beat = 0;
        let last = (step + 1 == i.steps, group + 1 == i.groups, tile + 1 == i.ntiles);
        self.summed = last.0 && last.1;
        self.product = match last {
            (false, _, _) => Some((tile, group, step + 1)),
            (true, false, _) => Some((tile, group + 1, 0)),
            (true, true, false) => Some((tile + 1, 0, 0)),
            (true, true, true) => None,
        };
    }

    fn next_result(&self, i: &Gemm, (token, write): (u32, u32)) -> Option<(u32, u32)> {
        match (write + 1 == self.writes_per_token, token + 1 == i.tokens) {
            (false, _) => Some((token, write + 1)),
            (true, false) => Some((token + 1, 0)),
            (true, true) => None,
        }
    }
}

/// What the vector engine does with the rows of a vector, one pass after the other.
#[derive(Debug, Clone, Copy)]
enum Pass {
    Mean,
    Maximum,
    Squares,
    Result,
    /// With the number of slices behind whose codes come.
    Codes(u32),
    /// Of a reduction, with the number of rounds behind it.
    Round(u32),
}

impl Pass {
    fn first(i: &Fields, others: u32) -> Pass {
        match i.function() {
            Some(Function::LayerNorm) => Pass::Mean,
            Some(Function::Softmax | Function::RmsNorm) => Pass::Maximum,
            Some(Function::Requantise) => Pass::Codes(others * i.across),
            Some(Function::Sum) => Pass::Round(0),
            Some(Function::TopK) => Pass::Round(i.imm.saturating_sub(1)),
            _ => Pass::Result,
        }
    }

    fn next(self, i: &Fields, others: u32) -> Option<Pass> {
        match self {
            Pass::Mean => Some(Pass::Maximum),
            Pass::Maximum if i.function() != Some(Function::Softmax) => Some(Pass::Squares),
            Pass::Maximum | Pass::Squares => Some(Pass::Result),
            Pass::Result => (i.out != out::NONE).then_some(Pass::Codes(others * i.across)),
            Pass::Round(more) => more.checked_sub(1).map(Pass::Round),
            Pass::Codes(_) => None,
        }
    }
}

/// Where the vector engine is in its instruction.
#[derive(Debug, Clone, Copy)]
struct At {
    token: u32,
    sub: u32,
    pass: Pass,
    /// Rows that have entered, then cycles in which the last one passes through lanes, reduction and scalar functions.
    row: u32,
    gap: u64,
}

#[derive(Debug)]
pub(super) struct Vector {
    state: Option<(Fields, At)>,
    retiring: Delay,
    /// Slices beside the one that is stepped.
    others: u32,
    crossing: u64,
}

impl Vector {
    pub fn new(machine: &Machine) -> Vector {
        let Slices { count, crossing } = machine.slices;
        Vector { state: None, retiring: Delay::default(), others: count - 1, crossing: crossing.into() }
    }

    pub fn busy(&self) -> bool {
        self.state.is_some()
    }

    pub fn retires(&mut self) -> bool {
        self.retiring.pulse()
    }

    pub fn step(&mut self, started: Option<&Instr>) {
        if let Some(Body::Vector(i)) = started.map(|i| i.body) {
            let pass = Pass::first(&i, self.others);
            self.state = Some((i, At { token: 0, sub: 0, pass, row: 0, gap: 0 }));
        }
        let Some((i, at)) = self.state else { return };
        let gap = VECTOR_GAP + if i.across == 0 { 0 } else { self.crossing };
        self.state = at.next(&i, self.others, gap).map(|at| (i, at));
        if self.state.is_none() {
            self.retiring.push(1 + VECTOR_LATENCY);
        }
    }
}

impl At {
    fn next(self, i: &Fields, others: u32, gap: u64) -> Option<At> {
        if let (true, Pass::Codes(more @ 1..)) = (self.row + 1 == i.rows, self.pass) {
            return Some(At { row: 0, pass: Pass::Codes(more - 1), ..self });
        }
        if self.row < i.rows {
            return Some(At { row: self.row + 1, ..self });
        }
        if self.gap + 1 < gap {
            return Some(At { gap: self.gap + 1, ..self });
        }
        let from = At { row: 0, gap: 0, ..self };
        if let Some(pass) = self.pass.next(i, others) {
            return Some(At { pass, ..from });
        }
        let from = At { pass: Pass::first(i, others), ..from };
        match (self.sub + 1 == i.subs, self.token + 1 == i.tokens) {
            (false, _) => Some(At { sub: self.sub + 1, ..from }),
            (true, false) => Some(At { sub: 0, token: self.token + 1, ..from }),
            (true, true) => None,
        }
    }
}
