//! The grammar of one line of assembly, in nom: what is written, before anything is known of instructions.
//!
//! ```text
//! line        := [ directive | instruction | "}" ] [ ";" comment ]
//! directive   := ".isa" number | ".machine" (number | name) | ".base" number
//!              | ".arg" name "=" formula | ".region" name "addr=" number "bytes=" number ("ro" | "rw")
//!              | ".origin" [ number ] [ string [ "of" string { string } ] ]
//! formula     := term { "+" term }
//! term        := number | "position" [ ("/" | "%") number ] [ "*" number ] | "token[" number "]" [ "*" number ]
//! instruction := mnemonic { item } [ "{" ]
//! item        := ("wait" | "post") number { "," number } | name [ "=" value ]
//! value       := number | "r" digits | "v" digits ":" digits | name
//! ```

use crate::program::Origin;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, none_of, one_of, space0};
use nom::combinator::{all_consuming, map, not, opt, peek, recognize, value};
use nom::error::{ErrorKind, ParseError};
use nom::multi::{fold_many0, many0, many1, separated_list1};
use nom::sequence::{delimited, preceded, separated_pair, terminated};
use nom::{IResult, Parser};

/// Why a line does not parse; `left` is the number of bytes from the fault to the end of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub left: usize,
    pub what: String,
    pub why: String,
    pub help: String,
}

impl ParseError<&str> for Fault {
    fn from_error_kind(input: &str, _: ErrorKind) -> Fault {
        let what = match input.split_whitespace().next() {
            Some(word) => format!("unexpected `{word}`"),
            None => "the line ends too early".into(),
        };
        let why = "a line is one instruction (a mnemonic, then `field=value` and flags) or one directive";
        Fault::new(
            input.len(),
            what,
            why,
            "a comment begins with `;`; docs/isa.md lists mnemonics and fields",
        )
    }

    fn append(_: &str, _: ErrorKind, other: Fault) -> Fault {
        other
    }
}

impl Fault {
    /// A fault at `left` bytes before the end of the line.
    pub fn new(
        left: usize,
        what: impl Into<String>,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> Fault {
        Fault { left, what: what.into(), why: why.into(), help: help.into() }
    }
}

/// Something and its place, in bytes before the end of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    pub left: usize,
    pub it: T,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    Blank,
    /// `}`.
    Close,
    Directive(Directive<'a>),
    Instruction(Instruction<'a>),
}

/// What is said about the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive<'a> {
    Isa(At<i64>),
    Machine(At<Value<'a>>),
    Base(At<i64>),
    Arg { name: At<String>, formula: Vec<At<Term>> },
    Region { name: At<String>, addr: At<i64>, bytes: At<i64>, writable: bool },
    Origin { index: Option<At<i64>>, origin: Option<Origin> },
}

/// What an argument is computed from: the position, or sink, window and kind of a ring.
pub type Of = Option<(i64, i64, bool)>;

/// A summand of an argument's formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    Number(i64),
    Quotient { of: Of, div: i64, times: i64 },
    Remainder { of: Of, div: i64, times: i64 },
    Token { index: i64, times: i64 },
}

/// A mnemonic and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction<'a> {
    pub mnemonic: At<&'a str>,
    pub items: Vec<At<Item<'a>>>,
    /// Ends in `{`.
    pub open: bool,
}

/// What may follow a mnemonic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    Wait(Vec<At<i64>>),
    Post(Vec<At<i64>>),
    Bare(&'a str),
    Field(&'a str, At<Value<'a>>),
}

/// The right side of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Number(i64),
    Register(i64),
    Vector(i64, i64),
    Name(&'a str),
}

type Parsed<'a, T> = IResult<&'a str, T, Fault>;

/// Parses a line (without its line break).
pub fn line(input: &str) -> Result<Line<'_>, Fault> {
    let statement = alt((
        value(Line::Close, char('}')),
        map(preceded(char('.'), directive), Line::Directive),
        map(instruction, Line::Instruction),
        value(Line::Blank, peek(end)),
    ));
    match all_consuming((space0, statement, end)).parse(input) {
        Ok((_, (_, line, ()))) => Ok(line),
        Err(nom::Err::Error(f) | nom::Err::Failure(f)) => Err(f),
        Err(nom::Err::Incomplete(_)) => Err(Fault::from_error_kind("", ErrorKind::Eof)),
    }
}

/// Blanks, an optional comment, and the end of the line.
fn end(input: &str) -> Parsed<'_, ()> {
    let (rest, _) = (space0, opt((char(';'), take_while(|_| true)))).parse(input)?;
    if rest.is_empty() {
        Ok((rest, ()))
    } else {
        Err(nom::Err::Error(Fault::from_error_kind(rest, ErrorKind::Eof)))
    }
}

fn word(input: &str) -> Parsed<'_, &str> {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let follow = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    recognize((take_while1(start), take_while(follow))).parse(input)
}

/// Runs a parser and keeps its place.
fn at<'a, T>(
    mut parser: impl Parser<&'a str, Output = T, Error = Fault>,
) -> impl Parser<&'a str, Output = At<T>, Error = Fault> {
    move |input: &'a str| {
        let (rest, it) = parser.parse(input)?;
        Ok((rest, At { left: input.len(), it }))
    }
}

/// Turns a failed match into an error that ends the search, with what was expected and an example.
fn must<'a, T>(
    mut parser: impl Parser<&'a str, Output = T, Error = Fault>,
    what: &'static str,
    example: &'static str,
) -> impl Parser<&'a str, Output = T, Error = Fault> {
    move |input: &'a str| {
        parser.parse(input).map_err(|e| match e {
            nom::Err::Error(f) => nom::Err::Failure(Fault {
                why: format!("expected {what}"),
                help: format!("for example `{example}`"),
                ..f
            }),
            other => other,
        })
    }
}

fn number(input: &str) -> Parsed<'_, i64> {
    let hex = preceded(tag("0x"), take_while1(|c: char| c.is_ascii_hexdigit() || c == '_'));
    let bin = preceded(tag("0b"), take_while1(|c| matches!(c, '0' | '1' | '_')));
    let dec = recognize((one_of("0123456789"), take_while(|c: char| c.is_ascii_digit() || c == '_')));
    let (rest, (minus, (radix, digits))) =
        (opt(char('-')), alt((map(hex, |d| (16, d)), map(bin, |d| (2, d)), map(dec, |d| (10, d)))))
            .parse(input)?;
    let magnitude = i64::from_str_radix(&digits.replace('_', ""), radix);
    match magnitude {
        Ok(n) => Ok((rest, if minus.is_some() { -n } else { n })),
        Err(_) => Err(nom::Err::Failure(Fault::new(
            input.len(),
            format!("`{digits}` is not a number"),
            "numbers have at most 63 bits and at least one digit",
            "write a decimal, 0x or 0b number that fits its field",
        ))),
    }
}

fn value_of(input: &str) -> Parsed<'_, Value<'_>> {
    let digits = |i| map(recognize(take_while1(|c: char| c.is_ascii_digit())), number_of).parse(i);
    let no_word = || not(word);
    alt((
        map((preceded(char('v'), digits), preceded(char(':'), digits)), |(b, r)| Value::Vector(b, r)),
        map((preceded(char('r'), digits), no_word()), |(r, ())| Value::Register(r)),
        map(number, Value::Number),
        map(word, Value::Name),
    ))
    .parse(input)
}

/// The name of a machine, which may have hyphens inside.
fn machine_name(input: &str) -> Parsed<'_, &str> {
    let part = || take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let letter = |c: char| c.is_ascii_alphabetic();
    recognize((
        take_while1(letter),
        take_while(|c: char| c == '_' || c.is_ascii_alphanumeric()),
        many1((char('-'), part())),
    ))
    .parse(input)
}

/// The value of a string of decimal digits; too many of them become a number that no field holds.
fn number_of(digits: &str) -> i64 {
    digits.parse().unwrap_or(i64::MAX)
}

fn list(input: &str) -> Parsed<'_, Vec<At<i64>>> {
    let comma = delimited(space0, char(','), space0);
    must(preceded(space0, separated_list1(comma, at(number))), "semaphore numbers", "wait 3,5").parse(input)
}

fn item(input: &str) -> Parsed<'_, At<Item<'_>>> {
    let (_, name) = peek(word).parse(input)?;
    let field = separated_pair(
        word,
        (space0, char('='), space0),
        must(at(value_of), "a value", "tokens=2, raddr=r3, dst=v2:17 or mode=w2"),
    );
    let bare = || map(word, Item::Bare);
    match name {
        "wait" => at(map(preceded(word, list), Item::Wait)).parse(input),
        "post" => at(map(preceded(word, list), Item::Post)).parse(input),
        _ => at(alt((map(field, |(n, v)| Item::Field(n, v)), bare()))).parse(input),
    }
}

fn instruction(input: &str) -> Parsed<'_, Instruction<'_>> {
    let items = many0(preceded(space0, item));
    let open = opt(preceded(space0, char('{')));
    let (rest, (mnemonic, items, open)) = (at(word), items, open).parse(input)?;
    Ok((rest, Instruction { mnemonic, items, open: open.is_some() }))
}

fn quoted(input: &str) -> Parsed<'_, String> {
    let escape = preceded(
        char('\\'),
        alt((value('"', char('"')), value('\\', char('\\')), value('\n', char('n')), code_point)),
    );
    let inside = fold_many0(alt((none_of("\"\\"), escape)), String::new, |mut s, c| {
        s.push(c);
        s
    });
    delimited(char('"'), inside, must(char('"'), "a closing quote", "\"layer 0\"")).parse(input)
}

fn code_point(input: &str) -> Parsed<'_, char> {
    let mut hex = delimited(tag("u{"), take_while1(|c: char| c.is_ascii_hexdigit()), char('}'));
    let (rest, digits) = hex.parse(input)?;
    match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
        Some(c) => Ok((rest, c)),
        None => Err(nom::Err::Error(Fault::from_error_kind(input, ErrorKind::Char))),
    }
}

fn name(input: &str) -> Parsed<'_, At<String>> {
    must(preceded(space0, at(alt((quoted, map(word, str::to_string))))), "a name", "kv_cache").parse(input)
}

fn term(input: &str) -> Parsed<'_, Term> {
    let times = |i| {
        let by = preceded((space0, char('*'), space0), must(number, "a factor", "position * 64"));
        map(opt(by), |n| n.unwrap_or(1)).parse(i)
    };
    let by = |sign: char| preceded((space0, char(sign), space0), number);
    let parts = alt((
        map((by('/'), times), |(div, times)| (true, div, times)),
        map((by('%'), times), |(div, times)| (false, div, times)),
        map(times, |times| (true, 1, times)),
    ));
    let comma = (space0, char(','), space0);
    let ring = (delimited((char('['), space0), number, comma), terminated(number, (space0, char(']'))));
    let kind = alt((value(true, tag("slot")), value(false, tag("seen"))));
    let of = alt((
        value(None, tag("position")),
        map((kind, ring), |(slot, (sink, window))| Some((sink, window, slot))),
    ));
    let position = map((of, parts), |(of, (whole, div, times))| match whole {
        true => Term::Quotient { of, div, times },
        false => Term::Remainder { of, div, times },
    });
    let token = delimited((char('['), space0), number, (space0, char(']')));
    alt((
        map(number, Term::Number),
        position,
        map((preceded(tag("token"), token), times), |(index, times)| Term::Token { index, times }),
    ))
    .parse(input)
}

fn formula(input: &str) -> Parsed<'_, Vec<At<Term>>> {
    let plus = delimited(space0, char('+'), space0);
    let terms = separated_list1(plus, at(term));
    must(preceded(space0, terms), "a formula", "position / 16 * 64 + position % 16 * 4 + 0x1000").parse(input)
}

fn key<'a>(
    name: &'static str,
    example: &'static str,
) -> impl Parser<&'a str, Output = At<i64>, Error = Fault> {
    must(preceded((space0, tag(name), space0, char('='), space0), at(number)), name, example)
}

fn directive(input: &str) -> Parsed<'_, Directive<'_>> {
    let (rest, name) = must(word, "a directive", ".machine tiny").parse(input)?;
    match name {
        "isa" => map(preceded(space0, must(at(number), "a version", ".isa 2")), Directive::Isa).parse(rest),
        "machine" => {
            let machine = must(
                at(alt((map(machine_name, Value::Name), value_of))),
                "a hash or a built-in name",
                ".machine tiny",
            );
            map(preceded(space0, machine), Directive::Machine).parse(rest)
        }
        "base" => {
            map(preceded(space0, must(at(number), "an address", ".base 0x1000")), Directive::Base).parse(rest)
        }
        "arg" => arg(rest),
        "region" => region(rest),
        "origin" => origin(rest),
        _ => Err(nom::Err::Failure(Fault::new(
            input.len(),
            format!("unknown directive `.{name}`"),
            "directives are .isa, .machine, .base, .arg, .region and .origin",
            "see docs/isa.md for their forms",
        ))),
    }
}

fn arg(input: &str) -> Parsed<'_, Directive<'_>> {
    let equals = must(delimited(space0, char('='), space0), "`=`", ".arg step = position * 4");
    map((name, equals, formula), |(name, _, formula)| Directive::Arg { name, formula }).parse(input)
}

fn region(input: &str) -> Parsed<'_, Directive<'_>> {
    const EXAMPLE: &str = ".region weights addr=0x1000 bytes=0x200 ro";
    let access = alt((value(false, tag("ro")), value(true, tag("rw"))));
    let access = must(preceded(space0, access), "`ro` or `rw`", EXAMPLE);
    let parts = (name, key("addr", EXAMPLE), key("bytes", EXAMPLE), access);
    map(parts, |(name, addr, bytes, writable)| Directive::Region { name, addr, bytes, writable }).parse(input)
}

fn origin(input: &str) -> Parsed<'_, Directive<'_>> {
    const EXAMPLE: &str = ".origin \"gate\" of \"/layers.*/gate/MatMul\"";
    let index = opt(preceded(space0, at(number)));
    let node = must(preceded(space0, quoted), "a name in quotes", EXAMPLE);
    let more = fold_many0(preceded(space0, quoted), Vec::new, |mut all, node| {
        all.push(node);
        all
    });
    let nodes =
        map(preceded((space0, tag("of")), (node, more)), |(first, rest)| [vec![first], rest].concat());
    let origin = (preceded(space0, quoted), map(opt(nodes), Option::unwrap_or_default));
    let origin = opt(map(origin, |(step, nodes)| Origin { step, nodes }));
    map((index, origin), |(index, origin)| Directive::Origin { index, origin }).parse(input)
}
