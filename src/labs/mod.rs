//! A lab is data: steps with an explanation, the commands a person would type, and checks that prove they worked.

pub mod bench;
mod catalog;
pub mod check;
mod components;
mod definition;
mod environment;
mod practice;
mod progress;
mod read;
mod reader;
mod session;
mod standing;
mod start;
mod steps;
mod table;

pub use catalog::{Catalog, Unusable};
pub use components::Components;
pub use definition::{Action, Lab, Reset, RunAction, ServiceAction, Step};
pub use environment::{environment, secret_environment};
pub use practice::READER_DEADLINE;
pub use progress::Progress;
pub use reader::{Reader, Turn};
pub use session::Session;
pub use standing::Standing;
pub use start::{Launcher, take_down};
