//! Helper processes of a lab: meshlab itself, started inside the lab's machine.

pub mod forward_ports;
pub mod processes;
