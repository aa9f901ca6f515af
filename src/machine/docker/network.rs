//! The lab's Docker network: whether its addresses are free, and its creation.

use std::net::Ipv4Addr;

use bollard::Docker;
use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::failure::cannot;
use super::names::Names;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::LabAddress;

/// The bits of a lab's network.
const BITS: u32 = 24;

/// A range of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    bits: u32,
}

impl Range {
    fn around(address: Ipv4Addr, bits: u32) -> Self {
        Self { first: u32::from(address) & mask(bits), bits }
    }

    /// Parses `10.10.10.0/24`. `None` for IPv6, which cannot overlap.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Self::around(address.parse().ok()?, bits))
    }

    fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        self.first & mask(bits) == other.first & mask(bits)
    }

    fn host(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.first | number)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.bits)
    }
}

fn mask(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits).unwrap_or(0)
}

/// The owner of a lab's addresses.
enum Owner {
    None(Range),
    ThisLab(Range),
}

/// The lab's range of addresses. Fails if another network overlaps it.
pub(super) async fn require_free(docker: &Docker, names: &Names, address: LabAddress) -> Result<String> {
    let (Owner::None(range) | Owner::ThisLab(range)) = owner(docker, names, address).await?;
    Ok(range.to_string())
}

/// Creates the lab's network unless it exists. Fails if another network overlaps it.
pub(super) async fn ensure(docker: &Docker, names: &Names, address: LabAddress) -> Result<()> {
    match owner(docker, names, address).await? {
        Owner::ThisLab(_) => Ok(()),
        Owner::None(range) => create(docker, names, range).await,
    }
}

/// Fails if this process has no route to the lab's network, for instance in a container or in another network namespace than
/// Docker's.
pub(super) fn require_route(address: LabAddress) -> Result<()> {
    let wanted = Range::around(address.ip(), BITS);
    if route(wanted).is_some() {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::MissingRequirement,
        format!("the lab's network {wanted} cannot be reached from here"),
    )
    .seen_text("Docker has created it, and no interface of this network namespace has a route to it")
    .hint(
        "run meshlab in the network namespace of Docker's daemon, not in a container; or give --runtime host",
    ))
}

async fn owner(docker: &Docker, names: &Names, address: LabAddress) -> Result<Owner> {
    let wanted = Range::around(address.ip(), BITS);
    let all = ListNetworksOptionsBuilder::default().build();
    let networks = docker.list_networks(Some(all)).await.map_err(cannot("list Docker's networks"))?;
    let mut own = None;
    for network in networks {
        if names.are_ours(network.labels.as_ref()) {
            own = network.id;
            continue;
        }
        let name = network.name.clone().unwrap_or_default();
        if name == names.network() {
            return Err(clash(address, format!("there is a network {name} that is not this lab's")).hint(
                format!(
                    "`docker network inspect {name}` shows its owner; or give --address {}",
                    address.alternative()
                ),
            ));
        }
        if let Some(taken) = ranges(&network).into_iter().find(|range| range.overlaps(wanted)) {
            return Err(clash(address, format!("Docker's network {name} has {taken}")).hint(format!(
                "remove it (`docker network rm {name}`), or run the lab elsewhere: --address {}",
                address.alternative()
            )));
        }
    }
    if own.is_some() {
        return Ok(Owner::ThisLab(wanted));
    }
    if let Some(interface) = route(wanted) {
        return Err(clash(address, format!("this machine reaches {wanted} through {interface}"))
            .hint(format!("run the lab elsewhere: --address {}", address.alternative())));
    }
    Ok(Owner::None(wanted))
}

async fn create(docker: &Docker, names: &Names, range: Range) -> Result<()> {
    let request = NetworkCreateRequest {
        name: names.network(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(range.to_string()),
                gateway: Some(range.host(1).to_string()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        // A lab has no connections to other machines.
        options: Some([("com.docker.network.bridge.enable_ip_masquerade".into(), "false".into())].into()),
        labels: Some(names.labels()),
        ..NetworkCreateRequest::default()
    };
    let name = names.network();
    docker.create_network(request).await.map_err(cannot(format!("create Docker's network {name}")))?;
    Ok(())
}

fn clash(address: LabAddress, seen: String) -> Failure {
    Failure::new(FailureKind::Failed, format!("the network of {address} is taken")).seen_text(seen)
}

fn ranges(network: &Network) -> Vec<Range> {
    let configurations = network.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
    configurations.filter_map(|configuration| Range::parse(configuration.subnet.as_deref()?)).collect()
}

/// The interface with a route to some of these addresses, other than the default route.
fn route(wanted: Range) -> Option<String> {
    let routes = procfs::net::route().unwrap_or_default();
    let clashing = routes.into_iter().find(|route| {
        let bits = u32::from(route.mask).count_ones();
        bits >= 8 && Range::around(route.destination, bits).overlaps(wanted)
    });
    clashing.map(|route| route.iface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_overlap_where_one_holds_the_other() {
        let range = |text: &str| Range::parse(text).unwrap();
        let lab = Range::around(Ipv4Addr::new(10, 10, 10, 150), BITS);
        assert_eq!(lab.to_string(), "10.10.10.0/24");
        assert_eq!(lab.host(1).to_string(), "10.10.10.1");
        for taken in ["10.0.0.0/8", "10.10.10.128/25", "10.10.10.0/24", "0.0.0.0/0"] {
            assert!(range(taken).overlaps(lab) && lab.overlaps(range(taken)), "{taken}");
        }
        for free in ["10.10.11.0/24", "172.17.0.0/16", "10.10.9.0/24"] {
            assert!(!range(free).overlaps(lab), "{free}");
        }
        assert_eq!(Range::parse("fd00::/64"), None);
        assert_eq!(Range::parse("10.0.0.0/33"), None);
    }
}
