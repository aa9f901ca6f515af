//! What each verb does.

pub mod deps_lock;
