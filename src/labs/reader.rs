//! Whoever goes through a lab, if anybody does.

use futures_util::future::BoxFuture;

/// What a reader says when it is their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is done: look.
    Done,
    /// Another hint, please.
    Hint,
    /// The lab is to do it.
    Solve,
    /// Enough for today.
    Quit,
}

/// Somebody who does what a lab leaves to its reader.
pub trait Reader: Send + Sync {
    /// Waits until the reader has something to say.
    fn turn(&self) -> BoxFuture<'_, Turn>;
}
