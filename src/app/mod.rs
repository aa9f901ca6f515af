//! The command line: what can be typed, what each verb does, and how it looks.

mod cli;
mod diagnosis;
pub(crate) mod report;
mod run;
pub mod ui;
mod verb;

pub use run::run;
