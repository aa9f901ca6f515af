//! `meshlab image export`

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;

use super::{SCHEMA, layers};
use crate::app::ui;
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::image::{Archive, AssembledImage, artifacts, assemble};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{ProvisionRequest, provision};
use crate::artifacts::tool::Tools;
use crate::artifacts::work::blocking;
use crate::core::atomic_file::{AtomicFile, cannot_write};
use crate::core::event::{Event, ImageEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ByteSize, Digest, Hashed, Platform, Slug};
use crate::core::settings::Settings;

/// The file name that means standard output.
const STDOUT: &str = "-";
const BUFFER: usize = 256 * 1024;

/// Write images to one archive for `docker load` and `podman load`; download missing artifacts first
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Archive to write, or - for standard output; an existing file is replaced only with --yes
    file: Utf8PathBuf,
    /// Images [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<Slug>,
}

impl Run for ExportArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        let stdout = Box::new(ui::print_while_read);
        let exported = export(&self, &context.settings, &context.lock()?, &context.reporter, stdout).await?;
        exported.map_or(Ok(ExitCode::SUCCESS), |output| context.print(&output))
    }
}

/// Writes bytes to standard output. Returns whether a reader is left.
type Print = Box<dyn FnMut(&[u8]) -> Result<bool> + Send>;

/// Writes an archive, and downloads what is missing first. An archive on standard output leaves no other output.
async fn export(
    args: &ExportArgs,
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
    let request = ProvisionRequest { names: artifacts(lock, &args.names)?, ..ProvisionRequest::default() };
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
            Ok(false) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the reader of the archive is gone")),
            Err(failure) => Err(io::Error::other(failure.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn in_the_way(file: &Utf8Path) -> Failure {
    Failure::usage(format!("{file} exists")).hint("name another FILE, or add --yes to replace it")
}

fn was_exported(file: &Utf8Path, images: &[AssembledImage], size: u64, digest: &Digest) -> Output {
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

fn described(image: &AssembledImage) -> serde_json::Value {
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
