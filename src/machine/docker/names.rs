//! The names of a lab's containers and network, and the labels by which they are found.

use std::collections::HashMap;

use crate::core::model::{LabAddress, LabId};
use crate::machine::state::RunDir;

/// The label with the lab's folder, on everything of a lab.
pub(super) const RUN: &str = "meshlab.run";
/// The label with the lab's address.
pub(super) const ADDRESS: &str = "meshlab.address";
/// The label with the component of a container.
const COMPONENT: &str = "meshlab.component";

/// The container that holds the namespaces.
pub(super) const MACHINE: &str = "machine";

/// Names of one lab.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    labels: HashMap<String, String>,
    run: String,
}

impl Names {
    pub(super) fn new(run: &RunDir, lab: Option<&LabId>) -> Self {
        let address = run.address();
        let prefix =
            if address == LabAddress::MACHINE { "meshlab".to_owned() } else { format!("meshlab-{address}") };
        let mut labels: HashMap<String, String> = [
            (RUN, run.root().to_string()),
            (ADDRESS, address.to_string()),
            ("meshlab.version", env!("CARGO_PKG_VERSION").to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(lab) = lab {
            labels.insert("meshlab.lab".to_owned(), lab.to_string());
        }
        Self { prefix, labels, run: run.root().to_string() }
    }

    /// The container of a component.
    pub(super) fn container(&self, component: &str) -> String {
        format!("{}-{component}", self.prefix)
    }

    /// The lab's network.
    pub(super) fn network(&self) -> String {
        self.prefix.clone()
    }

    /// Labels of what belongs to the lab as a whole.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        self.labels.clone()
    }

    /// Labels of a component's container.
    pub(super) fn component_labels(&self, component: &str) -> HashMap<String, String> {
        let mut labels = self.labels();
        labels.insert(COMPONENT.to_owned(), component.to_owned());
        labels
    }

    /// Whether labels are this lab's.
    pub(super) fn are_ours(&self, labels: Option<&HashMap<String, String>>) -> bool {
        labels.and_then(|labels| labels.get(RUN)).is_some_and(|run| *run == self.run)
    }

    /// A filter for everything of this lab.
    pub(super) fn filter(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("{RUN}={}", self.run)])])
    }
}
