//! Images into a Docker daemon.
//!
//! Invariant: every image of a container has a pinned id, which is compared before loading and after.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ImportImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::Daemon;
use super::failure::{is_conflict, is_unknown};
use crate::artifacts::image::{Archive, AssembledImage, ImageIdentity, LABEL, assemble};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::Tools;
use crate::artifacts::work::blocking;
use crate::core::event::{Event, ImageEvent, Note, SharedReporter, Warning};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ByteSize, Platform, Slug};

/// The deadline of a request about one image.
const ASK: Duration = Duration::from_secs(30);
/// The deadline of loading all images, on a slow disk.
const LOAD: Duration = Duration::from_mins(10);
/// The size of a piece for the connection, in bytes, and the most pieces that wait.
const CHUNK: usize = 256 * 1024;
const CHUNKS: usize = 8;

/// Loads these images (without names, all of the lock) into the daemon, unless it has them, and returns their names there.
/// The tools must be installed.
pub async fn ensure(
    docker: &Docker,
    lock: &Lock,
    platform: Platform,
    tools: &Tools,
    names: &[Slug],
    reporter: &SharedReporter,
) -> Result<BTreeMap<Slug, String>> {
    let images = assembled(lock, platform, tools, names).await?;
    let mut missing = Vec::new();
    for image in &images {
        if !found_id(docker, &image.identity.reference).await?.is_some_and(|id| image.identity.has_id(&id)) {
            missing.push(image.clone());
        }
    }
    if !missing.is_empty() {
        load_and_compare(docker, missing, reporter).await?;
    }
    Ok(images.into_iter().map(|image| (image.identity.name, image.identity.reference)).collect())
}

/// Images of installed tools, assembled on a thread for blocking work.
async fn assembled(
    lock: &Lock,
    platform: Platform,
    tools: &Tools,
    names: &[Slug],
) -> Result<Vec<AssembledImage>> {
    let (lock, tools, names) = (lock.clone(), tools.clone(), names.to_vec());
    blocking(move || assemble(&lock, platform, &tools, &names)).await
}

/// Which image a daemon has under an image's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// The image.
    Loaded,
    /// Another one.
    Other,
    /// Nothing.
    Absent,
}

/// What the daemon has under an image's name.
pub async fn presence(daemon: &Daemon, image: &ImageIdentity) -> Result<Presence> {
    Ok(match found_id(&daemon.docker, &image.reference).await? {
        Some(id) if image.has_id(&id) => Presence::Loaded,
        Some(_) => Presence::Other,
        None => Presence::Absent,
    })
}

/// The id of the daemon's image of this name.
async fn found_id(docker: &Docker, reference: &str) -> Result<Option<String>> {
    match timeout(ASK, docker.inspect_image(reference)).await {
        Ok(Ok(found)) => Ok(Some(found.id.unwrap_or_default())),
        Ok(Err(error)) if is_unknown(&error) => Ok(None),
        Ok(Err(error)) => Err(refused(&format!("Docker was asked for the image {reference}"), &error)),
        Err(_) => Err(silent(&format!("Docker did not say whether it has the image {reference}"), ASK)),
    }
}

async fn load_and_compare(
    docker: &Docker,
    missing: Vec<AssembledImage>,
    reporter: &SharedReporter,
) -> Result<()> {
    let started = Instant::now();
    let images: Vec<Slug> = missing.iter().map(|image| image.identity.name.clone()).collect();
    let archive = Archive::new(&missing)?;
    let bytes = ByteSize(archive.size());
    reporter.report(Event::Image(ImageEvent::Loading { images: images.clone(), bytes }));
    load(docker, archive).await?;
    for image in missing.iter().map(|image| &image.identity) {
        let found = found_id(docker, &image.reference).await?;
        if found.as_deref().is_none_or(|id| !image.has_id(id)) {
            return Err(other_id(image, found.as_deref()));
        }
    }
    for image in missing.iter().filter(|image| !image.is_pinned) {
        reporter.report(Event::Note(Note::ImageNotPinned { image: image.identity.name.clone() }));
    }
    reporter.report(Event::Image(ImageEvent::Loaded { images, bytes, took: started.elapsed() }));
    // What these replaced is of no use to anybody; it takes disk space and nothing else.
    if let Err(failure) = remove_replaced(docker).await {
        reporter.report(Event::Warning(Warning::ReplacedImagesKept { failure }));
    }
    Ok(())
}

/// Streams an archive into the daemon: from the installed files to the socket, hashed on the way.
async fn load(docker: &Docker, archive: Archive) -> Result<()> {
    let (sender, receiver) = channel(CHUNKS);
    let writing = tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { sender, chunk: Vec::with_capacity(CHUNK), is_shut: false };
        let written = archive.write(&mut pipe);
        if let Err(failure) = &written {
            // The daemon must not take this for the end of the archive.
            let _ = pipe.sender.blocking_send(Err(io::Error::other(failure.to_string())));
        }
        (written, pipe.is_shut)
    });
    let loaded = timeout(LOAD, send(docker, receiver)).await;
    let (written, is_shut) =
        writing.await.map_err(|error| Failure::failed("loading images was cut short").seen(&error))?;
    match (written, loaded) {
        // The writer's error explains more than the daemon's. If the pipe was shut, the daemon caused the writer's error.
        (Err(failure), _) if !is_shut => Err(failure),
        (_, Err(_)) => Err(silent("Docker did not load the images", LOAD)),
        (_, Ok(Err(error))) => Err(not_loaded(&error)),
        (Err(failure), Ok(Ok(()))) => Err(failure),
        (Ok(()), Ok(Ok(()))) => Ok(()),
    }
}

async fn send(docker: &Docker, receiver: Receiver<io::Result<Bytes>>) -> Result<(), Error> {
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    // It answers when everything is loaded.
    let docker = docker.clone().with_timeout(LOAD);
    let mut said = docker.import_image(options, bollard::body_try_stream(body), None);
    while let Some(line) = said.next().await {
        line?;
    }
    Ok(())
}

/// Removes meshlab's images whose name a newer image has taken. Images in use stay.
async fn remove_replaced(docker: &Docker) -> Result<()> {
    let replaced = labelled(docker, Some(("dangling", "true"))).await?;
    remove_named(docker, replaced).await.map(drop)
}

/// Every image of meshlab by its name, or by its id if it has lost its name; each name once.
pub async fn all(daemon: &Daemon) -> Result<Vec<String>> {
    labelled(&daemon.docker, None).await
}

/// Removes images by name or id, except those that a container uses. Returns the removed ones.
pub async fn remove(daemon: &Daemon, names: Vec<String>) -> Result<Vec<String>> {
    remove_named(&daemon.docker, names).await
}

pub(super) async fn labelled(docker: &Docker, filter: Option<(&str, &str)>) -> Result<Vec<String>> {
    let mut filters = HashMap::from([("label".to_owned(), vec![LABEL.to_owned()])]);
    if let Some((name, value)) = filter {
        filters.insert(name.to_owned(), vec![value.to_owned()]);
    }
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let asked = "Docker was asked for meshlab's images";
    let found = timeout(ASK, docker.list_images(Some(options))).await;
    let found = found.map_err(|_| silent(asked, ASK))?.map_err(|error| refused(asked, &error))?;
    let mut all = Vec::new();
    for image in found {
        let before = all.len();
        all.extend(image.repo_tags.into_iter().filter(|name| !name.contains("<none>")));
        if all.len() == before {
            all.push(image.id);
        }
    }
    all.sort();
    Ok(all)
}

async fn remove_named(docker: &Docker, names: Vec<String>) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for name in names {
        let options = RemoveImageOptionsBuilder::new().build();
        let asked = format!("Docker was asked to remove the image {name}");
        match timeout(ASK, docker.remove_image(&name, Some(options), None)).await {
            Ok(Ok(_)) => removed.push(name),
            Ok(Err(error)) if is_unknown(&error) || is_conflict(&error) => {}
            Ok(Err(error)) => return Err(refused(&asked, &error)),
            Err(_) => return Err(silent(&asked, ASK)),
        }
    }
    Ok(removed)
}

/// Passes a writer's bytes to the connection.
struct Pipe {
    sender: Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
    /// The connection takes no more bytes.
    is_shut: bool,
}

impl Pipe {
    fn pass_on(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| {
            self.is_shut = true;
            io::Error::new(io::ErrorKind::BrokenPipe, "Docker takes no more of it")
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..length]);
        if self.chunk.len() == CHUNK {
            self.pass_on()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() { Ok(()) } else { self.pass_on() }
    }
}

fn not_loaded(error: &Error) -> Failure {
    let failure = Failure::failed("Docker did not load the images").seen(error);
    if failure.to_string().contains("no space left on device") {
        return failure
            .with_kind(FailureKind::MissingRequirement)
            .hint("free some space where Docker keeps its images (`docker system df` shows what takes it), and run the same again");
    }
    failure.hint("`docker info` and the daemon's log say more; the same command goes on from here")
}

fn other_id(image: &ImageIdentity, found: Option<&str>) -> Failure {
    Failure::new(
        FailureKind::Untrusted,
        format!("Docker has another image as {} than the one that was loaded", image.reference),
    )
    .detail("expected", format!("{} or, in containerd, {}", image.id, image.manifest_id))
    .observed(found.unwrap_or("none"))
    .hint("does something else write images of this name? `docker image rm` it, and run the same again")
}

fn refused(what: &str, error: &Error) -> Failure {
    Failure::failed(format!("{what} and failed"))
        .seen(error)
        .hint("`docker info` says whether the daemon is well")
}

fn silent(what: &str, patience: Duration) -> Failure {
    Failure::new(FailureKind::DeadlinePassed, format!("{what} within {} s", patience.as_secs()))
        .hint("`docker info` says whether the daemon is well")
}

#[cfg(test)]
mod tests;
