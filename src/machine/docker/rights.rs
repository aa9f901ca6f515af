//! What each container may do: the least that it works with. It follows from what the container is for, never from its
//! command line.

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType};
use camino::Utf8Path;
use fs_err as fs;

use crate::core::failure::Result;
use crate::core::model::Network;
use crate::machine::ALLOCATIONS;
use crate::machine::backend::Site;
use crate::machine::role::Role;
use crate::machine::state::RunDir;

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Holds the namespaces, and runs what a person types.
    Machine,
    /// A component that only listens and connects.
    Plain,
    /// nginx: started by root, its workers run as nobody.
    LoadBalancer,
    /// Removes what root wrote inside, for a user who is not root outside.
    Cleaner,
    /// Nomad: makes control groups, mounts and, for bridge networks, interfaces and packet filter rules.
    Scheduler,
}

impl From<&Role> for Part {
    fn from(role: &Role) -> Self {
        match role {
            Role::Nomad => Self::Scheduler,
            Role::LoadBalancer => Self::LoadBalancer,
            Role::Consul | Role::Repository | Role::PortForwarder | Role::LabService { .. } => Self::Plain,
        }
    }
}

impl Part {
    /// User and group inside. Plain components run as the user who started the lab, who then owns their files.
    pub(super) fn user(self) -> String {
        match self {
            Self::Plain | Self::LoadBalancer => {
                format!("{}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
            }
            Self::Machine | Self::Cleaner | Self::Scheduler => "0:0".to_owned(),
        }
    }

    /// A container's rights, for Docker. The image is read-only.
    pub(super) fn host_config(self, mounts: Vec<Mount>) -> HostConfig {
        let capabilities: &[&str] = match self {
            Self::Plain => &[],
            // Runs its workers as nobody, who owns the folders that they use.
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
            // Components write to the lab's logs; Docker's log has one line that says where they are.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some([("max-size".to_owned(), "1m".to_owned())].into()),
            }),
            mounts: Some(mounts),
            ..HostConfig::default()
        }
    }
}

/// The folders that a component of this role sees.
pub(super) fn mounts(role: &Role, run: &RunDir, site: &Site) -> Result<Vec<Mount>> {
    let mut mounts = vec![shared(run.root(), false)];
    match role {
        Role::Nomad => {
            mounts.push(shared(Utf8Path::new("/sys/fs/cgroup"), false));
            if site.needs.network == Network::Bridge {
                let folder = run.allocations();
                fs::create_dir_all(&folder)?;
                mounts.push(Mount { target: Some(ALLOCATIONS.to_owned()), ..shared(&folder, false) });
            }
        }
        Role::Repository if site.needs.store.is_dir() => mounts.push(shared(&site.needs.store, true)),
        Role::Repository
        | Role::Consul
        | Role::LoadBalancer
        | Role::PortForwarder
        | Role::LabService { .. } => {}
    }
    Ok(mounts)
}

/// A folder of this machine at the same path inside.
pub(super) fn shared(folder: &Utf8Path, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.to_string()),
        target: Some(folder.to_string()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::backend::ServiceSpec;
    use crate::machine::scripted::site;
    use crate::machine::state::readiness::Readiness;

    #[test]
    fn a_lab_s_own_service_gets_no_rights_whatever_it_is_called() {
        let run = RunDir::new("/state".into(), "10.20.0.150".parse().unwrap());
        let site = site("9-own");
        let rights = |role: &Role| {
            let part = Part::from(role);
            (part.user(), part.host_config(mounts(role, &run, &site).unwrap()))
        };
        let plain = (Part::Plain.user(), Part::Plain.host_config(vec![shared(run.root(), false)]));
        for word in ["nomad", "nginx", "consul"] {
            for tool in [None, Some(word.parse().unwrap())] {
                let spec = ServiceSpec {
                    name: word.to_owned(),
                    role: Role::LabService { tool },
                    command: format!("{word} agent -dev"),
                    listens: Vec::new(),
                    ready: Readiness::Tcp { port: 1 },
                };
                assert_eq!(rights(&spec.role), plain, "{spec:?}");
            }
        }
        assert_ne!(rights(&Role::LoadBalancer), plain);
        assert_ne!(Part::from(&Role::Nomad).host_config(Vec::new()), Part::Plain.host_config(Vec::new()));
    }
}
