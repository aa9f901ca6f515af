//! Which part of a file is asked for (RFC 9110, section 14).

/// What a `Range` header means for a file of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it; also where the header makes no sense or asks for several parts, as the RFC allows.
    Whole,
    /// This many bytes from this place.
    Part {
        /// From 0.
        first: u64,
        /// At least 1.
        length: u64,
    },
    /// Nothing that the file has.
    Unsatisfiable,
}

/// Reads a `Range` header.
pub(super) fn parse(header: &str, size: u64) -> Wanted {
    let Some((unit, specs)) = header.split_once('=') else { return Wanted::Whole };
    let spec = specs.trim();
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Wanted::Whole;
    }
    match spec.split_once('-') {
        Some(("", suffix)) => match number(suffix) {
            Some(0) => Wanted::Unsatisfiable,
            Some(_) if size == 0 => Wanted::Unsatisfiable,
            Some(length) => Wanted::Part { first: size - length.min(size), length: length.min(size) },
            None => Wanted::Whole,
        },
        Some((first, last)) => {
            let (Some(first), last) = (number(first), number(last)) else { return Wanted::Whole };
            let end = match (spec.ends_with('-'), last) {
                (true, _) => size,
                (false, Some(last)) if last >= first => last.saturating_add(1).min(size),
                (false, _) => return Wanted::Whole,
            };
            if first >= size { Wanted::Unsatisfiable } else { Wanted::Part { first, length: end - first } }
        }
        None => Wanted::Whole,
    }
}

/// Digits only; a number too big for any file is the biggest there is.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let part = |first, length| Wanted::Part { first, length };
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
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-20", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-3", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=1-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ];
        for (header, wanted) in cases {
            assert_eq!(parse(header, 10), wanted, "{header}");
        }
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
            assert_eq!(parse(header, 0), Wanted::Unsatisfiable, "{header}");
        }
    }
}
