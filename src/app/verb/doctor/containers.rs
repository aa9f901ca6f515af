//! Docker, and what bridge networks need.

use camino::Utf8Path;

use super::{FIX, problem};
use crate::app::ui::{Note, Weight};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::Tools;
use crate::core::model::Platform;
use crate::core::settings::{RuntimeChoice, Settings};
use crate::machine::choose;
use crate::machine::docker::{self, Daemon, Found};

/// What the images and the containers of one lab take, in bytes.
const ROOM: u64 = 1_000_000_000;

/// What to do about Docker where its failure has no hint.
const OTHER_RUNTIME: &str = "give --runtime host";

/// The artifacts that bridge networks need, in addition to Nomad.
const NETWORK_TOOLS: [&str; 2] = ["cni-plugins", "iptables"];

/// Capabilities by number, as in capabilities(7), that bridge networks and the secrets of Nomad's tasks need.
const RIGHTS: [(u32, &str); 3] = [(12, "NET_ADMIN"), (13, "NET_RAW"), (21, "SYS_ADMIN")];

/// Findings about Docker, and its daemon if labs can use it.
pub(super) async fn docker(settings: &Settings) -> (Vec<Note>, Option<Daemon>) {
    let subject = "Docker";
    let found = docker::find(choose::docker_host(settings)).await;
    let daemon = match found {
        Ok(Found::Usable(daemon)) => *daemon,
        Ok(Found::Absent(why)) => {
            let is_required = settings.runtime == RuntimeChoice::Docker;
            let note = if is_required {
                Note::new(Weight::Bad, subject, format!("no daemon runs ({why})"))
                    .advice(FIX, "start it: `sudo systemctl start docker`")
            } else {
                let seen = format!("no daemon runs ({why}), so labs run as processes of this machine");
                Note::new(Weight::Good, subject, seen)
            };
            return (vec![note], None);
        }
        Err(failure) => return (vec![problem(subject, &failure, OTHER_RUNTIME)], None),
    };
    let seen = format!(
        "{}, control groups version {}: labs run in containers by default",
        daemon.version, daemon.control_groups
    );
    let mut notes = vec![Note::new(Weight::Good, subject, seen)];
    notes.extend(daemon.data.as_deref().and_then(disk));
    let run = docker::usual_run(settings);
    notes.push(match docker::require_free_network(&daemon, &run).await {
        Ok(network) => Note::new(Weight::Good, "lab network", format!("{network} is free, or the lab's own")),
        Err(failure) => problem("lab network", &failure, OTHER_RUNTIME),
    });
    (notes, Some(daemon))
}

/// Free space where Docker keeps images, if that is a folder of this machine.
fn disk(data: &Utf8Path) -> Option<Note> {
    let file_system = rustix::fs::statvfs(data.as_str()).ok()?;
    let free = file_system.f_bavail.saturating_mul(file_system.f_frsize);
    let seen = format!("{} free at {data}", crate::core::model::ByteSize(free));
    Some(if free >= ROOM {
        Note::new(Weight::Good, "Docker's disk", seen)
    } else {
        let fix = "`docker system df` shows what fills it, `docker system prune` removes what is not in use";
        Note::new(Weight::Bad, "Docker's disk", seen).advice(FIX, fix)
    })
}

/// Whether Nomad can give tasks a network of their own, as native sidecars need it.
pub(super) fn bridge_networks(settings: &Settings, lock: &Lock, daemon: Option<&Daemon>) -> Note {
    let subject = "bridge networks";
    if daemon.is_some() {
        let seen =
            "in containers: the image of Nomad has CNI plugins and iptables, and its container the rights";
        return Note::new(Weight::Good, subject, seen);
    }
    if !rustix::process::geteuid().is_root() {
        let seen = "as an ordinary user Nomad cannot make them: native sidecars need root, or Docker";
        return Note::new(Weight::Warning, subject, seen)
            .advice(FIX, "start Docker, or run that lab as root");
    }
    let missing: Vec<&str> =
        RIGHTS.iter().filter(|(number, _)| !may_have(*number)).map(|(_, name)| *name).collect();
    if !missing.is_empty() {
        let seen = format!("root lacks {} here", missing.join(", "));
        return Note::new(Weight::Warning, subject, seen)
            .advice(FIX, "native sidecars need a machine, or a container, that is given these rights");
    }
    let tools = Tools::new(&settings.dirs.data);
    let is_there = |name: &&str| {
        let artifact = lock.artifacts.iter().find(|artifact| artifact.name.as_str() == *name);
        let platform = Platform::current().ok();
        artifact.zip(platform).is_some_and(|(artifact, platform)| tools.find(artifact, platform).is_some())
    };
    match NETWORK_TOOLS.iter().find(|name| !is_there(name)) {
        Some(name) => {
            let seen =
                format!("root has the rights; {name} is not installed yet, a lab installs what it needs");
            Note::new(Weight::Good, subject, seen)
        }
        None => {
            Note::new(Weight::Good, subject, "root has the rights; CNI plugins and iptables are installed")
        }
    }
}

/// Whether this process, or a child of it, may have a capability.
fn may_have(number: u32) -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    // Unknown counts as allowed.
    status.map_or(true, |status| status.capbnd.is_none_or(|bounds| bounds & (1 << number) != 0))
}
