//! Attention written by hand in assembly (attention.asm): assembled, checked, computed and timed, and compared with floats.
//!
//! Run with `cargo run --example 02-assemble-by-hand`.

use std::error::Error;
use tilewright::hw::{Machine, presets};
use tilewright::isa::{Program, asm, check::check};
use tilewright::sim::{functional, timing};

pub const SOURCE: &str = include_str!("attention.asm");
const POSITIONS: usize = 8;
const ONE: f64 = 65536.0;

/// A query, and the cache as 4-bit codes with a scale for each position.
pub struct Operands {
    q: [f64; 8],
    k: [[i8; 8]; POSITIONS],
    k_scale: [f64; POSITIONS],
    v: [[i8; 8]; POSITIONS],
    v_scale: [f64; POSITIONS],
}

pub fn main() -> Result<(), Box<dyn Error>> {
    let machine = presets::load("tiny")?;
    let program = asm::assemble(SOURCE)?;
    check(&program, &machine, &[])?;
    let operands = operands();
    let found = compute(&program, &machine, &operands)?;
    let expected = attention(&operands);
    println!("   machine     float");
    for (a, b) in found.iter().zip(&expected) {
        println!("{a:10.4}{b:10.4}");
        if (a - b).abs() > 0.02 {
            return Err(format!("{a} is not {b} within the error of 8-bit codes").into());
        }
    }
    times(&program, &machine)
}

/// Start and end of every instruction in its unit.
fn times(program: &Program, machine: &Machine) -> Result<(), Box<dyn Error>> {
    let trace = timing::simulate(program, machine, &[])?;
    println!("\nstart  done  instruction");
    let mut spans: Vec<_> = trace.units.iter().flatten().collect();
    spans.sort_by_key(|s| s.start);
    for span in spans {
        println!("{:5} {:5}  {}", span.start, span.done, program.origin(span.instr as usize));
    }
    println!("\n{} cycles", trace.cycles);
    Ok(())
}

/// The result of the program on the simulated machine.
fn compute(program: &Program, machine: &Machine, operands: &Operands) -> Result<Vec<f64>, Box<dyn Error>> {
    let state = functional::run(program, machine, &[], &image(operands), &mut ())?;
    let words = (0x2000..0x2020).step_by(4).filter_map(|at| state.dram.word(at)).map(i32::from_le_bytes);
    Ok(words.map(|w| f64::from(w) / ONE).collect())
}

/// Memory as attention.asm expects it: six blocks of 64 bytes from 0x1000 on.
pub fn image(o: &Operands) -> Vec<u8> {
    let mut image = vec![0; 0x3000];
    let mut put =
        |block: usize, bytes: &[u8]| image[0x1000 + 64 * block..][..bytes.len()].copy_from_slice(bytes);
    // Scores are in units of log2, and 1/127 undoes the codes of q.
    let score = std::f64::consts::LOG2_E / 8f64.sqrt() / 127.0;
    put(0, &words(o.q.map(|x| (x * ONE).round() as i32 as u32)));
    put(1, &nibbles(&o.k));
    put(2, &words(o.k_scale.map(|s| scale_word(s * score))));
    put(3, &words(o.v_scale.map(|s| scale_word(s * ONE))));
    put(4, &nibbles(&o.v));
    put(5, &words([scale_word(1.0 / 127.0); 8]));
    image
}

/// Both kinds of cache rows of this machine: a position's eight nibbles are four bytes.
fn nibbles(codes: &[[i8; 8]; POSITIONS]) -> Vec<u8> {
    let pairs = codes.iter().flat_map(|c| c.chunks(2));
    pairs.map(|p| (p[0] as u8 & 15) | (p[1] as u8) << 4).collect()
}

fn words(words: [u32; 8]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// `mantissa * 2^exponent` with a mantissa of 16 bits, as docs/machine.md section 1 packs it.
fn scale_word(x: f64) -> u32 {
    let exponent = x.log2().floor() as i32 - 15;
    let mantissa = (x * 2f64.powi(-exponent)).round() as u32;
    mantissa.min(0xffff) | u32::from(exponent as i8 as u8) << 16
}

/// The same in floats.
fn attention(o: &Operands) -> Vec<f64> {
    let dot = |k: &[i8; 8]| k.iter().zip(&o.q).map(|(k, q)| f64::from(*k) * q).sum::<f64>();
    let scores = o.k.iter().zip(&o.k_scale).map(|(k, s)| (dot(k) * s / 8f64.sqrt()).exp());
    let scores: Vec<f64> = scores.collect();
    let sum: f64 = scores.iter().sum();
    let weighted =
        |n: usize| (0..POSITIONS).map(|p| scores[p] / sum * f64::from(o.v[p][n]) * o.v_scale[p]).sum();
    (0..8).map(weighted).collect()
}

/// Made-up numbers that spread over their ranges.
pub fn operands() -> Operands {
    let code = |a: usize, b: usize| ((a * 5 + b * 3 + a * b) % 15) as i8 - 7;
    Operands {
        q: std::array::from_fn(|i| 1.5 - 0.4 * i as f64),
        k: std::array::from_fn(|p| std::array::from_fn(|i| code(p, i))),
        k_scale: std::array::from_fn(|p| 0.05 + 0.01 * p as f64),
        v: std::array::from_fn(|p| std::array::from_fn(|i| code(i, p + 2))),
        v_scale: std::array::from_fn(|p| 0.2 - 0.02 * p as f64),
    }
}
