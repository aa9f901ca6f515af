//! What every layer uses: validated types, failures, events, settings.

pub(crate) mod accept;
pub(crate) mod assets;
pub(crate) mod atomic_file;
pub(crate) mod claim;
pub mod debug_log;
pub mod event;
pub mod failure;
#[cfg(test)]
#[allow(unreachable_pub, reason = "shared with the integration tests")]
#[path = "../../tests/support/server.rs"]
pub(crate) mod fixture;
pub mod http;
pub mod mask;
pub mod model;
pub mod nearest;
pub mod numbers;
pub mod page;
pub mod secret;
pub mod settings;
pub mod signals;
pub mod until;
