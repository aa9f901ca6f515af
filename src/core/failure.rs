//! The one error type that reaches a person: what failed, on what, what was seen, what to do.

use std::error::Error as StdError;
use std::fmt;

/// A result whose error can be shown as it is.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a run ends without having done what was asked. Each kind has one exit code (see [`FailureKind::exit_code`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Anything that has no kind of its own.
    Failed,
    /// The command line, a setting or a lab file is wrong.
    Usage,
    /// A lab's check did not hold.
    CheckFailed,
    /// A digest did not match, or an archive is unsafe.
    Untrusted,
    /// Not in the cache, and offline.
    NotCached,
    /// The machine lacks something.
    MachineLacks,
    /// The lock is out of date.
    LockOutdated,
    /// A deadline passed.
    DeadlinePassed,
    /// A reader had enough. Nothing is wrong.
    Stopped,
    /// Stopped by the signal with this number, after an orderly take-down.
    Interrupted(u8),
}

impl FailureKind {
    /// The process exit code, as fixed in the command line's contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::CheckFailed => 3,
            Self::Untrusted => 4,
            Self::NotCached => 5,
            Self::MachineLacks => 6,
            Self::LockOutdated => 7,
            Self::DeadlinePassed => 8,
            Self::Stopped => 0,
            Self::Interrupted(signal) => 128_u8.saturating_add(signal),
        }
    }

    /// Why another meshlab ended with this exit code, which is not 0.
    pub fn of_exit_code(code: u8) -> Self {
        match code {
            2 => Self::Usage,
            3 => Self::CheckFailed,
            4 => Self::Untrusted,
            5 => Self::NotCached,
            6 => Self::MachineLacks,
            7 => Self::LockOutdated,
            8 => Self::DeadlinePassed,
            129.. => Self::Interrupted(code - 128),
            _ => Self::Failed,
        }
    }
}

/// What went wrong, told so that the reader can act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    inner: Box<Inner>,
}

// Boxed, so that a `Result` stays small on the path where nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: FailureKind,
    message: String,
    details: Vec<Detail>,
    hint: Option<String>,
}

/// One labelled fact under the message, for instance `expected` or `log`. The text may have several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// What the fact is, in one word or two.
    pub label: String,
    /// The fact.
    pub text: String,
}

impl Failure {
    /// A failure of the given kind. `message` says what failed and on what, in lower case and without a full stop.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), details: Vec::new(), hint: None }) }
    }

    /// A failure without a kind of its own (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Wrong usage (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// Adds a labelled fact.
    #[must_use]
    pub fn detail(mut self, label: impl Into<String>, text: impl Into<String>) -> Self {
        self.inner.details.push(Detail { label: label.into(), text: text.into() });
        self
    }

    /// Adds what was seen: an error of a library or the system, with its chain of causes, each said once.
    #[must_use]
    pub fn seen(self, cause: &(dyn StdError + 'static)) -> Self {
        self.detail("seen", cause_chain(cause))
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// The same failure as another kind, where the caller knows better what it means.
    #[must_use]
    pub fn with_kind(mut self, kind: FailureKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same failure in other words, where the caller knows a better name for what it is about.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.inner.message = message.into();
        self
    }

    /// Why the run ends.
    pub fn kind(&self) -> FailureKind {
        self.inner.kind
    }

    /// What failed, on what.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The facts under the message, in the order they were added.
    pub fn details(&self) -> &[Detail] {
        &self.inner.details
    }

    /// What to do, if anything is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    /// The message and what was seen on one line; `ui` draws the long form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        match self.inner.details.iter().find(|detail| detail.label == "seen") {
            Some(seen) => write!(f, ": {}", seen.text),
            None => Ok(()),
        }
    }
}

impl StdError for Failure {}

impl From<std::io::Error> for Failure {
    /// Errors of `fs_err` name the path already; others should be wrapped with more words.
    fn from(error: std::io::Error) -> Self {
        let failure = Self::failed(error.to_string());
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                failure.hint("free some space, or point MESHLAB_CACHE_DIR, MESHLAB_DATA_DIR and MESHLAB_STATE_DIR elsewhere")
            }
            std::io::ErrorKind::PermissionDenied => {
                failure.hint("give this user the right to it, or point MESHLAB_CACHE_DIR, MESHLAB_DATA_DIR and MESHLAB_STATE_DIR elsewhere")
            }
            _ => failure,
        }
    }
}

/// An error and its causes, joined by `: `, leaving out a cause that the text before it already said.
pub fn cause_chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn exit_codes_are_the_contract() {
        let kinds = [
            FailureKind::Failed,
            FailureKind::Usage,
            FailureKind::CheckFailed,
            FailureKind::Untrusted,
            FailureKind::NotCached,
            FailureKind::MachineLacks,
            FailureKind::LockOutdated,
            FailureKind::DeadlinePassed,
            FailureKind::Interrupted(2),
            FailureKind::Interrupted(15),
        ];
        let codes = kinds.map(FailureKind::exit_code);
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 130, 143]);
        assert_eq!(codes.map(FailureKind::of_exit_code), kinds);
    }

    #[test]
    fn a_cause_is_said_once() {
        let failure = Failure::failed("cannot read x").seen(&Outer(std::io::Error::other("inner")));
        assert_eq!(failure.to_string(), "cannot read x: outer: inner");
        let repeated = Failure::failed("x").seen(&Outer(std::io::Error::other("outer")));
        assert_eq!(repeated.to_string(), "x: outer");
    }
}
