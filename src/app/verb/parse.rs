//! Values that several verbs read from their arguments.

use std::time::Duration;

/// A time with its unit: `250ms`, `5s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}
