//! The name that was probably meant.

/// The candidate nearest to `typed`, if any is near enough to be a slip of the finger.
pub fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    candidates
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_nothing_else() {
        let names = ["consul", "nomad", "envoy"];
        assert_eq!(nearest("cosnul", names.into_iter()), Some("consul"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
    }
}
