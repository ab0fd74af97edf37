//! Proofs of small modules of the emitted RTL, for all inputs and runs of any length: Yosys proves them by induction
//! (`sat -tempinduct`), and each can fail: single faults, of which it must find a run that shows them.
//!
//! A property module (`proofs/*.sv`) drives the module by free inputs, assumes its contract, asserts what it promises, and names the
//! registers that make the promise inductive. Registers of arrays are connected by name. Emitted text is what is proven; its
//! assertions in `templates/sva` state the same contracts for every co-simulated run.

use std::path::Path;
use std::process::Command;

/// Registers of one kind: bits `i * bits` and up of `wire` are register `i` of `count`, `NAME` with `@` for `i`.
struct Array {
    wire: &'static str,
    name: &'static str,
    bits: u32,
    count: u32,
}

struct Proof {
    name: &'static str,
    property: &'static str,
    /// What of the design is needed, in compile order.
    needs: &'static [&'static str],
    parameters: &'static [(&'static str, u32)],
    array: Option<Array>,
    /// Cells that are cut: what they give is anything.
    cut: Option<&'static str>,
    /// File, text in it, what it is replaced by.
    faults: &'static [(&'static str, &'static str, &'static str)],
}

const fn words(count: u32) -> Option<Array> {
    Some(Array { wire: "words", name: r"\dut.u_ram.mem[@]", bits: 2, count })
}

const fn queue(parameters: &'static [(&'static str, u32)], depth: u32) -> Proof {
    Proof {
        name: "queue",
        property: include_str!("proofs/queue.sv"),
        needs: &["tw_ram", "tw_queue"],
        parameters,
        array: words(depth),
        cut: None,
        faults: &[],
    }
}

const fn pair(parameters: &'static [(&'static str, u32)]) -> Proof {
    Proof {
        name: "pair",
        property: include_str!("proofs/pair.sv"),
        needs: &["tw_mul", "DSP48E2", "tw_dsp", "tw_dsp_pair"],
        parameters,
        array: None,
        cut: Some("t:$mul"),
        faults: &[],
    }
}

const PROOFS: &[Proof] = &[
    queue(&[("DEPTH", 1)], 1),
    queue(&[("DEPTH", 2)], 2),
    Proof {
        faults: &[
            ("tw_queue", "(w_addr_q == AW'(DEPTH - 1)) ?", "(w_addr_q == AW'(DEPTH)) ?"),
            ("tw_queue", "direct = push_i && (left == '0)", "direct = push_i && (count_q == '0)"),
            ("tw_queue", "assign load_head = pop_i || (count_q == '0)", "assign load_head = pop_i"),
            ("tw_queue", "(count_q == CW'(DEPTH))", "(count_q == CW'(DEPTH - 1))"),
            ("tw_queue", ".r_addr_i(r_addr_d)", ".r_addr_i(r_addr_q)"),
        ],
        ..queue(&[("DEPTH", 5)], 5)
    },
    queue(&[("DEPTH", 32)], 32),
    Proof {
        name: "semaphores",
        property: include_str!("proofs/semaphores.sv"),
        needs: &["tw_semaphores"],
        parameters: &[],
        array: Some(Array { wire: "counts", name: r"\dut.gen_semaphore[@].count_q", bits: 6, count: 16 }),
        cut: None,
        faults: &[
            ("tw_semaphores", "+ CW'(|posts) - CW'(|takes)", "+ CW'(|posts && !(|takes)) - CW'(|takes)"),
            ("tw_semaphores", "(count_q != '0)", "(count_q > CW'(1))"),
            ("tw_semaphores", "take_i[u*SEMAPHORES+s]", "take_i[u*SEMAPHORES+(s+1)%SEMAPHORES]"),
            ("tw_semaphores", "end else if (clear_i) begin", "end else if (clear_i && !(|posts)) begin"),
        ],
    },
    Proof {
        name: "load",
        property: include_str!("proofs/load.sv"),
        needs: &["tw_pkg", "tw_ram", "tw_queue", "tw_load"],
        parameters: &[],
        array: None,
        cut: None,
        faults: &[
            ("tw_load", "open_q < OPEN_W'(OUTSTANDING)", "open_q <= OPEN_W'(OUTSTANDING)"),
            ("tw_load", "(left_q != COUNT_W'(length))", "(left_q > COUNT_W'(BURST))"),
            ("tw_load", "active_q && (open_q", "active_q && !m_axi_rvalid_i && (open_q"),
            ("tw_load", "? 9'(left_q) : to_border", "? 9'(left_q) : 9'(BURST)"),
        ],
    },
    Proof {
        name: "fetch",
        property: include_str!("proofs/fetch.sv"),
        needs: &["tw_fetch"],
        parameters: &[],
        array: None,
        cut: None,
        faults: &[
            ("tw_fetch", "(state_q == ADDR) ||", "(state_q == ADDR && run_q) ||"),
            ("tw_fetch", "end else if (wanted) begin", "end else if (wanted && run_i) begin"),
            ("tw_fetch", "if (last) begin", "if (m_axi_rvalid_i) begin"),
        ],
    },
    Proof {
        name: "store",
        property: include_str!("proofs/store.sv"),
        needs: &["tw_pkg", "tw_ram", "tw_queue", "tw_rotate", "tw_store"],
        parameters: &[],
        array: None,
        cut: None,
        faults: &[
            ("tw_store", "(pending_q < 3'(FIFO))", "(pending_q <= 3'(FIFO))"),
            ("tw_store", "sent = m_axi_wvalid_o && m_axi_wready_i", "sent = m_axi_wvalid_o"),
            ("tw_store", "request = aw_active_q && m_axi_awready_i", "request = aw_active_q"),
            ("tw_queue", "if (load_head) begin", "if (load_head || push_i) begin"),
        ],
    },
    Proof {
        faults: &[
            ("tw_dsp_pair", "48'h0000_0002_0000", "48'h0000_0000_0000"),
            ("tw_dsp_pair", "{x1_i[15], x1_i[15:8], 18'd0}", "{x1_i[14], x1_i[15:8], 18'd0}"),
            ("tw_dsp_pair", ".DEEP  (1'b1)", ".DEEP  (1'b0)"),
            ("tw_dsp_pair", "p[18 +: W_BITS+9]", "p[17 +: W_BITS+9]"),
            ("DSP48E2", "(BREG == 2) ? b_2", "(BREG == 3) ? b_2"),
            ("DSP48E2", "(OPMODE[6:4] == 3'b001) ?", "(OPMODE[6:4] == 3'b011) ?"),
        ],
        ..pair(&[("W_BITS", 8)])
    },
    pair(&[("W_BITS", 4)]),
];

/// Induction lengths up to this are tried; a fault must show in a run of no more cycles from reset.
const LONGEST: u32 = 16;

/// What Yosys says of a proof on the emitted text with this fault in it.
fn prove(proof: &Proof, fault: Option<usize>) -> String {
    let machine = hw::presets::load("paired").unwrap();
    let parameters: String =
        proof.parameters.iter().map(|(name, value)| format!("-{name}-{value}")).collect();
    let title = format!("{}{parameters}-{}", proof.name, fault.map_or("whole".into(), |f| f.to_string()));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("proof-{title}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let emitted = codegen::rtl::emit(&machine).unwrap();
    let mut script = String::from("read_verilog -sv -formal -D SYNTHESIS");
    for need in proof.needs {
        let name = format!("{need}.sv");
        let mut text = emitted.iter().find(|f| f.name == name).unwrap().text.clone();
        if let Some((file, from, to)) = fault.map(|f| proof.faults[f])
            && file == *need
        {
            assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
            text = text.replace(from, to);
        }
        std::fs::write(dir.join(&name), text).unwrap();
        script += &format!(" {name}");
    }
    let top = format!("proof_{}", proof.name);
    std::fs::write(dir.join("property.sv"), proof.property).unwrap();
    script += " property.sv";
    for (name, value) in proof.parameters {
        script += &format!("; chparam -set {name} {value} {top}");
    }
    script +=
        &format!("; hierarchy -check -top {top}; proc; opt_expr; memory_dff; memory_collect; memory_map");
    if let Some(cells) = proof.cut {
        script += &format!("; select -assert-any {cells}; cutpoint {cells}");
    }
    script += "; flatten";
    if let Some(Array { wire, name, bits, count }) = &proof.array {
        for i in 0..*count {
            let (high, low, name) = ((i + 1) * bits - 1, i * bits, name.replace('@', &i.to_string()));
            script += &format!("; connect -set {wire}[{high}:{low}] {name}");
        }
    }
    let kind = if fault.is_some() { "-tempinduct-baseonly" } else { "-tempinduct" };
    script +=
        &format!("; async2sync; opt -full; sat {kind} -prove-asserts -set-assumes -maxsteps {LONGEST} {top}");
    let yosys = Command::new("yosys").current_dir(&dir).args(["-p", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&yosys.stdout).into_owned();
    assert!(yosys.status.success(), "{title}: {text}\n{}", String::from_utf8_lossy(&yosys.stderr));
    let _ = std::fs::remove_dir_all(&dir);
    text
}

#[test]
fn modules_keep_their_promises() {
    for proof in PROOFS {
        let said = prove(proof, None);
        assert!(
            said.contains("Induction step proven: SUCCESS!"),
            "{} {:?}: {said}",
            proof.name,
            proof.parameters
        );
    }
}

/// A fault must show in a run from reset on: that an induction does not close is no counterexample.
#[test]
fn proofs_can_fail() {
    let mut missed = Vec::new();
    for proof in PROOFS {
        for (i, (file, _, to)) in proof.faults.iter().enumerate() {
            if !prove(proof, Some(i)).contains("model found for base case: FAIL!") {
                missed.push(format!("{}: `{to}` in {file}", proof.name));
            }
        }
    }
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}
