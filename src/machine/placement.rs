//! Where a lab is in the network, as plain data: what configuration files, `status`, `doctor` and reports are filled with.

use super::BRIDGE;
use crate::core::model::{LabAddress, RuntimeKind};
use crate::machine::ports::NeededPort;

/// Where a lab is in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The lab's address.
    pub address: LabAddress,
    /// The network interface that has the lab's address.
    pub interface: &'static str,
    /// The network interface by whose address the ports of tasks on a bridge are reached.
    pub bridge_interface: &'static str,
    /// The address of this machine on which the lab's ports are published.
    pub published_on: LabAddress,
    /// Whether the components' own ports are ports of this machine.
    pub shares_ports: bool,
    /// Whether a shell runs in another process tree, so that this process passes its terminal on.
    pub relays_terminal: bool,
}

impl Placement {
    /// The placement of a lab on a runtime and an address.
    pub fn of(kind: RuntimeKind, address: LabAddress) -> Self {
        match kind {
            RuntimeKind::Host => Self {
                address,
                interface: "lo",
                // Tasks on a bridge cannot reach a loopback address outside of their namespace. The bridge's they can.
                bridge_interface: BRIDGE,
                published_on: address,
                shares_ports: true,
                relays_terminal: false,
            },
            RuntimeKind::Docker => Self {
                address,
                interface: "eth0",
                bridge_interface: "eth0",
                published_on: address.on_loopback(),
                shares_ports: false,
                relays_terminal: true,
            },
        }
    }

    /// Those of a lab's ports that must be free on this machine, at [`Self::published_on`].
    pub fn needed_here(&self, ports: &[NeededPort]) -> Vec<NeededPort> {
        ports.iter().filter(|port| self.shares_ports || port.published).cloned().collect()
    }

    /// Why other machines cannot reach the lab's listening ports, for `doctor`.
    pub fn exposure(&self, listening: usize) -> String {
        if self.shares_ports {
            return format!("closed: all {listening} listening ports are on loopback");
        }
        format!(
            "closed: all {listening} listening ports are on {}, in a network of this machine; its published ports are on {}",
            self.address, self.published_on
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_ports_of_containers_are_ports_of_this_machine() {
        let port =
            |port: u16, published: bool| NeededPort { port, purpose: String::new(), udp: false, published };
        let ports = [port(1, true), port(2, false)];
        for (kind, needed) in [(RuntimeKind::Host, 2), (RuntimeKind::Docker, 1)] {
            assert_eq!(Placement::of(kind, LabAddress::MACHINE).needed_here(&ports).len(), needed);
        }
    }
}
