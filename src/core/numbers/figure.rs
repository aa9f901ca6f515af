//! Formats measured values for people: three digits and a unit.

/// Microseconds: `812 µs`, `3.12 ms`, `14.9 ms`, `1.24 s`.
pub fn micros(micros: f64) -> String {
    // A value that rounds up to 1000 is shown in the next unit.
    match micros {
        ..999.5 => format!("{} µs", digits(micros)),
        ..999_500.0 => format!("{} ms", digits(micros / 1e3)),
        _ => format!("{} s", digits(micros / 1e6)),
    }
}

/// A rate or a count: `9.12`, `84.3`, `843`, `12,345`.
pub fn number(number: f64) -> String {
    if number >= 999.5 { thousands(number) } else { digits(number) }
}

/// An integer with thousands separators: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of one core, in percent: `0.4 %`, `37 %`, `104 %`.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// Bytes in whole megabytes: `0.4 MB`, `86 MB`, `1,204 MB`.
pub fn megabytes(bytes: f64) -> String {
    let megabytes = bytes / 1e6;
    if megabytes < 9.95 { format!("{megabytes:.1} MB") } else { format!("{} MB", thousands(megabytes)) }
}

/// A factor: `×1.86`.
pub fn ratio(ratio: f64) -> String {
    format!("×{}", digits(ratio))
}

/// Three digits, at most two after the decimal point.
fn digits(number: f64) -> String {
    match number {
        _ if number.abs() < 9.995 => format!("{number:.2}"),
        _ if number.abs() < 99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "values are far below 2^63")]
fn thousands(number: f64) -> String {
    count(number.round().max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits_and_a_unit() {
        let shown = [1.0, 812.4, 999.6, 3120.0, 14_900.0, 999_600.0, 1_240_000.0, 12_000_000.0].map(micros);
        assert_eq!(
            shown,
            ["1.00 µs", "812 µs", "1.00 ms", "3.12 ms", "14.9 ms", "1.00 s", "1.24 s", "12.0 s"]
        );
        assert_eq!(
            [0.0, 9.123, 84.33, 843.2, 12_345.4].map(number),
            ["0.00", "9.12", "84.3", "843", "12,345"]
        );
        assert_eq!(
            [0, 1, 999, 1000, 1_234_567, 10_485_760].map(count),
            ["0", "1", "999", "1,000", "1,234,567", "10,485,760"]
        );
        assert_eq!([0.004, 0.368, 1.04].map(share), ["0.4 %", "37 %", "104 %"]);
        assert_eq!([4e5, 86.4e6, 1.204e9].map(megabytes), ["0.4 MB", "86 MB", "1,204 MB"]);
        assert_eq!([1.864, 12.04, 0.5].map(ratio), ["×1.86", "×12.0", "×0.50"]);
    }
}
