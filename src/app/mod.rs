//! The command line: what can be typed, what each verb does, and how it looks.

pub mod cli;
pub mod report;
pub mod ui;
pub mod verb;
