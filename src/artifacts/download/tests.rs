use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use url::Url;

use super::{DownloadRequest, Downloader, Timeouts};
use crate::artifacts::capacity::Capacity;
use crate::artifacts::lockfile::{FileContent, Locator, LockedFile, SizeBound};
use crate::artifacts::store::Store;
use crate::core::event::{Event, ProvisionEvent, Reporter, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::fixture::{Manner, Server};
use crate::core::model::{ByteSize, Digest};
use crate::core::settings::Environment;
use crate::core::until::assert_soon;

#[derive(Default)]
struct RecordedEvents(Mutex<Vec<Event>>);

impl Reporter for RecordedEvents {
    fn report(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A server, a store, and a locked file.
struct Scene {
    server: Server,
    _folder: tempfile::TempDir,
    store: Store,
    body: Vec<u8>,
    file: LockedFile,
    events: Arc<RecordedEvents>,
    downloader: Downloader,
}

const LENGTH: usize = 3_000_000;

impl Scene {
    fn new(manners: &[Manner]) -> Self {
        let body: Vec<u8> = (0..LENGTH).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let server = Server::start();
        server.route("/f", &body, manners);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Utf8Path::from_path(folder.path()).unwrap());
        let file = LockedFile {
            name: "f".parse().unwrap(),
            locator: Locator::Url(Url::parse(&server.url("/f")).unwrap()),
            digest: Digest::sha256_of(&body),
            size: SizeBound::Exact(ByteSize(body.len() as u64)),
            content: FileContent::Raw { install: "f".parse().unwrap() },
        };
        // Long enough for a busy machine: only the tests of timeouts wait this long.
        let idle = Duration::from_secs(2);
        let downloader = Downloader::new(
            &Environment::default(),
            Timeouts { connect: idle, idle },
            Arc::new(Capacity::new(2)),
        );
        Self { server, _folder: folder, store, body, file, events: Arc::default(), downloader }
    }

    async fn fetch(&self) -> Result<()> {
        let url = Url::parse(&self.server.url("/f")).unwrap();
        self.fetch_from(&url).await
    }

    async fn fetch_from(&self, url: &Url) -> Result<()> {
        let reporter: SharedReporter = self.events.clone();
        let artifact = "tool".parse().unwrap();
        let request = DownloadRequest {
            artifact: &artifact,
            file: &self.file,
            url,
            from: "url",
            store: &self.store,
            reporter: &reporter,
        };
        self.downloader.fetch(&request).await
    }

    fn partial(&self) -> Utf8PathBuf {
        self.store.partial_path(&self.file.digest)
    }

    fn leave_partial(&self, bytes: &[u8]) {
        self.store.prepare(&self.file.digest).unwrap();
        fs::write(self.partial(), bytes).unwrap();
    }

    fn starts(&self) -> Vec<Option<usize>> {
        self.server.seen().into_iter().map(|seen| seen.from).collect()
    }

    fn assert_stored(&self) {
        let stored = fs::read(self.store.path_of(&self.file.digest)).unwrap();
        assert!(stored == self.body, "the stored bytes are the body");
        assert_eq!(fs::read_dir(self.store.root().join("partial")).unwrap().count(), 0);
    }

    fn assert_rejected(&self, failure: &Failure) {
        assert_eq!(failure.kind(), FailureKind::Untrusted, "{failure:?}");
        let kept = failure.details().iter().find(|fact| fact.label == "kept at").unwrap();
        assert!(Utf8Path::new(&kept.text).is_file());
        assert!(!self.store.contains(&self.file.digest));
        assert_eq!(fs::read_dir(self.store.root().join("partial")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_file_is_downloaded_once() {
    let scene = Scene::new(&[Manner::Serve]);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    scene.fetch().await.unwrap();
    assert_eq!(scene.starts(), [None]);
    let events = scene.events.0.lock().unwrap();
    let finished = |event: &&Event| matches!(event, Event::Provision(ProvisionEvent::FetchFinished { size, .. }) if size.0 == LENGTH as u64);
    assert_eq!(events.iter().filter(finished).count(), 1);
}

#[tokio::test]
async fn a_broken_download_is_resumed() {
    let scene = Scene::new(&[Manner::Cut(1000), Manner::Cut(500_000), Manner::Serve]);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    assert_eq!(scene.starts(), [None, Some(1000), Some(501_000)]);
    assert!(scene.server.seen()[1].if_range);
}

#[tokio::test]
async fn a_stalled_download_is_resumed() {
    let scene = Scene::new(&[Manner::HangAfter(1000), Manner::Serve]);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    assert_eq!(scene.starts(), [None, Some(1000)]);
}

#[tokio::test]
async fn a_download_without_progress_ends_after_four_attempts() {
    let scene = Scene::new(&[Manner::Cut(10)]);
    let failure = scene.fetch().await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Failed);
    assert_eq!(scene.starts(), [None, Some(10), Some(20), Some(30)]);
    assert_eq!(fs::metadata(scene.partial()).unwrap().len(), 40);
}

#[tokio::test]
async fn a_partial_file_of_an_earlier_run_is_resumed() {
    let scene = Scene::new(&[Manner::Serve]);
    scene.leave_partial(&scene.body[..1_000_000]);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    assert_eq!(scene.starts(), [Some(1_000_000)]);
    let events = scene.events.0.lock().unwrap();
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Provision(ProvisionEvent::FetchStarted { resumed: ByteSize(1_000_000), .. })
    )));
}

#[tokio::test]
async fn a_complete_partial_file_needs_no_request() {
    let scene = Scene::new(&[Manner::Serve]);
    scene.leave_partial(&scene.body);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    assert!(scene.starts().is_empty());
}

#[tokio::test]
async fn a_wrong_partial_file_is_discarded() {
    for left in [vec![0; 1_000_000], vec![0; LENGTH], vec![0; LENGTH + 1]] {
        let scene = Scene::new(&[Manner::Serve]);
        scene.leave_partial(&left);
        scene.fetch().await.unwrap();
        scene.assert_stored();
        assert_eq!(scene.starts().last(), Some(&None));
    }
}

#[tokio::test]
async fn without_range_support_the_download_starts_over() {
    for manner in [Manner::NoRange, Manner::Unsized, Manner::WrongRange] {
        let scene = Scene::new(&[manner]);
        scene.leave_partial(&scene.body[..1000]);
        scene.fetch().await.unwrap();
        scene.assert_stored();
    }
}

#[tokio::test]
async fn a_range_past_the_end_completes_the_file() {
    // The length is unknown, and an earlier run was killed after the last byte, before the digest was verified.
    let mut scene = Scene::new(&[Manner::Serve]);
    scene.file.size = SizeBound::AtMost(ByteSize(10_000_000));
    scene.leave_partial(&scene.body);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    assert_eq!(scene.starts(), [Some(LENGTH)]);
    // A partial file that is too long gets the same response, and is discarded.
    scene.leave_partial(&vec![0; LENGTH + 10]);
    fs::remove_file(scene.store.path_of(&scene.file.digest)).unwrap();
    scene.fetch().await.unwrap();
    scene.assert_stored();
}

#[tokio::test]
async fn a_file_with_a_wrong_digest_is_rejected() {
    let mut scene = Scene::new(&[Manner::Serve]);
    scene.file.digest = Digest::sha256_of(b"something else");
    let failure = scene.fetch().await.unwrap_err();
    scene.assert_rejected(&failure);
}

#[tokio::test]
async fn a_truncated_body_is_rejected() {
    let mut scene = Scene::new(&[Manner::Unsized]);
    scene.server.route("/f", &scene.body[..1000], &[Manner::Unsized]);
    let failure = scene.fetch().await.unwrap_err();
    scene.assert_rejected(&failure);
    // With a FileContent-Length, nothing is downloaded.
    scene.server.route("/f", &scene.body[..1000], &[Manner::Serve]);
    let failure = scene.fetch().await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Untrusted);
    assert_eq!(failure.details()[1].text, "1000 bytes");
    scene.file.size = SizeBound::AtMost(ByteSize(5_000_000));
    let failure = scene.fetch().await.unwrap_err();
    scene.assert_rejected(&failure);
}

#[tokio::test]
async fn a_body_longer_than_locked_is_cut_off_and_rejected() {
    let mut scene = Scene::new(&[Manner::Unsized]);
    scene.file.size = SizeBound::AtMost(ByteSize(1000));
    let failure = scene.fetch().await.unwrap_err();
    scene.assert_rejected(&failure);
    let kept = failure.details().iter().find(|fact| fact.label == "kept at").unwrap();
    assert_eq!(fs::metadata(&kept.text).unwrap().len(), 1000);
    scene.server.route("/f", &scene.body, &[Manner::Serve]);
    assert_eq!(scene.fetch().await.unwrap_err().kind(), FailureKind::Untrusted);
}

#[tokio::test]
async fn client_errors_are_final_and_server_errors_are_retried() {
    let scene = Scene::new(&[Manner::Status(404)]);
    let failure = scene.fetch().await.unwrap_err();
    assert!(failure.message().contains("404"), "{failure}");
    assert_eq!(scene.starts(), [None]);
    let scene = Scene::new(&[Manner::Status(503), Manner::Serve]);
    scene.fetch().await.unwrap();
    scene.assert_stored();
    let scene = Scene::new(&[Manner::Status(500)]);
    assert!(scene.fetch().await.unwrap_err().message().contains("500"));
    assert_eq!(scene.starts().len(), 4);
}

#[tokio::test]
async fn a_dead_host_gets_one_request() {
    let scene = Scene::new(&[Manner::Hang]);
    let failure = scene.fetch().await.unwrap_err();
    assert!(failure.to_string().contains("no answer within"), "{failure}");
    let failure = scene.fetch().await.unwrap_err();
    assert!(failure.message().contains("did not answer earlier"), "{failure}");
    assert_eq!(scene.starts(), [None]);
}

#[tokio::test]
async fn a_closed_port_is_not_retried_and_no_password_is_shown() {
    let scene = Scene::new(&[Manner::Serve]);
    // Bound, so that no other process can listen there.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let url = Url::parse(&format!("http://user:secret@127.0.0.1:{port}/f")).unwrap();
    let failure = scene.fetch_from(&url).await.unwrap_err();
    assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    assert!(scene.fetch_from(&url).await.unwrap_err().message().contains("did not answer earlier"));
}

#[tokio::test]
async fn dropping_the_future_keeps_the_partial_file_and_releases_the_claim() {
    let scene = Scene::new(&[Manner::HangAfter(1_000_000), Manner::Serve]);
    let too_early = tokio::time::timeout(Duration::from_millis(150), scene.fetch()).await;
    assert!(too_early.is_err());
    scene.fetch().await.unwrap();
    scene.assert_stored();
    // The bytes that had arrived are not requested again.
    assert!(scene.starts()[1].is_none_or(|from| from <= 1_000_000));
}

#[tokio::test]
async fn two_downloads_of_one_file_make_one_request() {
    let scene = Scene::new(&[Manner::GateAfter(1000)]);
    let (first, second, ()) = tokio::join!(scene.fetch(), scene.fetch(), async {
        let waiting = || {
            scene
                .events
                .0
                .lock()
                .unwrap()
                .iter()
                .any(|event| matches!(event, Event::Provision(ProvisionEvent::Waiting { .. })))
        };
        assert_soon(waiting).await;
        scene.server.open_gate();
    });
    first.unwrap();
    second.unwrap();
    scene.assert_stored();
    assert_eq!(scene.starts().len(), 1);
}
