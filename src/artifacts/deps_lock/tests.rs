use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::artifacts::lockfile::{EMBEDDED, ImagePin};
use crate::core::event::Silent;

/// Finds what it is told to find; everything else is as the lock says, or not to be had.
#[derive(Default)]
struct Scripted {
    /// By artifact: the digest of every file.
    changed: BTreeMap<&'static str, Digest>,
    unreached: Vec<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Measure for Scripted {
    async fn measure(&self, lock: &Lock, artifact: &Artifact, source: &Source) -> Result<Vec<MeasuredFile>> {
        let kind = source.kind.name();
        self.asked.lock().unwrap().push(format!("{} {kind}", artifact.name));
        if self.unreached.contains(&kind) {
            return Err(Failure::failed("no route to it"));
        }
        if let SourceKind::Go(build) = &source.kind
            && let Some(digest) = self.changed.get("go")
        {
            let toolchain = lock.artifact(&build.toolchain).unwrap();
            assert_eq!(toolchain.sources[0].files[0].digest, *digest, "the toolchain as it is now");
        }
        let measured = |file: &crate::artifacts::lockfile::LockedFile| MeasuredFile {
            digest: self.changed.get(artifact.name.as_str()).copied().unwrap_or(file.digest),
            size: file.size.limit(),
        };
        Ok(source.files.iter().map(measured).collect())
    }
}

/// No artifact is stored here, so no image can be made.
struct NothingStored;

impl PinImages for NothingStored {
    async fn pin(&mut self, _: &Lock, image: &Image, _: Platform) -> Result<ImagePin> {
        Err(Failure::new(FailureKind::NotCached, format!("{} is not stored", image.contents[0])))
    }
}

struct Bench {
    path: Utf8PathBuf,
    reporter: SharedReporter,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("deps.lock");
        fs::write(&path, text).unwrap();
        Self { path, reporter: Arc::new(Silent), _folder: folder }
    }

    async fn run(
        &self,
        measure: &Scripted,
        names: &[&str],
        check: bool,
        offline: bool,
    ) -> Result<LockReport> {
        let names: Vec<ArtifactName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let request = LockRequest { path: &self.path, names: &names, check, offline };
        deps_lock(request, measure, &mut NothingStored, &self.reporter).await
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_kept_and_told() {
    let bench = Bench::new(EMBEDDED);
    let measure = Scripted { unreached: vec!["url"], ..Scripted::default() };
    let report = bench.run(&measure, &[], false, false).await.unwrap();
    assert_eq!(bench.text(), EMBEDDED);
    assert!(report.changes.is_empty() && report.measured > 20);
    let (images, sources): (Vec<_>, Vec<_>) = report.kept.iter().partition(|kept| kept.kind == "image");
    assert!(sources.iter().all(|kept| kept.kind == "url" && kept.reason == "no route to it"));
    assert!(images.len() > 5 && images.iter().all(|kept| kept.reason == "busybox is not stored"));
    // The toolchain is measured before anything that it builds.
    assert_eq!(measure.asked.lock().unwrap()[0], "go pip");
    let failure = bench.run(&measure, &["kibana"], false, false).await.unwrap_err();
    assert_eq!(failure.details()[0].label, "linux-x86_64 url");
}

#[tokio::test]
async fn a_changed_digest_is_written_and_shown() {
    let bench = Bench::new(EMBEDDED);
    let digest = Digest::sha256_of(b"changed");
    let measure = Scripted { changed: BTreeMap::from([("go", digest)]), ..Scripted::default() };
    let report = bench.run(&measure, &["go", "cni-plugins"], false, false).await.unwrap();
    let changed: Vec<_> = report.changes.iter().filter(|change| change.artifact.as_str() == "go").collect();
    assert_eq!(changed.len(), 2);
    assert!(changed.iter().all(|change| change.field == "sha256" && change.new == digest.hex()));
    assert_eq!(bench.text().matches(&digest.hex()).count(), 2);
    assert_eq!(bench.text().matches('#').count(), EMBEDDED.matches('#').count());
}

#[tokio::test]
async fn check_writes_nothing_and_says_what_would_change() {
    let bench = Bench::new(EMBEDDED);
    let measure =
        Scripted { changed: BTreeMap::from([("nginx", Digest::sha256_of(b"x"))]), ..Scripted::default() };
    let failure = bench.run(&measure, &["nginx"], true, false).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    assert!(failure.details()[0].text.contains(" -> "), "{failure:?}");
    assert_eq!(bench.text(), EMBEDDED);
    assert!(bench.run(&Scripted::default(), &["nginx"], true, false).await.is_ok());
}

#[tokio::test]
async fn offline_looks_at_the_inputs_only() {
    let bench = Bench::new(EMBEDDED);
    let measure = Scripted::default();
    bench.run(&measure, &[], false, true).await.unwrap();
    let lock = Lock::parse(EMBEDDED, "x").unwrap();
    let inputs = lock
        .artifacts
        .iter()
        .flat_map(|artifact| &artifact.sources)
        .find_map(|source| inputs(source).unwrap().map(|(locked, _)| locked.to_string()));
    let other = Bench::new(&EMBEDDED.replace(&inputs.unwrap(), &Digest::sha256_of(b"").to_string()));
    let failure = other.run(&measure, &[], false, true).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    assert!(failure.details().iter().all(|detail| detail.label.ends_with("go inputs")), "{failure:?}");
    assert!(measure.asked.lock().unwrap().is_empty());
}

/// Inputs without the digests of what they make would be a lie.
#[tokio::test]
async fn inputs_stay_with_the_digests_they_belong_to() {
    let text = EMBEDDED.replace("inputs = \"sha256:b", "inputs = \"sha256:c");
    assert_ne!(text, EMBEDDED);
    let bench = Bench::new(&text);
    let measure = Scripted { unreached: vec!["go", "url"], ..Scripted::default() };
    let _ = bench.run(&measure, &[], false, false).await;
    assert_eq!(bench.text(), text);
    let report = bench.run(&Scripted::default(), &["cni-plugins"], false, false).await.unwrap();
    assert!(report.changes.iter().any(|change| change.field == "inputs"));
    assert_eq!(bench.text().matches("inputs = \"sha256:c").count(), 0);
}

#[tokio::test]
async fn unknown_names_and_missing_locks_are_usage_errors() {
    let bench = Bench::new(EMBEDDED);
    let failure = bench.run(&Scripted::default(), &["cosnul"], false, false).await.unwrap_err();
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("consul")));
    let failure = lock_path(None, Utf8Path::new("/nowhere")).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Usage);
}
