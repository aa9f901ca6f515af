//! `meshlab svc add|sub|frontend|dashboard`: the sample services.

use std::net::SocketAddr;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::fault::FaultFlags;
use crate::app::ui;
use crate::app::verb::{Context, Execution, Run};
use crate::core::event::{Event, SharedReporter, Warning};
use crate::core::failure::Result;
use crate::core::signals::interrupted;
use crate::samples;
use crate::samples::arithmetic::Arithmetic;
use crate::samples::dashboard::Sources;
use crate::samples::host_port::HostPort;
use crate::samples::server::{Faults, Instance, Limits, Options, Printer, Version};

/// The services of the calculator lab.
#[derive(Debug, Subcommand)]
pub(crate) enum SampleService {
    /// Serve add-svc: GET /api/v1/execute/?l=1&r=2 answers 3
    Add(SampleArgs),
    /// Serve sub-svc: GET /api/v1/execute/?l=1&r=2 answers -1
    Sub(SampleArgs),
    /// Serve frontend: POST /api/v1/compute computes an expression with add-svc and sub-svc
    Frontend {
        #[command(flatten)]
        sample: SampleArgs,
        /// Address of add-svc
        #[arg(long, env = "ADD_SVC_ADDR", value_name = "HOST:PORT")]
        add_svc: HostPort,
        /// Address of sub-svc
        #[arg(long, env = "SUB_SVC_ADDR", value_name = "HOST:PORT")]
        sub_svc: HostPort,
    },
    /// Serve the dashboard: a page that shows the mesh as Consul sees it
    Dashboard {
        #[command(flatten)]
        serve: ServeArgs,
        /// Address of Consul
        #[arg(long, value_name = "HOST:PORT")]
        consul: HostPort,
        /// File with a Consul token; read again for every request
        #[arg(long, value_name = "PATH")]
        token_file: Option<Utf8PathBuf>,
        /// Address of Nomad, for links [default: Consul's host, port 4646]
        #[arg(long, value_name = "HOST:PORT")]
        nomad: Vec<HostPort>,
    },
}

/// Arguments of every service.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on
    #[arg(long)]
    listen: SocketAddr,
    /// Name of this instance, sent as x-instance [default: the Nomad allocation, else address:port]
    #[arg(long, value_name = "NAME", value_parser = Instance::parse)]
    instance: Option<Instance>,
    /// Nomad allocation this instance runs in
    #[arg(long, env = "NOMAD_ALLOC_ID", hide = true)]
    allocation: Option<String>,
    /// Version of this instance, sent as x-version
    #[arg(long, value_name = "VERSION", default_value = "v1", value_parser = Version::parse)]
    version: Version,
}

impl ServeArgs {
    fn instance(&self) -> Option<Instance> {
        let of_allocation = || Instance::of_allocation(self.allocation.as_deref()?);
        self.instance.clone().or_else(of_allocation)
    }
}

/// Arguments of add-svc, sub-svc and frontend.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    fault: FaultFlags,
}

impl Run for SampleService {
    const NEEDS_HOME: bool = false;
    /// Requests under way may finish.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let shutdown = async { drop(interrupted().await) };
        serve(self, Box::new(ui::print_while_read), &context.reporter, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves until `shutdown`, then lets requests under way finish for a moment. `print` takes the access log.
async fn serve(
    service: SampleService,
    print: Printer,
    reporter: &SharedReporter,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let options = |args: ServeArgs, fault: Option<FaultFlags>| -> Result<Options> {
        Ok(Options {
            listen: args.listen,
            instance: args.instance(),
            version: args.version,
            faults: fault.map(FaultFlags::fault).transpose()?.map(Faults::new),
            print,
            limits: Limits::default(),
        })
    };
    let stopped = match service {
        SampleService::Add(SampleArgs { serve, fault }) => {
            samples::arithmetic::serve(Arithmetic::Add, options(serve, Some(fault))?, shutdown).await
        }
        SampleService::Sub(SampleArgs { serve, fault }) => {
            samples::arithmetic::serve(Arithmetic::Sub, options(serve, Some(fault))?, shutdown).await
        }
        SampleService::Frontend { sample: SampleArgs { serve, fault }, add_svc, sub_svc } => {
            samples::frontend::serve(add_svc, sub_svc, options(serve, Some(fault))?, shutdown).await
        }
        SampleService::Dashboard { serve, consul, token_file, nomad } => {
            let sources = Sources { consul, token_file, nomad };
            samples::dashboard::serve(sources, options(serve, None)?, shutdown).await
        }
    }?;
    if stopped.dropped > 0 {
        reporter.report(Event::Warning(Warning::AccessLogDropped { lines: stopped.dropped }));
    }
    Ok(())
}
