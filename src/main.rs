//! The meshlab command.
fn main() {}
