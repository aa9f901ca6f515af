//! `meshlab doctor`: what this machine can do, and how to mend what it can't.

use std::process::Stdio;

use serde_json::{Value, json};

use super::Output;
use crate::artifact::tool::Tools;
use crate::cli::Settings;
use crate::failure::{Failure, FailureKind, Result};
use crate::lab::Catalog;
use crate::lockfile::{Lock, Profile, SourceKind};
use crate::model::{ByteSize, Platform};
use crate::runtime::ports;
use crate::state::RunDir;
use crate::ui::{Cell, Look, Table};

/// What a build of Consul and Nomad from modules takes at most: modules, objects and results, in bytes.
const ROOM_TO_BUILD: u64 = 8_000_000_000;

/// What one compile process takes at most, in bytes.
const MEMORY_TO_BUILD: u64 = 3_000_000_000;

/// What a running lab takes, with room to breathe, in bytes.
const MEMORY_TO_RUN: u64 = 600_000_000;

/// How a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Warning,
    Bad,
}

struct Finding {
    verdict: Verdict,
    subject: String,
    seen: String,
    fix: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { verdict, subject: subject.into(), seen: seen.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Looks at the machine. Every failure comes with its fix; the second value fails the run (exit 6) if there is one.
pub fn run(settings: &Settings, lock: &Lock) -> Result<(Output, Result<()>)> {
    let mut findings = Vec::new();
    findings.push(platform());
    findings.extend(loader());
    findings.extend(memory());
    findings.extend(disks(settings));
    findings.push(clients(settings, lock));
    findings.extend(tools(settings, lock));
    findings.extend(notes(lock));
    findings.extend(lab_ports(settings)?);
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    let outcome = match failed {
        0 => Ok(()),
        count => {
            let noun = if count == 1 { "finding stands" } else { "findings stand" };
            Err(Failure::new(FailureKind::MachineLacks, format!("{count} {noun} in the way"))
                .hint("each names its fix above"))
        }
    };
    Ok((output(&findings, settings), outcome))
}

fn output(findings: &[Finding], settings: &Settings) -> Output {
    let look = Look::of_stdout(settings);
    let mut table = Table::new(["", "WHAT", "SEEN"]);
    let mut rows: Vec<Value> = Vec::new();
    for finding in findings {
        let (cell, word) = match finding.verdict {
            Verdict::Good => (Cell::good("ok"), "ok"),
            Verdict::Warning => (Cell::warn("note"), "note"),
            Verdict::Bad => (Cell::bad("FAIL"), "fail"),
        };
        table.row([cell, Cell::strong(finding.subject.clone()), finding.seen.clone().into()]);
        if let Some(fix) = &finding.fix {
            table.row(["".into(), "".into(), Cell::dim(format!("fix: {fix}"))]);
        }
        rows.push(
            json!({"verdict": word, "what": finding.subject, "seen": finding.seen, "fix": finding.fix}),
        );
    }
    Output { human: table.render(&look), json: json!({"schema": 1, "findings": rows}) }
}

fn platform() -> Finding {
    match Platform::current() {
        Ok(platform) => {
            let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
            Finding::new(Verdict::Good, "platform", format!("{platform}, kernel {kernel}"))
        }
        Err(failure) => Finding::new(Verdict::Bad, "platform", failure.message())
            .fix("use a Linux machine, or a Linux VM on this one"),
    }
}

/// Envoy is the one core tool that needs the system's C library.
fn loader() -> Option<Finding> {
    let path = match Platform::current().ok()? {
        Platform::LinuxX86_64 => "/lib64/ld-linux-x86-64.so.2",
        Platform::LinuxArm64 => "/lib/ld-linux-aarch64.so.1",
    };
    Some(if std::path::Path::new(path).exists() {
        Finding::new(Verdict::Good, "C library", format!("{path} is there, as Envoy needs it"))
    } else {
        Finding::new(Verdict::Bad, "C library", format!("{path} is missing: Envoy is built against glibc"))
            .fix("install glibc (Alpine: gcompat is not enough), or use a distribution that has it")
    })
}

fn memory() -> Option<Finding> {
    use procfs::Current as _;
    let available = procfs::Meminfo::current().ok()?.mem_available?;
    let seen = format!("{} available", ByteSize(available));
    Some(if available < MEMORY_TO_RUN {
        Finding::new(Verdict::Bad, "memory", seen)
            .fix(format!("free some: a lab takes up to {}", ByteSize(MEMORY_TO_RUN)))
    } else if available < MEMORY_TO_BUILD {
        Finding::new(Verdict::Warning, "memory", seen).fix(format!(
            "enough to run; building Consul and Nomad from modules takes {}, release files nothing",
            ByteSize(MEMORY_TO_BUILD)
        ))
    } else {
        Finding::new(Verdict::Good, "memory", seen)
    })
}

fn disks(settings: &Settings) -> Vec<Finding> {
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
            Finding::new(Verdict::Bad, subject, format!("{folder} cannot be written"))
                .fix(format!("set MESHLAB_{}_DIR to a folder of yours", name.to_uppercase()))
        } else if name == "cache" && free < ROOM_TO_BUILD {
            Finding::new(Verdict::Warning, subject, seen).fix(format!(
                "building Consul and Nomad from modules takes {} for a while, release files far less",
                ByteSize(ROOM_TO_BUILD)
            ))
        } else {
            Finding::new(Verdict::Good, subject, seen)
        });
    }
    findings
}

/// The clients that bring what release servers cannot.
fn clients(settings: &Settings, lock: &Lock) -> Finding {
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
        Finding::new(Verdict::Good, "package managers", present.join(", "))
    } else {
        let seen = format!("no pip, the only way to get {}", pip_only.join(", "));
        Finding::new(Verdict::Warning, "package managers", seen)
            .fix("install python3-pip, or set MESHLAB_MIRROR to a machine that runs `meshlab repo serve`")
    }
}

fn tools(settings: &Settings, lock: &Lock) -> Option<Finding> {
    let platform = Platform::current().ok()?;
    let tools = Tools::new(&settings.dirs.data);
    let core = lock.artifacts.iter().filter(|artifact| artifact.profiles.contains(&Profile::Core));
    let (ready, missing): (Vec<_>, Vec<_>) =
        core.partition(|artifact| tools.find(artifact, platform).is_some());
    let names = |artifacts: &[&crate::lockfile::Artifact]| {
        let named: Vec<String> =
            artifacts.iter().map(|artifact| format!("{} {}", artifact.name, artifact.version)).collect();
        if named.is_empty() { "none".to_owned() } else { named.join(", ") }
    };
    Some(if missing.is_empty() {
        Finding::new(Verdict::Good, "core tools", names(&ready))
    } else {
        Finding::new(Verdict::Warning, "core tools", format!("missing: {}", names(&missing)))
            .fix("`meshlab provision` gets them; a lab gets what it needs by itself")
    })
}

fn notes(lock: &Lock) -> impl Iterator<Item = Finding> {
    lock.artifacts.iter().filter_map(|artifact| {
        let note = artifact.note.as_ref()?;
        Some(Finding::new(Verdict::Warning, format!("{} {}", artifact.name, artifact.version), note.clone()))
    })
}

fn lab_ports(settings: &Settings) -> Result<Vec<Finding>> {
    let address = settings.address;
    let run = RunDir::new(&settings.dirs.state, address);
    if let Some(state) = run.load() {
        let seen = format!("lab {} runs on {address}", state.lab);
        return Ok(vec![Finding::new(Verdict::Warning, "labs' ports", seen).fix("`meshlab down` ends it")]);
    }
    let catalog = Catalog::find(&settings.work_dir)?;
    let mut findings = Vec::new();
    for id in catalog.ids() {
        let lab = catalog.lab(id.as_str())?;
        let taken = ports::taken(address, &lab.ports);
        let subject = format!("ports of {id}");
        if taken.is_empty() {
            findings.push(Finding::new(
                Verdict::Good,
                subject.clone(),
                format!("all {} free on {address}", lab.ports.len()),
            ));
        }
        for port in taken {
            let seen = format!("{} ({}) is held by {}", port.address, port.purpose, port.reason);
            findings.push(
                Finding::new(Verdict::Bad, subject.clone(), seen)
                    .fix("stop the holder, or use another address: --address 127.0.0.2"),
            );
        }
    }
    Ok(findings)
}
