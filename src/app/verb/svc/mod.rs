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
    Doors(machine::DoorsArgs),
    Hold(machine::HoldArgs),
    Leash(machine::LeashArgs),
    Sweep(machine::SweepArgs),
    End(machine::EndArgs),
    Clear(machine::ClearArgs),
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
            Self::Doors(args) => Box::new(args),
            Self::Hold(args) => Box::new(args),
            Self::Leash(args) => Box::new(args),
            Self::Sweep(args) => Box::new(args),
            Self::End(args) => Box::new(args),
            Self::Clear(args) => Box::new(args),
            Self::Sample(service) => Box::new(service),
        }
    }
}
