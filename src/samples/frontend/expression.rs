//! `1+1+2-3`: integers with `+` and `-` between them, evaluated from left to right.

use std::fmt;

/// In bytes.
const LONGEST: usize = 4096;
/// Each is a call.
const MOST_OPERATORS: usize = 256;

/// What to do with an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
}

/// An integer, and what is to be added to it and subtracted from it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) first: i64,
    pub(super) rest: Vec<(Operator, i64)>,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    what: String,
    /// Which character, counted from 1.
    position: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the expression {} at position {}", self.what, self.position)
    }
}

impl Expression {
    /// Integers and operators take turns; an integer comes first and last and has no sign of its own, since the sample
    /// never had one. Spaces may stand between them.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let too_long = |(at, letter): (usize, char)| at + letter.len_utf8() > LONGEST;
        if let Some(index) = text.char_indices().position(too_long) {
            let what = format!("is longer than {LONGEST} bytes");
            return Err(SyntaxError { what, position: index + 1 });
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
    /// Of the next character, counted from 1.
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
        let value = digits.parse().map_err(|_| self.error("has an integer that does not fit in 64 bits"))?;
        self.rest = rest;
        self.position += length;
        Ok(value)
    }

    /// `None` at the end. `so_far` is how many there were before.
    fn operator(&mut self, so_far: usize) -> Result<Option<Operator>, SyntaxError> {
        self.skip_spaces();
        let operator = match self.rest.as_bytes().first() {
            None => return Ok(None),
            Some(b'+') => Operator::Plus,
            Some(b'-') => Operator::Minus,
            Some(_) => return Err(self.unexpected("+ or -")),
        };
        if so_far == MOST_OPERATORS {
            return Err(self.error(&format!("has more than {MOST_OPERATORS} operators")));
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

    fn unexpected(&self, expected: &str) -> SyntaxError {
        match self.rest.chars().next() {
            Some(found) => self.error(&format!("has {found:?} where {expected} belongs")),
            None => self.error(&format!("ends where {expected} belongs")),
        }
    }

    fn error(&self, what: &str) -> SyntaxError {
        SyntaxError { what: what.to_owned(), position: self.position }
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
    fn what_is_wrong_and_where() {
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
        /// What is written down is read back, and comes to the same as summing it up in 128 bits.
        #[test]
        fn reads_what_was_written(
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

        /// Nothing makes it stumble, and what it takes has only what may be in it.
        #[test]
        fn takes_nothing_else(text in "[0-9+\\- a]{0,12}|\\PC{0,12}") {
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
