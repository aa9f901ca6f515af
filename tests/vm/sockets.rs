//! The sockets of an environment: where they listen, and whom they reach.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

use crate::environment::Vm;
use crate::harness::Place;

impl Vm {
    /// Sockets that are open to others than this machine: where they listen, and whom they reach.
    pub(crate) fn strange_sockets(&self) -> BTreeSet<String> {
        match self.place {
            Place::Host => self.strange_sockets_of_processes(),
            Place::Docker => self.strange_sockets_of_the_machine(),
        }
    }

    fn strange_sockets_of_processes(&self) -> BTreeSet<String> {
        let names = self.sockets();
        let own: IpAddr = self.address.parse().unwrap();
        let is_own = |ip: IpAddr| ip == own || ip == second(own);
        let mut found = BTreeSet::new();
        for entry in [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten() {
            let Some(name) = names.get(&entry.inode) else { continue };
            let (local, remote) = (entry.local_address.ip(), entry.remote_address.ip());
            let well = match entry.state {
                TcpState::Listen => is_own(local),
                _ => local.is_loopback() && remote.is_loopback(),
            };
            if !well {
                found.insert(format!("{name}: tcp {local} to {} ({:?})", entry.remote_address, entry.state));
            }
        }
        for entry in [procfs::net::udp(), procfs::net::udp6()].into_iter().flatten().flatten() {
            let Some(name) = names.get(&entry.inode) else { continue };
            let (local, remote) = (entry.local_address, entry.remote_address);
            if !local.ip().is_loopback() || !(remote.ip().is_loopback() || remote.ip().is_unspecified()) {
                found.insert(format!("{name}: udp {local} to {remote}"));
            }
        }
        found
    }

    /// The machine has a network of its own, and every socket in it is the lab's.
    fn strange_sockets_of_the_machine(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let Some(holder) = self.machine() else { return found };
        let names = self.sockets();
        let own: IpAddr = self.address.parse().unwrap();
        let gateway = gateway(own);
        let is_own = |ip: IpAddr| ip == own || ip.is_loopback();
        let name = |inode: u64| names.get(&inode).map_or("?", String::as_str);
        for entry in [holder.tcp(), holder.tcp6()].into_iter().flatten().flatten() {
            let (local, remote) = (entry.local_address.ip(), entry.remote_address.ip());
            let well = match entry.state {
                TcpState::Listen => is_own(local),
                // This machine comes in by the gateway. It is never called.
                _ => is_own(local) && (is_own(remote) || remote == gateway),
            };
            if !well {
                let name = name(entry.inode);
                found.insert(format!("{name}: tcp {local} to {} ({:?})", entry.remote_address, entry.state));
            }
        }
        for entry in [holder.udp(), holder.udp6()].into_iter().flatten().flatten() {
            let (local, remote) = (entry.local_address, entry.remote_address);
            if !is_own(local.ip()) || !(is_own(remote.ip()) || remote.ip().is_unspecified()) {
                found.insert(format!("{}: udp {local} to {remote}", name(entry.inode)));
            }
        }
        // Nothing of the lab is outside of it.
        let outside = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
        for entry in outside.filter(|entry| names.contains_key(&entry.inode)) {
            found.insert(format!("{}: tcp {} of this machine", name(entry.inode), entry.local_address));
        }
        found
    }

    /// The process that holds the machine's namespaces, while there is one.
    pub(crate) fn machine(&self) -> Option<Process> {
        let asked = Command::new("docker")
            .args(["inspect", "--format", "{{.State.Pid}}", &self.container("machine")])
            .output()
            .unwrap();
        let pid = String::from_utf8_lossy(&asked.stdout).trim().parse().ok().filter(|pid| *pid > 0)?;
        Process::new(pid).ok()
    }

    /// The names of members by the sockets that they have.
    fn sockets(&self) -> BTreeMap<u64, String> {
        let mut names = BTreeMap::new();
        for process in self.members() {
            let name = process.stat().map(|stat| stat.comm).unwrap_or_default();
            for descriptor in process.fd().into_iter().flatten().flatten() {
                if let FDTarget::Socket(inode) = descriptor.target {
                    names.insert(inode, name.clone());
                }
            }
        }
        names
    }
}

/// The address of this machine in the network of a lab's containers.
fn gateway(own: IpAddr) -> IpAddr {
    let IpAddr::V4(own) = own else { return own };
    let [first, second, third, _] = own.octets();
    IpAddr::from([first, second, third, 1])
}

/// The address of second instances.
fn second(own: IpAddr) -> IpAddr {
    let IpAddr::V4(own) = own else { return own };
    let [first, _, third, fourth] = own.octets();
    IpAddr::from([first, 1, third, fourth])
}
