//! Debian packages, through the machine's own apt: its sources, proxies and credentials hold, its state is not touched.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Job;
use super::bring::{Brought, Pins, admit, pick, started, watched};
use super::client::{Client, Ended, find_program};
use crate::artifacts::download::waiting;
use crate::artifacts::lockfile::{Locator, LockedFile};
use crate::core::claim::{Claim, remove_unless_claimed};
use crate::core::event::{Claimed, Event};
use crate::core::failure::{Failure, FailureKind, Result};

/// One package of a few megabytes.
const DOWNLOAD: Duration = Duration::from_mins(10);
/// The lists of a distribution, some tens of megabytes.
const REFRESH: Duration = Duration::from_mins(15);
/// Private lists younger than this serve the next package of the run too.
const FRESH: Duration = Duration::from_mins(30);
/// What the machine's lists know is asked from them alone, which takes no network.
const LOOK_UP: Duration = Duration::from_mins(1);

/// Run after the machine's own configuration: its hooks are for its own lists, and these are not.
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
pub(crate) async fn fetch(job: &Job<'_>) -> Result<()> {
    let brought = bring(job, Pins::Known).await?;
    admit(job, brought).await
}

/// Downloads into the work folder. apt verifies against its signed index; that is not what the lock trusts.
pub(crate) async fn bring<'a>(job: &Job<'a>, pins: Pins) -> Result<Vec<Brought<'a>>> {
    let apt = Apt::find(job)?;
    let mut private: Option<Lists> = None;
    let mut brought = Vec::with_capacity(job.missing.len());
    for (number, file) in job.missing.iter().copied().enumerate() {
        let Locator::Package { package, version } = &file.locator else {
            return Err(Failure::failed(format!("{} is not a package of apt", file.name)));
        };
        let folder = job.work.join(format!("apt-{number}"));
        fs::create_dir_all(&folder)?;
        started(job, file);
        // The machine's own lists first: nothing is fetched but the package. They say nothing of another processor.
        let mut ended = None;
        if private.is_none() && job.source.platform == crate::core::model::Platform::current()? {
            ended = Some(apt.download(file, &folder, package, version, &[]).await?);
        }
        if ended.as_ref().is_none_or(|ended| !ended.success) {
            let lists = match &private {
                Some(lists) => lists,
                None => private.insert(Lists::refreshed(&apt).await?),
            };
            ended = Some(apt.download(file, &folder, package, version, &lists.options).await?);
        }
        match ended {
            Some(ended) if ended.success => {
                let prefix = format!("{package}_");
                let path = pick(&folder, file, |name| {
                    pins == Pins::Known
                        && name.starts_with(&prefix)
                        && Utf8Path::new(name).extension() == Some("deb")
                })?;
                brought.push(Brought { file, path });
            }
            Some(ended) => return Err(apt.refused(&ended, package, version, private.as_ref()).await),
            None => return Err(Failure::failed(format!("apt was not asked for {package}"))),
        }
    }
    Ok(brought)
}

/// The machine's apt, and what it is asked for.
struct Apt<'a> {
    job: &'a Job<'a>,
    program: Utf8PathBuf,
    environment: BTreeMap<String, String>,
}

impl<'a> Apt<'a> {
    fn find(job: &'a Job<'a>) -> Result<Self> {
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
    ) -> Result<Ended> {
        let environment = self.environment.clone();
        let client = Client { program: &self.program, args, environment, directory, deadline };
        client.run(&mut |_, line| on_line(line)).await
    }

    async fn download(
        &self,
        file: &LockedFile,
        folder: &Utf8Path,
        package: &str,
        version: &str,
        options: &[String],
    ) -> Result<Ended> {
        let args = download_arguments(package, version, options);
        watched(self.job, file, folder, self.run(folder, args, DOWNLOAD, &mut |_| {})).await
    }

    /// Why apt gave nothing, and what it could give instead.
    async fn refused(&self, ended: &Ended, package: &str, version: &str, lists: Option<&Lists>) -> Failure {
        let failure = ended
            .failure(format!("apt could not download {package} {version}"), |line| line.starts_with("E:"));
        let failure = match lists.and_then(|lists| lists.trouble.as_ref()) {
            Some(trouble) => failure.detail("refreshing", trouble),
            None => failure,
        };
        let says = |text: &str| ended.lines.iter().any(|line| line.contains(text));
        if !says("was not found") && !says("Unable to locate package") && !says("404") {
            return failure
                .hint("apt's own settings hold (sources, proxies): `apt-get download` must work by hand");
        }
        let offered = self.offered(package, lists).await;
        failure.detail("offered", if offered.is_empty() { "none".to_owned() } else { offered.join(", ") }).hint(format!(
            "the pins are Debian 12's: on another distribution use a mirror; if the version is gone from there too, write one that is offered into deps.lock and run `meshlab deps lock {}`",
            self.job.artifact.name
        ))
    }

    /// The versions that the lists know; empty where they can't be asked.
    async fn offered(&self, package: &str, lists: Option<&Lists>) -> Vec<String> {
        let Some(program) = find_program(self.job.environment, "apt-cache") else { return Vec::new() };
        let mut args = lists.map(|lists| lists.options.clone()).unwrap_or_default();
        args.extend(["madison".to_owned(), package.to_owned()]);
        let environment = self.environment.clone();
        let client =
            Client { program: &program, args, environment, directory: self.job.work, deadline: LOOK_UP };
        let mut versions: Vec<String> = Vec::new();
        let asked =
            client.run(&mut |_, line| versions.extend(madison_version(line).map(str::to_owned))).await;
        versions.dedup();
        if asked.is_ok() { versions } else { Vec::new() }
    }
}

/// `   wrk | 4.1.0-3+b2 | http://... Packages`
fn madison_version(line: &str) -> Option<&str> {
    line.split('|').nth(1).map(str::trim).filter(|version| !version.is_empty())
}

fn download_arguments(package: &str, version: &str, options: &[String]) -> Vec<String> {
    // As root apt would hand over to a user that can't write here; it warns and goes on, so spare the warning.
    let mut args = vec!["-q".to_owned(), "-o".to_owned(), "APT::Sandbox::User=root".to_owned()];
    args.extend_from_slice(options);
    args.extend(["download".to_owned(), format!("{package}={version}")]);
    args
}

/// Package lists of our own, from the machine's sources: no root, and nothing of the system changes.
struct Lists {
    options: Vec<String>,
    /// What went wrong for one of the sources, which apt only warns of.
    trouble: Option<String>,
    /// Nobody else refreshes them while they are used.
    _claim: Claim,
}

impl Lists {
    async fn refreshed(apt: &Apt<'_>) -> Result<Self> {
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
        let mut lists = Self { options, trouble: None, _claim: claim };
        let stamp = root.join("refreshed");
        if !is_fresh(&stamp) {
            let mut args = vec!["-q".to_owned()];
            args.extend_from_slice(&lists.options);
            args.push("update".to_owned());
            let mut trouble = None;
            let ended = apt
                .run(&root, args, REFRESH, &mut |line| {
                    if line.starts_with("Err:") || line.starts_with("W: Failed to fetch") {
                        trouble = Some(line.to_owned());
                    }
                })
                .await?;
            if !ended.success {
                return Err(ended
                    .failure("apt could not refresh its package lists", |line| {
                        line.starts_with("E:") || line.starts_with("Err:")
                    })
                    .hint("apt's own settings hold (sources, proxies): `apt-get update` must work by hand"));
            }
            if trouble.is_none() {
                fs::write(&stamp, "")?;
            }
            lists.trouble = trouble;
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
    age.is_some_and(|age| age < FRESH)
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

/// Removes the private lists, unless another meshlab uses them.
pub(crate) fn sweep(cache: &Utf8Path) -> Result<()> {
    remove_unless_claimed(&folder(cache), &lock_path(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_one_version_and_no_shell() {
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
    fn offered_versions_are_read() {
        assert_eq!(
            madison_version("       wrk | 4.1.0-3+b2 | http://mirror.example main Packages"),
            Some("4.1.0-3+b2")
        );
        assert_eq!(madison_version("N: Unable to locate package x"), None);
    }
}
