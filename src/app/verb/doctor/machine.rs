//! The machine: platform, memory, folders, limits.

use camino::Utf8Path;

use super::{FIX, problem};
use crate::app::ui::{Note, Weight};
use crate::core::model::{ByteSize, Platform};
use crate::core::settings::{Dirs, Settings};

/// What the core tools take, as downloaded files and again unpacked, in bytes.
const ROOM_FOR_TOOLS: u64 = 500_000_000;

/// What the first lab takes, with room to breathe, in bytes.
const MEMORY_FOR_LAB_1: u64 = 300_000_000;

/// What the calculator takes: Consul, Nomad and five Envoys, with room to breathe, in bytes.
const MEMORY_FOR_LAB_2: u64 = 1_000_000_000;

/// What Nomad's tasks take on disk: each group has its own copies of its programs, in bytes.
const ROOM_FOR_LAB_2: u64 = 1_500_000_000;

/// Files and connections that one process may have open: nginx wants 1024 connections.
const OPEN_FILES: u64 = 1024;

/// Looks at the machine.
pub(super) fn machine(settings: &Settings) -> Vec<Note> {
    let mut notes = vec![platform()];
    notes.extend(memory());
    notes.extend(folders(settings));
    notes.push(open_files());
    notes.push(control_groups());
    notes
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
            format!(
                "enough for lab 1; free some for the others: they take up to {}",
                ByteSize(MEMORY_FOR_LAB_2)
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

/// As root, Nomad puts each task into a control group; as another user, it does not.
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

/// The folders for meshlab's files, which most verbs need.
fn folders(settings: &Settings) -> Vec<Note> {
    if let Err(failure) = Dirs::of(&settings.environment, &settings.work_dir) {
        return vec![problem("folders", &failure, "set HOME")];
    }
    let Dirs { cache, data, state, config: _ } = &settings.dirs;
    let folders =
        [("cache", cache, ROOM_FOR_TOOLS), ("data", data, ROOM_FOR_TOOLS), ("state", state, ROOM_FOR_LAB_2)];
    folders.into_iter().filter_map(|(name, folder, needed)| self::folder(name, folder, needed)).collect()
}

fn folder(name: &str, folder: &Utf8Path, needed: u64) -> Option<Note> {
    // The folder may not exist yet; what holds it does.
    let existing = folder.ancestors().find(|ancestor| ancestor.exists())?;
    let statistics = rustix::fs::statvfs(existing.as_std_path()).ok()?;
    let free = statistics.f_bavail.saturating_mul(statistics.f_frsize);
    let subject = format!("{name} folder");
    if rustix::fs::access(existing.as_std_path(), rustix::fs::Access::WRITE_OK).is_err() {
        return Some(Note::new(Weight::Bad, subject, format!("{folder} cannot be written")).advice(
            FIX,
            format!("set MESHLAB_{}_DIR to a folder that you may write to", name.to_uppercase()),
        ));
    }
    let seen = format!("{folder}, {} free", ByteSize(free));
    Some(if free < needed {
        Note::new(Weight::Warning, subject, seen)
            .advice(FIX, format!("free some space: labs take up to {} there", ByteSize(needed)))
    } else {
        Note::new(Weight::Good, subject, seen)
    })
}
