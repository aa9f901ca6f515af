//! `meshlab svc add|sub|frontend|dashboard`

use crate::cli::{SampleService, ServeArgs};
use crate::event::{Event, SharedReporter};
use crate::failure::Result;
use crate::svc;
use crate::svc::arithmetic::Arithmetic;
use crate::svc::dashboard::Sources;
use crate::svc::server::{Limits, Options, Printer};

/// Serves until `shutdown`, then lets requests under way finish for a moment. `print` takes the access log.
pub async fn serve(
    service: SampleService,
    print: Printer,
    reporter: &SharedReporter,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let options = |args: &ServeArgs| Options {
        listen: args.listen,
        instance: args.instance(),
        print,
        limits: Limits::default(),
    };
    let stopped = match service {
        SampleService::Add(args) => svc::arithmetic::serve(Arithmetic::Add, options(&args), shutdown).await,
        SampleService::Sub(args) => svc::arithmetic::serve(Arithmetic::Sub, options(&args), shutdown).await,
        SampleService::Frontend { serve, add_svc, sub_svc } => {
            svc::frontend::serve(add_svc, sub_svc, options(&serve), shutdown).await
        }
        SampleService::Dashboard { serve, consul, token_file, nomad } => {
            svc::dashboard::serve(Sources { consul, token_file, nomad }, options(&serve), shutdown).await
        }
    }?;
    if stopped.dropped > 0 {
        let text =
            format!("{} lines of the access log were dropped: nobody took them in time", stopped.dropped);
        reporter.report(Event::Warning { text });
    }
    Ok(())
}
