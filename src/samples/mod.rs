//! Sample services and small clients that the labs' commands use, all in this one executable.
//!
//! The services of the calculator lab ([`arithmetic`], [`frontend`], [`dashboard`]) define routes only. [`server`] listens,
//! applies the limits, writes the access log and shuts down.

pub mod arithmetic;
pub mod dashboard;
pub mod echo;
pub mod fault;
pub mod frontend;
pub mod get;
pub mod host_port;
mod integer;
pub mod load;
pub(crate) mod local_url;
pub mod nc;
mod pool;
pub mod register;
pub mod server;
pub mod tls_probe;
