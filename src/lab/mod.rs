//! A lab is data: steps with an explanation, the commands a person would type, and checks that prove they worked.

mod catalog;
pub mod check;
mod definition;
mod read;
mod session;

pub use catalog::Catalog;
pub use definition::{Action, Lab, Reset, RunAction, ServiceAction, Step};
pub use session::{Components, Place, Session, environment, inside_environment, secret_environment};
