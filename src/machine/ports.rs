//! The ports that a lab needs, and the processes that hold them.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};

use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::LabAddress;

/// A port that a lab needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededPort {
    /// The number.
    pub port: u16,
    /// What listens on it.
    pub purpose: String,
    /// Whether UDP is needed as well.
    pub udp: bool,
    /// Whether people use it from outside: a lab of containers publishes it on this machine's loopback.
    pub published: bool,
}

/// A port that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenPort {
    /// Its address.
    pub address: SocketAddr,
    /// What it was needed for.
    pub purpose: String,
    /// The process that holds it (`name (pid 1)`), or the system's error.
    pub reason: String,
}

/// The most attempts to bind a port. One that is in use and has no holder was closed in between: it is tried again.
const MOST_TRIES: usize = 4;

/// The needed ports that are in use. Each is bound for a moment: no other test is as reliable.
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

/// Why a port cannot be bound; `None` if it can.
fn why_not(
    at: SocketAddr,
    udp: bool,
    mut holder: impl FnMut(SocketAddr, Transport) -> Option<String>,
) -> Option<String> {
    for _ in 0..MOST_TRIES {
        let tcp = TcpListener::bind(at).map_err(|error| (error, Transport::Tcp));
        let tried = tcp.map(drop).and_then(|()| {
            let bound = if udp { UdpSocket::bind(at).map(drop) } else { Ok(()) };
            bound.map_err(|error| (error, Transport::Udp))
        });
        let (error, transport) = tried.err()?;
        if error.kind() != std::io::ErrorKind::AddrInUse {
            return Some(error.to_string());
        }
        if let Some(holder) = holder(at, transport) {
            return Some(holder);
        }
    }
    Some("a process that cannot be seen, of another user or in a container".to_owned())
}

/// Fails if a needed port is in use, with the holder of each.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

/// The process that has a socket at an address, or at all addresses of its port, as far as this user may see it.
fn holder(at: SocketAddr, transport: Transport) -> Option<String> {
    let clashes = |local: SocketAddr| {
        // Java's sockets have IPv4-mapped IPv6 addresses.
        let ip = local.ip().to_canonical();
        local.port() == at.port() && (ip == at.ip() || ip.is_unspecified() || at.ip().is_unspecified())
    };
    if transport == Transport::Udp {
        let udp = [procfs::net::udp(), procfs::net::udp6()].into_iter().flatten().flatten();
        return owner(&udp.filter(|entry| clashes(entry.local_address)).map(|entry| entry.inode).collect());
    }
    let tcp = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let (listening, connected): (Vec<_>, Vec<_>) =
        tcp.filter(|entry| clashes(entry.local_address)).partition(|entry| entry.state == TcpState::Listen);
    let inodes = |entries: &[TcpNetEntry]| entries.iter().map(|entry| entry.inode).collect();
    // The client side of a connection has a port as well, which the system picks: it may be a needed one.
    owner(&inodes(&listening))
        .or_else(|| owner(&inodes(&connected)).map(|owner| format!("a connection of {owner}")))
        .or_else(|| {
            let is_closed = |entry: &TcpNetEntry| entry.state == TcpState::TimeWait;
            connected
                .iter()
                .any(is_closed)
                .then(|| "a connection that was just closed (a minute at most)".to_owned())
        })
}

/// The process that has one of these sockets open: `name (pid 1)`. Of several, the oldest: a process that has just been
/// started has its parent's sockets until its program begins.
fn owner(inodes: &HashSet<u64>) -> Option<String> {
    if inodes.is_empty() {
        return None;
    }
    let holds = |process: &Process| {
        process.fd().is_ok_and(|descriptors| {
            descriptors.flatten().any(
                |descriptor| matches!(descriptor.target, FDTarget::Socket(inode) if inodes.contains(&inode)),
            )
        })
    };
    let age = |process: &Process| process.stat().map_or(u64::MAX, |stat| stat.starttime);
    let process = procfs::process::all_processes().ok()?.flatten().filter(holds).min_by_key(age)?;
    let command = process.cmdline().unwrap_or_default().join(" ");
    let shown: String = command.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    Some(format!("{shown} (pid {})", process.pid))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::core::until::assert_soon_blocking;

    fn needed(port: u16, udp: bool) -> [NeededPort; 1] {
        [NeededPort { port, purpose: "Consul's HTTP API".to_owned(), udp, published: true }]
    }

    #[test]
    fn a_taken_port_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = require_free(LabAddress::DEFAULT, &needed(port, false)).unwrap_err();
        assert_eq!(refused.message(), format!("port {port} is in use"));
        let shown = &refused.details()[0].text;
        assert!(shown.contains(&format!("(pid {})", std::process::id())), "{shown}");
    }

    #[test]
    fn a_port_that_a_connection_has_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = connection.local_addr().unwrap().port();
        let taken = taken(LabAddress::DEFAULT, &needed(port, false));
        let shown = &taken[0].reason;
        assert!(shown.starts_with("a connection of "), "{shown}");
        assert!(shown.contains(&format!("(pid {})", std::process::id())), "{shown}");
    }

    /// An address that no other test has, also not in another run of these tests.
    fn own(number: u8) -> LabAddress {
        let [.., high, low] = std::process::id().to_be_bytes();
        format!("127.{}.{high}.{low}", 100 + number).parse().unwrap()
    }

    #[test]
    fn another_loopback_address_is_free() {
        let _listener = TcpListener::bind(own(1).port(4017)).unwrap();
        assert_eq!(require_free(own(2), &needed(4017, true)), Ok(()));
        assert_eq!(taken(own(1), &needed(4017, true)).len(), 1);
    }

    #[test]
    fn what_has_the_port_for_udp_is_named_where_udp_is_needed() {
        let _socket = UdpSocket::bind(own(3).port(4017)).unwrap();
        assert_eq!(require_free(own(3), &needed(4017, false)), Ok(()));
        let shown = &taken(own(3), &needed(4017, true))[0].reason;
        assert!(shown.contains(&format!("(pid {})", std::process::id())), "{shown}");
    }

    #[test]
    fn a_port_that_is_closed_while_its_holder_is_looked_for_is_free() {
        let at = own(4).port(4017);
        let mut listener = Some(TcpListener::bind(at).unwrap());
        let no_holder = |_, _| {
            drop(listener.take());
            // A process that another test starts just now has it until its program begins.
            assert_soon_blocking(|| TcpListener::bind(at).is_ok());
            None
        };
        assert_eq!(why_not(at, false, no_holder), None);
    }

    #[test]
    fn a_holder_that_cannot_be_seen_is_reported_so() {
        let at = own(5).port(4017);
        let _listener = TcpListener::bind(at).unwrap();
        assert_eq!(
            why_not(at, false, |_, _| None).unwrap(),
            "a process that cannot be seen, of another user or in a container"
        );
    }
}
