//! The package repository: a read-only HTTP/1.1 server for the files of the store and for published files.
//!
//! Invariant: the path of a request is never used as a file system path. Its segments are parsed into names and
//! digests, and only those are looked up.
//!
//! Files are sent with `sendfile`, which hyper does not support. The rest of the protocol for a read-only server is
//! small; httparse parses the requests.

mod blob;
mod body;
mod cache;
mod catalog;
mod connection;
mod index;
mod measure;
mod options;
mod published;
mod range;
mod release_lists;
mod releases;
mod request;
mod respond;
mod response;
mod route;
mod server;
mod slots;
mod transfer;
mod zip;

#[cfg(test)]
mod tests;

pub use catalog::Catalog;
pub use options::{Access, AccessLog, Limits, Options, ProblemLog};
pub use published::{PublishedPackage, PublishedPackages};
pub use server::Server;
