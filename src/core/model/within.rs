//! Whole numbers that have a least and a most.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Within<T, const LEAST: i64, const MOST: i64>(T);

/// A port that something can listen on: 0 stands for any.
pub type Port = Within<u16, 1, 65_535>;

/// The status of an HTTP answer.
pub type HttpStatus = Within<u16, 100, 599>;

impl<T: Copy, const LEAST: i64, const MOST: i64> Within<T, LEAST, MOST> {
    /// The number.
    pub fn get(self) -> T {
        self.0
    }
}

impl<T: fmt::Display, const LEAST: i64, const MOST: i64> fmt::Display for Within<T, LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: TryFrom<i64>, const LEAST: i64, const MOST: i64> TryFrom<i64> for Within<T, LEAST, MOST> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        match T::try_from(number) {
            Ok(fitting) if (LEAST..=MOST).contains(&number) => Ok(Self(fitting)),
            _ => Err(format!("expected a number from {LEAST} to {MOST}, found {number}")),
        }
    }
}

impl<'de, T: TryFrom<i64>, const LEAST: i64, const MOST: i64> Deserialize<'de> for Within<T, LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Number(PhantomData))
    }
}

struct Number<T, const LEAST: i64, const MOST: i64>(PhantomData<T>);

impl<T: TryFrom<i64>, const LEAST: i64, const MOST: i64> Visitor<'_> for Number<T, LEAST, MOST> {
    type Value = Within<T, LEAST, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from {LEAST} to {MOST}")
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
    fn both_ends_are_within_and_what_is_beyond_is_told() {
        for number in [1, 65_535] {
            assert_eq!(i64::from(Port::try_from(number).unwrap().get()), number);
        }
        for number in [i64::MIN, -1, 0, 65_536, 65_537, i64::MAX] {
            let told = Port::try_from(number).unwrap_err();
            assert_eq!(told, format!("expected a number from 1 to 65535, found {number}"));
        }
        // What does not fit into the type is beyond, too, however far the most is.
        assert!(Within::<u8, 0, 1000>::try_from(256).is_err());
    }
}
