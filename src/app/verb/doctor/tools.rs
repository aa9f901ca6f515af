//! What meshlab has installed, and what it needs to install the rest.

use std::process::{Command, Stdio};

use super::FIX;
use crate::app::ui::{Note, Weight};
use crate::artifacts::lockfile::{Artifact, GlibcVersion, Lock, Profile, SourceKind};
use crate::artifacts::tool::Tools;
use crate::core::model::Platform;
use crate::core::settings::Settings;

/// Looks at the core tools, the machine's C library and its package managers.
pub(super) fn tools(settings: &Settings, lock: &Lock, in_containers: bool) -> Vec<Note> {
    let Ok(platform) = Platform::current() else { return Vec::new() };
    let installed = Tools::new(&settings.dirs.data);
    let core = lock.artifacts.iter().filter(|artifact| artifact.profiles.contains(&Profile::Core));
    let (ready, missing): (Vec<_>, Vec<_>) =
        core.partition(|artifact| installed.find(artifact, platform).is_some());
    vec![
        core_tools(settings, &ready, &missing),
        c_library(settings, lock, platform, in_containers),
        package_managers(settings, &missing),
    ]
}

fn core_tools(settings: &Settings, ready: &[&Artifact], missing: &[&Artifact]) -> Note {
    let names = |artifacts: &[&Artifact]| {
        let named: Vec<String> =
            artifacts.iter().map(|artifact| format!("{} {}", artifact.name, artifact.version)).collect();
        named.join(", ")
    };
    let subject = "core tools";
    if missing.is_empty() {
        return Note::new(Weight::Good, subject, names(ready));
    }
    let missing = format!("not installed yet: {}", names(missing));
    if settings.offline {
        return Note::new(Weight::Warning, subject, missing)
            .advice(FIX, "run `meshlab provision` with a network, or `meshlab bundle import FILE`");
    }
    Note::new(Weight::Good, subject, format!("{missing}; a lab installs what it needs"))
}

/// Envoy and others use the machine's glibc, unless they run in containers.
fn c_library(settings: &Settings, lock: &Lock, platform: Platform, in_containers: bool) -> Note {
    let subject = "C library";
    if in_containers {
        return Note::new(Weight::Good, subject, "the images have their own");
    }
    let loader = match platform {
        Platform::LinuxX86_64 => "/lib64/ld-linux-x86-64.so.2",
        Platform::LinuxArm64 => "/lib/ld-linux-aarch64.so.1",
    };
    if !std::path::Path::new(loader).exists() {
        return Note::new(Weight::Bad, subject, format!("{loader} is missing: Envoy needs glibc"))
            .advice(FIX, "install glibc (on Alpine, gcompat is not enough), or start Docker");
    }
    let Some(version) = glibc_version(settings) else {
        return Note::new(Weight::Good, subject, format!("glibc, version unknown ({loader})"));
    };
    let too_old_for: Vec<String> = lock
        .artifacts
        .iter()
        .filter_map(|artifact| Some((artifact, artifact.glibc.filter(|needed| *needed > version)?)))
        .map(|(artifact, needed)| format!("{} (needs {needed})", artifact.name))
        .collect();
    if too_old_for.is_empty() {
        return Note::new(Weight::Good, subject, format!("glibc {version}"));
    }
    let seen = format!("glibc {version} is too old for {}", too_old_for.join(", "));
    Note::new(Weight::Warning, subject, seen)
        .advice(FIX, "start Docker, or use a newer distribution: Debian 12, Ubuntu 24.04, RHEL 10")
}

fn glibc_version(settings: &Settings) -> Option<GlibcVersion> {
    let output = program(settings, "getconf", &["GNU_LIBC_VERSION"]).stdout(Stdio::piped()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().strip_prefix("glibc ")?.parse().ok()
}

/// Package managers install what has no release file.
fn package_managers(settings: &Settings, missing: &[&Artifact]) -> Note {
    let subject = "package managers";
    let answers = |name: &str, arguments: &[&str]| {
        program(settings, name, arguments).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let pip = answers("python3", &["-m", "pip", "--version"]) || answers("pip3", &["--version"]);
    let apt = answers("apt-get", &["--version"]);
    let only_by_pip: Vec<&str> = missing
        .iter()
        .filter(|artifact| artifact.sources.iter().all(|source| source.kind == SourceKind::Pip))
        .map(|artifact| artifact.name.as_str())
        .collect();
    if !pip && !only_by_pip.is_empty() && settings.mirror.is_none() {
        let seen = format!("pip is missing: only pip installs {}", only_by_pip.join(", "));
        return Note::new(Weight::Warning, subject, seen).advice(
            FIX,
            "install python3-pip, or set MESHLAB_MIRROR to a machine that runs `meshlab repo serve`",
        );
    }
    let found: Vec<&str> = [("pip", pip), ("apt", apt)]
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(name, _)| name)
        .collect();
    Note::new(Weight::Good, subject, if found.is_empty() { "none".to_owned() } else { found.join(", ") })
}

fn program(settings: &Settings, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env("PATH", settings.environment.var("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}
