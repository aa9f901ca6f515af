//! Labs: their definition (`lab.toml`), the engine that runs their steps, the checks, a reader's progress, and benchmarks.

pub mod bench;
mod catalog;
pub mod check;
mod components;
mod definition;
mod practice;
mod progress;
mod read;
mod reader;
mod run_progress;
mod session;
mod start;
mod steps;
mod table;
mod variables;

pub use catalog::{Catalog, Unusable};
pub use components::Components;
pub use definition::{Action, Lab, Reset, RunAction, ServiceAction, Step};
pub use practice::READER_DEADLINE;
pub use progress::Progress;
pub use reader::{Reader, Turn};
pub use run_progress::RunProgress;
pub use session::Session;
pub use start::{Launcher, take_down};
pub use variables::{command_variables, token_variables};
