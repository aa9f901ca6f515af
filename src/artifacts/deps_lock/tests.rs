use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::artifacts::lockfile::{EMBEDDED, ImagePin};
use crate::core::event::Silent;

/// Measures the given digests. All other files are as in the lock, or unreachable.
#[derive(Default)]
struct FakeMeasure {
    /// The digest of all files of an artifact.
    changed: BTreeMap<&'static str, Digest>,
    unreachable_kinds: Vec<&'static str>,
    requested: Mutex<Vec<String>>,
}

impl Measure for FakeMeasure {
    async fn measure(&self, lock: &Lock, artifact: &Artifact, source: &Source) -> Result<Vec<MeasuredFile>> {
        let kind = source.kind.name();
        self.requested.lock().unwrap().push(format!("{} {kind}", artifact.name));
        if self.unreachable_kinds.contains(&kind) {
            return Err(Failure::failed("no route to host"));
        }
        if let SourceKind::Go(build) = &source.kind
            && let Some(digest) = self.changed.get("go")
        {
            let toolchain = lock.artifact(&build.toolchain).unwrap();
            assert_eq!(toolchain.sources[0].files[0].digest, *digest, "the changed toolchain is used");
        }
        let measured = |file: &crate::artifacts::lockfile::LockedFile| MeasuredFile {
            digest: self.changed.get(artifact.name.as_str()).copied().unwrap_or(file.digest),
            size: file.size.limit(),
        };
        Ok(source.files.iter().map(measured).collect())
    }
}

/// Fails to pin images, because no artifact is stored.
struct NothingStored;

impl PinImages for NothingStored {
    async fn pin(&mut self, _: &Lock, image: &Image, _: Platform) -> Result<ImagePin> {
        Err(Failure::new(FailureKind::NotCached, format!("{} is not stored", image.contents[0])))
    }
}

struct Fixture {
    path: Utf8PathBuf,
    reporter: SharedReporter,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("deps.lock");
        fs::write(&path, text).unwrap();
        Self { path, reporter: Arc::new(Silent), _folder: folder }
    }

    async fn run(
        &self,
        measure: &FakeMeasure,
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
async fn an_unreachable_source_keeps_its_digests_and_is_reported() {
    let fixture = Fixture::new(EMBEDDED);
    let measure = FakeMeasure { unreachable_kinds: vec!["url"], ..FakeMeasure::default() };
    let report = fixture.run(&measure, &[], false, false).await.unwrap();
    assert_eq!(fixture.text(), EMBEDDED);
    assert!(report.changes.is_empty() && report.measured > 20);
    let (images, sources): (Vec<_>, Vec<_>) = report.kept.iter().partition(|kept| kept.kind == "image");
    assert!(sources.iter().all(|kept| kept.kind == "url" && kept.reason == "no route to host"));
    assert!(images.len() > 5 && images.iter().all(|kept| kept.reason == "busybox is not stored"));
    // The toolchain is measured before the artifacts that it builds.
    assert_eq!(measure.requested.lock().unwrap()[0], "go pip");
    let failure = fixture.run(&measure, &["kibana"], false, false).await.unwrap_err();
    assert_eq!(failure.details()[0].label, "linux-x86_64 url");
}

#[tokio::test]
async fn a_changed_digest_is_written_and_shown() {
    let fixture = Fixture::new(EMBEDDED);
    let digest = Digest::sha256_of(b"changed");
    let measure = FakeMeasure { changed: BTreeMap::from([("go", digest)]), ..FakeMeasure::default() };
    let report = fixture.run(&measure, &["go", "cni-plugins"], false, false).await.unwrap();
    let changed: Vec<_> = report.changes.iter().filter(|change| change.artifact.as_str() == "go").collect();
    assert_eq!(changed.len(), 2);
    assert!(changed.iter().all(|change| change.field == "sha256" && change.new == digest.hex()));
    assert_eq!(fixture.text().matches(&digest.hex()).count(), 2);
    assert_eq!(fixture.text().matches('#').count(), EMBEDDED.matches('#').count());
}

#[tokio::test]
async fn check_writes_nothing_and_shows_the_changes() {
    let fixture = Fixture::new(EMBEDDED);
    let measure = FakeMeasure {
        changed: BTreeMap::from([("nginx", Digest::sha256_of(b"x"))]),
        ..FakeMeasure::default()
    };
    let failure = fixture.run(&measure, &["nginx"], true, false).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    assert!(failure.details()[0].text.contains(" -> "), "{failure:?}");
    assert_eq!(fixture.text(), EMBEDDED);
    assert!(fixture.run(&FakeMeasure::default(), &["nginx"], true, false).await.is_ok());
}

#[tokio::test]
async fn offline_compares_only_the_inputs() {
    let fixture = Fixture::new(EMBEDDED);
    let measure = FakeMeasure::default();
    fixture.run(&measure, &[], false, true).await.unwrap();
    let lock = Lock::parse(EMBEDDED, "x").unwrap();
    let inputs = lock
        .artifacts
        .iter()
        .flat_map(|artifact| &artifact.sources)
        .find_map(|source| inputs(source).unwrap().map(|(locked, _)| locked.to_string()));
    let other = Fixture::new(&EMBEDDED.replace(&inputs.unwrap(), &Digest::sha256_of(b"").to_string()));
    let failure = other.run(&measure, &[], false, true).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    assert!(failure.details().iter().all(|detail| detail.label.ends_with("go inputs")), "{failure:?}");
    assert!(measure.requested.lock().unwrap().is_empty());
}

/// New inputs with old digests would not match.
#[tokio::test]
async fn inputs_change_only_together_with_the_digests() {
    let text = EMBEDDED.replace("inputs = \"sha256:b", "inputs = \"sha256:c");
    assert_ne!(text, EMBEDDED);
    let fixture = Fixture::new(&text);
    let measure = FakeMeasure { unreachable_kinds: vec!["go", "url"], ..FakeMeasure::default() };
    let _ = fixture.run(&measure, &[], false, false).await;
    assert_eq!(fixture.text(), text);
    let report = fixture.run(&FakeMeasure::default(), &["cni-plugins"], false, false).await.unwrap();
    assert!(report.changes.iter().any(|change| change.field == "inputs"));
    assert_eq!(fixture.text().matches("inputs = \"sha256:c").count(), 0);
}

#[tokio::test]
async fn unknown_names_and_missing_locks_are_usage_errors() {
    let fixture = Fixture::new(EMBEDDED);
    let failure = fixture.run(&FakeMeasure::default(), &["cosnul"], false, false).await.unwrap_err();
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("consul")));
    let failure = lock_path(None, Utf8Path::new("/nowhere")).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Usage);
}
