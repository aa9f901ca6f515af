//! The sample services: `meshlab svc add|sub|frontend|dashboard`.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use crate::core::failure::{Failure, Result};
use crate::samples::host_port::HostPort;
use crate::samples::server::{Asked, Fault, Instance, Version};

/// The services of the calculator lab.
#[derive(Debug, Subcommand)]
pub enum SampleService {
    /// add-svc: GET /api/v1/execute/?l=1&r=2 answers 3
    Add(SampleArgs),
    /// sub-svc: GET /api/v1/execute/?l=1&r=2 answers -1
    Sub(SampleArgs),
    /// frontend: POST /api/v1/compute has both of them work out an expression
    Frontend {
        /// What holds for all three.
        #[command(flatten)]
        sample: SampleArgs,
        /// Where add-svc is reached
        #[arg(long, env = "ADD_SVC_ADDR", value_name = "HOST:PORT")]
        add_svc: HostPort,
        /// Where sub-svc is reached
        #[arg(long, env = "SUB_SVC_ADDR", value_name = "HOST:PORT")]
        sub_svc: HostPort,
    },
    /// dashboard: a page that shows the mesh as Consul sees it
    Dashboard {
        /// What holds for every service.
        #[command(flatten)]
        serve: ServeArgs,
        /// Where Consul is reached
        #[arg(long, value_name = "HOST:PORT")]
        consul: HostPort,
        /// A file with the token for Consul; read anew for every question
        #[arg(long, value_name = "PATH")]
        token_file: Option<Utf8PathBuf>,
        /// Where Nomad is reached, for links [default: Consul's host, port 4646]
        #[arg(long, value_name = "HOST:PORT")]
        nomad: Vec<HostPort>,
    },
}

/// What holds for every service.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
    /// Which of several instances this is, sent back as x-instance [default: the Nomad allocation, else address:port]
    #[arg(long, value_name = "NAME", value_parser = Instance::parse)]
    pub instance: Option<Instance>,
    /// The Nomad allocation this runs in
    #[arg(long, env = "NOMAD_ALLOC_ID", hide = true)]
    pub allocation: Option<String>,
    /// Which version this is, sent back as x-version
    #[arg(long, value_name = "VERSION", default_value = "v1", value_parser = Version::parse)]
    pub version: Version,
}

impl ServeArgs {
    /// Which of several instances this is, if something says so.
    pub fn instance(&self) -> Option<Instance> {
        let of_allocation = || Instance::of_allocation(self.allocation.as_deref()?);
        self.instance.clone().or_else(of_allocation)
    }
}

/// What holds for add-svc, sub-svc and frontend.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// What holds for every service.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// How it begins.
    #[command(flatten)]
    pub fault: FaultArgs,
}

/// What goes wrong on demand.
#[derive(Debug, Clone, Copy, Args)]
pub struct FaultArgs {
    /// Wait so long before every answer
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    pub delay: Option<Duration>,
    /// Answer with this status, from 400 to 599, instead
    #[arg(long, value_name = "STATUS")]
    pub fail: Option<u16>,
    /// Let it strike only this share of the requests, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub share: Option<f64>,
    /// Let it strike the health check as well
    #[arg(long)]
    pub health: bool,
}

impl FaultArgs {
    /// What is asked for, if anything is.
    pub fn asked(self) -> Option<Asked> {
        let Self { delay, fail: status, share, health } = self;
        let is_asked = delay.is_some() || status.is_some() || share.is_some() || health;
        let delay_ms = delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        is_asked.then_some(Asked { delay_ms, status, share, health })
    }

    /// The same as a fault that a service can have.
    pub fn fault(self) -> Result<Option<Fault>> {
        self.asked().map(Fault::try_from).transpose().map_err(|wrong| {
            Failure::usage("no service can have this fault")
                .detail("seen", wrong)
                .hint("for instance --delay 300ms, or --fail 503 --share 0.5")
        })
    }
}

/// The arguments as they are to be read: this program under the name of a sample service is that service.
pub fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = given.into_iter().collect();
    let name = arguments.first().and_then(|program| Path::new(program).file_name()).and_then(OsStr::to_str);
    let service = match name {
        Some("add-svc") => "add",
        Some("sub-svc") => "sub",
        Some("frontend") => "frontend",
        Some("dashboard") => "dashboard",
        Some("consul-register") => "register",
        _ => return arguments,
    };
    arguments.splice(..1, ["meshlab", "svc", service].map(OsString::from));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_name_chooses_the_service() {
        let read = |given: &[&str]| {
            let read = arguments(given.iter().map(OsString::from));
            read.into_iter().map(|argument| argument.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read(&["/pkgs/add-svc", "--listen", "x"]), "meshlab svc add --listen x");
        assert_eq!(read(&["sub-svc"]), "meshlab svc sub");
        assert_eq!(read(&["./frontend", "-q"]), "meshlab svc frontend -q");
        assert_eq!(read(&["dashboard"]), "meshlab svc dashboard");
        assert_eq!(read(&["bin/meshlab", "add-svc"]), "bin/meshlab add-svc");
        assert_eq!(read(&["add-svc/meshlab"]), "add-svc/meshlab");
        assert_eq!(read(&[]), "");
    }
}
