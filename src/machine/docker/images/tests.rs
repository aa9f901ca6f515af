use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

use super::*;
use crate::artifacts::image::fixture::{PLATFORM, Scene};
use crate::core::event::Silent;

/// What the daemon says to `load`, and which id an image has afterwards.
#[derive(Clone, Copy)]
enum Manner {
    Loads(&'static str),
    Says(&'static str),
    /// Answers without waiting for what it is sent.
    Refuses,
}

/// A daemon that has no image before `load`, and keeps what it was sent.
struct Daemon {
    docker: Docker,
    received: Arc<Mutex<Vec<Option<u64>>>>,
    _folder: tempfile::TempDir,
}

impl Daemon {
    fn start(manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, manner, Arc::clone(&shared)));
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        let docker =
            Docker::connect_with_unix(socket.to_str().unwrap(), 10, bollard::API_DEFAULT_VERSION).unwrap();
        Self { docker, received, _folder: folder }
    }

    async fn ensure(&self, scene: &Scene) -> Result<BTreeMap<Slug, String>> {
        let reporter: SharedReporter = Arc::new(Silent);
        ensure(&self.docker, &scene.lock, PLATFORM, &scene.tools, &["tool".parse().unwrap()], &reporter).await
    }
}

async fn answer(
    request: Request<Incoming>,
    manner: Manner,
    received: Arc<Mutex<Vec<Option<u64>>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let respond = |status: StatusCode, text: &str| {
        let mut response = Response::new(Full::from(text.to_owned()));
        *response.status_mut() = status;
        Ok(response)
    };
    let path = request.uri().path().to_owned();
    if path.ends_with("/images/load") {
        if matches!(manner, Manner::Refuses) {
            // Whatever is sent is taken: what was answered must not get lost with a connection that breaks.
            tokio::spawn(request.into_body().collect());
            return respond(StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"not today"}"#);
        }
        let length = request.into_body().collect().await.ok().map(|body| body.to_bytes().len() as u64);
        received.lock().unwrap().push(length);
        return match manner {
            Manner::Says(text) => respond(StatusCode::OK, text),
            _ => respond(StatusCode::OK, r#"{"stream":"Loaded"}"#),
        };
    }
    match manner {
        Manner::Loads(id) if path.contains("/images/meshlab") && !received.lock().unwrap().is_empty() => {
            respond(StatusCode::OK, &format!(r#"{{"Id":"{id}"}}"#))
        }
        _ if path.ends_with("/images/json") => respond(StatusCode::OK, "[]"),
        _ => respond(StatusCode::NOT_FOUND, r#"{"message":"No such image"}"#),
    }
}

fn shown(failure: &Failure) -> String {
    let details = failure.details().iter().map(|detail| format!("  {}: {}\n", detail.label, detail.text));
    let details: String = details.collect();
    format!(
        "exit {}: {}\n{details}  hint: {}\n",
        failure.kind().exit_code(),
        failure.message(),
        failure.hint_text().unwrap_or_default()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_arrives_whole_and_either_id_is_the_image() {
    let scene = Scene::new(|text| text);
    let image = scene.images().remove(1);
    let size = Archive::new(std::slice::from_ref(&image)).unwrap().size();
    for id in [image.identity.id, image.identity.manifest_id] {
        let daemon = Daemon::start(Manner::Loads(id.to_string().leak()));
        let called = daemon.ensure(&scene).await.unwrap();
        assert_eq!(called[&image.identity.name], image.identity.reference);
        assert_eq!(*daemon.received.lock().unwrap(), [Some(size)]);
        // Now it is there.
        daemon.ensure(&scene).await.unwrap();
        assert_eq!(daemon.received.lock().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_can_go_wrong_is_told_with_what_to_do() {
    let scene = Scene::new(|text| text);
    let full = r#"{"errorDetail":{"message":"write /layer.tar: no space left on device"},"error":"write /layer.tar: no space left on device"}"#;
    let bad =
        r#"{"errorDetail":{"message":"invalid diffID for layer 1"},"error":"invalid diffID for layer 1"}"#;
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let mut text = String::new();
    for manner in [Manner::Says(full), Manner::Says(bad), Manner::Refuses, Manner::Loads(other)] {
        text.push_str(&shown(&Daemon::start(manner).ensure(&scene).await.unwrap_err()));
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[1-9a-f][0-9a-f]{63}", "[digest]");
    settings.bind(|| insta::assert_snapshot!(text));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_changed_never_reaches_the_daemon_whole() {
    let scene = Scene::new(|text| text);
    let tool = scene.tools.find(&scene.lock.artifacts[1], PLATFORM).unwrap();
    fs_err::write(tool.tree().join("tool"), "I am TOOL").unwrap();
    let daemon = Daemon::start(Manner::Loads("sha256:"));
    let failure = daemon.ensure(&scene).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Untrusted);
    assert_eq!(failure.message(), "the image layer of tool does not have the pinned digest");
    // A body that ends without its end mark.
    assert!(daemon.received.lock().unwrap().iter().all(Option::is_none));
}
