//! "Did you mean": the known name that is closest to a mistyped one.

/// The known name at the smallest edit distance, if it is small enough to be a slip of the hand.
pub fn closest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = typed.chars().count() / 3 + 1;
    known.into_iter().map(|k| (distance(typed, k), k)).min().filter(|(d, _)| *d <= most).map(|(_, k)| k)
}

/// A help line: the lookalike if there is one, and all names.
pub fn suggest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all =
        if known.is_empty() { "there are none".into() } else { format!("there are {}", known.join(", ")) };
    match closest(typed, known) {
        Some(k) => format!("did you mean `{k}`? {all}"),
        None => all,
    }
}

/// Levenshtein distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
