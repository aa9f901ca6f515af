//! `meshlab deps lock`: the only thing that writes digests.
//!
//! Invariant: a digest is written only after the bytes it stands for were fetched or built, here and now.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Serialize;

use crate::artifacts::lockfile::edit::{Change, IMAGE, LockEdit, SourcePlace};
use crate::artifacts::lockfile::{Artifact, Image, Lock, Source, SourceKind};
use crate::artifacts::measure::{Measure, MeasuredFile};
use crate::core::assets;
use crate::core::event::{Event, SharedReporter, Warning};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, Platform};

mod images;

pub(crate) use images::FromStore;
use images::PinImages;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockRequest<'a> {
    /// The lock's path.
    pub(crate) path: &'a Utf8Path,
    /// Artifacts; none means all.
    pub(crate) names: &'a [ArtifactName],
    /// Write nothing; fail if something would change.
    pub(crate) check: bool,
    /// Look only at what takes no network, and write nothing.
    pub(crate) offline: bool,
}

/// What became of the lock.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LockReport {
    /// The lock.
    pub path: Utf8PathBuf,
    /// How many files were fetched and measured.
    pub measured: usize,
    /// What was written, value by value.
    pub changes: Vec<Change>,
    /// Sources whose digests stay because they could not be had.
    pub kept: Vec<Kept>,
}

/// A source that could not be had, whose digests stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Kept {
    /// The artifact, or the image.
    pub artifact: ArtifactName,
    /// The source's platform.
    pub platform: Platform,
    /// The source's kind; `image` for an image.
    pub kind: &'static str,
    /// Why, in one line.
    pub reason: String,
}

/// Where the lock is that `deps lock` may write: the one given, or the one in the working directory.
pub(crate) fn lock_path(given: Option<&Utf8Path>, directory: &Utf8Path) -> Result<Utf8PathBuf> {
    let path = given.map_or_else(|| directory.join("deps.lock"), Utf8Path::to_owned);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::usage(format!("there is no {path} to write to")).hint(
        "the built-in lock can't be changed: run this in meshlab's source folder, or name a file with --lock",
    ))
}

/// Measures what the named artifacts' sources deliver and writes it into the lock.
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
    let mut work =
        Work { edit: LockEdit::parse(&text, request.path.as_str())?, lock, report: empty(request.path) };
    for artifact in order(&work.lock, request.names) {
        for source in 0..work.lock.artifacts[artifact].sources.len() {
            let place = SourcePlace { artifact, source };
            if request.offline {
                work.compare_inputs(place)?;
            } else {
                work.measure(place, measure, reporter).await?;
            }
        }
    }
    work.pin_images(request.names, images, reporter).await?;
    let Work { edit, report, .. } = work;
    let text_now = edit.text();
    if text_now != text {
        if request.check || request.offline {
            return Err(outdated(&report));
        }
        // Nothing is written that the next command would not accept.
        Lock::parse(&text_now, request.path.as_str())?;
        replace(request.path, &text_now)?;
    }
    match request.names.iter().find(|name| !request.offline && kept_whole(&report, &work.lock, name)) {
        Some(name) => Err(nothing_of(name, &report)),
        None => Ok(report),
    }
}

/// The lock on its way from what it said to what it will say.
struct Work {
    edit: LockEdit,
    /// Always what `edit` says: a toolchain that was measured anew is used as it is now.
    lock: Lock,
    report: LockReport,
}

impl Work {
    fn at(&self, place: SourcePlace) -> (&Artifact, &Source) {
        let artifact = &self.lock.artifacts[place.artifact];
        (artifact, &artifact.sources[place.source])
    }

    /// Without a network only this can be seen: whether a Go build still has the inputs it was pinned with.
    fn compare_inputs(&mut self, place: SourcePlace) -> Result<()> {
        if let Some((old, new)) = inputs(self.at(place).1)? {
            let changes = self.edit.set_inputs(&self.lock, place, &old, &new)?;
            self.report.changes.extend(changes);
        }
        Ok(())
    }

    async fn measure(
        &mut self,
        place: SourcePlace,
        measure: &impl Measure,
        reporter: &SharedReporter,
    ) -> Result<()> {
        let (artifact, source) = self.at(place);
        let inputs = inputs(source)?;
        match measure.measure(&self.lock, artifact, source).await {
            Ok(found) => self.write(place, &found, inputs),
            Err(failure) if keeps(&failure) => {
                let kept = Kept {
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

    fn keep(&mut self, kept: Kept, failure: Failure, reporter: &SharedReporter) {
        reporter.report(Event::Warning(Warning::SourceKept {
            name: kept.artifact.clone(),
            platform: kept.platform,
            kind: kept.kind.to_owned(),
            failure,
        }));
        self.report.kept.push(kept);
    }

    /// After the artifacts, because an image's layers are what they are now.
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
                if !exists(&self.lock, &image, platform) {
                    continue;
                }
                match images.pin(&self.lock, &image, platform).await {
                    Ok(pin) => {
                        let changes = self.edit.set_image_pin(&image, number, &pin)?;
                        self.report.changes.extend(changes);
                    }
                    Err(failure) if keeps(&failure) => {
                        let (artifact, reason) = (image.name.clone(), failure.to_string());
                        self.keep(Kept { artifact, platform, kind: IMAGE, reason }, failure, reporter);
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
    }

    /// Inputs are written together with the digests that belong to them, or not at all.
    fn write(
        &mut self,
        place: SourcePlace,
        found: &[MeasuredFile],
        inputs: Option<(Digest, Digest)>,
    ) -> Result<()> {
        let wanted = self.at(place).1.files.len();
        if found.len() != wanted {
            return Err(Failure::failed(format!("{} of {wanted} files were measured", found.len())));
        }
        let mut changes = Vec::new();
        if let Some((old, new)) = inputs {
            changes.extend(self.edit.set_inputs(&self.lock, place, &old, &new)?);
        }
        for (number, MeasuredFile { digest, size }) in found.iter().enumerate() {
            changes.extend(self.edit.set_file(&self.lock, place, number, digest, *size)?);
        }
        self.report.measured += found.len();
        if !changes.is_empty() {
            self.lock = Lock::parse(&self.edit.text(), &self.lock.origin)?;
            self.report.changes.extend(changes);
        }
        Ok(())
    }
}

/// The digest of a Go source's wrapper, as locked and as it is.
fn inputs(source: &Source) -> Result<Option<(Digest, Digest)>> {
    let SourceKind::Go(build) = &source.kind else { return Ok(None) };
    let wrapper = assets::go_wrapper(&build.wrapper).ok_or_else(|| {
        Failure::usage(format!("this meshlab has no assets/go/{}", build.wrapper))
            .detail("known", assets::go_wrappers().join(", "))
            .hint("a new wrapper is embedded when meshlab is built: use `cargo run`")
    })?;
    Ok(Some((build.inputs, wrapper.digest())))
}

/// Places of the wanted artifacts: toolchains first, because what they build depends on them.
fn order(lock: &Lock, names: &[ArtifactName]) -> Vec<usize> {
    let is_toolchain = |name: &ArtifactName| {
        lock.artifacts
            .iter()
            .flat_map(|artifact| &artifact.sources)
            .any(|source| matches!(&source.kind, SourceKind::Go(build) if build.toolchain == *name))
    };
    let wanted = |name: &ArtifactName| names.is_empty() || names.contains(name);
    let mut places: Vec<usize> = (0..lock.artifacts.len())
        .filter(|place| lock.artifacts.get(*place).is_some_and(|artifact| wanted(&artifact.name)))
        .collect();
    places
        .sort_by_key(|place| lock.artifacts.get(*place).is_none_or(|artifact| !is_toolchain(&artifact.name)));
    places
}

/// Whether all of an image's artifacts are locked for a platform.
fn exists(lock: &Lock, image: &Image, platform: Platform) -> bool {
    image
        .contents
        .iter()
        .all(|name| lock.artifact(name).is_ok_and(|artifact| artifact.sources_for(platform).next().is_some()))
}

/// Whether a source's failure leaves its digests as they are. The others concern the run itself.
fn keeps(failure: &Failure) -> bool {
    matches!(
        failure.kind(),
        FailureKind::Failed
            | FailureKind::MissingRequirement
            | FailureKind::DeadlinePassed
            | FailureKind::NotCached
    )
}

fn empty(path: &Utf8Path) -> LockReport {
    LockReport { path: path.to_owned(), measured: 0, changes: Vec::new(), kept: Vec::new() }
}

fn outdated(report: &LockReport) -> Failure {
    let failure = Failure::new(
        FailureKind::LockOutdated,
        format!("{} is out of date; values that would change: {}", report.path, report.changes.len()),
    );
    let failure = report.changes.iter().fold(failure, |failure, change| {
        failure.detail(change.place(), format!("{} -> {}", change.old, change.new))
    });
    failure.hint("look at why, then `meshlab deps lock` without --check, --locked and --offline")
}

fn kept_whole(report: &LockReport, lock: &Lock, name: &ArtifactName) -> bool {
    let sources =
        lock.artifacts.iter().find(|artifact| artifact.name == *name).map_or(0, |one| one.sources.len());
    sources > 0
        && report.kept.iter().filter(|kept| kept.artifact == *name && kept.kind != IMAGE).count() == sources
}

fn nothing_of(name: &ArtifactName, report: &LockReport) -> Failure {
    let failure = Failure::failed(format!("nothing of {name} could be fetched, so nothing of it was locked"));
    let kept = report.kept.iter().filter(|kept| kept.artifact == *name && kept.kind != IMAGE);
    kept.fold(failure, |failure, kept| {
        failure.detail(format!("{} {}", kept.platform, kept.kind), kept.reason.clone())
    })
}

/// Puts the new text in place at once, or not at all.
fn replace(path: &Utf8Path, text: &str) -> Result<()> {
    let beside = Utf8PathBuf::from(format!("{path}.new"));
    fs::write(&beside, text)?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
