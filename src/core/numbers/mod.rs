//! Measured numbers, and how they are shown.

pub mod figure;
pub mod histogram;
pub mod words;
