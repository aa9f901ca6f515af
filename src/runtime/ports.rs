//! Ports a lab needs: free, or held by whom.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use procfs::process::FDTarget;

use crate::failure::{Failure, FailureKind, Result};
use crate::model::LabAddress;

/// A port and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededPort {
    /// The number.
    pub port: u16,
    /// What will listen there.
    pub purpose: String,
    /// Whether UDP is needed as well.
    pub udp: bool,
    /// Whether a person wants to reach it, so that a lab of containers publishes it on this machine's loopback.
    pub door: bool,
}

/// A port that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenPort {
    /// Where.
    pub address: SocketAddr,
    /// What it was needed for.
    pub purpose: String,
    /// Why it cannot be had: the holder (`name (pid 1)`), or what the system says.
    pub reason: String,
}

/// The needed ports that are taken. Each is tried by binding it for a moment: nothing else is as true.
pub fn taken(address: LabAddress, needed: &[NeededPort]) -> Vec<TakenPort> {
    needed
        .iter()
        .filter_map(|need| {
            let at = address.port(need.port);
            let tried = TcpListener::bind(at)
                .map(drop)
                .and_then(|()| if need.udp { UdpSocket::bind(at).map(drop) } else { Ok(()) });
            let error = tried.err()?;
            let reason = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    holder(at).unwrap_or_else(|| "a process of another user".to_owned())
                }
                _ => error.to_string(),
            };
            Some(TakenPort { address: at, purpose: need.purpose.clone(), reason })
        })
        .collect()
}

/// Fails if any needed port is taken, naming each with its holder.
pub fn require_free(address: LabAddress, needed: &[NeededPort]) -> Result<()> {
    let taken = taken(address, needed);
    let Some(first) = taken.first() else { return Ok(()) };
    let message = match taken.len() {
        1 => format!("port {} is in use", first.address.port()),
        count => format!("{count} ports are in use"),
    };
    let failure = taken.iter().fold(Failure::new(FailureKind::Failed, message), |failure, port| {
        failure
            .detail(port.address.to_string(), format!("needed for {}, held by {}", port.purpose, port.reason))
    });
    Err(failure
        .hint("stop the holder, or run the lab elsewhere: --address 127.0.0.2 (containers: 10.10.20.150)"))
}

/// The process that listens at an address or at all addresses of its port, as far as this user may see it.
pub fn holder(at: SocketAddr) -> Option<String> {
    let clashes = |local: SocketAddr| {
        local.port() == at.port()
            && (local.ip() == at.ip() || local.ip().is_unspecified() || at.ip().is_unspecified())
    };
    let tcp = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let udp = [procfs::net::udp(), procfs::net::udp6()].into_iter().flatten().flatten();
    let inodes: Vec<u64> = tcp
        .filter(|entry| entry.state == procfs::net::TcpState::Listen && clashes(entry.local_address))
        .map(|entry| entry.inode)
        .chain(udp.filter(|entry| clashes(entry.local_address)).map(|entry| entry.inode))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    for process in procfs::process::all_processes().ok()?.flatten() {
        let Ok(descriptors) = process.fd() else { continue };
        let holds = descriptors.flatten().any(
            |descriptor| matches!(descriptor.target, FDTarget::Socket(inode) if inodes.contains(&inode)),
        );
        if holds {
            let command = process.cmdline().unwrap_or_default().join(" ");
            let shown: String =
                command.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
            return Some(format!("{shown} (pid {})", process.pid));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let needed = [NeededPort { port, purpose: "Consul's HTTP API".to_owned(), udp: false, door: true }];
        let refused = require_free(LabAddress::DEFAULT, &needed).unwrap_err();
        assert_eq!(refused.message(), format!("port {port} is in use"));
        let told = &refused.details()[0].text;
        assert!(told.contains(&format!("(pid {})", std::process::id())), "{told}");
        drop(listener);
        assert_eq!(require_free(LabAddress::DEFAULT, &needed), Ok(()));
    }

    #[test]
    fn another_loopback_address_is_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let needed = [NeededPort { port, purpose: "x".to_owned(), udp: true, door: false }];
        assert_eq!(taken("127.0.0.2".parse().unwrap(), &needed), []);
    }
}
