//! `meshlab repo serve`

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::{Context, Execution, Run, Runnable};
use crate::artifacts::repo::{Access, AccessLog, Catalog, Options, PublishedPackages, Server};
use crate::artifacts::store::Store;
use crate::core::event::{Event, RepoEvent, SharedReporter, Warning};
use crate::core::failure::Result;
use crate::core::signals::interrupted;

/// Serve the stored files and packages over HTTP
#[derive(Debug, Subcommand)]
pub(crate) enum RepoVerb {
    Serve(ServeArgs),
}

impl RepoVerb {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::Serve(args) => Box::new(args),
        }
    }
}

/// Serve the stored files and packages over HTTP, until Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
    listen: SocketAddr,
    /// Also serve the packages in this list, a JSON file written by meshlab
    #[arg(long, value_name = "FILE")]
    packages: Option<Utf8PathBuf>,
}

impl Run for ServeArgs {
    /// Requests under way may finish.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let settings = &context.settings;
        let mut catalog = Catalog::new(&context.lock()?, Store::new(&settings.dirs.cache));
        if let Some(list) = self.packages {
            catalog = catalog.with_published(&PublishedPackages::read(&settings.work_dir.join(list))?);
        }
        let shutdown = async { drop(interrupted().await) };
        serve(catalog, self.listen, settings.quiet, &context.reporter, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves until `shutdown`, then lets requests under way finish for a moment.
async fn serve(
    catalog: Catalog,
    listen: SocketAddr,
    quiet: bool,
    reporter: &SharedReporter,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let files = catalog.available_files();
    let (log, problems) = (Arc::clone(reporter), Arc::clone(reporter));
    let options = Options {
        // With -q, the log is not printed.
        log: (!quiet).then(|| -> AccessLog { Arc::new(move |access| log.report(served(access))) }),
        problems: Some(Arc::new(move |observed| {
            problems.report(Event::Warning(Warning::FileNotServed { observed: observed.to_owned() }));
        })),
        ..Options::default()
    };
    let server = Server::bind(listen, catalog, options).await?;
    let address = server.address();
    if !address.ip().is_loopback() {
        reporter.report(Event::Warning(Warning::RepositoryOpen { address }));
    }
    reporter.report(Event::Repo(RepoEvent::Listening { address, files }));
    server.run(shutdown).await;
    Ok(())
}

fn served(access: &Access<'_>) -> Event {
    Event::Repo(RepoEvent::Served {
        method: plain(access.method),
        path: plain(access.path),
        status: access.status,
        bytes: access.bytes,
        micros: access.micros,
    })
}

/// What a client sent ends up on a terminal: nothing but visible ASCII, and not much of it.
fn plain(text: &str) -> String {
    const SHOWN: usize = 200;
    let visible = |letter: char| if letter.is_ascii_graphic() { letter } else { '?' };
    let mut shown: String = text.chars().take(SHOWN).map(visible).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::artifacts::lockfile::Lock;
    use crate::core::event::Reporter;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Event>>);

    impl Reporter for Recorder {
        fn report(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    #[tokio::test]
    async fn an_address_open_to_the_network_is_warned_about() {
        let temporary = tempfile::tempdir().unwrap();
        let store = || Store::new(camino::Utf8Path::from_path(temporary.path()).unwrap());
        let lock = Lock::parse("version = 1\nartifact = []\n", "test").unwrap();
        for (listen, warned) in [("127.0.0.1:0", false), ("0.0.0.0:0", true)] {
            let recorder = Arc::new(Recorder::default());
            let reporter: SharedReporter = recorder.clone();
            let catalog = Catalog::new(&lock, store());
            serve(catalog, listen.parse().unwrap(), false, &reporter, async {}).await.unwrap();
            let events = recorder.0.lock().unwrap();
            assert_eq!(events.iter().any(|event| matches!(event, Event::Warning(_))), warned, "{listen}");
            assert!(
                events
                    .iter()
                    .any(|event| matches!(event, Event::Repo(RepoEvent::Listening { files: 0, .. })))
            );
        }
    }

    #[test]
    fn a_path_cannot_write_to_the_terminal() {
        assert_eq!(plain("/a\u{1b}[2J\u{202e}é"), "/a?[2J??");
        assert_eq!(plain(&"a".repeat(300)).len(), 203);
    }
}
