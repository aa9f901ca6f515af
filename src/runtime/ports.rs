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

/// A port that was found taken by nobody was let go of meanwhile, and is asked for again so many times at most.
const MOST_TRIES: usize = 4;

/// The needed ports that are taken. Each is tried by binding it for a moment: nothing else is as true.
pub fn taken(address: LabAddress, needed: &[NeededPort]) -> Vec<TakenPort> {
    needed
        .iter()
        .filter_map(|need| {
            let at = address.port(need.port);
            let reason = why_not(at, need.udp, holder)?;
            Some(TakenPort { address: at, purpose: need.purpose.clone(), reason })
        })
        .collect()
}

/// Why a port cannot be had; `None` if it can.
fn why_not(
    at: SocketAddr,
    udp: bool,
    mut holder: impl FnMut(SocketAddr) -> Option<String>,
) -> Option<String> {
    for _ in 0..MOST_TRIES {
        let tried = TcpListener::bind(at)
            .map(drop)
            .and_then(|()| if udp { UdpSocket::bind(at).map(drop) } else { Ok(()) });
        let error = tried.err()?;
        if error.kind() != std::io::ErrorKind::AddrInUse {
            return Some(error.to_string());
        }
        if let Some(holder) = holder(at) {
            return Some(holder);
        }
    }
    Some("a process of another user".to_owned())
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

/// Who has a socket at an address or at all addresses of its port, as far as this user may see it.
fn holder(at: SocketAddr) -> Option<String> {
    let clashes = |local: SocketAddr| {
        local.port() == at.port()
            && (local.ip() == at.ip() || local.ip().is_unspecified() || at.ip().is_unspecified())
    };
    let tcp = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let udp = [procfs::net::udp(), procfs::net::udp6()].into_iter().flatten().flatten();
    let (listening, connected): (Vec<_>, Vec<_>) = tcp
        .filter(|entry| clashes(entry.local_address))
        .partition(|entry| entry.state == procfs::net::TcpState::Listen);
    let bound = udp.filter(|entry| clashes(entry.local_address)).map(|entry| entry.inode);
    let bound: Vec<u64> = listening.iter().map(|entry| entry.inode).chain(bound).collect();
    // A program that calls another has a port as well: the system picks it, and it may be one that was wanted.
    let connected: Vec<u64> = connected.iter().map(|entry| entry.inode).collect();
    owner(&bound).or_else(|| owner(&connected).map(|owner| format!("a connection of {owner}")))
}

/// The process that has one of these sockets open: `name (pid 1)`.
fn owner(inodes: &[u64]) -> Option<String> {
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
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use super::*;

    fn needed(port: u16, udp: bool) -> [NeededPort; 1] {
        [NeededPort { port, purpose: "Consul's HTTP API".to_owned(), udp, door: true }]
    }

    #[test]
    fn a_taken_port_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = require_free(LabAddress::DEFAULT, &needed(port, false)).unwrap_err();
        assert_eq!(refused.message(), format!("port {port} is in use"));
        let told = &refused.details()[0].text;
        assert!(told.contains(&format!("(pid {})", std::process::id())), "{told}");
    }

    #[test]
    fn a_port_that_a_connection_has_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = connection.local_addr().unwrap().port();
        let taken = taken(LabAddress::DEFAULT, &needed(port, false));
        let told = &taken[0].reason;
        assert!(told.starts_with("a connection of "), "{told}");
        assert!(told.contains(&format!("(pid {})", std::process::id())), "{told}");
    }

    // The port is none that the system would give to somebody else meanwhile.
    #[test]
    fn another_loopback_address_is_free() {
        let _listener = TcpListener::bind("127.8.7.5:4017").unwrap();
        assert_eq!(require_free("127.8.7.6".parse().unwrap(), &needed(4017, true)), Ok(()));
        assert_eq!(taken("127.8.7.5".parse().unwrap(), &needed(4017, true)).len(), 1);
    }

    #[test]
    fn a_port_that_is_let_go_of_while_its_holder_is_looked_for_is_free() {
        let at = "127.8.7.7:4018".parse().unwrap();
        let mut listener = Some(TcpListener::bind(at).unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        let nobody = |_| {
            drop(listener.take());
            // A process that another test starts just now has it until its program begins.
            while TcpListener::bind(at).is_err() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            None
        };
        assert_eq!(why_not(at, false, nobody), None);
    }

    #[test]
    fn a_holder_that_cannot_be_seen_is_somebody_else() {
        let at = "127.8.7.7:4019".parse().unwrap();
        let _listener = TcpListener::bind(at).unwrap();
        assert_eq!(why_not(at, false, |_| None).unwrap(), "a process of another user");
    }
}
