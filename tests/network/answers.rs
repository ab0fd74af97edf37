//! Answers: what the machine writes of its own accord is what the evaluator writes, token by token.

use crate::{machine, models, target};
use codegen::generate::{Turn, arg_max, logits, turns};
use codegen::taps::Byte;
use codegen::{Compiled, Target, image, plan};
use ir::accuracy::Question;
use ir::quant::QuantDecoder;
use ir::session;
use sim::functional::{State, run_slices};
use std::collections::HashMap;

/// Texts are lines.
const END: u32 = b'\n' as u32;
/// Longer than every answer.
const MOST: usize = 24;

/// A machine that reads and writes; programs serve all its texts.
struct Machine {
    target: Target,
    images: Vec<Vec<u8>>,
    programs: HashMap<u32, Compiled>,
}

impl Machine {
    /// Reads a prompt in an empty memory, then writes until a line ends.
    fn generate(&mut self, prompt: &[u32]) -> Vec<u32> {
        let mut slices = State::of_slices(&self.target.machine, &self.images);
        let (mut position, mut written, mut now) = (0, Vec::new(), prompt.to_vec());
        loop {
            let mut last = (0, 0);
            for turn in turns(&self.target, position, &now).unwrap() {
                self.run(&mut slices, &turn);
                last = (turn.tokens.len() as u32, turn.read() - 1);
            }
            position += now.len() as u32;
            let word = |at: Byte| slices[at.slice as usize].dram.word(at.address);
            let next = arg_max(&logits(&self.target, word, last.0, last.1));
            written.push(next);
            if next == END || written.len() == MOST {
                return written;
            }
            now = vec![next];
        }
    }

    /// One program.
    fn run(&mut self, slices: &mut [State], turn: &Turn) {
        let count = turn.tokens.len() as u32;
        let fresh = || self.target.compile(count, turn.slot).unwrap();
        let compiled = self.programs.entry(count).or_insert_with(fresh);
        run_slices(slices, &compiled.program, &turn.args(compiled), &mut ()).unwrap();
    }
}

/// The prompt of the README, and shipped questions from all over their list.
fn questions() -> Vec<Question> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let list = std::fs::read_to_string(folder.join("llama_questions.json")).unwrap();
    let shipped = Question::parse(&list).unwrap();
    let readme = Question {
        prompt: "Ada has 12 coins and gets 30 more. Now Ada has ".into(),
        answer: "42 coins.\n".into(),
    };
    std::iter::once(readme).chain(shipped.into_iter().step_by(40)).collect()
}

#[test]
fn the_machine_answers_what_the_evaluator_answers() {
    compare(&models::trained());
}

#[test]
fn with_pruned_weights_it_answers_the_same() {
    compare(&models::trained_pruned());
}

fn compare(decoder: &QuantDecoder) {
    let target = target(decoder, &machine("tiny"), &plan::Options::default());
    let images = image::images(&target, decoder).unwrap();
    let mut machine = Machine { target, images, programs: HashMap::new() };
    let questions = questions();
    assert_eq!(questions.len(), 6);
    let (mut tokens, mut right) = (0, 0);
    for question in &questions {
        let prompt = question.prompt_tokens();
        let open = |written: &[u32]| written.last() != Some(&END);
        let wanted = session::generate(decoder, &prompt, MOST, open).unwrap();
        let found = machine.generate(&prompt);
        let text: String = found.iter().filter_map(|&t| char::from_u32(t)).collect();
        println!("{}{text:?}", question.prompt);
        assert_eq!(found, wanted, "{}", question.prompt);
        tokens += found.len();
        right += usize::from(text.starts_with(&question.answer));
    }
    println!("{tokens} tokens written alike, {right} of {} sums right", questions.len());
    assert!(tokens > 6 * 3, "only {tokens} tokens");
}
