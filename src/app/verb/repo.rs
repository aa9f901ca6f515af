//! `meshlab repo serve`

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use camino::Utf8Path;

use crate::artifacts::lockfile::Lock;
use crate::artifacts::repo::{Access, AccessLog, Catalog, Options, PublishedPackages, Server};
use crate::artifacts::store::Store;
use crate::core::event::{Event, RepoEvent, SharedReporter};
use crate::core::failure::Result;
use crate::core::settings::Settings;

/// Serves the store, and the packages of a list, until `shutdown`; then lets requests under way finish for a moment.
pub async fn serve(
    settings: &Settings,
    lock: &Lock,
    listen: SocketAddr,
    packages: Option<&Utf8Path>,
    reporter: SharedReporter,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let mut catalog = Catalog::new(lock, Store::new(&settings.dirs.cache));
    if let Some(list) = packages {
        catalog = catalog.with_published(&PublishedPackages::read(&settings.work_dir.join(list))?);
    }
    let files = catalog.stored_files();
    let (log, problems) = (Arc::clone(&reporter), Arc::clone(&reporter));
    let options = Options {
        // Nobody would see it.
        log: (!settings.quiet).then(|| -> AccessLog { Arc::new(move |access| log.report(served(access))) }),
        problems: Some(Arc::new(move |text| problems.report(Event::Warning { text: text.to_owned() }))),
        ..Options::default()
    };
    let server = Server::bind(listen, catalog, options).await?;
    let address = server.address();
    if !address.ip().is_loopback() {
        let text = format!(
            "the package repository on {address} is open to the network, and anyone there may read it"
        );
        reporter.report(Event::Warning { text });
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

    use clap::Parser as _;

    use super::*;
    use crate::app::cli::Cli;
    use crate::app::cli::resolve;
    use crate::core::event::Reporter;
    use crate::core::settings::Environment;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Event>>);

    impl Reporter for Recorder {
        fn report(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    #[tokio::test]
    async fn an_address_open_to_the_network_is_warned_about() {
        let keep = tempfile::tempdir().unwrap();
        let home = keep.path().to_str().unwrap();
        let cli = Cli::try_parse_from(["meshlab", "repo", "serve"]).unwrap();
        let settings = resolve(&cli.global, Environment::from_pairs([("HOME", home)])).unwrap();
        let lock = Lock::parse("version = 1\nartifact = []\n", "test").unwrap();
        for (listen, warned) in [("127.0.0.1:0", false), ("0.0.0.0:0", true)] {
            let recorder = Arc::new(Recorder::default());
            serve(&settings, &lock, listen.parse().unwrap(), None, recorder.clone(), async {}).await.unwrap();
            let events = recorder.0.lock().unwrap();
            assert_eq!(events.iter().any(|event| matches!(event, Event::Warning { .. })), warned, "{listen}");
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
