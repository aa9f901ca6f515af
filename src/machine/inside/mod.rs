//! Helper processes of a lab: meshlab itself, started inside the machine.

pub mod doors;
pub mod processes;
