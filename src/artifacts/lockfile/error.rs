//! Errors in a lock.

use std::ops::Range;

/// An error at a range of bytes in the text of a lock.
pub(super) struct LockError {
    pub(super) at: Range<usize>,
    pub(super) what: String,
}

impl LockError {
    pub(super) fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

/// The line and column of a byte offset, both starting at 1.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
