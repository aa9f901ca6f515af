//! What Consul knows of a service and its sidecars.

use super::facts::Side;
use super::gateway;
use crate::core::model::call_path::{Finding, Hop, HopKind};
use crate::mesh::api::consul::Instance;

/// The instances of a service.
pub(super) fn known(side: &Side) -> Vec<Finding> {
    let (name, instances) = (&side.name, &side.instances);
    if instances.is_empty() {
        return vec![Finding::broken(
            name,
            format!("a service {name} in Consul's catalog"),
            "Consul knows no such service",
            "`consul catalog services` lists all; `consul services register FILE` adds one",
        )];
    }
    let finding = |instance: &Instance| {
        let at = instance.at();
        match instance.failing.first() {
            None => Finding::holds(&instance.id, format!("{at}, all its checks pass")),
            Some(failing) => Finding::broken(
                &instance.id,
                format!("all checks of {} pass", instance.id),
                failing,
                match &side.gateway {
                    Some(gateway) => gateway::hint_about_ports(name, gateway),
                    None => format!(
                        "is {name} running, at {at}? `meshlab status` shows what runs, `meshlab logs` what it said"
                    ),
                },
            ),
        }
    };
    instances.iter().map(finding).collect()
}

/// What stands for a service in the mesh, and under which name of a hop.
pub(super) fn stands_for(side: &Side) -> Hop {
    match &side.gateway {
        Some(gateway) => Hop::new(HopKind::SourceGateway, gateway::entry(side, gateway)),
        None => Hop::new(HopKind::SourceSidecar, sidecars(side)),
    }
}

/// The sidecars of a service.
pub(super) fn sidecars(side: &Side) -> Vec<Finding> {
    let name = &side.name;
    if side.sidecars.is_empty() {
        return vec![Finding::broken(
            name,
            format!("a sidecar that stands for {name}"),
            format!("no sidecar of {name} is registered"),
            "ask for one in the service's definition: `connect { sidecar_service {} }`, and register it again",
        )];
    }
    let finding = |instance: &Instance| match instance.failing.first() {
        None => Finding::holds(&instance.id, format!("registered at {}, all its checks pass", instance.at())),
        Some(failing) => Finding::broken(
            &instance.id,
            format!("all checks of {} pass", instance.id),
            failing,
            format!("does its Envoy run, and does {name} answer? `meshlab status` shows both"),
        ),
    };
    side.sidecars.iter().map(|sidecar| finding(&sidecar.instance)).collect()
}
