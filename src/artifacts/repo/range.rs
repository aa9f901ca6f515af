//! Parses `Range` headers (RFC 9110, section 14).

/// The part of a file that a `Range` header requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestedRange {
    /// The whole file. Also for an invalid header or one with several ranges, as the RFC allows.
    Whole,
    /// `length` bytes from offset `first`.
    Part {
        /// Starts at 0.
        first: u64,
        /// At least 1.
        length: u64,
    },
    /// A part beyond the end of the file.
    Unsatisfiable,
}

/// Parses a `Range` header for a file of `size` bytes.
pub(super) fn parse(header: &str, size: u64) -> RequestedRange {
    let Some((unit, specs)) = header.split_once('=') else { return RequestedRange::Whole };
    let spec = specs.trim();
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return RequestedRange::Whole;
    }
    match spec.split_once('-') {
        Some(("", suffix)) => match number(suffix) {
            Some(0) => RequestedRange::Unsatisfiable,
            Some(_) if size == 0 => RequestedRange::Unsatisfiable,
            Some(length) => RequestedRange::Part { first: size - length.min(size), length: length.min(size) },
            None => RequestedRange::Whole,
        },
        Some((first, last)) => {
            let (Some(first), last) = (number(first), number(last)) else { return RequestedRange::Whole };
            let end = match (spec.ends_with('-'), last) {
                (true, _) => size,
                (false, Some(last)) if last >= first => last.saturating_add(1).min(size),
                (false, _) => return RequestedRange::Whole,
            };
            if first >= size {
                RequestedRange::Unsatisfiable
            } else {
                RequestedRange::Part { first, length: end - first }
            }
        }
        None => RequestedRange::Whole,
    }
}

/// Parses digits. A number that is too large becomes `u64::MAX`.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_the_header_are_parsed() {
        let part = |first, length| RequestedRange::Part { first, length };
        let cases = [
            ("bytes=0-", part(0, 10)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=3-5", part(3, 3)),
            ("bytes=9-9", part(9, 1)),
            ("bytes=9-99", part(9, 1)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("Bytes= 2-3", part(2, 2)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-10", part(0, 10)),
            ("bytes=-99999999999999999999999", part(0, 10)),
            ("bytes=10-", RequestedRange::Unsatisfiable),
            ("bytes=10-20", RequestedRange::Unsatisfiable),
            ("bytes=99999999999999999999999-", RequestedRange::Unsatisfiable),
            ("bytes=-0", RequestedRange::Unsatisfiable),
            ("bytes=5-3", RequestedRange::Whole),
            ("bytes=0-1,3-4", RequestedRange::Whole),
            ("bytes=", RequestedRange::Whole),
            ("bytes=-", RequestedRange::Whole),
            ("bytes=a-b", RequestedRange::Whole),
            ("bytes=1-b", RequestedRange::Whole),
            ("bytes=+1-2", RequestedRange::Whole),
            ("bytes=--1", RequestedRange::Whole),
            ("bytes", RequestedRange::Whole),
            ("items=0-1", RequestedRange::Whole),
            ("", RequestedRange::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header, 10), expected, "{header}");
        }
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
            assert_eq!(parse(header, 0), RequestedRange::Unsatisfiable, "{header}");
        }
    }
}
