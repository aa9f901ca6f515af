//! Reports of a lab run: an HTML page, JSON, and `JUnit` XML.
//!
//! [`Recorder`] collects a lab's events in a [`record::RunRecord`] and passes them on to the console. Every format is made
//! of the record alone.
//!
//! Invariant: a page is self-contained. Text from labs and commands is escaped, and the page fetches nothing.

mod drawing;
mod html;
mod junit;
mod markdown;
mod mask;
pub(crate) mod record;
mod recorder;
mod reports;
mod sign;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use recorder::Recorder;
pub(crate) use reports::Reports;
