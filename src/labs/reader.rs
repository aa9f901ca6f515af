//! The reader of a lab, who does the tasks of its steps at a terminal.

use futures_util::future::BoxFuture;

/// What the reader chooses to do next during a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Check the step: the task is done.
    Done,
    /// Show the next hint.
    Hint,
    /// Run the solution.
    Solve,
    /// Stop the lab.
    Quit,
}

/// Asks the reader of a lab.
pub trait Reader: Send + Sync {
    /// Waits for the reader's choice.
    fn turn(&self) -> BoxFuture<'_, Turn>;
}
