//! `1+1+2-3`: integers with `+` and `-` between them, evaluated from left to right.

/// The maximum length of an expression.
const MAX_BYTES: usize = 4096;
/// Each operator is a call.
const MAX_OPERATORS: usize = 256;

/// An operator between two integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
}

/// An integer, and the operations on it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) first: i64,
    pub(super) rest: Vec<(Operator, i64)>,
}

/// Why a text is not an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid expression at position {position}: {kind}")]
pub(super) struct SyntaxError {
    kind: SyntaxErrorKind,
    /// The character, counted from 1.
    position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum SyntaxErrorKind {
    #[error("expected {expected}, found {}", found.map_or("the end".to_owned(), |found| format!("{found:?}")))]
    Unexpected { expected: &'static str, found: Option<char> },
    #[error("the integer does not fit in 64 bits")]
    TooLarge,
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("it has more than {MAX_OPERATORS} operators")]
    TooManyOperators,
}

impl Expression {
    /// Parses integers with an operator between each two. Integers have no sign. Spaces are allowed between them.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let too_long = |(at, letter): (usize, char)| at + letter.len_utf8() > MAX_BYTES;
        if let Some(index) = text.char_indices().position(too_long) {
            return Err(SyntaxError { kind: SyntaxErrorKind::TooLong, position: index + 1 });
        }
        let mut rest_of_text = Scanner { rest: text, position: 1 };
        let first = rest_of_text.integer()?;
        let mut rest = Vec::new();
        while let Some(operator) = rest_of_text.operator(rest.len())? {
            rest.push((operator, rest_of_text.integer()?));
        }
        Ok(Self { first, rest })
    }
}

struct Scanner<'a> {
    rest: &'a str,
    /// The position of the next character, counted from 1.
    position: usize,
}

impl Scanner<'_> {
    fn integer(&mut self) -> Result<i64, SyntaxError> {
        self.skip_spaces();
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Err(self.unexpected("an integer"));
        }
        let (digits, rest) = self.rest.split_at(length);
        let value = digits.parse().map_err(|_| self.error(SyntaxErrorKind::TooLarge))?;
        self.rest = rest;
        self.position += length;
        Ok(value)
    }

    /// The next operator; `None` at the end. `count` is the number of operators before.
    fn operator(&mut self, count: usize) -> Result<Option<Operator>, SyntaxError> {
        self.skip_spaces();
        let operator = match self.rest.as_bytes().first() {
            None => return Ok(None),
            Some(b'+') => Operator::Plus,
            Some(b'-') => Operator::Minus,
            Some(_) => return Err(self.unexpected("+ or -")),
        };
        if count == MAX_OPERATORS {
            return Err(self.error(SyntaxErrorKind::TooManyOperators));
        }
        self.rest = &self.rest[1..];
        self.position += 1;
        Ok(Some(operator))
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest.trim_start_matches(' ');
        self.position += self.rest.len() - rest.len();
        self.rest = rest;
    }

    fn unexpected(&self, expected: &'static str) -> SyntaxError {
        self.error(SyntaxErrorKind::Unexpected { expected, found: self.rest.chars().next() })
    }

    fn error(&self, kind: SyntaxErrorKind) -> SyntaxError {
        SyntaxError { kind, position: self.position }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn evaluate(expression: &Expression) -> Option<i64> {
        expression.rest.iter().try_fold(expression.first, |sum, (operator, operand)| match operator {
            Operator::Plus => sum.checked_add(*operand),
            Operator::Minus => sum.checked_sub(*operand),
        })
    }

    fn value(text: &str) -> i64 {
        evaluate(&Expression::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn the_labs_expression_is_nine() {
        assert_eq!(value("1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5"), 9);
        assert_eq!(value("7"), 7);
        assert_eq!(value("  1 -  2 + 003 "), 2);
        assert_eq!(value("0-9223372036854775807"), -i64::MAX);
    }

    #[test]
    fn the_limits_are_inclusive() {
        let operators = |count| "1".to_owned() + &"+1".repeat(count);
        assert_eq!(value(&operators(256)), 257);
        assert!(Expression::parse(&operators(257)).is_err());
        assert_eq!(value(&format!("{:>4096}", 5)), 5);
        assert!(Expression::parse(&format!("{:>4097}", 5)).is_err());
    }

    #[test]
    fn errors_have_a_reason_and_a_position() {
        let long = "1".to_owned() + &" ".repeat(4096);
        let many = "1".to_owned() + &"+1".repeat(257);
        let wrong = [
            "",
            "   ",
            "+1",
            "-1",
            "1+",
            "1 + ",
            "1++1",
            "1+-1",
            "1 2",
            "1*2",
            "(1)",
            "1.5",
            "1+x",
            "é",
            "1+é",
            "1\t+1",
            "1+1\n",
            "1+9223372036854775808",
            "0x10",
            "1_000",
            "１",
            &long,
            &many,
        ];
        let reasons = wrong.map(|text| {
            let shown: String = text.chars().take(24).collect();
            format!("{shown:?}: {}", Expression::parse(text).unwrap_err())
        });
        insta::assert_snapshot!(reasons.join("\n"));
    }

    proptest! {
        /// Any valid expression is parsed, and its value is that of a sum in 128 bits.
        #[test]
        fn valid_expressions_are_parsed(
            first in 0..=i64::MAX,
            rest in prop::collection::vec((any::<bool>(), 0..=i64::MAX, "[ ]{0,2}", "[ ]{0,2}"), 0..40),
        ) {
            let mut text = first.to_string();
            let mut sum = i128::from(first);
            let mut fits = true;
            for (plus, operand, before, after) in &rest {
                let sign = if *plus { '+' } else { '-' };
                write!(text, "{before}{sign}{after}{operand}").unwrap();
                sum += if *plus { i128::from(*operand) } else { -i128::from(*operand) };
                fits &= i64::try_from(sum).is_ok();
            }
            let expression = Expression::parse(&text).unwrap();
            prop_assert_eq!(evaluate(&expression).map(i128::from), fits.then_some(sum));
        }

        /// No text panics, and no invalid text is parsed.
        #[test]
        fn other_texts_are_errors(text in "[0-9+\\- a]{0,12}|\\PC{0,12}") {
            let tokens = text.replace(' ', "");
            let words: Vec<&str> = text.split(['+', '-']).map(|word| word.trim_matches(' ')).collect();
            let is_right = words.iter().all(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
            });
            match Expression::parse(&text) {
                Ok(expression) => {
                    prop_assert!(is_right, "{}", text);
                    let digits = tokens.bytes().filter(u8::is_ascii_digit).count();
                    prop_assert_eq!(tokens.len(), digits + expression.rest.len());
                }
                Err(error) => {
                    prop_assert!(!is_right, "{}: {}", text, error);
                    prop_assert!((1..=text.chars().count() + 1).contains(&error.position), "{}", error);
                }
            }
        }
    }
}
