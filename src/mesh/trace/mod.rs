//! One call followed through everything it passes: each hop from the log of the one that noted it, found by the call's
//! request id.

mod collect;
mod hop;
#[cfg(test)]
#[allow(clippy::panic, reason = "a sample that cannot be read is a broken test")]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
mod tree;

pub use collect::Watch;
pub use hop::{Call, Hop, Kind};
pub use tree::{Leg, Share, Trace};
