//! The comparison can fail: single faults in the emitted text, each caught by some program; of every checker at least one
//! that its assertions tell.
//!
//! All faults are built into one library, each behind a condition on AWPROT and ARPROT of the control port: hardware must
//! ignore them, and the driver takes them from the seed. So the seed is the number of the fault, and 0 is none.

use crate::bench::{cache, emitted, machine, models, with_model};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use tilewright::cosim::{self, Hardware};
use tilewright::isa::random::Case;
use tilewright::{hw, isa};

const MACHINE: &str = "pair";

/// One fault: in `file`, the only `from` becomes `to`, in which `@` stands for "this fault is selected".
struct Fault {
    what: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    /// What the report of some program says; nothing in particular if empty.
    says: &'static str,
}

const fn fault(
    what: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    says: &'static str,
) -> Fault {
    Fault { what, file, from, to, says }
}

const FAULTS: &[Fault] = &[
    // told by a difference
    fault(
        "a post is visible in its own cycle",
        "tw_semaphores.sv",
        "(count_q != '0);",
        "(count_q != '0) || (@ && |posts);",
        "",
    ),
    fault(
        "the epilogue does not round",
        "tw_epilogue.sv",
        "PBITS'(fine_q[0])",
        "PBITS'(fine_q[0] && !@)",
        "",
    ),
    fault(
        "a load retires a cycle early",
        "tw_load.sv",
        "assign done_o = done_q;",
        "assign done_o = @ ? last_q : done_q;",
        "",
    ),
    fault(
        "segments land in the byte lane that they came from",
        "tw_store.sv",
        "<< {dst_byte_q, 3'd0}",
        "<< {@ ? src_byte_q : dst_byte_q, 3'd0}",
        "",
    ),
    fault(
        "the fetch leaves one word of the ring unused",
        "tw_fetch.sv",
        "<= base_i + 32'(IMEM_WORDS)",
        "<= base_i + 32'(IMEM_WORDS) - 32'(@)",
        "",
    ),
    fault(
        "a loop runs one round less",
        "tw_sequencer.sv",
        "rounds_q  <= value;",
        "rounds_q  <= value - 32'(@ && value > 32'd1);",
        "",
    ),
    fault(
        "bodies that end together do not end the outer round",
        "tw_sequencer.sv",
        "(!runs_q[l] || (at_end[l] && last_round[l]));",
        "(!runs_q[l] || (at_end[l] && last_round[l] && !@));",
        "",
    ),
    fault(
        "the last round of an inner loop goes back to its start",
        "tw_sequencer.sv",
        "last_round[l] = (rounds_q == 32'd1);",
        "last_round[l] = (rounds_q == ((@ && l == 1) ? 32'd0 : 32'd1));",
        "",
    ),
    fault(
        "a skipped loop does not end the round around it",
        "tw_sequencer.sv",
        "runs_q[l] && follows == end_q;",
        "runs_q[l] && follows == end_q && !(@ && is_loop);",
        "",
    ),
    fault(
        "the fetch keeps the innermost body only",
        "tw_sequencer.sv",
        "runs_q[0] ? starts[31:0] : pc_q;",
        "(runs_q[0] && !(@ && runs_q[1])) ? starts[31:0] : pc_q;",
        "",
    ),
    fault(
        "a loop outlives its last round",
        "tw_sequencer.sv",
        "runs_q[l] <= again[l];",
        "runs_q[l] <= again[l] || (@ && l == 0);",
        "",
    ),
    fault(
        "a level is free while its loop runs",
        "tw_sequencer.sv",
        "outer_runs && !runs_q[l];",
        "outer_runs && (!runs_q[l] || @);",
        "tw_sequencer: a loop takes none or two levels",
    ),
    fault(
        "drain is ignored",
        "tw_issue.sv",
        "(head_drain && !retired)",
        "(head_drain && !retired && !@)",
        "",
    ),
    fault(
        "register 0 can be written",
        "tw_sequencer.sv",
        "reg_we && reg_addr != '0",
        "reg_we && (reg_addr != '0 || @)",
        "",
    ),
    fault(
        "matrix results go to the neighbouring bank",
        "tw_vbanks.sv",
        "{vector_addr_i[17:14], matrix_addr_i[17:14], load_bank_i}",
        "{vector_addr_i[17:14], matrix_addr_i[17:14] ^ 4'(@), load_bank_i}",
        "",
    ),
    fault(
        "group scales are used where there are none",
        "tw_matrix.sv",
        "scale_7 <= scaled_6 ?",
        "scale_7 <= (scaled_6 || @) ?",
        "",
    ),
    fault(
        "narrow codes have no sign",
        "tw_weight_decode.sv",
        "upper_d = {4{nibble_d[3]}};",
        "upper_d = {4{nibble_d[3] && !@}};",
        "",
    ),
    fault(
        "cached values are read as keys are",
        "tw_weight_decode.sv",
        "nibble_d = row[8*(l*NP+n) +: 4];",
        "nibble_d = @ ? row[8*(n*LP+l) +: 4] : row[8*(l*NP+n) +: 4];",
        "",
    ),
    fault(
        "rows of bytes are cut like rows of nibbles",
        "tw_weights.sv",
        "<< ByteLog2;",
        "<< (@ ? W4Log2 : ByteLog2);",
        "",
    ),
    fault(
        "a cached value of eight bits is not written whole",
        "tw_vpack.sv",
        "(i < V4Bytes) : (i < L);",
        "(i < V4Bytes) : (i < L - 32'(@));",
        "",
    ),
    fault("all codes have four bits", "tw_vector.sv", "= !out_q[0];", "= !out_q[0] || @;", ""),
    fault(
        "the pre-adder of a slice stands still",
        "DSP48E2.sv",
        "(INMODE[2] ? d_1",
        "(INMODE[2] && !@ ? d_1",
        "",
    ),
    fault(
        "a negative sum borrows from the one above it",
        "DSP48E2.sv",
        "(OPMODE[8:7] == 2'b10) ?",
        "(OPMODE[8:7] == 2'b10 && !@) ?",
        "",
    ),
    fault(
        "a slice does not add the one before it",
        "DSP48E2.sv",
        "(OPMODE[6:4] == 3'b001) ?",
        "(OPMODE[6:4] == 3'b001 && !@) ?",
        "",
    ),
    fault(
        "the second slice of a cascade is a cycle early",
        "DSP48E2.sv",
        "(BREG == 2) ? b_2",
        "(BREG == 2 && !@) ? b_2",
        "",
    ),
    fault(
        "pruned weights have no positions",
        "tw_weight_decode.sv",
        "assign position = row[",
        "assign position = @ ? 2'd1 : row[",
        "",
    ),
    fault(
        "a position out of reach is not the nearest",
        "tw_weight_decode.sv",
        "(position == Out) ?",
        "(position == Out && !@) ?",
        "",
    ),
    fault(
        "rows of pruned weights are cut like dense ones",
        "tw_weights.sv",
        "<< KeptLog2;",
        "<< (@ ? TwoLog2 : KeptLog2);",
        "",
    ),
    fault(
        "a step of a pruned mode is a row long",
        "tw_matrix.sv",
        "(pruned ? 13'd2",
        "(pruned && !@ ? 13'd2",
        "",
    ),
    fault(
        "the upper lane of four columns reaches what the lower one does",
        "tw_gather.sv",
        "2'd1:    a_o[8*l +: 8] = a_i[8*(First+1) +: 8];",
        "2'd1:    a_o[8*l +: 8] = @ ? a_i[8*(l/2*4+1) +: 8] : a_i[8*(First+1) +: 8];",
        "",
    ),
    fault(
        "codes go to the other row of a word",
        "tw_memories.sv",
        "TP'(32'(act_row_i[0]) <<",
        "TP'(32'(act_row_i[0] ^ @) <<",
        "",
    ),
    fault(
        "odd rows of activations are read as even ones",
        "tw_row.sv",
        "sel_q <= row[SEL_W-1:0];",
        "sel_q <= row[SEL_W-1:0] & ~SEL_W'(@);",
        "",
    ),
    fault("tanh is a sigmoid", "tw_vfun.sv", "is_tanh    = point_i;", "is_tanh    = point_i && !@;", ""),
    fault(
        "both halves of a gate are the upper one",
        "tw_vfun.sv",
        "assign gate    = neg_4 ?",
        "assign gate    = (neg_4 && !@) ?",
        "",
    ),
    fault(
        "what is not gated is multiplied all the same",
        "tw_vlane.sv",
        "(is_point && !gated_i)",
        "(is_point && !gated_i && !@)",
        "",
    ),
    fault("relu6 does not end at six", "tw_vlane.sv", "a_2 > Six)", "a_2 > Six && !@)", ""),
    fault(
        "a sum is a difference",
        "tw_vlane.sv",
        "if (is_add) f_d = 64'(first_12) + second_12;",
        "if (is_add) f_d = @ ? 64'(first_12) - second_12 : 64'(first_12) + second_12;",
        "",
    ),
    fault(
        "a mean counts one element more",
        "tw_scalar.sv",
        ".divisor_i (len_i),",
        ".divisor_i (len_i + 16'(@)),",
        "",
    ),
    fault(
        "what is no element is none of the mean",
        "tw_vlane.sv",
        "a_2 <= valid_i ? centred : '0;",
        "a_2 <= (valid_i || @) ? centred : '0;",
        "",
    ),
    fault(
        "biases are gains",
        "tw_vlane.sv",
        ".d_i  (b_10[31:16]),",
        ".d_i  (@ ? b_10[15:0] : b_10[31:16]),",
        "",
    ),
    fault(
        "neighbours turn against each other",
        "tw_vlane.sv",
        "(is_pairs ? ODD : odd_12_i)",
        "(is_pairs ? ODD && !@ : odd_12_i)",
        "",
    ),
    fault(
        "a value beyond a given scale wraps",
        "tw_vlane.sv",
        "assign x          = pre_over ?",
        "assign x          = (pre_over && !@) ?",
        "",
    ),
    fault(
        "a given scale has no exponent",
        "tw_scalar.sv",
        "result_q[23:16] <= exponent_i;",
        "result_q[23:16] <= @ ? '0 : exponent_i;",
        "",
    ),
    fault(
        "codes under a given scale are those of the result rows",
        "tw_vector.sv",
        "assign again    = is_quant && !is_given;",
        "assign again    = is_quant && (!is_given || @);",
        "",
    ),
    fault(
        "of equal elements one is ranked",
        "tw_vreduce.sv",
        "(y == top_i && place > place_i)",
        "(y == top_i && place > place_i && !@)",
        "",
    ),
    fault(
        "the last of equal lanes is the largest",
        "tw_vreduce.sv",
        "~Below'(i - LP)",
        "(@ ? Below'(i - LP) : ~Below'(i - LP))",
        "",
    ),
    fault(
        "the largest of a vector ranks behind that of the one before",
        "tw_vector.sv",
        "if (start_i || vector_end) ranked_q <= 1'b0;",
        "if (start_i || (vector_end && !@)) ranked_q <= 1'b0;",
        "",
    ),
    fault(
        "places go to the bank of values",
        "tw_vwrite.sv",
        "d_addr_o = {o_bank_q, place_row};",
        "d_addr_o = {@ ? d_bank_i : o_bank_q, place_row};",
        "",
    ),
    fault(
        "a sum is not shifted",
        "tw_scalar.sv",
        ".shift_i(10'($signed(exponent_i))),",
        ".shift_i(@ ? '0 : 10'($signed(exponent_i))),",
        "",
    ),
    // told by the harness
    fault(
        "nothing is ever dispatched",
        "tw_sequencer.sv",
        "assign candidate = stopping &&",
        "assign candidate = !@ && stopping &&",
        "the run did not end within",
    ),
    fault(
        "stores may be buffered on their way",
        "tw_top.sv",
        "m_axi_store_awcache_o = 4'b0010;",
        "m_axi_store_awcache_o = {3'b001, @};",
        "size, burst, cache and prot of store are",
    ),
    // told by a checker
    fault(
        "a queue's write pointer does not wrap",
        "tw_queue.sv",
        "(w_addr_q == AW'(DEPTH - 1)) ?",
        "(w_addr_q == AW'(DEPTH - 1) && !@) ?",
        "tw_ram: write beyond the array",
    ),
    fault(
        "an empty queue starts its unit",
        "tw_issue.sv",
        "run_i && head && free_i",
        "run_i && (head || @) && free_i",
        "tw_queue: pop of an empty queue",
    ),
    fault(
        "a store reads a bank that is not there",
        "tw_vbanks.sv",
        "assign r_bank = {store_bank_i,",
        "assign r_bank = {store_bank_i | {4{@}},",
        "tw_vbanks: read of a bank that is not there",
    ),
    fault(
        "a fetch is not presented until it is accepted",
        "tw_fetch.sv",
        "(state_q == ADDR) ||",
        "(state_q == ADDR && !@) ||",
        "tw_fetch: arvalid withdrawn",
    ),
    fault(
        "the second cycle of an argument is not counted",
        "tw_sequencer.sv",
        "argument_q && !halted_q,",
        "argument_q && !halted_q && !@,",
        "tw_sequencer: a cycle counts as none or two",
    ),
    fault(
        "a busy unit with an empty queue counts as both",
        "tw_issue.sv",
        "!busy && !head,",
        "(!busy || @) && !head,",
        "tw_issue: a cycle counts as none or two",
    ),
    fault(
        "semaphores are taken unseen",
        "tw_issue.sv",
        "((head_wait & ~avail_i) == '0)",
        "((head_wait & ~avail_i) == '0 || @)",
        "tw_semaphores: a count below zero",
    ),
    fault(
        "a write response does not wait for the host",
        "tw_ctrl.sv",
        "else if (s_axi_ctrl_bready_i)",
        "else if (s_axi_ctrl_bready_i || @)",
        "tw_ctrl: bvalid withdrawn",
    ),
    fault(
        "one burst too many is open",
        "tw_load.sv",
        "open_q < OPEN_W'(OUTSTANDING)",
        "open_q < OPEN_W'(OUTSTANDING) + OPEN_W'(@)",
        "tw_load: too many bursts are open",
    ),
    fault(
        "five beats between read and W handshake",
        "tw_store.sv",
        "(pending_q < 3'(FIFO))",
        "(pending_q < 3'(FIFO) + 3'(@))",
        "tw_store: too many beats between read and handshake",
    ),
    fault(
        "group sums are the greatest there are",
        "tw_acc.sv",
        "assign group_d =",
        "assign group_d = @ ? {1'b0, {(GROUP_BITS-1){1'b1}}} :",
        "tw_acc: a group's sum overflows",
    ),
];

/// Hardware with all faults in it.
fn mutants() -> &'static Hardware {
    static BUILT: OnceLock<Hardware> = OnceLock::new();
    BUILT.get_or_init(|| {
        assert!(FAULTS.len() < 64, "the selector has six bits");
        let folder = emitted(&machine(MACHINE), "faults");
        (1..).zip(FAULTS).for_each(|(number, fault)| inject(&folder, number, fault));
        let library = cosim::build(&folder, &cache()).unwrap_or_else(|e| panic!("{}", e.render()));
        Hardware::load(&library).unwrap_or_else(|e| panic!("{}", e.render()))
    })
}

fn inject(folder: &Path, number: usize, fault: &Fault) {
    let path = folder.join(fault.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(fault.from).count(), 1, "`{}` in {}", fault.from, fault.file);
    let pins = "{tw_top.s_axi_ctrl_arprot_i, tw_top.s_axi_ctrl_awprot_i}";
    let to = fault.to.replace('@', &format!("({pins} == 6'd{number})"));
    std::fs::write(&path, text.replace(fault.from, &to)).unwrap();
}

/// Programs on every memory model.
fn cases() -> Vec<(hw::Machine, Case)> {
    let preset = machine(MACHINE);
    let on = |model| {
        let machine = with_model(&preset, model);
        let directed = isa::random::directed(&machine).into_iter().map(|d| d.1);
        let random = (0..30).filter_map(|seed| isa::random::case(&machine, seed));
        directed.chain(random).map(|case| (machine.clone(), case)).collect::<Vec<_>>()
    };
    models(&preset).into_iter().flat_map(on).collect()
}

/// What the comparison says of a program with fault `number`, or of none, if it is 0.
fn report(number: usize, machine: &hw::Machine, case: &Case) -> Option<String> {
    match cosim::compare(mutants(), machine, &case.program, &case.args, &case.image, number as u32) {
        Ok(found) => found.first_divergence,
        Err(refused) => Some(refused.render()),
    }
}

#[test]
fn every_fault_is_caught() {
    let cases = cases();
    for (number, fault) in (1..).zip(FAULTS) {
        let reports = cases.iter().filter_map(|(machine, case)| report(number, machine, case));
        let told = reports.take(60).find(|r| r.contains(fault.says));
        println!("{}: {}", fault.what, told.unwrap_or_else(|| panic!("not caught: {}", fault.what)));
    }
}

#[test]
fn no_fault_is_no_difference() {
    for (machine, case) in cases().iter().step_by(5) {
        assert_eq!(report(0, machine, case), None);
    }
}

#[test]
fn every_checker_has_a_fault() {
    let list = std::fs::read_to_string(emitted(&machine(MACHINE), MACHINE).join("assertions.f")).unwrap();
    let checkers: BTreeSet<&str> = list.lines().map(|l| l.trim_end_matches("_sva.sv")).collect();
    let told: BTreeSet<&str> = FAULTS.iter().filter_map(|f| Some(f.says.split_once(':')?.0)).collect();
    assert_eq!(checkers, told);
}

/// Hardware that never dispatches anything: the reason is its own words.
#[test]
fn nothing_to_compare_is_refused() {
    let machine = machine(MACHINE);
    let case = isa::random::directed(&machine).swap_remove(0).1;
    let dead = 1 + FAULTS.iter().position(|f| f.what == "nothing is ever dispatched").unwrap();
    let refused =
        cosim::compare(mutants(), &machine, &case.program, &case.args, &case.image, dead as u32).unwrap_err();
    assert_eq!(refused.code, "cosim-nothing");
    assert!(refused.render().contains("the run did not end within"), "{}", refused.render());
}
