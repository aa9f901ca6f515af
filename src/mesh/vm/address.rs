//! The ports of the environment's components.

/// The port of Consul's HTTP API and UI.
pub const CONSUL_HTTP: u16 = 8500;

/// The port of Nomad's HTTP API and UI.
pub const NOMAD_HTTP: u16 = 4646;

/// The port of the load balancer, through which clients outside the mesh call its services.
pub const LOAD_BALANCER: u16 = 8088;
