//! Downloads Debian packages with the machine's apt, which uses the system's sources, proxies and credentials. The
//! system's package state does not change.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::FetchJob;
use super::client::{ClientCommand, ClientExit, find_program};
use super::delivery::{Delivered, Pins, admit, find_delivered, report_started, with_progress};
use crate::artifacts::download::waiting;
use crate::artifacts::lockfile::{Locator, LockedFile};
use crate::core::claim::{Claim, remove_unless_claimed};
use crate::core::event::{Claimed, Event};
use crate::core::failure::{Failure, FailureKind, Result};

/// Deadline for one package of a few megabytes.
const DOWNLOAD_DEADLINE: Duration = Duration::from_mins(10);
/// Deadline for `apt-get update`: the package lists are tens of megabytes.
const UPDATE_DEADLINE: Duration = Duration::from_mins(15);
/// The age up to which private package lists are used without an update.
const MAX_LIST_AGE: Duration = Duration::from_mins(30);
/// Deadline for `apt-cache`, which uses no network.
const CACHE_DEADLINE: Duration = Duration::from_mins(1);

/// Overrides the system's apt configuration, without its hooks: they are for the system's package lists.
const CONFIGURATION: &str = r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
APT::Sandbox::User "root";
"#;

/// Fetches, verifies and stores every missing file.
pub(crate) async fn fetch(job: &FetchJob<'_>) -> Result<()> {
    let delivered = deliver(job, Pins::Enforced).await?;
    admit(job, delivered).await
}

/// Downloads every missing file into the work folder. apt verifies its signed index; meshlab verifies the lock's
/// digests as well.
pub(crate) async fn deliver<'a>(job: &FetchJob<'a>, pins: Pins) -> Result<Vec<Delivered<'a>>> {
    let apt = Apt::find(job)?;
    let mut private: Option<PackageLists> = None;
    let mut delivered = Vec::with_capacity(job.missing.len());
    for (number, file) in job.missing.iter().copied().enumerate() {
        let Locator::Package { package, version } = &file.locator else {
            return Err(Failure::failed(format!("{} has no apt package in the lock", file.name)));
        };
        let folder = job.work.join(format!("apt-{number}"));
        fs::create_dir_all(&folder)?;
        report_started(job, file);
        // The system's package lists first, which need no update. They have no packages for another processor.
        let mut ended = None;
        if private.is_none() && job.source.platform == crate::core::model::Platform::current()? {
            ended = Some(apt.download(file, &folder, package, version, &[]).await?);
        }
        if ended.as_ref().is_none_or(|ended| !ended.success) {
            let lists = match &private {
                Some(lists) => lists,
                None => private.insert(PackageLists::updated(&apt).await?),
            };
            ended = Some(apt.download(file, &folder, package, version, &lists.options).await?);
        }
        match ended {
            Some(ended) if ended.success => {
                let prefix = format!("{package}_");
                let path = find_delivered(&folder, file, |name| {
                    pins == Pins::Enforced
                        && name.starts_with(&prefix)
                        && Utf8Path::new(name).extension() == Some("deb")
                })?;
                delivered.push(Delivered { file, path });
            }
            Some(ended) => return Err(apt.failure(&ended, package, version, private.as_ref()).await),
            None => return Err(Failure::failed(format!("apt did not run for {package}"))),
        }
    }
    Ok(delivered)
}

/// The machine's `apt-get`, for one job.
struct Apt<'a> {
    job: &'a FetchJob<'a>,
    program: Utf8PathBuf,
    environment: BTreeMap<String, String>,
}

impl<'a> Apt<'a> {
    fn find(job: &'a FetchJob<'a>) -> Result<Self> {
        let program = find_program(job.environment, "apt-get").ok_or_else(|| {
            Failure::new(FailureKind::MissingRequirement, "apt-get is not installed")
                .hint("this source needs Debian or Ubuntu; elsewhere use a mirror")
        })?;
        let mut environment: BTreeMap<String, String> =
            job.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in [
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("LC_ALL", "C.UTF-8"),
            ("LANGUAGE", "C"),
            ("TMPDIR", job.work.as_str()),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self { job, program, environment })
    }

    async fn run(
        &self,
        directory: &Utf8Path,
        args: Vec<String>,
        deadline: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<ClientExit> {
        let environment = self.environment.clone();
        let client = ClientCommand { program: &self.program, args, environment, directory, deadline };
        client.run(&mut |_, line| on_line(line)).await
    }

    async fn download(
        &self,
        file: &LockedFile,
        folder: &Utf8Path,
        package: &str,
        version: &str,
        options: &[String],
    ) -> Result<ClientExit> {
        let args = download_arguments(package, version, options);
        with_progress(self.job, file, folder, self.run(folder, args, DOWNLOAD_DEADLINE, &mut |_| {})).await
    }

    /// The failure of a download, with the versions that apt offers instead.
    async fn failure(
        &self,
        ended: &ClientExit,
        package: &str,
        version: &str,
        lists: Option<&PackageLists>,
    ) -> Failure {
        let failure = ended
            .failure(format!("apt could not download {package} {version}"), |line| line.starts_with("E:"));
        let failure = match lists.and_then(|lists| lists.warning.as_ref()) {
            Some(warning) => failure.detail("update", warning),
            None => failure,
        };
        let has_line = |text: &str| ended.lines.iter().any(|line| line.contains(text));
        if !has_line("was not found") && !has_line("Unable to locate package") && !has_line("404") {
            return failure
                .hint("meshlab uses apt's settings (sources, proxies): check that `apt-get download {package}` works");
        }
        let offered = self.offered_versions(package, lists).await;
        failure.detail("offered", if offered.is_empty() { "none".to_owned() } else { offered.join(", ") }).hint(format!(
            "deps.lock pins packages of Debian 12: on another distribution use a mirror. On Debian 12, set an offered version in deps.lock and run `meshlab deps lock {}`",
            self.job.artifact.name
        ))
    }

    /// The versions in the package lists; empty if `apt-cache` fails.
    async fn offered_versions(&self, package: &str, lists: Option<&PackageLists>) -> Vec<String> {
        let Some(program) = find_program(self.job.environment, "apt-cache") else { return Vec::new() };
        let mut args = lists.map(|lists| lists.options.clone()).unwrap_or_default();
        args.extend(["madison".to_owned(), package.to_owned()]);
        let environment = self.environment.clone();
        let client = ClientCommand {
            program: &program,
            args,
            environment,
            directory: self.job.work,
            deadline: CACHE_DEADLINE,
        };
        let mut versions: Vec<String> = Vec::new();
        let asked =
            client.run(&mut |_, line| versions.extend(madison_version(line).map(str::to_owned))).await;
        versions.dedup();
        if asked.is_ok() { versions } else { Vec::new() }
    }
}

/// The version in a line of `apt-cache madison`: `   wrk | 4.1.0-3+b2 | http://... Packages`.
fn madison_version(line: &str) -> Option<&str> {
    line.split('|').nth(1).map(str::trim).filter(|version| !version.is_empty())
}

fn download_arguments(package: &str, version: &str, options: &[String]) -> Vec<String> {
    // As root, apt switches to a user that cannot write here, and warns.
    let mut args = vec!["-q".to_owned(), "-o".to_owned(), "APT::Sandbox::User=root".to_owned()];
    args.extend_from_slice(options);
    args.extend(["download".to_owned(), format!("{package}={version}")]);
    args
}

/// Private package lists from the system's sources. Needs no root, and changes nothing in the system.
struct PackageLists {
    options: Vec<String>,
    /// The last warning of `apt-get update` about a source that it could not fetch.
    warning: Option<String>,
    /// Prevents other processes from updating the lists while they are used.
    _claim: Claim,
}

impl PackageLists {
    async fn updated(apt: &Apt<'_>) -> Result<Self> {
        let arch = apt.job.source.platform.go_arch();
        let folder = folder(apt.job.store.root());
        let root = folder.join(arch);
        let artifact = &apt.job.artifact.name;
        let claim = Claim::wait(&lock_path(apt.job.store.root()), |holder| {
            let event = waiting(artifact, Claimed::PackageLists, holder);
            apt.job.reporter.report(Event::Provision(event));
        })
        .await?;
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(part))?;
        }
        let configuration = root.join("apt.conf");
        fs::write(&configuration, CONFIGURATION)?;
        let options = private_options(&root, &configuration, arch);
        let mut lists = Self { options, warning: None, _claim: claim };
        let stamp = root.join("updated");
        if !is_fresh(&stamp) {
            let mut args = vec!["-q".to_owned()];
            args.extend_from_slice(&lists.options);
            args.push("update".to_owned());
            let mut warning = None;
            let ended = apt
                .run(&root, args, UPDATE_DEADLINE, &mut |line| {
                    if line.starts_with("Err:") || line.starts_with("W: Failed to fetch") {
                        warning = Some(line.to_owned());
                    }
                })
                .await?;
            if !ended.success {
                return Err(ended
                    .failure("apt could not update its package lists", |line| {
                        line.starts_with("E:") || line.starts_with("Err:")
                    })
                    .hint(
                        "meshlab uses apt's settings (sources, proxies): check that `apt-get update` works",
                    ));
            }
            if warning.is_none() {
                fs::write(&stamp, "")?;
            }
            lists.warning = warning;
        }
        Ok(lists)
    }
}

fn folder(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("build").join("apt")
}

fn lock_path(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("build").join("apt.lock")
}

fn is_fresh(stamp: &Utf8Path) -> bool {
    let age = fs::metadata(stamp).ok().and_then(|found| found.modified().ok()?.elapsed().ok());
    age.is_some_and(|age| age < MAX_LIST_AGE)
}

fn private_options(root: &Utf8Path, configuration: &Utf8Path, arch: &str) -> Vec<String> {
    let mut args = vec!["-c".to_owned(), configuration.to_string()];
    for option in [
        format!("Dir::State={root}/state"),
        "Dir::State::status=/dev/null".to_owned(),
        format!("Dir::Cache={root}/cache"),
        format!("APT::Architecture={arch}"),
        format!("APT::Architectures={arch}"),
    ] {
        args.extend(["-o".to_owned(), option]);
    }
    args
}

/// Removes the private package lists, unless another process uses them.
pub(crate) fn sweep(cache: &Utf8Path) -> Result<()> {
    remove_unless_claimed(&folder(cache), &lock_path(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_select_one_version() {
        assert_eq!(
            download_arguments("wrk", "4.1.0-3+b2", &[]).join(" "),
            "-q -o APT::Sandbox::User=root download wrk=4.1.0-3+b2"
        );
        let options =
            private_options(Utf8Path::new("/c/arm64"), Utf8Path::new("/c/arm64/apt.conf"), "arm64").join(" ");
        assert!(options.starts_with("-c /c/arm64/apt.conf -o Dir::State=/c/arm64/state "), "{options}");
        assert!(options.contains("APT::Architectures=arm64"), "{options}");
    }

    #[test]
    fn the_version_is_read_from_a_line_of_madison() {
        assert_eq!(
            madison_version("       wrk | 4.1.0-3+b2 | http://mirror.example main Packages"),
            Some("4.1.0-3+b2")
        );
        assert_eq!(madison_version("N: Unable to locate package x"), None);
    }
}
