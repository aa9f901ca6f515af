//! `meshlab svc`: the labs' sample services, small clients, and meshlab's own processes inside a lab.

mod client;
mod fault;
mod load;
mod machine;
mod sample;

use clap::Subcommand;

use super::Runnable;
use crate::samples::register::RegisterArgs;

/// Run a sample service of the labs, or a small client
#[derive(Debug, Subcommand)]
pub(crate) enum SvcVerb {
    Echo(client::EchoArgs),
    Nc(client::NcArgs),
    Tls(client::TlsArgs),
    /// Register services with Consul, or remove them
    Register(RegisterArgs),
    Get(client::GetArgs),
    Load(load::LoadArgs),
    Fault(fault::FaultArgs),
    ForwardPorts(machine::ForwardPortsArgs),
    #[command(name = "pid1")]
    Pid1(machine::Pid1Args),
    KillOnStdinClose(machine::KillOnStdinCloseArgs),
    EndTasks(machine::EndTasksArgs),
    EndSession(machine::EndSessionArgs),
    EmptyFolder(machine::EmptyFolderArgs),
    #[command(flatten)]
    Sample(sample::SampleService),
}

impl SvcVerb {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::Echo(args) => Box::new(args),
            Self::Nc(args) => Box::new(args),
            Self::Tls(args) => Box::new(args),
            Self::Register(args) => Box::new(args),
            Self::Get(args) => Box::new(args),
            Self::Load(args) => Box::new(args),
            Self::Fault(args) => Box::new(args),
            Self::ForwardPorts(args) => Box::new(args),
            Self::Pid1(args) => Box::new(args),
            Self::KillOnStdinClose(args) => Box::new(args),
            Self::EndTasks(args) => Box::new(args),
            Self::EndSession(args) => Box::new(args),
            Self::EmptyFolder(args) => Box::new(args),
            Self::Sample(service) => Box::new(service),
        }
    }
}
