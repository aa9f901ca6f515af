//! The environment variables of a Go build: which of the user's settings it uses.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;

use super::super::client::{ClientCommand, Pipe};
use crate::core::failure::{Failure, Result};
use crate::core::model::Platform;
use crate::core::settings::Environment;

/// The settings for the source and verification of modules, which the user decides. go.sum is verified in any case.
const USER_SETTINGS: [&str; 8] =
    ["GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH"];

/// Deadline for `go env`, which uses no network.
const ENV_DEADLINE: Duration = Duration::from_mins(1);

/// The memory that one compiler process may need, in bytes.
const COMPILER_MEMORY: u64 = 3_000_000_000;

/// The user's module settings as `go env` reports them, from the environment and from go's settings file.
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
    let client = ClientCommand { program, args, environment, directory, deadline: ENV_DEADLINE };
    let mut json = String::new();
    let ended = client
        .run(&mut |pipe, line| {
            if pipe == Pipe::Out {
                json.push_str(line);
            }
        })
        .await?;
    if !ended.success {
        return Err(ended.failure("the pinned go toolchain cannot read its settings", |_| false));
    }
    serde_json::from_str(&json).map_err(|error| {
        Failure::failed("`go env -json` printed no JSON").seen(&error).detail("output", json)
    })
}

/// All variables of a build. Every setting that could change the binary has a fixed value.
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
        .filter(|(name, _)| !is_go_variable(name))
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
        // `user_settings` read the file; its other settings must not apply.
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
        // Otherwise go writes telemetry to the user's home.
        ("TEST_TELEMETRY_DIR", temporary.as_str()),
        ("LC_ALL", "C.UTF-8"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

/// Whether a variable belongs to the go command. GOOGLE_... does not: credentials need them.
fn is_go_variable(name: &str) -> bool {
    name.starts_with("CGO_") || (name.starts_with("GO") && !name.starts_with("GOOGLE"))
}

/// The number of parallel compilers that fit into memory, at most one per core.
pub(super) fn parallel_compilers() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse::<u64>().ok();
    // A container may use less than the machine's memory.
    let limits = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ];
    let cgroup =
        limits.iter().filter_map(|(limit, used)| Some(number(limit)?.saturating_sub(number(used)?))).min();
    compilers_that_fit(available_memory(&read("/proc/meminfo")), cgroup, cores)
}

fn compilers_that_fit(machine: Option<u64>, cgroup: Option<u64>, cores: u64) -> u64 {
    let memory = machine.into_iter().chain(cgroup).min().unwrap_or(COMPILER_MEMORY);
    (memory / COMPILER_MEMORY).clamp(1, cores.max(1))
}

/// The memory in bytes that is available without swapping.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_user_that_change_the_binary_are_ignored() {
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
    fn the_number_of_compilers_is_limited_by_memory_and_cores() {
        let gigabytes = |number: u64| Some(number * 1_000_000_000);
        assert_eq!(compilers_that_fit(gigabytes(23), None, 2), 2);
        assert_eq!(compilers_that_fit(gigabytes(23), gigabytes(4), 8), 1);
        assert_eq!(compilers_that_fit(gigabytes(10), None, 8), 3);
        assert_eq!(compilers_that_fit(gigabytes(1), None, 8), 1);
        assert_eq!(compilers_that_fit(None, None, 8), 1);
        assert_eq!(available_memory("MemFree: 1 kB\nMemAvailable:   2048 kB\n"), Some(2_097_152));
        assert_eq!(available_memory(""), None);
    }
}
