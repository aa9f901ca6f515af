//! Whether the Envoys live, and whether Consul reaches them.

use super::facts::{Envoy, Pages, Side};
use crate::core::model::call_path::Finding;
use crate::mesh::api::consul::ADMIN_LABEL;
use crate::mesh::api::envoy::sum;

/// One finding for each sidecar's Envoy.
pub(super) fn alive(side: &Side) -> Vec<Finding> {
    if side.sidecars.is_empty() {
        return vec![nobody(side)];
    }
    let finding = |id: &str| match side.envoys.get(id) {
        None => Finding::doubtful(
            id,
            "nobody says where its Envoy's admin page is",
            format!(
                "give {id} a label where it is registered: `meta {{ {ADMIN_LABEL} = \"ADDRESS:PORT\" }}`"
            ),
        ),
        Some(Envoy { admin, pages: Err(seen) }) => Finding::broken(
            id,
            format!("an Envoy with its admin page at {admin}"),
            seen.to_string(),
            "the Envoy has ended, or never started: `meshlab status` shows which components run, `meshlab logs` why one ended",
        ),
        Some(Envoy { admin, pages: Ok(pages) }) => answering(id, *admin, pages),
    };
    side.sidecars.iter().map(|sidecar| finding(&sidecar.instance.id)).collect()
}

fn answering(id: &str, admin: std::net::SocketAddr, pages: &Pages) -> Finding {
    let connected = sum(&pages.stats, "control_plane.connected_state") > 0;
    match (pages.ready.as_str(), connected) {
        ("LIVE", true) => Finding::holds(id, format!("LIVE, admin page {admin}, connected to Consul")),
        ("LIVE", false) => Finding::doubtful(
            id,
            format!(
                "LIVE, admin page {admin}, but not connected to Consul: it goes on with what it was told last"
            ),
            "is Consul up, and its xDS port open? `meshlab status`, `meshlab logs consul`",
        ),
        (state, _) => Finding::broken(
            id,
            format!("an Envoy at {admin} that is LIVE"),
            format!("it is {state}"),
            "it waits for its first configuration: is Consul up, and does it know this proxy?",
        ),
    }
}

/// There is no sidecar, so there is nothing to look at.
pub(super) fn nobody(side: &Side) -> Finding {
    Finding::broken(
        &side.name,
        format!("a sidecar of {}", side.name),
        "there is none",
        "ask for one in the service's definition: `connect { sidecar_service {} }`",
    )
}
