//! [`Failure`], the error that meshlab shows: what failed, on what, what was seen, and a hint.

use std::error::Error as StdError;
use std::fmt;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// A result whose error is shown as it is.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command failed. Each kind has one exit code (see [`FailureKind::exit_code`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Any other failure.
    Failed,
    /// The command line, a setting or a lab file is wrong.
    Usage,
    /// A check of a lab failed.
    CheckFailed,
    /// A digest does not match, or an archive is unsafe.
    Untrusted,
    /// A file is not in the cache, and meshlab is offline.
    NotCached,
    /// The machine does not meet a requirement, such as a program or a permission.
    MissingRequirement,
    /// `deps.lock` is out of date.
    LockOutdated,
    /// A deadline passed.
    DeadlinePassed,
    /// The reader quit a lab. Not an error: exit 0.
    ReaderQuit,
    /// Stopped by the signal with this number, after a clean shutdown.
    Interrupted(u8),
}

impl FailureKind {
    /// The exit code of the process; documented, so it never changes.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::CheckFailed => 3,
            Self::Untrusted => 4,
            Self::NotCached => 5,
            Self::MissingRequirement => 6,
            Self::LockOutdated => 7,
            Self::DeadlinePassed => 8,
            Self::ReaderQuit => 0,
            Self::Interrupted(signal) => 128_u8.saturating_add(signal),
        }
    }

    /// The kind for the exit code of another meshlab process. `code` is not 0.
    pub fn of_exit_code(code: u8) -> Self {
        match code {
            2 => Self::Usage,
            3 => Self::CheckFailed,
            4 => Self::Untrusted,
            5 => Self::NotCached,
            6 => Self::MissingRequirement,
            7 => Self::LockOutdated,
            8 => Self::DeadlinePassed,
            129.. => Self::Interrupted(code - 128),
            _ => Self::Failed,
        }
    }
}

/// An error for people: a message, labelled details, and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    inner: Box<Inner>,
}

// Boxed to keep `Result` small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: FailureKind,
    message: String,
    details: Vec<Detail>,
    hint: Option<String>,
}

/// A labelled line under the message, such as `expected: ...` or `log: ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// One or two words.
    pub label: String,
    /// May have several lines.
    pub text: String,
    role: Role,
}

/// What a detail is to a failure in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The cause.
    Seen,
    /// What is there instead of what was expected.
    Observed,
    Other,
}

impl Failure {
    /// Creates a failure. `message` says what failed and on what, in lower case and without a full stop.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), details: Vec::new(), hint: None }) }
    }

    /// Creates a failure of kind [`FailureKind::Failed`] (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Creates a failure of kind [`FailureKind::Usage`] (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// Adds a detail.
    #[must_use]
    pub fn detail(self, label: impl Into<String>, text: impl Into<String>) -> Self {
        self.with_detail(Role::Other, label, text)
    }

    /// Adds the detail `seen`: an error of a library or the system, followed by its causes.
    #[must_use]
    pub fn seen(self, cause: &(dyn StdError + 'static)) -> Self {
        self.seen_text(cause_chain(cause))
    }

    /// Adds the detail `seen` where the cause is no error: what another program said, for instance.
    #[must_use]
    pub fn seen_text(self, text: impl Into<String>) -> Self {
        self.with_detail(Role::Seen, "seen", text)
    }

    /// Adds the detail `observed`: what is there instead of what was expected.
    #[must_use]
    pub fn observed(self, text: impl Into<String>) -> Self {
        self.with_detail(Role::Observed, "observed", text)
    }

    fn with_detail(mut self, role: Role, label: impl Into<String>, text: impl Into<String>) -> Self {
        self.inner.details.push(Detail { label: label.into(), text: text.into(), role });
        self
    }

    /// Sets the hint: what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Replaces the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: FailureKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// Replaces the message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.inner.message = message.into();
        self
    }

    fn first(&self, role: Role) -> Option<&Detail> {
        self.inner.details.iter().find(|detail| detail.role == role)
    }

    /// The failure on one line, for summaries: the message with what was observed or seen, else with the last detail.
    pub fn one_line(&self) -> String {
        let line = match (self.first(Role::Observed), self.first(Role::Seen), self.details().last()) {
            (Some(observed), ..) => format!("{self}: observed {}", observed.text),
            (None, None, Some(last)) => format!("{self}: {}: {}", last.label, last.text),
            _ => self.to_string(),
        };
        line.lines().collect::<Vec<_>>().join(" ")
    }

    /// The kind, which decides the exit code.
    pub fn kind(&self) -> FailureKind {
        self.inner.kind
    }

    /// What failed, on what.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The details, in the order they were added.
    pub fn details(&self) -> &[Detail] {
        &self.inner.details
    }

    /// The hint, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    /// The message and the detail `seen` on one line. `ui` prints the long form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        match self.first(Role::Seen) {
            Some(seen) => write!(f, ": {}", seen.text),
            None => Ok(()),
        }
    }
}

impl StdError for Failure {}

impl Serialize for Failure {
    /// `message`, `details` as pairs of label and text, `hint`, `exit`.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let details: Vec<(&str, &str)> =
            self.details().iter().map(|fact| (fact.label.as_str(), fact.text.as_str())).collect();
        let mut members = serializer.serialize_struct("Failure", 4)?;
        members.serialize_field("message", self.message())?;
        members.serialize_field("details", &details)?;
        members.serialize_field("hint", &self.hint_text())?;
        members.serialize_field("exit", &self.kind().exit_code())?;
        members.end()
    }
}

impl From<std::io::Error> for Failure {
    /// For errors of `fs_err`, which name the path. Other I/O errors need a message of their own.
    fn from(error: std::io::Error) -> Self {
        let failure = Self::failed(error.to_string());
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                failure.hint("free some space, or point MESHLAB_CACHE_DIR, MESHLAB_DATA_DIR and MESHLAB_STATE_DIR elsewhere")
            }
            std::io::ErrorKind::PermissionDenied => {
                failure.hint("give this user access to it, or point MESHLAB_CACHE_DIR, MESHLAB_DATA_DIR and MESHLAB_STATE_DIR elsewhere")
            }
            _ => failure,
        }
    }
}

/// An error and its causes, joined by `: `. Leaves out a cause whose text is already there.
pub fn cause_chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
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
    fn exit_codes_never_change() {
        let kinds = [
            FailureKind::Failed,
            FailureKind::Usage,
            FailureKind::CheckFailed,
            FailureKind::Untrusted,
            FailureKind::NotCached,
            FailureKind::MissingRequirement,
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
    fn repeated_causes_are_left_out() {
        let failure = Failure::failed("cannot read x").seen(&Outer(std::io::Error::other("inner")));
        assert_eq!(failure.to_string(), "cannot read x: outer: inner");
        let repeated = Failure::failed("x").seen(&Outer(std::io::Error::other("outer")));
        assert_eq!(repeated.to_string(), "x: outer");
    }
}
