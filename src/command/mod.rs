//! One file per verb: settings in, work done, data or a failure out.

pub mod lab;
