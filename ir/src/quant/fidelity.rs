//! What became of weights when they were put on the grid of a scheme. Nothing that a file carries in codes is rounded without
//! a note.

use super::QuantLinear;
use std::collections::BTreeMap;

/// How the weights of a linear layer relate to those of the model.
#[derive(Debug, Clone, PartialEq)]
pub enum Fidelity {
    /// The model has none.
    Absent,
    /// Every weight is the model's.
    Exact,
    /// The codes are the file's; scales of groups are rounded, by this much of themselves at most.
    ScalesRounded(f64),
    /// Floats, rounded.
    Rounded,
    /// Codes that the scheme cannot express, rounded like floats; the reason.
    Requantised(String),
}

/// What a reader of figures must know of weights that the file carries in codes.
pub(super) fn notes<'d>(linears: impl Iterator<Item = &'d QuantLinear>) -> Vec<String> {
    let mut requantised: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut rounded, mut most) = (Vec::new(), 0f64);
    for linear in linears {
        match &linear.fidelity {
            Fidelity::Requantised(why) => requantised.entry(why).or_default().push(&linear.name),
            Fidelity::ScalesRounded(by) => {
                rounded.push(&*linear.name);
                most = most.max(*by);
            }
            Fidelity::Absent | Fidelity::Exact | Fidelity::Rounded => {}
        }
    }
    let again = requantised.iter().map(|(why, names)| {
        format!("the codes of the file are not kept, weights are rounded anew, in {}: {why}", several(names))
    });
    let scales = (!rounded.is_empty()).then(|| {
        format!(
            "the codes of the file are kept, but scales of groups are rounded, by at most {:.2} %, in {}: a scheme with more \
             `scale_bits` keeps them, too",
            most * 100.0,
            several(&rounded)
        )
    });
    again.chain(scales).collect()
}

fn several(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first, others @ ..] => format!("`{first}` and {} more", others.len()),
    }
}
