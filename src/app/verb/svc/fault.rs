//! `meshlab svc fault`: faults of a sample service.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use url::Url;

use crate::app::ui;
use crate::app::verb::{Context, Run, parse};
use crate::core::failure::{Failure, Result};
use crate::samples;
use crate::samples::fault::FaultAction;
use crate::samples::server::{Fault, FaultSpec};

/// Make an instance of a sample service slow or failing, or print its current fault
#[derive(Debug, Args)]
pub(crate) struct FaultArgs {
    /// URL of the instance: http://address:port
    url: Url,
    #[command(flatten)]
    fault: FaultFlags,
    /// Remove the fault
    #[arg(long, conflicts_with_all = ["delay", "fail", "share", "health"])]
    clear: bool,
}

impl Run for FaultArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        let action = match self.fault.spec() {
            _ if self.clear => FaultAction::Clear,
            Some(spec) => FaultAction::Set(spec),
            None => FaultAction::Read,
        };
        let line = samples::fault::run(&self.url, action).await?;
        ui::print_raw(format!("{line}\n").as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A fault as flags.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct FaultFlags {
    /// Delay before every answer
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    delay: Option<Duration>,
    /// Answer with this status instead, from 400 to 599
    #[arg(long, value_name = "STATUS")]
    fail: Option<u16>,
    /// Share of requests with the fault, from 0 to 1 [default: 1]
    #[arg(long, value_name = "SHARE")]
    share: Option<f64>,
    /// Also apply the fault to the health check
    #[arg(long)]
    health: bool,
}

impl FaultFlags {
    /// The flags that were given, if any.
    fn spec(self) -> Option<FaultSpec> {
        let Self { delay, fail: status, share, health } = self;
        let is_given = delay.is_some() || status.is_some() || share.is_some() || health;
        let delay_ms = delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        is_given.then_some(FaultSpec { delay_ms, status, share, health })
    }

    /// The flags as a fault of a service, if any were given.
    pub(super) fn fault(self) -> Result<Option<Fault>> {
        self.spec().map(Fault::try_from).transpose().map_err(|error| {
            Failure::usage("invalid fault")
                .seen(&error)
                .hint("for instance --delay 300ms, or --fail 503 --share 0.5")
        })
    }
}
