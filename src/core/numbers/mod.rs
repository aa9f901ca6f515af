//! Numbers: measured, counted, and in words.

pub mod figure;
pub mod histogram;
pub mod words;
