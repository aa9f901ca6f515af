//! The environment of a build: what of the user's holds, and what must not.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;

use super::super::client::{Client, Pipe};
use crate::core::failure::{Failure, Result};
use crate::core::model::Platform;
use crate::core::settings::Environment;

/// Where modules come from, and who vouches for them: the user's business. The sums in go.sum hold in any case.
const USER_SETTINGS: [&str; 8] =
    ["GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH"];

/// Reading settings takes no network.
const READ: Duration = Duration::from_mins(1);

/// One compiler process takes up to this much.
const COMPILER_MEMORY: u64 = 3_000_000_000;

/// The user's module settings, from the environment and from the go command's own file, as go itself reads them.
pub(super) async fn user_settings(
    user: &Environment,
    program: &Utf8Path,
    toolchain: &Utf8Path,
    directory: &Utf8Path,
    temporary: &Utf8Path,
) -> Result<BTreeMap<String, String>> {
    let mut environment: BTreeMap<String, String> =
        user.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in [
        ("GOROOT", toolchain.as_str()),
        ("GOTOOLCHAIN", "local"),
        ("GOFLAGS", ""),
        ("GODEBUG", ""),
        ("TEST_TELEMETRY_DIR", temporary.as_str()),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let mut args = vec!["env".to_owned(), "-json".to_owned()];
    args.extend(USER_SETTINGS.map(str::to_owned));
    let client = Client { program, args, environment, directory, deadline: READ };
    let mut json = String::new();
    let ended = client
        .run(&mut |pipe, line| {
            if pipe == Pipe::Out {
                json.push_str(line);
            }
        })
        .await?;
    if !ended.success {
        return Err(ended.failure("the pinned go cannot read its settings", |_| false));
    }
    serde_json::from_str(&json)
        .map_err(|error| Failure::failed("`go env -json` gave no JSON").seen(&error).detail("output", json))
}

/// All variables of a build. Everything that could change the result is fixed here.
pub(super) fn build_environment(
    user: &Environment,
    settings: &BTreeMap<String, String>,
    toolchain: &Utf8Path,
    shared: &Utf8Path,
    temporary: &Utf8Path,
    platform: Platform,
) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = user
        .iter()
        .filter(|(name, _)| !is_of_go(name))
        .chain(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let level = match platform {
        Platform::LinuxX86_64 => ("GOAMD64", "v1"),
        Platform::LinuxArm64 => ("GOARM64", "v8.0"),
    };
    for (name, value) in [
        level,
        ("GOOS", "linux"),
        ("GOARCH", platform.go_arch()),
        ("CGO_ENABLED", "0"),
        ("GOROOT", toolchain.as_str()),
        ("GOTOOLCHAIN", "local"),
        // The file was read already; the rest of it does not hold.
        ("GOENV", "off"),
        ("GOFLAGS", ""),
        ("GOWORK", "off"),
        ("GOEXPERIMENT", ""),
        ("GODEBUG", ""),
        ("GO111MODULE", "on"),
        ("GOPATH", shared.join("path").as_str()),
        ("GOMODCACHE", shared.join("mod").as_str()),
        ("GOCACHE", shared.join("cache").as_str()),
        ("GOTMPDIR", temporary.as_str()),
        ("TMPDIR", temporary.as_str()),
        // Where go counts how it is used; otherwise a folder in the user's home.
        ("TEST_TELEMETRY_DIR", temporary.as_str()),
        ("LC_ALL", "C.UTF-8"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

/// Whether a variable is one of the go command's (GOOGLE_... are not, and credentials need them).
fn is_of_go(name: &str) -> bool {
    name.starts_with("CGO_") || (name.starts_with("GO") && !name.starts_with("GOOGLE"))
}

/// How many packages may be compiled at once, so that the compilers fit into memory.
pub(super) fn parallel_compiles() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse::<u64>().ok();
    // In a container the machine's memory is not what one may use.
    let limits = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ];
    let group =
        limits.iter().filter_map(|(limit, used)| Some(number(limit)?.saturating_sub(number(used)?))).min();
    compiles_that_fit(available_memory(&read("/proc/meminfo")), group, cores)
}

fn compiles_that_fit(machine: Option<u64>, group: Option<u64>, cores: u64) -> u64 {
    let memory = machine.into_iter().chain(group).min().unwrap_or(COMPILER_MEMORY);
    (memory / COMPILER_MEMORY).clamp(1, cores.max(1))
}

/// Bytes that can be had without swapping.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_result_does_not_come_from_the_user() {
        let user = Environment::from_pairs([
            ("GOFLAGS", "-tags=evil"),
            ("GOEXPERIMENT", "x"),
            ("GOAMD64", "v3"),
            ("GOROOT", "/elsewhere"),
            ("CGO_CFLAGS", "-O0"),
            ("GOENV", "/home/u/env"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/home/u/key"),
            ("HTTPS_PROXY", "http://proxy.example:3128"),
            ("HOME", "/home/u"),
        ]);
        let settings = BTreeMap::from([("GOPROXY".to_owned(), "https://mirror.example".to_owned())]);
        let path = Utf8Path::new;
        let x86 = build_environment(
            &user,
            &settings,
            path("/go"),
            path("/shared"),
            path("/tmp"),
            Platform::LinuxX86_64,
        );
        let get = |name: &str| x86.get(name).map(String::as_str);
        assert_eq!(get("GOFLAGS"), Some(""));
        assert_eq!(get("GOEXPERIMENT"), Some(""));
        assert_eq!(get("GOAMD64"), Some("v1"));
        assert_eq!(get("GOROOT"), Some("/go"));
        assert_eq!(get("CGO_CFLAGS"), None);
        assert_eq!(get("GOENV"), Some("off"));
        assert_eq!(get("GOPROXY"), Some("https://mirror.example"));
        assert_eq!(get("HTTPS_PROXY"), Some("http://proxy.example:3128"));
        assert_eq!(get("GOOGLE_APPLICATION_CREDENTIALS"), Some("/home/u/key"));
        assert_eq!(get("HOME"), Some("/home/u"));
        let arm = build_environment(
            &user,
            &settings,
            path("/go"),
            path("/shared"),
            path("/tmp"),
            Platform::LinuxArm64,
        );
        assert_eq!(arm.get("GOARM64").map(String::as_str), Some("v8.0"));
        assert_eq!(arm.get("GOAMD64"), None);
    }

    #[test]
    fn compilers_fit_into_memory() {
        let gigabytes = |number: u64| Some(number * 1_000_000_000);
        assert_eq!(compiles_that_fit(gigabytes(23), None, 2), 2);
        assert_eq!(compiles_that_fit(gigabytes(23), gigabytes(4), 8), 1);
        assert_eq!(compiles_that_fit(gigabytes(10), None, 8), 3);
        assert_eq!(compiles_that_fit(gigabytes(1), None, 8), 1);
        assert_eq!(compiles_that_fit(None, None, 8), 1);
        assert_eq!(available_memory("MemFree: 1 kB\nMemAvailable:   2048 kB\n"), Some(2_097_152));
        assert_eq!(available_memory(""), None);
    }
}
