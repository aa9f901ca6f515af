//! Integers with a minimum and a maximum.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// An integer from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bounded<T, const MIN: i64, const MAX: i64>(T);

/// A TCP or UDP port; not 0, which means any port.
pub type Port = Bounded<u16, 1, 65_535>;

/// An HTTP status code.
pub type HttpStatus = Bounded<u16, 100, 599>;

impl<T: Copy, const MIN: i64, const MAX: i64> Bounded<T, MIN, MAX> {
    /// The number itself.
    pub fn get(self) -> T {
        self.0
    }
}

impl<T: fmt::Display, const MIN: i64, const MAX: i64> fmt::Display for Bounded<T, MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number outside the range of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from {min} to {max}, found {found}")]
pub struct OutOfRange {
    /// The smallest valid number.
    pub min: i64,
    /// The largest valid number.
    pub max: i64,
    /// The number that was found.
    pub found: i64,
}

impl<T: TryFrom<i64>, const MIN: i64, const MAX: i64> TryFrom<i64> for Bounded<T, MIN, MAX> {
    type Error = OutOfRange;

    fn try_from(number: i64) -> Result<Self, OutOfRange> {
        match T::try_from(number) {
            Ok(fitting) if (MIN..=MAX).contains(&number) => Ok(Self(fitting)),
            _ => Err(OutOfRange { min: MIN, max: MAX, found: number }),
        }
    }
}

impl<'de, T: TryFrom<i64>, const MIN: i64, const MAX: i64> Deserialize<'de> for Bounded<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Number(PhantomData))
    }
}

struct Number<T, const MIN: i64, const MAX: i64>(PhantomData<T>);

impl<T: TryFrom<i64>, const MIN: i64, const MAX: i64> Visitor<'_> for Number<T, MIN, MAX> {
    type Value = Bounded<T, MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from {MIN} to {MAX}")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        number.try_into().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_are_valid_and_numbers_outside_are_rejected() {
        for number in [1, 65_535] {
            assert_eq!(i64::from(Port::try_from(number).unwrap().get()), number);
        }
        for number in [i64::MIN, -1, 0, 65_536, 65_537, i64::MAX] {
            let error = Port::try_from(number).unwrap_err();
            assert_eq!(error.to_string(), format!("expected a number from 1 to 65535, found {number}"));
        }
        // A number that does not fit into the type is out of range even below MAX.
        assert!(Bounded::<u8, 0, 1000>::try_from(256).is_err());
    }
}
