//! The grammar of the text form: from characters to statements.
//!
//! Invariant: every parser either consumes what it names or reports the rest of the text at which it failed; offsets
//! are computed from how much of the text is left.

use super::Id;
use crate::diag::Diagnostic;
use crate::graph::Origin;
use crate::op::attr::Attr;
use crate::types::{DType, Dim, Shape, Type};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::{map, map_opt, opt, value};
use nom::error::{ErrorKind, ParseError};
use nom::multi::{many0, separated_list0};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

/// One line of the text.
#[derive(Debug)]
pub(super) enum Statement<'t> {
    Input { id: Id, name: String, ty: Type },
    Constant { id: Id, name: String, ty: Type, elements: Elements<'t>, at: usize },
    Node(NodeStatement),
    Output { name: String, id: Id },
}

/// A node; operators and attributes are not interpreted yet.
#[derive(Debug)]
pub(super) struct NodeStatement {
    pub results: Vec<(Id, Type)>,
    pub op: String,
    pub operands: Vec<Id>,
    pub attrs: Vec<(String, Attr)>,
    pub origin: Origin,
    /// Byte offset of the operator.
    pub at: usize,
}

/// Elements of a constant.
#[derive(Debug, Clone)]
pub(super) enum Elements<'t> {
    Absent,
    Packed(Vec<u8>),
    List(Vec<&'t str>),
}

/// Where the text defines something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Value(Id),
    Node(usize),
}

impl Statement<'_> {
    /// The ids that a statement defines.
    pub(super) fn defines(&self) -> Vec<&Id> {
        match self {
            Statement::Input { id, .. } | Statement::Constant { id, .. } => vec![id],
            Statement::Node(node) => node.results.iter().map(|(id, _)| id).collect(),
            Statement::Output { .. } => Vec::new(),
        }
    }

    /// What a statement defines, with byte offsets.
    pub(super) fn places(&self) -> Vec<Place> {
        let node = if let Statement::Node(node) = self { Some(Place::Node(node.at)) } else { None };
        self.defines().into_iter().map(|&id| Place::Value(id)).chain(node).collect()
    }
}

/// The rest of the text at which parsing failed, and what was expected there.
#[derive(Debug)]
struct Expected<'t> {
    rest: &'t str,
    what: &'static str,
}

impl<'t> ParseError<&'t str> for Expected<'t> {
    fn from_error_kind(rest: &'t str, _: ErrorKind) -> Self {
        Expected { rest, what: "" }
    }
    fn append(_: &'t str, _: ErrorKind, other: Self) -> Self {
        other
    }
    /// The alternative that came furthest says what is wrong.
    fn or(self, other: Self) -> Self {
        if other.rest.len() < self.rest.len() { other } else { self }
    }
}

type Parsed<'t, T> = IResult<&'t str, T, Expected<'t>>;

/// Parses a whole text.
pub(super) fn graph(text: &str) -> Result<(String, Vec<Statement<'_>>), Diagnostic> {
    let grammar = Grammar { length: text.len() };
    grammar.graph(text).map(|(_, graph)| graph).map_err(|error| match error {
        nom::Err::Error(e) | nom::Err::Failure(e) => e.diagnose(text),
        nom::Err::Incomplete(_) => Expected { rest: "", what: "" }.diagnose(text),
    })
}

impl Expected<'_> {
    fn diagnose(&self, text: &str) -> Diagnostic {
        let found = self.rest.lines().next().unwrap_or_default();
        let found: String = found.chars().take(24).collect();
        let found = if self.rest.is_empty() { "the end of the text".into() } else { format!("`{found}`") };
        let what = if self.what.is_empty() { "a statement of the text form" } else { self.what };
        Diagnostic::new("text-syntax", format!("expected {what}"))
            .because(format!("found {found}"))
            .help("see the example in the documentation of the text form, or print a graph with `tilewright import`")
            .at_offset(text, text.len() - self.rest.len())
    }
}

/// Names what `parser` expects, in case it fails where it starts.
fn expect<'t, T>(
    what: &'static str,
    mut parser: impl Parser<&'t str, Output = T, Error = Expected<'t>>,
) -> impl FnMut(&'t str) -> Parsed<'t, T> {
    move |rest| {
        parser.parse(rest).map_err(|error| {
            error.map(|e| if e.what.is_empty() { Expected { rest: e.rest, what } } else { e })
        })
    }
}

/// Blanks and comments.
fn space(rest: &str) -> Parsed<'_, ()> {
    let comment = preceded(tag("//"), take_till(|c| c == '\n'));
    value((), many0(alt((take_while1(char::is_whitespace), comment)))).parse(rest)
}

/// A token: `parser`, then blanks.
fn token<'t, T>(
    parser: impl Parser<&'t str, Output = T, Error = Expected<'t>>,
) -> impl Parser<&'t str, Output = T, Error = Expected<'t>> {
    terminated(parser, space)
}

fn sign<'t>(what: &'static str) -> impl FnMut(&'t str) -> Parsed<'t, &'t str> {
    expect(what.trim_matches('\0'), token(tag(what)))
}

fn keyword<'t>(word: &'static str) -> impl FnMut(&'t str) -> Parsed<'t, &'t str> {
    move |rest| {
        let (after, found) = take_while1(is_word)(rest)?;
        if found != word {
            return Err(nom::Err::Error(Expected { rest, what: "" }));
        }
        let (after, ()) = space(after)?;
        Ok((after, found))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

fn word(rest: &str) -> Parsed<'_, &str> {
    token(take_while1(is_word)).parse(rest)
}

fn number(rest: &str) -> Parsed<'_, u32> {
    map_opt(digit1, |d: &str| d.parse().ok()).parse(rest)
}

fn string(rest: &str) -> Parsed<'_, String> {
    let unicode = delimited(tag("\\u{"), take_while1(|c: char| c.is_ascii_hexdigit()), char('}'));
    let unicode = map_opt(unicode, |h: &str| u32::from_str_radix(h, 16).ok().and_then(char::from_u32));
    let escaped = preceded(char('\\'), alt((char('"'), char('\\'))));
    let plain = take_while1(|c: char| c != '"' && c != '\\' && c != '\n');
    let part = alt((map(plain, String::from), map(unicode, String::from), map(escaped, String::from)));
    let parts = delimited(char('"'), many0(part), char('"'));
    expect("a name between quotes", token(map(parts, |p: Vec<String>| p.concat()))).parse(rest)
}

fn dim(rest: &str) -> Parsed<'_, Dim> {
    expect(
        "a dimension",
        map_opt(word, |w: &str| match w.parse() {
            Ok(n) => Some(Dim::Static(n)),
            Err(_) if w.starts_with(|c: char| c.is_ascii_digit() || c == '-') => None,
            Err(_) => Some(Dim::Symbol(w.into())),
        }),
    )
    .parse(rest)
}

fn shape(rest: &str) -> Parsed<'_, Shape> {
    map(delimited(sign("["), separated_list0(sign(","), dim), sign("]")), Shape).parse(rest)
}

fn ty(rest: &str) -> Parsed<'_, Type> {
    let dtype = map_opt(take_while1(is_word), |w: &str| w.parse::<DType>().ok());
    map(pair(expect("an element type", dtype), shape), |(d, s)| Type::new(d, s)).parse(rest)
}

fn attribute(rest: &str) -> Parsed<'_, Attr> {
    let ints = map_opt(separated_list0(sign(","), word), |words: Vec<&str>| {
        words.iter().map(|w| w.parse().ok()).collect::<Option<_>>().map(Attr::Ints)
    });
    let ints = delimited(sign("["), ints, sign("]"));
    let scalar = map(word, |w: &str| match (w.parse::<i64>(), w.parse::<f64>()) {
        (Ok(int), _) => Attr::Int(int),
        (_, Ok(float)) => Attr::Float(float),
        _ => Attr::Word(w.into()),
    });
    expect("the value of an attribute", alt((ints, map(shape, Attr::Shape), scalar))).parse(rest)
}

fn attributes(rest: &str) -> Parsed<'_, Vec<(String, Attr)>> {
    let one = pair(terminated(map(word, String::from), sign("=")), attribute);
    let all = delimited(sign("{"), separated_list0(sign(","), one), sign("}"));
    map(opt(all), Option::unwrap_or_default).parse(rest)
}

fn origin(rest: &str) -> Parsed<'_, Origin> {
    let block = preceded(keyword("block"), expect("the number of a block", token(number)));
    let both = preceded(sign("@"), pair(string, opt(block)));
    map(opt(both), |o| o.map_or_else(Origin::default, |(n, block)| Origin { name: n.into(), block }))
        .parse(rest)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let byte = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    hex.as_bytes().chunks(2).map(byte).collect()
}

fn elements(rest: &str) -> Parsed<'_, Elements<'_>> {
    let hex = preceded(keyword("hex"), token(map_opt(take_while(|c: char| c.is_ascii_hexdigit()), bytes)));
    let list = delimited(sign("["), separated_list0(sign(","), word), sign("]"));
    let any = alt((
        value(Elements::Absent, keyword("absent")),
        map(hex, Elements::Packed),
        map(list, Elements::List),
    ));
    expect("`absent`, `hex` and digits, or a list of elements", any).parse(rest)
}

/// Parsers that note where they are.
struct Grammar {
    length: usize,
}

impl Grammar {
    fn graph<'t>(&self, rest: &'t str) -> Parsed<'t, (String, Vec<Statement<'t>>)> {
        let (rest, ()) = space(rest)?;
        let (rest, name) = preceded(expect("`graph`", keyword("graph")), string).parse(rest)?;
        let (mut rest, _) = sign("{")(rest)?;
        let mut statements = Vec::new();
        while !rest.starts_with('}') {
            let (after, statement) = self.statement(rest)?;
            (rest, _) = (after, statements.push(statement));
        }
        let (rest, _) = sign("}")(rest)?;
        match rest {
            "" => Ok((rest, (name, statements))),
            _ => Err(nom::Err::Error(Expected { rest, what: "the end of the text" })),
        }
    }

    fn statement<'t>(&self, rest: &'t str) -> Parsed<'t, Statement<'t>> {
        let (after, first) =
            expect("a statement: input, const, output, or a node such as n0", word).parse(rest)?;
        match first {
            "input" => self.input(after),
            "const" => self.constant(after),
            "output" => self.output(after),
            label if label.starts_with('n') && label[1..].parse::<u32>().is_ok() => self.node(after),
            _ => Err(nom::Err::Error(Expected {
                rest,
                what: "a statement: input, const, output, or a node such as n0",
            })),
        }
    }

    fn id<'t>(&self, rest: &'t str) -> Parsed<'t, Id> {
        let at = self.length - rest.len();
        expect("a value such as %0", map(token(preceded(char('%'), number)), |n| (n, at))).parse(rest)
    }

    fn input<'t>(&self, rest: &'t str) -> Parsed<'t, Statement<'t>> {
        let (rest, (id, name, _, ty)) = (|r| self.id(r), string, sign(":"), ty).parse(rest)?;
        Ok((rest, Statement::Input { id, name, ty }))
    }

    fn constant<'t>(&self, rest: &'t str) -> Parsed<'t, Statement<'t>> {
        let (rest, (id, name, _, ty, _)) = (|r| self.id(r), string, sign(":"), ty, sign("=")).parse(rest)?;
        let at = self.length - rest.len();
        let (rest, elements) = elements(rest)?;
        Ok((rest, Statement::Constant { id, name, ty, elements, at }))
    }

    fn output<'t>(&self, rest: &'t str) -> Parsed<'t, Statement<'t>> {
        let (rest, (name, _, id)) = (string, sign(":"), |r| self.id(r)).parse(rest)?;
        Ok((rest, Statement::Output { name, id }))
    }

    fn node<'t>(&self, rest: &'t str) -> Parsed<'t, Statement<'t>> {
        let result = map((|r| self.id(r), sign(":"), ty), |(id, _, ty)| (id, ty));
        let (rest, results) = terminated(separated_list0(sign(","), result), sign("=")).parse(rest)?;
        let at = self.length - rest.len();
        let (rest, op) = map(expect("the name of an operator", word), String::from).parse(rest)?;
        let list = separated_list0(sign(","), |r| self.id(r));
        let (rest, operands) = delimited(sign("("), list, sign(")")).parse(rest)?;
        let (rest, attrs) = attributes(rest)?;
        let (rest, origin) = origin(rest)?;
        Ok((rest, Statement::Node(NodeStatement { results, op, operands, attrs, origin, at })))
    }
}
