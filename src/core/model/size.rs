//! Sizes in bytes.

use std::fmt;

/// A number of bytes, shown with a decimal unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    /// Decimal units: `512 B`, `43.3 kB`, `128 MB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
        let text = match UNITS.iter().find(|(_, unit)| self.0 >= *unit) {
            None => format!("{} B", self.0),
            Some((name, unit)) => {
                // Rounded tenths in integer arithmetic, exact for every u64.
                let tenths = self.0.saturating_add(unit / 20) / (unit / 10);
                if tenths >= 1000 {
                    format!("{} {name}", tenths / 10)
                } else {
                    format!("{}.{} {name}", tenths / 10, tenths % 10)
                }
            }
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_decimal_units() {
        let shown: Vec<String> = [0, 999, 1000, 43_340, 128_012_414, u64::MAX]
            .iter()
            .map(|bytes| ByteSize(*bytes).to_string())
            .collect();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "43.3 kB", "128 MB", "18446744 TB"]);
    }
}
