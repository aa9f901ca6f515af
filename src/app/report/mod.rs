//! Reports: what a lab did, as a page, as data for programs and as the XML of `JUnit`; and what all reports share.
//!
//! [`Recorder`] stands before the console: it keeps a lab's events as a [`record::Record`] and passes them on. The forms are
//! made of the record alone.
//!
//! Invariant: a page needs nothing but itself. All text of others in it is escaped, and nothing of it is fetched.

mod drawing;
mod html;
mod junit;
mod markdown;
mod mask;
pub mod record;
mod recorder;
mod reports;
mod sign;
mod steps;
#[cfg(test)]
mod tests;

pub use recorder::Recorder;
pub use reports::Reports;
