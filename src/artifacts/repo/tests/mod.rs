//! Tests through a real socket with raw requests, because a client library would correct invalid ones.

mod limits;
mod published;
mod releases;
mod responses;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Access, Catalog, Limits, Options, PublishedPackage, PublishedPackages, Server};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::store::Store;
use crate::core::model::Digest;

/// Longer than any test takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The content of the store's files.
struct Contents {
    small: Vec<u8>,
    /// Larger than what is sent in one piece.
    big: Vec<u8>,
    /// In the store, but not in the lock.
    loose: Vec<u8>,
}

/// A running server over a store with some files.
struct Site {
    _keep: tempfile::TempDir,
    root: Utf8PathBuf,
    address: SocketAddr,
    content: Contents,
    log: Arc<Mutex<Vec<(String, u16, u64)>>>,
    problems: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Site {
    async fn start() -> Self {
        Self::with_limits(Limits::default()).await
    }

    async fn with_limits(limits: Limits) -> Self {
        Self::with(limits, None, &[], |_| Vec::new()).await
    }

    /// Starts a server with another lock, more blobs in the store, and published packages, whose files `publish`
    /// creates in the given folder.
    async fn with(
        limits: Limits,
        other_lock: Option<String>,
        more_blobs: &[&[u8]],
        publish: impl FnOnce(&Utf8Path) -> Vec<PublishedPackage>,
    ) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let store = Store::new(&root.join("cache"));
        let content = Contents {
            small: b"0123456789".to_vec(),
            big: (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect(),
            loose: b"loose".to_vec(),
        };
        let blobs: [&[u8]; 4] = [&content.small, &content.big, &content.loose, b""];
        for bytes in blobs.iter().chain(more_blobs) {
            let digest = Digest::sha256_of(bytes);
            store.prepare(&digest).unwrap();
            std::fs::write(store.path_of(&digest), bytes).unwrap();
        }
        std::fs::write(root.join("cache/secret"), "secret").unwrap();
        let text = other_lock.unwrap_or_else(|| lock_text(&content));
        let lock = Lock::parse(&text, "test").unwrap();
        let log: Arc<Mutex<Vec<(String, u16, u64)>>> = Arc::default();
        let sink = Arc::clone(&log);
        let problems: Arc<Mutex<Vec<String>>> = Arc::default();
        let problem_log = Arc::clone(&problems);
        let options = Options {
            log: Some(Arc::new(move |access: &Access<'_>| {
                let line = format!("{} {}", access.method, access.path);
                sink.lock().unwrap().push((line, access.status, access.bytes));
            })),
            problems: Some(Arc::new(move |text| problem_log.lock().unwrap().push(text.to_owned()))),
            limits,
        };
        let published = PublishedPackages::new(publish(&root)).unwrap();
        let catalog = Catalog::new(&lock, store).with_published(&published);
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), catalog, options).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { _keep: keep, root, address, content, log, problems, stop: Some(stop), running }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes and reads until the server closes.
    async fn raw(&self, request: &[u8]) -> TestResponse {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(TEST_TIMEOUT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        TestResponse::parse(&bytes)
    }

    async fn request(&self, method: &str, target: &str, headers: &str) -> TestResponse {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        self.raw(request.as_bytes()).await
    }

    async fn get(&self, target: &str) -> TestResponse {
        self.request("GET", target, "").await
    }
}

struct TestResponse {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl TestResponse {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A lock with three artifacts: `tool` has three files, `twice` has one file name for two platforms, `absent` is not
/// stored.
fn lock_text(content: &Contents) -> String {
    let mut text = "version = 1\n".to_owned();
    let mut artifact = |name: &str, files: &[(&str, &str, Digest)]| {
        write!(
            text,
            "[[artifact]]\nname = \"{name}\"\nversion = \"1.0\"\nlicense = \"MIT\"\nsummary = \"<b>it</b>\"\ncommands = {{}}\n"
        )
        .unwrap();
        for (platform, file, digest) in files {
            write!(
                text,
                "[[artifact.source]]\nkind = \"url\"\nplatform = \"{platform}\"\n[[artifact.source.file]]\n\
                 name = \"{file}\"\nurl = \"https://example.org/x\"\nsha256 = \"{}\"\nsize = 1\ninstall = \"x\"\n",
                digest.hex()
            )
            .unwrap();
        }
    };
    artifact("absent", &[("linux-x86_64", "absent.zip", Digest::sha256_of(b"absent"))]);
    artifact(
        "tool",
        &[
            ("linux-x86_64", "tool_1.0_amd64.zip", Digest::sha256_of(&content.big)),
            ("linux-arm64", "tool_1%3a1.0_arm64.deb", Digest::sha256_of(&content.small)),
            ("linux-x86_64", "empty", Digest::sha256_of(b"")),
        ],
    );
    let small = Digest::sha256_of(&content.small);
    let big = Digest::sha256_of(&content.big);
    artifact("twice", &[("linux-arm64", "bin", small), ("linux-x86_64", "bin", big)]);
    text
}
