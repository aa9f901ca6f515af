//! Builds Go modules with the pinned toolchain, from a committed go.mod and go.sum. Uses the user's module proxy and
//! credentials, but no setting that changes the resulting binary.

mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::FetchJob;
use super::client::{ClientCommand, Pipe};
use super::delivery::{Delivered, Pins, admit};
use crate::artifacts::download::waiting;
use crate::artifacts::lockfile::{GoBuild, Locator, LockedFile, SourceKind};
use crate::core::assets;
use crate::core::claim::{Claim, remove_unless_claimed};
use crate::core::event::{BuildStage, Claimed, Event, ProvisionEvent};
use crate::core::failure::{Failure, FailureKind, Result};
use settings::{build_environment, parallel_compilers, user_settings};

/// Time for the 600 modules of Nomad through a slow proxy.
const MODULES_DEADLINE: Duration = Duration::from_hours(1);
/// Compiling takes minutes on two cores, and up to an hour on a slow single core.
const BUILD_DEADLINE: Duration = Duration::from_hours(3);

/// Fetches the modules, builds, verifies and stores every missing file.
pub(crate) async fn fetch(job: &FetchJob<'_>) -> Result<()> {
    let delivered = deliver(job, Pins::Enforced).await?;
    admit(job, delivered).await
}

/// Builds every missing file into the work folder.
pub(crate) async fn deliver<'a>(job: &FetchJob<'a>, pins: Pins) -> Result<Vec<Delivered<'a>>> {
    let SourceKind::Go(build) = &job.source.kind else {
        return Err(Failure::failed(format!("{} has no Go module to build", job.artifact.name)));
    };
    let wrapper = job.work.join("wrapper");
    write_wrapper(&wrapper, job, build, pins)?;
    let packages = packages(&job.missing)?;
    // One build at a time per machine: builds need gigabytes of memory, and share folders.
    let _claim = Claim::wait(&lock_path(job.store.root()), |holder| {
        report(job, waiting(&job.artifact.name, Claimed::GoBuild, holder));
    })
    .await?;
    let go = Go::new(job, build, wrapper).await?;
    let total = go.fetch_modules(&packages).await?;
    go.compile(&packages, total).await?;
    job.missing
        .iter()
        .zip(&packages)
        .map(|(file, package)| {
            let path = go.out().join(executable_name(package));
            if path.is_file() {
                Ok(Delivered { file, path })
            } else {
                Err(Failure::failed(format!("go build did not create {path}")).detail("package", *package))
            }
        })
        .collect()
}

/// Writes go.mod and go.sum. Fails if they are not the ones that the lock was made with.
fn write_wrapper(folder: &Utf8Path, job: &FetchJob<'_>, build: &GoBuild, pins: Pins) -> Result<()> {
    let outdated = |message: String| {
        Failure::new(FailureKind::LockOutdated, message)
            .hint(format!("run `meshlab deps lock {}` to build and pin it again", job.artifact.name))
    };
    let Some(wrapper) = assets::go_wrapper(&build.wrapper) else {
        return Err(outdated(format!("this meshlab binary has no assets/go/{}", build.wrapper))
            .detail("known", assets::go_wrappers().join(", ")));
    };
    if pins == Pins::Enforced && wrapper.digest() != build.inputs {
        return Err(outdated(format!("assets/go/{} has changed since deps.lock was made", build.wrapper))
            .detail("expected", build.inputs.to_string())
            .observed(wrapper.digest().to_string()));
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("go.mod"), wrapper.go_mod)?;
    fs::write(folder.join("go.sum"), wrapper.go_sum)?;
    Ok(())
}

fn packages<'a>(files: &[&'a LockedFile]) -> Result<Vec<&'a str>> {
    files
        .iter()
        .map(|file| match &file.locator {
            Locator::GoPackage(package) => Ok(package.as_str()),
            _ => Err(Failure::failed(format!("{} has no Go package in the lock", file.name))),
        })
        .collect()
}

/// The name that `go build -o folder/` gives the executable of a package: its last part that is not a major version.
fn executable_name(package: &str) -> &str {
    let major = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    package.rsplit('/').find(|part| !major(part)).unwrap_or(package)
}

fn report(job: &FetchJob<'_>, event: ProvisionEvent) {
    job.reporter.report(Event::Provision(event));
}

/// One build of one wrapper.
struct Go<'a> {
    job: &'a FetchJob<'a>,
    program: Utf8PathBuf,
    wrapper: Utf8PathBuf,
    environment: BTreeMap<String, String>,
    flags: Vec<String>,
}

impl<'a> Go<'a> {
    async fn new(job: &'a FetchJob<'a>, build: &GoBuild, wrapper: Utf8PathBuf) -> Result<Self> {
        let Some(toolchain) = job.toolchain else {
            return Err(Failure::failed(format!("the toolchain {} is not installed", build.toolchain)));
        };
        let shared = shared_folder(job.store.root());
        let temporary = job.work.join("tmp");
        for folder in [&shared, &temporary, &job.work.join("out")] {
            fs::create_dir_all(folder)?;
        }
        let program = toolchain.join("bin").join("go");
        let user = user_settings(job.environment, &program, toolchain, &wrapper, &temporary).await?;
        let environment =
            build_environment(job.environment, &user, toolchain, &shared, &temporary, job.source.platform);
        Ok(Self { job, program, wrapper, environment, flags: build_flags(build) })
    }

    fn out(&self) -> Utf8PathBuf {
        self.job.work.join("out")
    }

    fn client(&self, args: Vec<String>, deadline: Duration) -> ClientCommand<'_> {
        let environment = self.environment.clone();
        ClientCommand { program: &self.program, args, environment, directory: &self.wrapper, deadline }
    }

    fn report_progress(&self, build: BuildStage) {
        let artifact = self.job.artifact.name.clone();
        report(self.job, ProvisionEvent::BuildProgress { artifact, build });
    }

    /// Fetches the modules. Returns the number of packages to compile.
    async fn fetch_modules(&self, packages: &[&str]) -> Result<u64> {
        self.report_progress(BuildStage::FetchingModules { modules: 0, last: None });
        let mut args = vec!["list".to_owned(), "-deps".to_owned()];
        args.extend_from_slice(&self.flags);
        args.extend(packages.iter().map(|package| (*package).to_owned()));
        let (mut total, mut modules) = (0, 0);
        let ended = self
            .client(args, MODULES_DEADLINE)
            .run(&mut |pipe, line| match pipe {
                Pipe::Out => total += 1,
                Pipe::Err => {
                    if let Some(module) = line.strip_prefix("go: downloading ") {
                        modules += 1;
                        self.report_progress(BuildStage::FetchingModules {
                            modules,
                            last: Some(module.to_owned()),
                        });
                    }
                }
            })
            .await?;
        if ended.success {
            return Ok(total);
        }
        Err(ended
            .failure(format!("go could not fetch the modules of {}", self.job.artifact.name), is_error_line)
            .hint("meshlab uses go's settings (GOPROXY, GOPRIVATE, GOSUMDB, proxies, .netrc): check that `go mod download` works"))
    }

    async fn compile(&self, packages: &[&str], total: u64) -> Result<()> {
        let mut args = vec!["build".to_owned(), "-v".to_owned()];
        args.extend(["-p".to_owned(), parallel_compilers().to_string()]);
        args.extend_from_slice(&self.flags);
        args.extend(["-o".to_owned(), format!("{}/", self.out())]);
        args.extend(packages.iter().map(|package| (*package).to_owned()));
        let mut done = 0;
        let ended = self
            .client(args, BUILD_DEADLINE)
            .run(&mut |_, line| {
                if is_package_line(line) {
                    done = (done + 1).min(total);
                    self.report_progress(BuildStage::Compiling {
                        packages: done,
                        of: total,
                        last: line.to_owned(),
                    });
                }
            })
            .await?;
        if !ended.success {
            return Err(ended
                .failure(format!("go could not build {}", self.job.artifact.name), is_error_line)
                .hint("compiled packages are kept, so the next run continues. If a compiler was killed, the machine lacks memory: each uses up to 3 GB"));
        }
        self.report_progress(BuildStage::Linked { packages: total });
        Ok(())
    }
}

/// The flags of `go build`. The build ignores the user's GOFLAGS.
fn build_flags(build: &GoBuild) -> Vec<String> {
    let variables = build.variables.iter().map(|(name, value)| format!("-X {name}={value}"));
    let linker: Vec<String> = std::iter::once("-s -w -buildid=".to_owned()).chain(variables).collect();
    // -modcacherw: modules are writable, so that their folder can be removed.
    let mut flags = ["-mod=readonly", "-modcacherw", "-trimpath", "-buildvcs=false", "-ldflags"]
        .map(str::to_owned)
        .to_vec();
    flags.push(linker.join(" "));
    flags
}

/// Whether a line of `go build -v` is an import path: a package that go compiles.
fn is_package_line(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#') && !line.contains([' ', '\t', ':'])
}

/// Whether a line of go's output describes an error.
fn is_error_line(line: &str) -> bool {
    line.contains("signal: killed") || (line.starts_with("go: ") && !line.starts_with("go: downloading"))
}

/// The folder of modules and compiled packages. All builds share it until all have succeeded.
fn shared_folder(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("build").join("go")
}

fn lock_path(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("build").join("go.lock")
}

/// Removes modules and compiled packages (several gigabytes), unless another process is building.
pub(crate) fn sweep(cache: &Utf8Path) -> Result<()> {
    remove_unless_claimed(&shared_folder(cache), &lock_path(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_variables_are_passed_to_the_linker() {
        let mut build = GoBuild {
            wrapper: "w".parse().unwrap(),
            inputs: crate::core::model::Digest::sha256_of(b""),
            toolchain: "go".parse().unwrap(),
            variables: BTreeMap::new(),
        };
        assert_eq!(
            build_flags(&build),
            ["-mod=readonly", "-modcacherw", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="]
        );
        build.variables.insert("a.b/c.V".to_owned(), "v1".to_owned());
        assert_eq!(build_flags(&build).last().unwrap(), "-s -w -buildid= -X a.b/c.V=v1");
    }

    #[test]
    fn executables_have_the_name_that_go_gives_them() {
        for (package, name) in [
            ("github.com/hashicorp/consul", "consul"),
            ("example.org/tool/v2", "tool"),
            ("example.org/plugins/main/bridge", "bridge"),
            ("example.org/cmd/vault", "vault"),
        ] {
            assert_eq!(executable_name(package), name);
        }
    }

    #[test]
    fn only_import_paths_count_as_progress() {
        assert!(is_package_line("github.com/hashicorp/consul/agent"));
        assert!(is_package_line("internal/abi"));
        for line in ["", "# github.com/x/y", "x.go:1:2: undefined: z", "go: downloading x v1", "\tagent.go:5"]
        {
            assert!(!is_package_line(line), "{line}");
        }
    }

    #[test]
    fn a_sweep_does_not_touch_a_running_build() {
        let cache = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(cache.path()).unwrap();
        sweep(cache).unwrap();
        fs::create_dir_all(shared_folder(cache).join("mod")).unwrap();
        let held = Claim::try_now(&lock_path(cache)).unwrap().expect("free");
        sweep(cache).unwrap();
        assert!(shared_folder(cache).is_dir());
        drop(held);
        sweep(cache).unwrap();
        assert!(!shared_folder(cache).exists());
    }
}
