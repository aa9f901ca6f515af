//! `meshlab lab`: numbered labs: run, practised, looked into, tested, written.

mod catalog;
mod components;
mod new;
mod once_more;
mod practice;
mod run;
mod test;

pub use catalog::{list, show};
pub use new::new;
pub use practice::{check, hint, reset, solve};
pub use run::run;
pub use test::test;

pub(super) use components::{components, components_for_a_start, move_apart};
