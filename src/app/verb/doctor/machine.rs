//! What this machine is and has, and what meshlab has on it.

use std::process::Stdio;

use super::FIX;
use crate::app::ui::{Note, Weight};
use crate::artifacts::lockfile::{Lock, Profile, SourceKind};
use crate::artifacts::tool::Tools;
use crate::core::model::{ByteSize, Platform};
use crate::core::settings::Settings;

/// What a build of Consul and Nomad from modules takes at most: modules, objects and results, in bytes.
const ROOM_TO_BUILD: u64 = 8_000_000_000;

/// What one compile process takes at most, in bytes.
const MEMORY_TO_BUILD: u64 = 3_000_000_000;

/// What the first lab takes, with room to breathe, in bytes.
const MEMORY_FOR_LAB_1: u64 = 300_000_000;

/// What the calculator takes: Consul, Nomad and five Envoys, with room to breathe, in bytes.
const MEMORY_FOR_LAB_2: u64 = 1_000_000_000;

/// What Nomad's tasks take on disk: each group has its own copies of its programs, in bytes.
const ROOM_FOR_LAB_2: u64 = 1_500_000_000;

/// Files and connections that one process may have open: nginx wants 1024 connections.
const OPEN_FILES: u64 = 1024;

/// What the machine can do.
pub(super) fn machine(settings: &Settings, lock: &Lock) -> Vec<Note> {
    let mut notes = vec![platform()];
    notes.extend(loader());
    notes.extend(memory());
    notes.extend(disks(settings));
    notes.push(open_files());
    notes.push(control_groups());
    notes.push(clients(settings, lock));
    notes
}

/// What was provisioned, and what is worth knowing of it.
pub(super) fn provisioned(settings: &Settings, lock: &Lock) -> Vec<Note> {
    tools(settings, lock).into_iter().chain(remarks(lock)).collect()
}

fn platform() -> Note {
    match Platform::current() {
        Ok(platform) => {
            let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
            Note::new(Weight::Good, "platform", format!("{platform}, kernel {kernel}"))
        }
        Err(failure) => Note::new(Weight::Bad, "platform", failure.message())
            .advice(FIX, "use a Linux machine, or a Linux VM on this one"),
    }
}

/// Envoy is the one core tool that needs the system's C library.
fn loader() -> Option<Note> {
    let path = match Platform::current().ok()? {
        Platform::LinuxX86_64 => "/lib64/ld-linux-x86-64.so.2",
        Platform::LinuxArm64 => "/lib/ld-linux-aarch64.so.1",
    };
    Some(if std::path::Path::new(path).exists() {
        Note::new(Weight::Good, "C library", format!("{path} is there, as Envoy needs it"))
    } else {
        Note::new(Weight::Bad, "C library", format!("{path} is missing: Envoy is built against glibc"))
            .advice(FIX, "install glibc (Alpine: gcompat is not enough), or use a distribution that has it")
    })
}

fn memory() -> Option<Note> {
    use procfs::Current as _;
    let available = procfs::Meminfo::current().ok()?.mem_available?;
    let seen = format!("{} available", ByteSize(available));
    let note = |weight, advice: String| Note::new(weight, "memory", &seen).advice(FIX, advice);
    Some(if available < MEMORY_FOR_LAB_1 {
        note(Weight::Bad, format!("free some: a lab takes at least {}", ByteSize(MEMORY_FOR_LAB_1)))
    } else if available < MEMORY_FOR_LAB_2 {
        note(
            Weight::Warning,
            format!("enough for lab 1; the calculator takes up to {}", ByteSize(MEMORY_FOR_LAB_2)),
        )
    } else if available < MEMORY_TO_BUILD {
        note(
            Weight::Warning,
            format!(
                "enough to run all labs; building Consul and Nomad from modules takes {}, release files nothing",
                ByteSize(MEMORY_TO_BUILD)
            ),
        )
    } else {
        Note::new(Weight::Good, "memory", seen)
    })
}

fn open_files() -> Note {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.current {
        Some(soft) if soft < OPEN_FILES => Note::new(
            Weight::Bad,
            "open files",
            format!("{soft} for each process"),
        )
        .advice(
            FIX,
            match limit.maximum {
                Some(hard) if hard < OPEN_FILES => {
                    format!(
                        "raise nofile to {OPEN_FILES} or more in /etc/security/limits.conf, and log in again"
                    )
                }
                _ => format!("`ulimit -n {}` in this shell", 4 * OPEN_FILES),
            },
        ),
        Some(soft) => Note::new(Weight::Good, "open files", format!("{soft} for each process")),
        None => Note::new(Weight::Good, "open files", "no limit"),
    }
}

/// As root, Nomad puts each task into a control group; as anybody else, it does without.
fn control_groups() -> Note {
    const PLACE: &str = "/sys/fs/cgroup";
    const MAGIC_OF_VERSION_2: i64 = 0x6367_7270;
    let subject = "control groups";
    let Ok(file_system) = rustix::fs::statfs(PLACE) else {
        return Note::new(Weight::Warning, subject, format!("{PLACE} is missing"))
            .advice(FIX, "as root, Nomad needs it: mount it, or run the calculator as an ordinary user");
    };
    #[allow(clippy::unnecessary_cast, reason = "another type on another architecture")]
    let version = if file_system.f_type as i64 == MAGIC_OF_VERSION_2 { 2 } else { 1 };
    let place = if version == 2 { PLACE.to_owned() } else { format!("{PLACE}/freezer") };
    let writable = rustix::fs::access(place.as_str(), rustix::fs::Access::WRITE_OK).is_ok();
    let root = rustix::process::geteuid().is_root();
    match (root, writable) {
        (false, _) => {
            Note::new(Weight::Good, subject, format!("version {version}; not needed, since you are not root"))
        }
        (true, true) => Note::new(
            Weight::Good,
            subject,
            format!("version {version}, writable, as Nomad needs them for root"),
        ),
        (true, false) => {
            Note::new(Weight::Warning, subject, format!("version {version}, {place} cannot be written"))
                .advice(
                    FIX,
                    "mount it read-write, or run the calculator as an ordinary user: as root, Nomad needs it",
                )
        }
    }
}

fn disks(settings: &Settings) -> Vec<Note> {
    let folders =
        [("cache", &settings.dirs.cache), ("data", &settings.dirs.data), ("state", &settings.dirs.state)];
    let mut findings = Vec::new();
    for (name, folder) in folders {
        // The folder may not exist yet; what holds it does.
        let Some(existing) = folder.ancestors().find(|ancestor| ancestor.exists()) else { continue };
        let Ok(statistics) = rustix::fs::statvfs(existing.as_std_path()) else { continue };
        let free = statistics.f_bavail.saturating_mul(statistics.f_frsize);
        let subject = format!("{name} folder");
        let seen = format!("{folder}, {} free", ByteSize(free));
        let writable = rustix::fs::access(existing.as_std_path(), rustix::fs::Access::WRITE_OK).is_ok();
        findings.push(if !writable {
            Note::new(Weight::Bad, subject, format!("{folder} cannot be written"))
                .advice(FIX, format!("set MESHLAB_{}_DIR to a folder of yours", name.to_uppercase()))
        } else if name == "state" && free < ROOM_FOR_LAB_2 {
            Note::new(Weight::Warning, subject, seen).advice(
                FIX,
                format!("free some: the calculator's tasks take up to {} there", ByteSize(ROOM_FOR_LAB_2)),
            )
        } else if name == "cache" && free < ROOM_TO_BUILD {
            Note::new(Weight::Warning, subject, seen).advice(
                FIX,
                format!(
                    "building Consul and Nomad from modules takes {} for a while, release files far less",
                    ByteSize(ROOM_TO_BUILD)
                ),
            )
        } else {
            Note::new(Weight::Good, subject, seen)
        });
    }
    findings
}

/// The clients that bring what release servers cannot.
fn clients(settings: &Settings, lock: &Lock) -> Note {
    let answers = |program: &str, arguments: &[&str]| {
        let path = settings.environment.var("PATH").unwrap_or_default();
        std::process::Command::new(program)
            .args(arguments)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let pip = answers("python3", &["-m", "pip", "--version"]) || answers("pip3", &["--version"]);
    let apt = answers("apt-get", &["--version"]);
    let present: Vec<&str> =
        [("pip", pip), ("apt", apt)].iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let pip_only: Vec<&str> = lock
        .artifacts
        .iter()
        .filter(|artifact| artifact.sources.iter().all(|source| source.kind == SourceKind::Pip))
        .map(|artifact| artifact.name.as_str())
        .collect();
    if pip {
        Note::new(Weight::Good, "package managers", present.join(", "))
    } else {
        let seen = format!("no pip, the only way to get {}", pip_only.join(", "));
        Note::new(Weight::Warning, "package managers", seen).advice(
            FIX,
            "install python3-pip, or set MESHLAB_MIRROR to a machine that runs `meshlab repo serve`",
        )
    }
}

fn tools(settings: &Settings, lock: &Lock) -> Option<Note> {
    let platform = Platform::current().ok()?;
    let tools = Tools::new(&settings.dirs.data);
    let core = lock.artifacts.iter().filter(|artifact| artifact.profiles.contains(&Profile::Core));
    let (ready, missing): (Vec<_>, Vec<_>) =
        core.partition(|artifact| tools.find(artifact, platform).is_some());
    let names = |artifacts: &[&crate::artifacts::lockfile::Artifact]| {
        let named: Vec<String> =
            artifacts.iter().map(|artifact| format!("{} {}", artifact.name, artifact.version)).collect();
        if named.is_empty() { "none".to_owned() } else { named.join(", ") }
    };
    Some(if missing.is_empty() {
        Note::new(Weight::Good, "core tools", names(&ready))
    } else {
        Note::new(Weight::Warning, "core tools", format!("missing: {}", names(&missing)))
            .advice(FIX, "`meshlab provision` gets them; a lab gets what it needs by itself")
    })
}

fn remarks(lock: &Lock) -> impl Iterator<Item = Note> {
    lock.artifacts.iter().filter_map(|artifact| {
        let note = artifact.note.as_ref()?;
        Some(Note::new(Weight::Warning, format!("{} {}", artifact.name, artifact.version), note.clone()))
    })
}
