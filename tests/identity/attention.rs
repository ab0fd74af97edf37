//! The attention that is written by hand in assembly: its program and its operands, on the hardware.

use crate::bench::{check, hardware, machine, models, with_model};
use isa::random::Case;
use tilewright::isa;

#[expect(dead_code, reason = "an example, which runs the program in the simulator alone")]
#[path = "../../examples/02-assemble-by-hand.rs"]
mod assemble_by_hand;

#[test]
fn attention_by_hand_is_identical() {
    let (preset, hardware) = (machine("tiny"), hardware("tiny"));
    let program = isa::asm::assemble(assemble_by_hand::SOURCE).unwrap();
    let image = assemble_by_hand::image(&assemble_by_hand::operands());
    for (seed, model) in (1..).zip(models(&preset)) {
        let machine = with_model(&preset, model);
        isa::check::check(&program, &machine, &[]).unwrap();
        let case = Case { program: program.clone(), image: image.clone(), others: vec![], args: vec![] };
        let (instructions, cycles) = check(&hardware, &machine, "attention by hand", &case, seed);
        assert_eq!(instructions, program.instrs.len() as u64);
        println!("attention by hand: {instructions} instructions, {cycles} cycles compared");
    }
}
