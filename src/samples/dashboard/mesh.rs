//! Services with their instances and health, from Consul's catalog and checks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most that the page shows; labs have far fewer.
const MAX_SERVICES: usize = 200;
const MAX_INSTANCES: usize = 100;
const MAX_CHECKS: usize = 20;
/// The most of a check's output that is shown, in characters.
const MAX_OUTPUT_CHARS: usize = 240;

/// The registered services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Mesh {
    services: Vec<Service>,
    /// Whether services or instances are left out.
    cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Service {
    name: String,
    tags: Vec<String>,
    status: Status,
    instances: Vec<Instance>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Instance {
    id: String,
    node: String,
    status: Status,
    checks: Vec<ShownCheck>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShownCheck {
    name: String,
    status: Status,
    output: String,
}

/// A health status; the worst one is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// There are no checks.
    #[serde(skip_deserializing)]
    Unknown,
    Passing,
    Warning,
    #[serde(other)]
    Critical,
}

/// Names of services with their tags, as in `/v1/catalog/services`.
pub(super) type Catalog = BTreeMap<String, Vec<String>>;

/// A check, as in `/v1/health/state/any`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Check {
    node: String,
    name: String,
    status: Status,
    #[serde(default)]
    output: String,
    /// Empty for the checks of a node.
    #[serde(default, rename = "ServiceID")]
    service_id: String,
    #[serde(default)]
    service_name: String,
}

impl Mesh {
    /// Combines Consul's two answers.
    pub(super) fn new(catalog: Catalog, checks: &[Check]) -> Self {
        let mut cut = catalog.len() > MAX_SERVICES;
        let mut services = Vec::new();
        for (name, mut tags) in catalog.into_iter().take(MAX_SERVICES) {
            tags.sort();
            let mut instances = instances(&name, checks);
            cut |= instances.len() > MAX_INSTANCES;
            let status = overall_status(&instances);
            instances.truncate(MAX_INSTANCES);
            services.push(Service { name, tags, status, instances });
        }
        Self { services, cut }
    }
}

/// The instances that have checks, by id. A failing check of a node counts for all instances on it.
fn instances(service: &str, checks: &[Check]) -> Vec<Instance> {
    let mut found: BTreeMap<(&str, &str), Vec<&Check>> = BTreeMap::new();
    for check in checks.iter().filter(|check| !check.service_id.is_empty() && check.service_name == service) {
        found.entry((&check.service_id, &check.node)).or_default().push(check);
    }
    let instance = |((id, node), mut own): ((&str, &str), Vec<&Check>)| {
        let fails_on_node = |check: &&Check| {
            check.service_id.is_empty() && check.node == node && check.status > Status::Passing
        };
        own.extend(checks.iter().filter(fails_on_node));
        Instance {
            id: id.to_owned(),
            node: node.to_owned(),
            status: own.iter().map(|check| check.status).max().unwrap_or(Status::Unknown),
            checks: own.iter().take(MAX_CHECKS).map(|check| shown(check)).collect(),
        }
    };
    found.into_iter().map(instance).collect()
}

fn shown(check: &Check) -> ShownCheck {
    let output = check.output.trim();
    let mut text: String = output.chars().take(MAX_OUTPUT_CHARS).collect();
    if output.chars().nth(MAX_OUTPUT_CHARS).is_some() {
        text.push_str("...");
    }
    ShownCheck { name: check.name.clone(), status: check.status, output: text }
}

/// The status of a service. With some instances passing, it is a warning at worst.
fn overall_status(instances: &[Instance]) -> Status {
    let worst = instances.iter().map(|instance| instance.status).max().unwrap_or(Status::Unknown);
    let best = instances.iter().map(|instance| instance.status).min().unwrap_or(Status::Unknown);
    if best < worst { Status::Warning } else { worst }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(service: &str, id: &str, node: &str, status: &str) -> Check {
        serde_json::from_value(json!({
            "Node": node, "CheckID": "x", "Name": "check", "Status": status, "Output": "  said\n",
            "ServiceID": id, "ServiceName": service, "ServiceTags": [], "Type": "http",
        }))
        .unwrap()
    }

    fn statuses(checks: &[Check]) -> (Status, Vec<Status>) {
        let catalog = Catalog::from([("s".to_owned(), Vec::new())]);
        let service = Mesh::new(catalog, checks).services.remove(0);
        (service.status, service.instances.iter().map(|instance| instance.status).collect())
    }

    #[test]
    fn an_instance_has_the_status_of_its_worst_check_or_node() {
        use Status::{Critical, Passing, Unknown, Warning};
        let on = |id, status| check("s", id, "n", status);
        assert_eq!(statuses(&[]), (Unknown, vec![]));
        assert_eq!(statuses(&[on("1", "passing"), on("1", "passing")]), (Passing, vec![Passing]));
        assert_eq!(statuses(&[on("1", "passing"), on("1", "critical")]), (Critical, vec![Critical]));
        assert_eq!(statuses(&[on("1", "maintenance")]), (Critical, vec![Critical]));
        assert_eq!(statuses(&[on("1", "warning"), on("2", "passing")]), (Warning, vec![Warning, Passing]));
        assert_eq!(statuses(&[on("1", "critical"), on("2", "passing")]), (Warning, vec![Critical, Passing]));
        assert_eq!(
            statuses(&[on("1", "critical"), on("2", "critical")]),
            (Critical, vec![Critical, Critical])
        );
        let node = |name| check("", "", name, "critical");
        assert_eq!(statuses(&[on("1", "passing"), node("n")]), (Critical, vec![Critical]));
        assert_eq!(statuses(&[on("1", "passing"), node("other")]), (Passing, vec![Passing]));
        assert_eq!(statuses(&[check("other", "1", "n", "critical")]), (Unknown, vec![]));
    }

    #[test]
    fn the_page_is_bounded() {
        let catalog: Catalog = (0..300).map(|number| (format!("s{number}"), Vec::new())).collect();
        let mut checks: Vec<Check> =
            (0..150).map(|number| check("s0", &number.to_string(), "n", "passing")).collect();
        checks[0].output = "é".repeat(300);
        let mesh = Mesh::new(catalog, &checks);
        assert!(mesh.cut);
        assert_eq!((mesh.services.len(), mesh.services[0].instances.len()), (200, 100));
        assert_eq!(mesh.services[0].instances[0].checks[0].output.chars().count(), 243);
    }
}
