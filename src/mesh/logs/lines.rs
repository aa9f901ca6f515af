//! Bytes into lines.

/// A line that is longer is cut here, in bytes: something that writes no line ends must not fill the memory.
const LONGEST: usize = 64 * 1024;

/// Lines as their bytes come in; the beginning of the next one is kept.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes bytes and gives the lines that are complete now, without their ends.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut lines = Vec::new();
        let mut from = 0;
        loop {
            let rest = &self.rest[from..];
            let end = rest.iter().take(LONGEST).position(|byte| *byte == b'\n');
            let (length, taken) = match end {
                Some(end) => (end, end + 1),
                None if rest.len() >= LONGEST => (LONGEST, LONGEST),
                None => break,
            };
            lines.push(String::from_utf8_lossy(&rest[..length]).trim_end_matches('\r').to_owned());
            from += taken;
        }
        self.rest.drain(..from);
        lines
    }

    /// Forgets the beginning of a line, whose end will never come.
    pub(super) fn forget(&mut self) {
        self.rest.clear();
    }

    /// The beginning of a line whose end has not come yet.
    pub(super) fn unfinished(&self) -> Option<String> {
        (!self.rest.is_empty()).then(|| String::from_utf8_lossy(&self.rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_come(
            text in "[a-c\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..5)
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for pair in cuts.windows(2) {
                seen.extend(lines.push(&text.as_bytes()[pair[0]..pair[1]]));
            }
            seen.extend(lines.unfinished());
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn what_never_ends_is_cut() {
        let mut lines = Lines::default();
        let cut = lines.push(&vec![b'x'; 2 * LONGEST + 1]);
        assert_eq!(cut.iter().map(String::len).collect::<Vec<_>>(), [LONGEST, LONGEST]);
        assert_eq!(lines.unfinished().as_deref(), Some("x"));
        lines.forget();
        assert_eq!(lines.unfinished(), None);
    }
}
