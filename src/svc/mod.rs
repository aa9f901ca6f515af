//! Sample services and small clients that the labs' commands use, all in this one executable.

pub mod echo;
pub mod get;
pub mod nc;
pub mod register;
