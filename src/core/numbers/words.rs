//! Durations and counts as text for people.

use std::time::Duration;

/// A duration with one or two units: `7 ms`, `2.1 s`, `3 m 12 s`, `1 h 05 m`.
pub fn duration(took: Duration) -> String {
    let millis = took.as_millis();
    let seconds = took.as_secs();
    match millis {
        0 => "<1 ms".to_owned(),
        1..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", seconds, (millis % 1000) / 100),
        60_000..3_600_000 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number with a noun, in the plural unless it is 1: `1 step`, `2 steps`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_or_two_units() {
        let shown: Vec<String> = [0, 999, 1000, 2149, 59_999, 60_000, 192_000, 3_900_000]
            .map(|millis| duration(Duration::from_millis(millis)))
            .into();
        assert_eq!(
            shown,
            ["<1 ms", "999 ms", "1.0 s", "2.1 s", "59.9 s", "1 m 00 s", "3 m 12 s", "1 h 05 m"]
        );
    }
}
