use super::*;

#[test]
fn every_built_in_scheme_is_valid_and_named_as_its_file() {
    for (name, _) in BUILT_IN {
        let scheme = Scheme::named(name).unwrap();
        assert_eq!(&scheme.name, name);
        assert!(!scheme.about.is_empty() && scheme.lm_head() == &scheme.weights, "{name}");
    }
    assert_eq!(built_in().unwrap().len(), BUILT_IN.len());
    let error = Scheme::named("w3a3").unwrap_err();
    assert!(error.code == "scheme-unknown" && error.why.contains("w2a8kv4"));
}

#[test]
fn codes() {
    let code = |bits, symmetric| Code { bits, symmetric };
    let all = [code(8, true), code(4, true), code(8, false), code(4, false)];
    assert_eq!(all.map(Code::steps), [127, 7, 255, 15]);
    assert_eq!(all.map(Code::dtype), [DType::I8, DType::I4, DType::U8, DType::U4]);
    for code in all {
        let (_, high) = code.dtype().range().unwrap();
        assert_eq!(i64::from(code.steps()), high);
        assert_eq!(Code::of(code.dtype()), Some(code));
    }
}

#[test]
fn refusals_are_explained() {
    let good = text("w4a8").unwrap();
    let change = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        Scheme::parse(&text).unwrap_err().in_file("mine.toml").render()
    };
    let texts = [
        change("bits = 4", "bits = 3"),
        change("bits = 4", "bit = 4"),
        change("bits = 4", "bits = \"4\""),
        change("group = 32", "group = 0"),
        change("group = 32", "group = 30\nsparsity = \"2:4\""),
        change("group = 32", "sparsity = \"1:2\""),
        change("group = 32", "group = 32\nsparsity = \"2:4\"\nshared = 3"),
        change("group = 32", "group = 32\nshared = 4"),
        change("group = 32", "levels = [1, -1]"),
        change("group = 32", "levels = [1]"),
        change("group = 32", "levels = [-1, 1]\nsymmetric = false"),
        change("group = 32", "levels = [-129, 1]"),
        change("[attention]", "scale = \"percentile\"\n[attention]"),
        change("[attention]", "scale = \"percentile\"\npercentile = 101\n[attention]"),
        change("[attention]", "percentile = 99.9\n[attention]"),
        change("[kv_cache]\nbits = 8", ""),
        change("[kv_cache]", "[lm_head]\nbits = 5\n[kv_cache]"),
        change("bits = 16", "bits = 4"),
    ];
    insta::assert_snapshot!(texts.join("\n\n"));
}
