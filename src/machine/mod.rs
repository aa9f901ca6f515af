//! Where components run: as processes of this machine (`host`) or as containers that share namespaces (`docker`).
//!
//! A lab works with a [`Machine`], which records each component before it starts, and has one [`Backend`] start it.

mod await_ready;
mod backend;
pub mod choose;
pub mod docker;
pub mod host;
mod images;
pub mod inside;
pub mod logs;
mod output;
mod placement;
pub mod ports;
pub mod process;
mod program;
mod role;
mod running;
#[cfg(test)]
pub(crate) mod scripted;
pub mod state;
mod variables;

pub use backend::{Backend, LabNeeds, OnLine, ServiceSpec, Site, Visit};
pub use images::LoadedImages;
pub use output::OutputLine;
pub use placement::Placement;
pub use program::{copy_of_this_program, program_of};
pub use role::Role;
pub use running::{Finished, Machine};
pub use variables::{CommandEnvironment, WIDTH_VARIABLE};

/// A short name for the folder of Nomad's allocations, where tasks have their own networks.
pub const ALLOCATIONS: &str = "/run/alloc";

/// The bridge of such tasks, as Nomad names it.
pub const BRIDGE: &str = "nomad";
