//! The output of commands, line by line.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

/// A longer line is cut here, in bytes.
const LONGEST_LINE: usize = 4096;

/// One line that a command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Without the line's end.
    pub text: String,
    /// Whether it went to standard error.
    pub error: bool,
}

/// Joins pieces of output to lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    is_begun: bool,
}

impl Lines {
    /// The lines that a piece completes.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.append(&piece[..end]);
            lines.push(self.take());
            piece = &piece[end + 1..];
        }
        if !piece.is_empty() {
            self.append(piece);
        }
        lines
    }

    /// The last line, if it has no line end.
    pub(super) fn finish(mut self) -> Option<String> {
        self.is_begun.then(|| self.take())
    }

    fn append(&mut self, piece: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
        self.is_begun = true;
    }

    fn take(&mut self) -> String {
        self.is_begun = false;
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }
}

/// Passes the lines of pieces to `on_line` as they come. Fails with the stream's error.
pub(super) async fn forward<E>(
    mut pieces: impl Stream<Item = Result<(Bytes, bool), E>> + Unpin,
    on_line: &mut (dyn FnMut(OutputLine) + Send),
) -> Result<(), E> {
    let [mut output, mut errors] = [Lines::default(), Lines::default()];
    while let Some(piece) = pieces.next().await {
        let (piece, error) = piece?;
        let lines = if error { errors.push(&piece) } else { output.push(&piece) };
        for text in lines {
            on_line(OutputLine { text, error });
        }
    }
    for (rest, error) in [(output, false), (errors, true)] {
        if let Some(text) = rest.finish() {
            on_line(OutputLine { text, error });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_long_ones_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\ntw"), ["one"]);
        assert_eq!(lines.push(b"o\n\nthree"), ["two", ""]);
        assert_eq!(lines.push(&[b'x'; 5000]), [""; 0]);
        let long = lines.push(b"\n").remove(0);
        assert_eq!((long.len(), &long[..7]), (LONGEST_LINE, "threexx"));
        assert_eq!(lines.push(b"\xff"), [""; 0]);
        assert_eq!(lines.finish(), Some("\u{fffd}".to_owned()));
        assert_eq!(Lines::default().finish(), None);
    }
}
