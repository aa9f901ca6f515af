//! `meshlab deps lock`: the only command that writes digests.
//!
//! Invariant: a digest is written only after its file was fetched or built in this run.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Serialize;

use crate::artifacts::lockfile::edit::{Change, IMAGE, LockEdit, SourceIndex};
use crate::artifacts::lockfile::{Artifact, Image, Lock, Source, SourceKind};
use crate::artifacts::measure::{Measure, MeasuredFile};
use crate::core::assets;
use crate::core::event::{Event, SharedReporter, Warning};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, Platform};

mod images;

pub(crate) use images::FromStore;
use images::PinImages;

/// What to lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockRequest<'a> {
    /// The path of the lock.
    pub(crate) path: &'a Utf8Path,
    /// The artifacts; empty for all.
    pub(crate) names: &'a [ArtifactName],
    /// Write nothing, and fail if a value would change (`--check`).
    pub(crate) check: bool,
    /// Check only what needs no network, and write nothing (`--offline`).
    pub(crate) offline: bool,
}

/// The result of locking.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LockReport {
    /// The path of the lock.
    pub path: Utf8PathBuf,
    /// The number of files that were fetched and measured.
    pub measured: usize,
    /// The values that were written.
    pub changes: Vec<Change>,
    /// The sources and images that could not be fetched. Their digests stay.
    pub kept: Vec<KeptSource>,
}

/// A source or image that could not be fetched, whose digests stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct KeptSource {
    /// The name of the artifact or image.
    pub artifact: ArtifactName,
    /// The source's platform.
    pub platform: Platform,
    /// The kind of the source; `image` for an image.
    pub kind: &'static str,
    /// The reason in one line.
    pub reason: String,
}

/// The path of the lock to write: `given`, or the one in the working directory.
pub(crate) fn lock_path(given: Option<&Utf8Path>, directory: &Utf8Path) -> Result<Utf8PathBuf> {
    let path = given.map_or_else(|| directory.join("deps.lock"), Utf8Path::to_owned);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::usage(format!("{path} does not exist")).hint(
        "the built-in lock cannot be changed: run the command in meshlab's source folder, or choose a file with --lock",
    ))
}

/// Measures the files of the artifacts' sources and writes digests and sizes into the lock.
pub(crate) async fn deps_lock(
    request: LockRequest<'_>,
    measure: &impl Measure,
    images: &mut impl PinImages,
    reporter: &SharedReporter,
) -> Result<LockReport> {
    let text = fs::read_to_string(request.path)?;
    let lock = Lock::parse(&text, request.path.as_str())?;
    for name in request.names {
        lock.artifact(name)?;
    }
    let mut locking = Locking {
        edit: LockEdit::parse(&text, request.path.as_str())?,
        lock,
        report: empty_report(request.path),
    };
    for artifact in order(&locking.lock, request.names) {
        for source in 0..locking.lock.artifacts[artifact].sources.len() {
            let index = SourceIndex { artifact, source };
            if request.offline {
                locking.compare_inputs(index)?;
            } else {
                locking.measure(index, measure, reporter).await?;
            }
        }
    }
    locking.pin_images(request.names, images, reporter).await?;
    let Locking { edit, report, .. } = locking;
    let text_now = edit.text();
    if text_now != text {
        if request.check || request.offline {
            return Err(outdated(&report));
        }
        // The new text must be a valid lock.
        Lock::parse(&text_now, request.path.as_str())?;
        replace(request.path, &text_now)?;
    }
    match request
        .names
        .iter()
        .find(|name| !request.offline && has_no_measured_source(&report, &locking.lock, name))
    {
        Some(name) => Err(nothing_fetched(name, &report)),
        None => Ok(report),
    }
}

/// The state of locking.
struct Locking {
    edit: LockEdit,
    /// The lock with all edits so far, so that builds use a changed toolchain.
    lock: Lock,
    report: LockReport,
}

impl Locking {
    fn source(&self, index: SourceIndex) -> (&Artifact, &Source) {
        let artifact = &self.lock.artifacts[index.artifact];
        (artifact, &artifact.sources[index.source])
    }

    /// Compares the inputs of a Go build with the lock, the only check that needs no network.
    fn compare_inputs(&mut self, index: SourceIndex) -> Result<()> {
        if let Some((old, new)) = inputs(self.source(index).1)? {
            let changes = self.edit.set_inputs(&self.lock, index, &old, &new)?;
            self.report.changes.extend(changes);
        }
        Ok(())
    }

    async fn measure(
        &mut self,
        index: SourceIndex,
        measure: &impl Measure,
        reporter: &SharedReporter,
    ) -> Result<()> {
        let (artifact, source) = self.source(index);
        let inputs = inputs(source)?;
        match measure.measure(&self.lock, artifact, source).await {
            Ok(found) => self.write(index, &found, inputs),
            Err(failure) if is_source_failure(&failure) => {
                let kept = KeptSource {
                    artifact: artifact.name.clone(),
                    platform: source.platform,
                    kind: source.kind.name(),
                    reason: failure.to_string(),
                };
                self.keep(kept, failure, reporter);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    fn keep(&mut self, kept: KeptSource, failure: Failure, reporter: &SharedReporter) {
        reporter.report(Event::Warning(Warning::SourceKept {
            name: kept.artifact.clone(),
            platform: kept.platform,
            kind: kept.kind.to_owned(),
            failure,
        }));
        self.report.kept.push(kept);
    }

    /// Pins the images. Runs after the artifacts, because it uses their new digests.
    async fn pin_images(
        &mut self,
        names: &[ArtifactName],
        images: &mut impl PinImages,
        reporter: &SharedReporter,
    ) -> Result<()> {
        for number in 0..self.lock.images.len() {
            let image = &self.lock.images[number];
            if !names.is_empty() && !image.contents.iter().any(|name| names.contains(name)) {
                continue;
            }
            let image = image.clone();
            for platform in Platform::ALL {
                if !is_locked_for(&self.lock, &image, platform) {
                    continue;
                }
                match images.pin(&self.lock, &image, platform).await {
                    Ok(pin) => {
                        let changes = self.edit.set_image_pin(&image, number, &pin)?;
                        self.report.changes.extend(changes);
                    }
                    Err(failure) if is_source_failure(&failure) => {
                        let (artifact, reason) = (image.name.clone(), failure.to_string());
                        self.keep(KeptSource { artifact, platform, kind: IMAGE, reason }, failure, reporter);
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
    }

    /// Writes digests and sizes, together with the inputs they belong to.
    fn write(
        &mut self,
        index: SourceIndex,
        found: &[MeasuredFile],
        inputs: Option<(Digest, Digest)>,
    ) -> Result<()> {
        let expected = self.source(index).1.files.len();
        if found.len() != expected {
            return Err(Failure::failed(format!("{} of {expected} files were measured", found.len())));
        }
        let mut changes = Vec::new();
        if let Some((old, new)) = inputs {
            changes.extend(self.edit.set_inputs(&self.lock, index, &old, &new)?);
        }
        for (number, MeasuredFile { digest, size }) in found.iter().enumerate() {
            changes.extend(self.edit.set_file(&self.lock, index, number, digest, *size)?);
        }
        self.report.measured += found.len();
        if !changes.is_empty() {
            self.lock = Lock::parse(&self.edit.text(), &self.lock.origin)?;
            self.report.changes.extend(changes);
        }
        Ok(())
    }
}

/// The digest of a Go source's wrapper in the lock, and of the embedded wrapper.
fn inputs(source: &Source) -> Result<Option<(Digest, Digest)>> {
    let SourceKind::Go(build) = &source.kind else { return Ok(None) };
    let wrapper = assets::go_wrapper(&build.wrapper).ok_or_else(|| {
        Failure::usage(format!("this meshlab binary has no assets/go/{}", build.wrapper))
            .detail("known", assets::go_wrappers().join(", "))
            .hint("wrappers are embedded at build time: build meshlab again with `cargo run`")
    })?;
    Ok(Some((build.inputs, wrapper.digest())))
}

/// The indexes of the artifacts to lock: toolchains first, because builds depend on them.
fn order(lock: &Lock, names: &[ArtifactName]) -> Vec<usize> {
    let is_toolchain = |name: &ArtifactName| {
        lock.artifacts
            .iter()
            .flat_map(|artifact| &artifact.sources)
            .any(|source| matches!(&source.kind, SourceKind::Go(build) if build.toolchain == *name))
    };
    let is_selected = |name: &ArtifactName| names.is_empty() || names.contains(name);
    let mut indexes: Vec<usize> = (0..lock.artifacts.len())
        .filter(|index| lock.artifacts.get(*index).is_some_and(|artifact| is_selected(&artifact.name)))
        .collect();
    indexes
        .sort_by_key(|index| lock.artifacts.get(*index).is_none_or(|artifact| !is_toolchain(&artifact.name)));
    indexes
}

/// Whether all of an image's artifacts are locked for a platform.
fn is_locked_for(lock: &Lock, image: &Image, platform: Platform) -> bool {
    image
        .contents
        .iter()
        .all(|name| lock.artifact(name).is_ok_and(|artifact| artifact.sources_for(platform).next().is_some()))
}

/// Whether a source with this failure keeps its digests. Other failures end the run.
fn is_source_failure(failure: &Failure) -> bool {
    matches!(
        failure.kind(),
        FailureKind::Failed
            | FailureKind::MissingRequirement
            | FailureKind::DeadlinePassed
            | FailureKind::NotCached
    )
}

fn empty_report(path: &Utf8Path) -> LockReport {
    LockReport { path: path.to_owned(), measured: 0, changes: Vec::new(), kept: Vec::new() }
}

fn outdated(report: &LockReport) -> Failure {
    let failure = Failure::new(
        FailureKind::LockOutdated,
        format!("{} is out of date: {} values would change", report.path, report.changes.len()),
    );
    let failure = report.changes.iter().fold(failure, |failure, change| {
        failure.detail(change.label(), format!("{} -> {}", change.old, change.new))
    });
    failure.hint(
        "check why the values change, then run `meshlab deps lock` without --check, --locked and --offline",
    )
}

fn has_no_measured_source(report: &LockReport, lock: &Lock, name: &ArtifactName) -> bool {
    let sources =
        lock.artifacts.iter().find(|artifact| artifact.name == *name).map_or(0, |one| one.sources.len());
    sources > 0
        && report.kept.iter().filter(|kept| kept.artifact == *name && kept.kind != IMAGE).count() == sources
}

fn nothing_fetched(name: &ArtifactName, report: &LockReport) -> Failure {
    let failure = Failure::failed(format!("cannot fetch {name} from any source, so it was not locked"));
    let kept = report.kept.iter().filter(|kept| kept.artifact == *name && kept.kind != IMAGE);
    kept.fold(failure, |failure, kept| {
        failure.detail(format!("{} {}", kept.platform, kept.kind), kept.reason.clone())
    })
}

/// Replaces the lock atomically.
fn replace(path: &Utf8Path, text: &str) -> Result<()> {
    let temporary = Utf8PathBuf::from(format!("{path}.new"));
    fs::write(&temporary, text)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
