//! `meshlab svc add|sub|frontend|dashboard`

use crate::app::cli::{FaultArgs, SampleArgs, SampleService, ServeArgs};
use crate::core::event::{Event, SharedReporter};
use crate::core::failure::Result;
use crate::samples;
use crate::samples::arithmetic::Arithmetic;
use crate::samples::dashboard::Sources;
use crate::samples::server::{Faults, Limits, Options, Printer};

/// Serves until `shutdown`, then lets requests under way finish for a moment. `print` takes the access log.
pub async fn serve(
    service: SampleService,
    print: Printer,
    reporter: &SharedReporter,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let options = |args: ServeArgs, fault: Option<FaultArgs>| -> Result<Options> {
        Ok(Options {
            listen: args.listen,
            instance: args.instance(),
            version: args.version,
            faults: fault.map(FaultArgs::fault).transpose()?.map(Faults::new),
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
        let text =
            format!("{} lines of the access log were dropped: nobody took them in time", stopped.dropped);
        reporter.report(Event::Warning { text });
    }
    Ok(())
}
