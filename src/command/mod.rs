//! What each verb of the command line does, with resolved settings.

pub mod repo;
