//! Integers in the requests and answers of the calculator's services.

/// Why a text is not an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum IntegerError {
    /// It is not digits after an optional minus sign.
    #[error("is not an integer")]
    Malformed,
    /// It does not fit in 64 bits.
    #[error("does not fit in 64 bits")]
    TooLarge,
}

/// Parses digits after an optional minus sign. Plus signs, spaces and underscores are errors.
pub(super) fn parse(text: &str) -> Result<i64, IntegerError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(IntegerError::Malformed);
    }
    text.parse().map_err(|_| IntegerError::TooLarge)
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
            assert_eq!(parse(text), Err(IntegerError::Malformed), "{text}");
        }
        assert_eq!(parse("9223372036854775808"), Err(IntegerError::TooLarge));
    }
}
