//! The program with tools, servers and folders that the tests make: nothing is fetched, no lab runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bug_report;
mod bundle;
mod deps;
mod interrupted;
mod machine;
mod provision;
mod repo;
mod services;
#[path = "../support/mod.rs"]
mod support;
