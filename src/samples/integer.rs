//! Integers as the calculator's services write them to each other.

/// Why something is no integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoInteger {
    /// Something else than digits after an optional minus sign.
    #[error("is no integer")]
    Malformed,
    /// More than 64 bits hold.
    #[error("does not fit in 64 bits")]
    TooLarge,
}

/// Reads digits after an optional minus sign, and nothing else: no plus sign, no space, no underscore.
pub(super) fn parse(text: &str) -> Result<i64, NoInteger> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoInteger::Malformed);
    }
    text.parse().map_err(|_| NoInteger::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_after_an_optional_minus_sign() {
        for (text, value) in [("0", 0), ("007", 7), ("-12", -12), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for text in ["", "-", "+1", "--1", " 1", "1 ", "1.0", "0x1", "1_0", "١"] {
            assert_eq!(parse(text), Err(NoInteger::Malformed), "{text}");
        }
        assert_eq!(parse("9223372036854775808"), Err(NoInteger::TooLarge));
    }
}
