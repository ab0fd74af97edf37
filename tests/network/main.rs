//! Whole networks: functional simulation of the compiled programs equals the integer evaluator, on every element of every
//! operator's output; programs are legal; plans change time only; both simulations of time agree. Exported models reproduce their vectors.

mod alone;
mod answers;
mod batch;
mod compare;
#[path = "../../ir/src/corpus.rs"]
mod corpus;
mod early;
mod encoders;
mod graph_values;
mod grouped;
mod models;
mod nodes;
mod onnx_writer;
mod origins;
mod reference;
mod slices;
mod vectors;
mod window;

use codegen::{Model, Slot, Target, generate, image, plan};
use hw::{Machine, Mode};
use ir::quant::{QuantDecoder, Scheme, scheme};

fn machine(name: &str) -> Machine {
    hw::presets::load(name).unwrap()
}

fn target(decoder: &QuantDecoder, machine: &Machine, options: &plan::Options) -> Target {
    Target::new(&Model::of(decoder).unwrap(), machine, options).unwrap_or_else(|e| panic!("{e}"))
}

/// Reads `tokens` and compares every step of it.
fn check(decoder: &QuantDecoder, target: &Target, tokens: &[u32]) -> Vec<Vec<i32>> {
    let mut run = compare::Run::new(decoder, target);
    let turns = generate::turns(target, 0, tokens).unwrap();
    turns.iter().map(|turn| run.turn(turn)).collect()
}

#[test]
fn a_small_network_on_every_machine() {
    let decoder = models::random(1, &models::SMALL);
    let tokens: Vec<u32> = (0..29).map(|i| (i * 37 + 11) % 50).collect();
    let mut last = Vec::new();
    for (name, _) in hw::presets::PRESETS {
        let target = target(&decoder, &machine(name), &plan::Options::default());
        println!("{name}: chunks of {}, context {}", target.chunk, target.map.context);
        last.push(check(&decoder, &target, &tokens).pop().unwrap());
    }
    assert!(last.windows(2).all(|pair| pair[0] == pair[1]), "machines differ");
}

/// Banks that one head's scores fill to the last row: V scales go where nothing else lives meanwhile, and the softmax works in place.
#[test]
fn caches_as_long_as_a_bank() {
    let decoder = models::random(4, &models::LONG);
    let mut small = machine("crumbs");
    small.buffers.vector_bank_bytes = 256 * 4;
    let options = plan::Options { context: Some(256), ..Default::default() };
    let target = target(&decoder, &small, &options);
    assert_eq!(target.chunk, 1);
    let compiled = target.compile(1, Slot::Decode).unwrap();
    let softmax = |i: &isa::Instr| match i.body {
        isa::Body::Vector(v) if v.function() == Some(hw::Function::Softmax) => Some(v.a == v.d),
        _ => None,
    };
    let in_place: Vec<bool> = compiled.program.instrs.iter().filter_map(softmax).collect();
    assert!(!in_place.is_empty() && in_place.iter().all(|&same| same), "{in_place:?}");
    let tokens: Vec<u32> = (0..256).map(|i| (i * 37 + 11) % 30).collect();
    check(&decoder, &target, &tokens);
}

/// Heads enough that what one leaves for another may lie in its way, on machines that have little room.
#[test]
fn the_trained_network_where_room_is_short() {
    let decoder = models::trained();
    let prompt: Vec<u32> = b"\nAda has 12 coin".iter().map(|&b| u32::from(b)).collect();
    for name in ["three", "odd", "crumbs"] {
        check(&decoder, &target(&decoder, &machine(name), &plan::Options::default()), &prompt);
    }
}

/// Decoders of other families than LLaMA.
#[test]
fn other_families_on_every_machine_whose_rows_suit_them() {
    let tokens: Vec<u32> = (0..29).map(|i| (i * 37 + 11) % 50).collect();
    for (config, scheme, least) in [
        (&models::LEARNED, "w2a8kv4", 2),
        (&models::LEARNED, "w8a8", 2),
        (&models::BIASED, "w2a8kv4", 3),
        (&models::BENT, "w2a8kv4", 1),
        (&models::STEEP, "w2a8kv4", 3),
        (&models::INVERSE, "w2a8kv4", 3),
    ] {
        let decoder = models::random_with(1, config, &Scheme::named(scheme).unwrap());
        let model = Model::of(&decoder).unwrap();
        let mut last = Vec::new();
        for (name, _) in hw::presets::PRESETS {
            match Target::new(&model, &machine(name), &plan::Options::default()) {
                Ok(target) => last.push(check(&decoder, &target, &tokens).pop().unwrap()),
                Err(error) => {
                    println!("{name}: {error}");
                    assert!(
                        ["rows-padded", "mode-missing", "function-missing"].contains(&error.code),
                        "{name}: {error}"
                    );
                }
            }
        }
        assert!(last.len() >= least && last.windows(2).all(|pair| pair[0] == pair[1]), "machines differ");
    }
    let exported = models::opt();
    for name in ["tiny", "odd"] {
        check(&exported, &target(&exported, &machine(name), &plan::Options::default()), &tokens);
    }
}

/// Weights that no mode is made for, or none that the machine has, in a wider one: the graph's own bits, and a refusal where
/// that was not asked for.
#[test]
fn wider_modes_hold_what_machines_lack() {
    let (w2, w4) = (scheme::text("w2a8kv4").unwrap(), scheme::text("w4a8").unwrap());
    let levels = w2.replace("[-3, -1, 1, 3]", "[-4, -1, 0, 7]");
    let zeros = w4.replace("group = 32", "group = 32\nsymmetric = false");
    assert!(levels != w2 && zeros != w4);
    let tokens: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    let full = machine("tiny");
    let mut narrow = full.clone();
    narrow.matrix.modes.retain(|mode| !matches!(mode, Mode::W2 | Mode::S2 | Mode::W4));
    narrow.verify().unwrap();
    let kv8 = w2.replace("[kv_cache]\nbits = 4", "[kv_cache]\nbits = 8");
    let cases = [
        ("levels", &levels, &full, Mode::W4),
        ("zeros", &zeros, &full, Mode::W8),
        ("no w2", &kv8, &narrow, Mode::W8),
    ];
    for (name, text, machine, mode) in cases {
        let decoder = models::random_with(1, &models::SMALL, &Scheme::parse(text).unwrap());
        let strict = Model::of(&decoder).and_then(|m| Target::new(&m, machine, &Default::default()));
        let strict = strict.unwrap_err();
        assert!(strict.render().contains("--widen"), "{name}: {strict}");
        let model = Model::stored(&decoder, true).unwrap();
        let target = Target::new(&model, machine, &plan::Options::default()).unwrap();
        assert_eq!(target.model.widths.weights, mode, "{name}");
        check(&decoder, &target, &tokens);
    }
    // What the machine has is not widened.
    let decoder = models::random(1, &models::SMALL);
    let model = Model::stored(&decoder, true).unwrap();
    assert_eq!(Target::new(&model, &full, &Default::default()).unwrap().model.widths.weights, Mode::W2);
}

/// Every way to store weights, activations and cache that machines have.
#[test]
fn every_scheme_on_every_machine_that_has_its_modes() {
    let tokens: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for scheme in models::schemes() {
        let decoder = models::random_with(1, &models::SMALL, &scheme);
        let model = Model::of(&decoder).unwrap();
        let mut last = Vec::new();
        for (name, _) in hw::presets::PRESETS {
            let machine = machine(name);
            match Target::new(&model, &machine, &plan::Options::default()) {
                Ok(target) => last.push(check(&decoder, &target, &tokens).pop().unwrap()),
                Err(error) => assert_eq!(error.code, "mode-missing", "{}, {name}: {error}", scheme.name),
            }
        }
        println!("{}: {} machines", scheme.name, last.len());
        assert!(last.len() >= 3, "{}", scheme.name);
        assert!(last.windows(2).all(|pair| pair[0] == pair[1]), "{}: machines differ", scheme.name);
    }
}

/// Products of activations of 4 bits say so, where the machine knows such; then they take fewer cycles, and the bits stay.
#[test]
fn activations_of_four_bits_are_narrow() {
    let four = |s: &Scheme| [s.activation_code().bits == 4, s.attention_code().bits == 4];
    for scheme in models::schemes() {
        let decoder = models::random_with(1, &models::SMALL, &scheme);
        let [linear, attention] = four(&scheme);
        for name in ["quads", "nibbles"] {
            let with = machine(name);
            if scheme.weights.sparsity == ir::quant::scheme::Sparsity::TwoOfFour && name == "quads" {
                continue;
            }
            let mut without = with.clone();
            without.matrix.narrow = false;
            let compiled = [&with, &without].map(|machine| {
                let target = target(&decoder, machine, &plan::Options::default());
                let compiled = target.compile(target.chunk, Slot::Chunk).unwrap();
                let turn = generate::turns(&target, 0, &vec![1; target.chunk as usize]).unwrap().remove(0);
                let args = turn.args(&compiled);
                let cycles = sim::timing::simulate(&compiled.program, machine, &args).unwrap().cycles;
                let gemms = compiled.program.instrs.iter().filter_map(|i| match i.body {
                    isa::table::Body::Gemm(g) => Some(g.narrow == 1),
                    _ => None,
                });
                (gemms.collect::<Vec<bool>>(), cycles)
            });
            let [(narrow, fast), (none, slow)] = compiled;
            println!("{} on {name}: {fast} cycles, {slow} without narrow activations", scheme.name);
            assert!(!none.contains(&true));
            assert_eq!(
                [narrow.contains(&true), narrow.contains(&false)],
                [linear || attention, !linear || !attention]
            );
            assert!(fast < slow || !linear, "{}", scheme.name);
        }
    }
}

/// Positions of pruned weights lie in DRAM in the narrowest form that they and the machine have; what is loaded is the same.
#[test]
fn pruned_weights_lie_in_the_narrowest_form() {
    use hw::Form::{P3, P3x4, P3x8, Plain};
    let named = |name: &str| models::schemes().into_iter().find(|s| s.name == name).unwrap();
    let mut four = machine("paired");
    four.load.forms.pop();
    for (scheme, machine, form) in [
        ("w2s24a8kv4", machine("tiny"), Plain),
        ("w2s24a8kv4", machine("paired"), P3),
        ("pruned, four alike", machine("paired"), P3x4),
        ("pruned, eight alike", machine("paired"), P3x8),
        ("pruned, eight alike", four, P3x4),
        // Six lanes are no whole fours of outputs.
        ("pruned, four alike", machine("odd"), P3),
        ("pruned, eight alike", machine("gemv"), P3x8),
        ("w2a8kv4", machine("paired"), Plain),
    ] {
        let scheme = Scheme::named(scheme).unwrap_or_else(|_| named(scheme));
        let decoder = models::random_with(1, &models::SMALL, &scheme);
        let target = target(&decoder, &machine, &plan::Options::default());
        for chunk in &target.map.chunks {
            assert_eq!(chunk.form, form, "{} on {}", scheme.name, machine.name);
            let held = u64::from(chunk.held()[0]);
            assert_eq!(
                held * u64::from(form.blocks()) * 64,
                u64::from(chunk.weights.blocks) * form.on_chip(form.blocks())
            );
        }
    }
}

/// Scales that were fixed beforehand, for every layer its own: decoders of all families.
#[test]
fn fixed_scales_on_every_machine_that_takes_them() {
    let tokens: Vec<u32> = (0..29).map(|i| (i * 37 + 11) % 50).collect();
    for config in [&models::SMALL, &models::LEARNED, &models::BIASED] {
        for scheme in models::fixed() {
            let decoder = models::random_with(1, config, &scheme);
            let model = Model::of(&decoder).unwrap();
            let (mut last, mut lacking) = (Vec::new(), 0);
            for (name, _) in hw::presets::PRESETS {
                match Target::new(&model, &machine(name), &plan::Options::default()) {
                    Ok(target) => last.push(check(&decoder, &target, &tokens).pop().unwrap()),
                    Err(error) if error.code == "function-missing" => lacking += 1,
                    Err(error) => {
                        assert!(["rows-padded", "mode-missing"].contains(&error.code), "{name}: {error}")
                    }
                }
            }
            println!("{}: {} machines", scheme.name, last.len());
            assert!(last.len() >= 2 && lacking >= 1, "{}: {}, {lacking}", scheme.name, last.len());
            assert!(last.windows(2).all(|pair| pair[0] == pair[1]), "{}: machines differ", scheme.name);
        }
    }
}

/// A word of the argument table that is no scale is told, by the run and by the proof of all runs.
#[test]
fn a_fixed_scale_that_is_none_is_illegal() {
    let decoder = models::random_with(1, &models::SMALL, &models::fixed()[0]);
    let mut small = machine("tiny");
    let target = target(&decoder, &small, &plan::Options::default());
    let compiled = target.compile(1, Slot::Decode).unwrap();
    let scales = compiled.program.args.iter().filter(|arg| arg.name.starts_with("scale"));
    assert_eq!(scales.count(), 4 * decoder.layers.len() + 1);
    for word in [0x7fff, 0x20_8000] {
        let mut wrong = compiled.clone();
        let last = wrong.program.args.iter_mut().filter(|arg| arg.name.starts_with("scale")).last().unwrap();
        last.value = isa::program::ArgValue::Const(word);
        let args = wrong.program.arg_values(0, &[1]);
        let told = isa::check::check(&wrong.program, &small, &args).unwrap_err();
        assert!(told.what.contains("a scale of"), "{told}");
        assert!(target.prove(&wrong).unwrap_err().what.contains("a scale of"));
    }
    small.sequencer.args = 16;
    let model = Model::of(&decoder).unwrap();
    let refused = Target::new(&model, &small, &plan::Options::default()).unwrap_err();
    assert!(refused.render().contains("raise sequencer.args"), "{refused}");
}

#[test]
fn shared_heads_on_every_machine() {
    let decoder = models::random(3, &models::SHARED);
    let tokens: Vec<u32> = (0..26).map(|i| (i * 7 + 2) % 40).collect();
    for (name, _) in hw::presets::PRESETS {
        check(&decoder, &target(&decoder, &machine(name), &plan::Options::default()), &tokens);
    }
}

/// Four rows to an output tile, so that the last tile of a head reaches into the next; a chunk that no group divides.
#[test]
fn tiles_wider_than_a_head() {
    let mut wide = machine("tiny");
    let m = &mut wide.matrix;
    (m.tokens, m.outputs, m.lanes, m.drain_lanes) = (3, 16, 4, 2);
    wide.verify().unwrap();
    let decoder = models::random(4, &models::NARROW);
    let target = target(&decoder, &wide, &plan::Options::default());
    assert_eq!(target.chunk, 16);
    let tokens: Vec<u32> = (0..39).map(|i| (i * 3 + 1) % 30).collect();
    check(&decoder, &target, &tokens);
}

#[test]
fn what_is_too_small_is_refused_with_a_remedy() {
    let model = Model::of(&models::trained()).unwrap();
    let mut text = String::new();
    let mut refuse = |what: &str, change: &dyn Fn(&mut Machine)| {
        let mut small = machine("tiny");
        change(&mut small);
        small.verify().unwrap();
        let result = Target::new(&model, &small, &plan::Options::default());
        let error = result.map(|target| target.map.context).expect_err(what);
        text += &format!("{what}\n{error}\n\n");
    };
    refuse("1 KiB of weights", &|m| m.buffers.weight_bytes = 1024);
    refuse("1 KiB of activations", &|m| {
        m.buffers.activation_bytes = 1024;
        m.matrix.tokens = 32;
        m.buffers.token_scales = 256;
    });
    refuse("4 token scales", &|m| m.buffers.token_scales = 4);
    refuse("1 KiB vector banks", &|m| m.buffers.vector_bank_bytes = 1024);
    refuse("64 KiB of memory", &|m| m.memory.size_bytes = 65_536);
    refuse("32 words", &|m| {
        m.sequencer.imem_words = 32;
        m.sequencer.fetch_words = 8;
    });
    insta::assert_snapshot!("too_small", text);
}

#[test]
fn what_cannot_start_is_refused() {
    let decoder = models::random(1, &models::SMALL);
    let target = target(&decoder, &machine("tiny"), &plan::Options::default());
    let code = |result: Result<(), ir::diag::Diagnostic>| result.unwrap_err().code;
    assert_eq!(code(target.accepts(2, 0, 5)), "position-unaligned");
    assert_eq!(code(target.accepts(1, 0, target.map.context)), "context-full");
    assert_eq!(code(target.compile(17, Slot::Chunk).map(|_| ())), "tokens-unsupported");
    assert_eq!(code(generate::turns(&target, 0, &[50]).map(|_| ())), "token-unknown");
}

/// Two programs read prompts of all lengths from all positions: what is left of one fills a chunk if that takes fewer cycles.
#[test]
fn two_programs_serve_every_length() {
    let decoder = models::random(1, &models::SMALL);
    let mut padded = 0;
    for (name, _) in hw::presets::PRESETS {
        let target = target(&decoder, &machine(name), &plan::Options::default());
        let (chunk, machine) = (target.chunk, target.machine.clone());
        let cycles = |tokens, slot| {
            let compiled = target.compile(tokens, slot).unwrap();
            let args = compiled.program.arg_values(0, &[]);
            sim::timing::simulate(&compiled.program, &machine, &args).unwrap().cycles
        };
        let [together, single] = [cycles(chunk, Slot::Chunk), cycles(1, Slot::Decode)];
        let estimated = target.padded_from;
        let target = Target { padded_from: target.pays(together, single), ..target };
        let at_once = target.padded_from;
        println!(
            "{name}: {chunk} tokens take {together} cycles, one {single}, padded from {at_once} ({estimated})"
        );
        for left in 1..chunk {
            assert_eq!(left >= at_once, u64::from(left) * single > together, "{name}: {left}");
        }
        for (at, n) in (0..=16).flat_map(|at| (1..40).map(move |n| (at, n))) {
            let turns = generate::turns(&target, at, &vec![1; n]).unwrap();
            assert!(turns.iter().all(|t| [1, chunk].contains(&(t.tokens.len() as u32))));
            assert_eq!(turns.iter().map(|t| t.read() as usize).sum::<usize>(), n);
            assert!(turns.windows(2).all(|pair| pair[0].end() == pair[1].position && pair[0].padding == 0));
            padded += turns.iter().filter(|t| t.padding > 0).count();
        }
    }
    assert!(padded > 100, "{padded}");
}

#[test]
fn a_plan_changes_time_only() {
    let decoder = models::random(2, &models::SHARED);
    let tokens: Vec<u32> = (0..11).map(|i| (i * 5 + 3) % 40).collect();
    let usual = plan::Options { context: Some(32), ..Default::default() };
    let mut results = Vec::new();
    for options in [
        usual.clone(),
        plan::Options { reorder: false, early: false, prefetch: 1, ..usual.clone() },
        plan::Options { chunk_part: 16, chunk: Some(8), ..usual },
    ] {
        results.push(check(&decoder, &target(&decoder, &machine("tiny"), &options), &tokens).pop().unwrap());
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "plans differ");
}

#[test]
fn the_trained_network_on_tiny() {
    let decoder = models::trained();
    let target = target(&decoder, &machine("tiny"), &plan::Options::default());
    let text = b"\nAda has 12 coins and ";
    let tokens: Vec<u32> = text.iter().map(|&b| b.into()).collect();
    check(&decoder, &target, &tokens);
}

#[test]
fn the_trained_pruned_network_on_every_machine_with_its_mode() {
    let decoder = models::trained_pruned();
    let tokens: Vec<u32> = b"\nAda has 12 coins and ".iter().map(|&b| b.into()).collect();
    for name in ["tiny", "odd", "paired", "gemv"] {
        check(&decoder, &target(&decoder, &machine(name), &plan::Options::default()), &tokens);
    }
}

/// Halves of a head that are narrower than a step; and rows of lanes that no fours fill.
#[test]
fn fours_stay_whole_on_machines_of_all_widths() {
    let scheme = models::schemes().into_iter().find(|s| s.name == "w2s24a8kv4").unwrap();
    let mut last = Vec::new();
    for (outputs, lanes) in [(2, 2), (12, 4), (6, 6), (10, 10), (16, 16), (32, 32)] {
        let mut other = machine("tiny");
        let m = &mut other.matrix;
        (m.tokens, m.outputs, m.lanes, m.drain_lanes) = (3, outputs, lanes, 2);
        (other.memory.size_bytes, other.buffers.activation_bytes) = (1 << 24, 1 << 16);
        (other.buffers.weight_bytes, other.buffers.vector_bank_bytes) = (1 << 16, 1 << 16);
        other.verify().unwrap();
        for config in [&models::SMALL, &models::SHARED, &models::NARROW] {
            let decoder = models::random_with(5, config, &scheme);
            let tokens: Vec<u32> = (0..19).map(|i| (i * 7 + 2) % 30).collect();
            let target = target(&decoder, &other, &plan::Options::default());
            last.push(check(&decoder, &target, &tokens).pop().unwrap());
        }
    }
    assert!(last.windows(4).all(|of| of[0] == of[3]), "machines differ");
}

#[test]
fn fours_that_no_half_of_a_head_holds_are_refused() {
    let scheme = models::schemes().into_iter().find(|s| s.name == "w2s24a8kv4").unwrap();
    let config = ir::decoder::Config { heads: 2, kv_heads: 2, head_dim: 12, hidden: 32, ..models::SMALL };
    let config = ir::decoder::Config { heads: 8, kv_heads: 8, ..config };
    let error = Model::of(&models::random_with(1, &config, &scheme)).unwrap_err();
    assert_eq!((error.code, error.render().contains("no whole fours")), ("model-unsupported", true));
}

#[test]
fn listings() {
    let decoder = models::random(1, &models::SMALL);
    let options = plan::Options { context: Some(32), ..Default::default() };
    let target = target(&decoder, &machine("tiny"), &options);
    let compiled = target.compile(1, Slot::Decode).unwrap();
    insta::assert_snapshot!("plan", plan::print::print(&compiled.plan, &compiled.syncs));
    insta::assert_snapshot!("listing", isa::disasm::listing(&compiled.program));
    assert!(image::images(&target, &decoder).unwrap()[0].len() > 1000);
}
