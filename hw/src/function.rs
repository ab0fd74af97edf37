//! Functions of the vector engine: the closed table of what `vec` can compute.
//!
//! docs/machine.md section 3 says what each of them is; a machine has those of `vector.functions`.
//!
//! To add a function: here its name, passes and operand b, in `ir::num` its arithmetic, in `tw_vlane` its hardware.

use ir::num::Point;
use serde::{Deserialize, Serialize};

/// What operand b holds, and how many of its rows belong to a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// Nothing: b is not read.
    None,
    /// int32, as many rows as a.
    Words,
    /// int16, as many rows as a.
    Halves,
    /// int32, half as many rows as a.
    HalfRows,
}

/// What a function writes beside its quantised output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// int32, as many rows as a.
    Rows,
    /// Nothing: its output is all.
    Codes,
    /// One int32 word of each round.
    Words,
}

impl Product {
    /// Whether it can stand beside a quantised output, or without one.
    pub const fn goes_with(self, output: bool) -> bool {
        match self {
            Product::Rows => true,
            Product::Codes => output,
            Product::Words => !output,
        }
    }
}

macro_rules! functions {
    ($( #[doc = $doc:literal] $variant:ident $name:literal $passes:literal $b:ident $gated:literal $point:expr; )*) => {
        /// A function of the vector engine; its number is the `fun` field of instructions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u32)]
        pub enum Function { $( #[doc = $doc] #[serde(rename = $name)] $variant, )* }

        impl Function {
            /// All of them, by number.
            pub const ALL: &'static [Function] = &[ $( Function::$variant, )* ];
            /// Their names, by number.
            pub const NAMES: &'static [&'static str] = &[ $( $name, )* ];

            /// Passes over a vector, or of each round of it, without that of a quantised output.
            pub const fn passes(self) -> u64 {
                match self { $( Function::$variant => $passes, )* }
            }

            /// Whether it can be `gated`: its result times the elements of b.
            pub const fn takes_gate(self) -> bool {
                match self { $( Function::$variant => $gated, )* }
            }

            /// The function of one element that it is, if it is one.
            pub const fn point(self) -> Option<Point> {
                match self { $( Function::$variant => $point, )* }
            }

            const fn fixed_operand(self) -> Operand {
                match self { $( Function::$variant => Operand::$b, )* }
            }
        }
    };
}

functions! {
    /// Shift and copy.
    Copy "copy" 1 None false None;
    /// Root-mean-square norm, b the gains.
    RmsNorm "rms_norm" 3 Halves false None;
    /// Rotary embedding of halves, b the phase steps.
    Rope "rope" 1 HalfRows false None;
    /// Softmax, b the scales of V.
    Softmax "softmax" 2 Words false None;
    /// a times its sigmoid.
    Silu "silu" 1 None true Some(Point::Silu);
    /// a times the normal distribution function of a.
    Gelu "gelu" 1 None true Some(Point::Gelu);
    /// The same with a hyperbolic tangent for the distribution function.
    GeluTanh "gelu_tanh" 1 None true Some(Point::GeluTanh);
    /// The larger of a and 0.
    Relu "relu" 1 None true Some(Point::Relu);
    /// a clamped to 0 and 6.
    Relu6 "relu6" 1 None true Some(Point::Relu6);
    /// a times its hard sigmoid.
    HardSwish "hard_swish" 1 None true Some(Point::HardSwish);
    /// The square of the larger of a and 0.
    SquaredRelu "squared_relu" 1 None false Some(Point::SquaredRelu);
    /// Logistic function.
    Sigmoid "sigmoid" 1 None true Some(Point::Sigmoid);
    /// a / 6 + 1 / 2, clamped to 0 and 1.
    HardSigmoid "hard_sigmoid" 1 None true Some(Point::HardSigmoid);
    /// Hyperbolic tangent.
    Tanh "tanh" 1 None true Some(Point::Tanh);
    /// Sum of a and b.
    Add "add" 1 Words false None;
    /// Product of a and b.
    Mul "mul" 1 Words false None;
    /// Norm by mean and variance, b gains and biases.
    LayerNorm "layer_norm" 4 Words false None;
    /// Rotary embedding of neighbours, b the phase steps.
    RopePairs "rope_pairs" 1 Words false None;
    /// Codes by a scale that the instruction names.
    Requantise "requantise" 0 None false None;
    /// Sum of the elements.
    Sum "sum" 1 None false None;
    /// The largest elements and their places, a round for each.
    TopK "top_k" 1 None false None;
    /// Power of e.
    Exp "exp" 1 None true Some(Point::Exp);
    /// Logarithm of 1 and a power of e.
    Softplus "softplus" 1 None false Some(Point::Softplus);
    /// 1 over a.
    Reciprocal "reciprocal" 1 None true Some(Point::Reciprocal);
    /// Logarithm of 1 and the magnitude of a, with its sign; b the scale words of a.
    LogNp "log_np" 1 Words false None;
}

impl Function {
    /// The function of a number.
    pub fn of(number: u32) -> Option<Function> {
        Function::ALL.get(number as usize).copied()
    }

    /// As machine files and assembly spell it.
    pub fn name(self) -> &'static str {
        Function::NAMES[self as usize]
    }

    /// What it writes.
    pub const fn product(self) -> Product {
        match self {
            Function::Requantise => Product::Codes,
            Function::Sum | Function::TopK => Product::Words,
            _ => Product::Rows,
        }
    }

    /// Whether its vectors can lie across slices. Of the others each reduces or turns the elements of one slice.
    pub const fn spans_slices(self) -> bool {
        use Function::{Rope, RopePairs, Softmax, Sum, TopK};
        !matches!(self, Softmax | Rope | RopePairs | Sum | TopK)
    }

    /// What it reads as operand b, gated or not.
    pub fn operand(self, gated: bool) -> Operand {
        if gated { Operand::Words } else { self.fixed_operand() }
    }
}

/// A set of functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Functions(u32);

impl Functions {
    /// The set of these functions.
    pub fn of(functions: &[Function]) -> Functions {
        Functions(functions.iter().fold(0, |set, f| set | 1 << *f as u32))
    }

    /// Whether the set has a function.
    pub fn has(self, function: Function) -> bool {
        self.0 >> function as u32 & 1 != 0
    }

    /// Its functions, by number.
    pub fn iter(self) -> impl Iterator<Item = Function> {
        Function::ALL.iter().copied().filter(move |f| self.has(*f))
    }

    /// Bit f is function f.
    pub fn bits(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_files_agree() {
        for (i, &function) in Function::ALL.iter().enumerate() {
            assert_eq!((function as usize, Function::of(i as u32)), (i, Some(function)));
            let file = toml::Value::try_from(function).unwrap();
            assert_eq!(file.as_str(), Some(function.name()));
        }
        assert_eq!(Function::of(Function::ALL.len() as u32), None);
    }

    #[test]
    fn codes_alone_take_no_pass_of_their_own() {
        assert!(Function::ALL.iter().all(|f| (f.passes() == 0) == (f.product() == Product::Codes)));
    }

    #[test]
    fn only_functions_of_one_element_are_gated() {
        for function in Function::ALL {
            assert!(!function.takes_gate() || function.point().is_some() && function.passes() == 1);
            assert!(!function.takes_gate() || function.operand(false) == Operand::None);
            assert!(function.point().is_none_or(|point| point.name() == function.name()));
        }
    }
}
