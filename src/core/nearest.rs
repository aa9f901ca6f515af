//! Suggestions for mistyped names.

/// The candidate most similar to `typed` (Jaro-Winkler), if one is similar enough to be a typo.
pub fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const MIN_SIMILARITY: f64 = 0.7;
    candidates
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_is_matched_and_an_unrelated_name_is_not() {
        let names = ["consul", "nomad", "envoy"];
        assert_eq!(nearest("cosnul", names.into_iter()), Some("consul"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
    }
}
