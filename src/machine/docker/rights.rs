//! What each container may do: as little as it works with.

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType};
use camino::Utf8Path;

use crate::machine::program_of;

/// What a container is for decides what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Holds the network, and runs what a person types.
    Machine,
    /// A component that only listens and connects.
    Plain,
    /// nginx: started by root, it hands its workers to nobody.
    LoadBalancer,
    /// Removes what root wrote inside, for a user who is not root outside.
    Cleaner,
    /// Nomad: makes control groups, mounts and, for bridge networks, interfaces and packet filter rules.
    Scheduler,
}

impl Part {
    /// The part of whoever runs this command.
    pub(super) fn of(command: &str) -> Self {
        match program_of(command) {
            "nomad" => Self::Scheduler,
            "nginx" => Self::LoadBalancer,
            _ => Self::Plain,
        }
    }

    /// User and group inside. Plain components run as whoever started the lab, so that its files are theirs.
    pub(super) fn user(self) -> String {
        match self {
            Self::Plain | Self::LoadBalancer => {
                format!("{}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
            }
            Self::Machine | Self::Cleaner | Self::Scheduler => "0:0".to_owned(),
        }
    }

    /// All that Docker has to know of a container's rights. Nothing of the image can be written to.
    pub(super) fn host_config(self, mounts: Vec<Mount>) -> HostConfig {
        let capabilities: &[&str] = match self {
            Self::Plain => &[],
            // To become nobody, and to give nobody the folders that the workers use.
            Self::LoadBalancer => &["SETUID", "SETGID", "CHOWN"],
            // The folders are the user's, the files in them root's.
            Self::Cleaner => &["DAC_OVERRIDE", "FOWNER"],
            Self::Machine => &[
                // Reads and writes the files of the lab's owner.
                "DAC_OVERRIDE",
                // The load test reads what the lab's processes use. There are no others in its process namespace.
                "SYS_PTRACE",
                // Ends what it started, as whatever user that runs.
                "KILL",
            ],
            Self::Scheduler => &[
                // Files of tasks are handed to the tasks' users.
                "CHOWN",
                "FOWNER",
                "DAC_OVERRIDE",
                // Tasks may run as another user.
                "SETUID",
                "SETGID",
                "KILL",
                // Finds the tasks of a Nomad that was killed.
                "SYS_PTRACE",
                // A mount for each task's secrets, and namespaces for bridge networks.
                "SYS_ADMIN",
                // Interfaces and packet filter rules for bridge networks.
                "NET_ADMIN",
                "NET_RAW",
            ],
        };
        let is_scheduler = self == Self::Scheduler;
        let options: &[&str] = if is_scheduler {
            // Docker's filters forbid mounts also to those who may mount.
            &["seccomp=unconfined", "apparmor=unconfined"]
        } else {
            &["no-new-privileges"]
        };
        let strings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        let memory: &[&str] = if is_scheduler { &["/tmp", "/run", "/var"] } else { &["/tmp"] };
        HostConfig {
            cap_drop: Some(strings(&["ALL"])),
            cap_add: Some(strings(capabilities)),
            security_opt: Some(strings(options)),
            readonly_rootfs: Some(true),
            tmpfs: Some(memory.iter().map(|folder| ((*folder).to_owned(), String::new())).collect()),
            // portmap writes /proc/sys/net/.../route_localnet.
            masked_paths: is_scheduler.then(Vec::new),
            readonly_paths: is_scheduler.then(Vec::new),
            // Nomad looks for its own control group below the machine's.
            cgroupns_mode: is_scheduler.then_some(HostConfigCgroupnsModeEnum::HOST),
            // What components write goes to the lab's logs; Docker keeps a line of where they are.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some([("max-size".to_owned(), "1m".to_owned())].into()),
            }),
            mounts: Some(mounts),
            ..HostConfig::default()
        }
    }
}

/// A folder of this machine at the same place inside.
pub(super) fn shared(folder: &Utf8Path, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.to_string()),
        target: Some(folder.to_string()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}
