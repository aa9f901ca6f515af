//! `meshlab image list|load|export`

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use camino::Utf8Path;
use serde_json::json;

use super::Output;
use super::runtime::docker_host;
use crate::app::cli::ImageExportArgs;
use crate::app::ui::{Cell, Look, Table};
use crate::artifacts::image::{Archive, Assembled, Identity, artifacts, assemble, reference};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{Request, provision};
use crate::artifacts::tool::Tools;
use crate::artifacts::work::blocking;
use crate::core::atomic_file::{AtomicFile, cannot_write};
use crate::core::event::{Event, ImageEvent, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ByteSize, Digest, Hashed, Platform, Slug};
use crate::core::settings::Settings;
use crate::machine::docker::images::{Presence, presence};
use crate::machine::docker::{self, Found};

const SCHEMA: u32 = 1;
/// What stands for standard output.
const STDOUT: &str = "-";
const BUFFER: usize = 256 * 1024;

/// Every image of the lock, and whether Docker has it. Fetches nothing, and does without Docker.
pub async fn list(settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<Output> {
    let platform = Platform::current()?;
    let daemon = match docker::find(docker_host(settings)).await {
        Ok(Found::Usable(daemon)) => Some(daemon),
        Ok(Found::Absent(_)) => None,
        Err(failure) => {
            reporter.report(Event::Note { text: format!("Docker was not asked: {failure}") });
            None
        }
    };
    let mut table = Table::new(["NAME", "REFERENCE", "ID", "LAYERS", "SIZE", "DOCKER"]).right(3).right(4);
    let mut images = Vec::new();
    for image in &lock.images {
        let (lock_now, name) = (lock.clone(), image.name.clone());
        let tools = Tools::new(&settings.dirs.data);
        let assembled = match blocking(move || assemble(&lock_now, platform, &tools, &[name])).await {
            Ok(assembled) => assembled.into_iter().next(),
            Err(failure) if failure.kind() == FailureKind::NotCached => None,
            Err(failure) => return Err(failure),
        };
        let identity = match &assembled {
            Some(assembled) => Some(assembled.identity.clone()),
            None => Identity::pinned(lock, image, platform)?,
        };
        let presence = match (&daemon, &identity) {
            (Some(daemon), Some(identity)) => Some(presence(daemon, identity).await?),
            _ => None,
        };
        let size = assembled.as_ref().map(Assembled::size);
        table.row([
            Cell::strong(image.name.as_str()),
            reference(lock, image)?.into(),
            identity.as_ref().map_or_else(|| Cell::dim("not pinned"), |known| known.id.short().into()),
            (image.contents.len() + 1).to_string().into(),
            size.map_or_else(|| Cell::dim("not installed"), |size| ByteSize(size).to_string().into()),
            match presence {
                Some(Presence::Loaded) => Cell::good("loaded"),
                Some(Presence::Other) => Cell::warn("another image"),
                Some(Presence::Absent) => "absent".into(),
                None => Cell::dim("not asked"),
            },
        ]);
        images.push(json!({
            "name": image.name,
            "summary": image.summary,
            "reference": reference(lock, image)?,
            "contents": image.contents,
            "platform": platform,
            "id": identity.as_ref().map(|known| known.id),
            "manifest": identity.as_ref().map(|known| known.manifest_id),
            "size": size,
            "layers": assembled.as_ref().map(layers),
            "docker": presence,
        }));
    }
    let json = json!({ "schema": SCHEMA, "images": images });
    Ok(Output { human: table.render(&Look::of_stdout(settings)), json })
}

/// Has Docker have images, after what is missing was fetched.
pub async fn load(
    names: &[Slug],
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Output> {
    let daemon = docker::require(docker_host(settings)).await?;
    let request = Request { names: artifacts(lock, names)?, ..Request::default() };
    provision(&request, settings, lock, reporter).await?;
    let tools = Tools::new(&settings.dirs.data);
    let called = docker::ensure_images(&daemon, lock, &tools, names, reporter).await?;
    let mut human = String::new();
    for reference in called.values() {
        let _ = writeln!(human, "{reference}");
    }
    Ok(Output { human, json: json!({ "schema": SCHEMA, "images": called }) })
}

/// Takes bytes for standard output, and says whether somebody still reads them.
pub type Print = Box<dyn FnMut(&[u8]) -> Result<bool> + Send>;

/// Writes an archive, after what is missing was fetched. What goes to standard output leaves nothing to say there.
pub async fn export(
    args: &ImageExportArgs,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
    print: Print,
) -> Result<Option<Output>> {
    let path = settings.work_dir.join(&args.file);
    let file = match args.file.as_str() {
        STDOUT => None,
        _ if !settings.yes && path.exists() => return Err(in_the_way(&args.file)),
        _ => Some(AtomicFile::claim(&path)?),
    };
    let request = Request { names: artifacts(lock, &args.names)?, ..Request::default() };
    provision(&request, settings, lock, reporter).await?;
    let (tools, platform) = (Tools::new(&settings.dirs.data), Platform::current()?);
    let (lock, names) = (lock.clone(), args.names.clone());
    let (images, archive) = blocking(move || {
        let images = assemble(&lock, platform, &tools, &names)?;
        let archive = Archive::new(&images)?;
        Ok((images, archive))
    })
    .await?;
    let started = Instant::now();
    let size = archive.size();
    let (names, bytes): (Vec<Slug>, _) =
        (images.iter().map(|image| image.identity.name.clone()).collect(), ByteSize(size));
    reporter.report(Event::Image(ImageEvent::Exporting { images: names.clone(), bytes }));
    let digest = match file {
        Some(file) => {
            let digest = into_file(archive, &file, &path).await?;
            file.rename()?;
            digest
        }
        None => blocking(move || write(&archive, Printed(print)).map(|(digest, _)| digest)).await?,
    };
    let took = started.elapsed();
    reporter.report(Event::Image(ImageEvent::Exported { images: names, bytes, took }));
    Ok((args.file != STDOUT).then(|| was_exported(&args.file, &images, size, &digest)))
}

async fn into_file(archive: Archive, file: &AtomicFile, path: &Utf8Path) -> Result<Digest> {
    let (file, path) = (file.create()?, path.to_owned());
    blocking(move || {
        let (digest, file) = write(&archive, file)?;
        file.sync_all().map_err(|error| cannot_write(&path, &error))?;
        Ok(digest)
    })
    .await
}

/// Writes the archive and says what it hashes to.
fn write<W: Write>(archive: &Archive, to: W) -> Result<(Digest, W)> {
    let mut out = BufWriter::with_capacity(BUFFER, Hashed::new(to));
    archive.write(&mut out)?;
    let hashed = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (digest, _, to) = hashed.finish();
    Ok((digest, to))
}

struct Printed(Print);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.0)(bytes) {
            Ok(true) => Ok(bytes.len()),
            Ok(false) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the archive any more")),
            Err(failure) => Err(io::Error::other(failure.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn in_the_way(file: &Utf8Path) -> Failure {
    Failure::usage(format!("{file} is there already")).hint("name another FILE, or add --yes to replace it")
}

fn was_exported(file: &Utf8Path, images: &[Assembled], size: u64, digest: &Digest) -> Output {
    let mut human = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(human, "{label:<8} {value}");
    };
    line("archive", file.as_str());
    line("size", &format!("{} ({size} bytes)", ByteSize(size)));
    line("sha256", &digest.hex());
    for image in images {
        line("image", &format!("{}  {}", image.identity.id.short(), image.identity.reference));
    }
    line("next", &format!("docker load -i {file}"));
    let json = json!({
        "schema": SCHEMA,
        "file": file,
        "size": size,
        "digest": digest,
        "images": images.iter().map(described).collect::<Vec<_>>(),
    });
    Output { human, json }
}

fn described(image: &Assembled) -> serde_json::Value {
    json!({
        "name": image.identity.name,
        "reference": image.identity.reference,
        "platform": image.platform,
        "id": image.identity.id,
        "manifest": image.identity.manifest_id,
        "pinned": image.is_pinned,
        "size": image.size(),
        "layers": layers(image),
    })
}

fn layers(image: &Assembled) -> Vec<serde_json::Value> {
    image.layers().map(|(of, digest, size)| json!({ "of": of, "digest": digest, "size": size })).collect()
}
