//! Diagnostics: what a person is told when something that he handed in cannot be used.
//!
//! Invariants:
//! - every diagnostic answers four questions: what is wrong, where, why, and what to do about it;
//! - `code` is kebab-case, stable, and names the kind of error, so that scripts and snapshots can rely on it;
//! - a library does not know file names; the caller that opened the file adds it with [`Diagnostic::in_file`].

use std::fmt;

/// An error that a user can cause, with its place, its reason and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render())]
pub struct Diagnostic {
    /// Stable kebab-case name of the kind of error, for example `onnx-truncated`.
    pub code: &'static str,
    /// What is wrong, one sentence without a full stop.
    pub what: String,
    /// Where it is. Boxed so that a `Result` that carries a diagnostic stays small.
    pub place: Box<Place>,
    /// Why it is wrong: the rule that was broken, with the numbers. May be several lines.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

/// Where an error is: a file, and a spot inside of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as the user named it.
    pub file: Option<String>,
    /// The spot inside the file.
    pub spot: Spot,
}

/// A spot inside a file or an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Spot {
    /// The whole of it.
    #[default]
    Whole,
    /// A line and a column of a text, both counted from 1; columns count characters.
    Line {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// A byte offset of a binary file, from 0.
    Byte(u64),
    /// A node of a model or graph, by name.
    Node(String),
    /// A named field, tensor, dimension or option.
    Item(String),
}

impl Diagnostic {
    /// A diagnostic without a place, reason or remedy; add them with the methods below.
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Diagnostic { code, what: what.into(), place: Box::default(), why: String::new(), help: String::new() }
    }

    /// A rule of our own that does not hold: no input is to blame, and no other input is sure to help.
    pub fn internal(what: impl Into<String>) -> Self {
        Diagnostic::new("internal", what)
            .because("a check of Tilewright's own work found it; what was handed in is not at fault")
            .help("this is a bug: report it with the model, the machine file, the scheme and the command")
    }

    /// States the reason.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// States the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Sets the spot.
    pub fn at(mut self, spot: Spot) -> Self {
        self.place.spot = spot;
        self
    }

    /// Sets the spot to a node.
    pub fn at_node(self, name: impl Into<String>) -> Self {
        self.at(Spot::Node(name.into()))
    }

    /// Sets the spot to a named item.
    pub fn at_item(self, name: impl Into<String>) -> Self {
        self.at(Spot::Item(name.into()))
    }

    /// Sets the spot to the line and column of byte `offset` of `text`.
    pub fn at_offset(self, text: &str, offset: usize) -> Self {
        self.at(Spot::of_offset(text, offset))
    }

    /// Adds the name of the file, unless one is known already.
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.place.file.get_or_insert_with(|| file.into());
        self
    }

    /// The text shown to the user: one headline, then a line each for place, reason and remedy, no final newline.
    pub fn render(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code, self.what);
        let place = self.place.to_string();
        for (label, part) in [("at", place.as_str()), ("why", &self.why), ("help", &self.help)] {
            if !part.is_empty() {
                let part = part.replace('\n', "\n        ");
                text.push_str(&format!("\n  {label:>4}: {part}"));
            }
        }
        text
    }
}

impl Spot {
    /// The line and column of byte `offset` of `text`; an offset past the end is the end.
    pub fn of_offset(text: &str, offset: usize) -> Spot {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.matches('\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) as u32 + 1;
        Spot::Line { line, column }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spot::Whole => Ok(()),
            Spot::Line { line, column } => write!(f, "line {line}, column {column}"),
            Spot::Byte(offset) => write!(f, "byte {offset}"),
            Spot::Node(name) => write!(f, "node `{name}`"),
            Spot::Item(name) => write!(f, "`{name}`"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, &self.spot) {
            (None, spot) => spot.fmt(f),
            (Some(file), Spot::Whole) => f.write_str(file),
            (Some(file), spot) => write!(f, "{file}, {spot}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_all_four_answers() {
        let d = Diagnostic::new("text-syntax", "expected `(`")
            .because("an operator is followed by its operands")
            .help("write `add(%0, %1)`")
            .at_offset("graph\n  añd", 10)
            .in_file("a.tw");
        let text = "error[text-syntax]: expected `(`\n    at: a.tw, line 2, column 4\n   \
                    why: an operator is followed by its operands\n  help: write `add(%0, %1)`";
        assert_eq!(d.to_string(), text);
    }
}
