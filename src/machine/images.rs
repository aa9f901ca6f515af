//! The images of a lab's containers.

use std::collections::BTreeMap;

use super::role::Role;

/// The images of a lab's containers, as the daemon names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadedImages {
    /// The image that has all of the lab's tools.
    pub machine: String,
    /// Smaller images, by the tool that each is for.
    pub tools: BTreeMap<String, String>,
}

impl LoadedImages {
    /// The smallest image for a role.
    pub(super) fn of(&self, role: &Role) -> &str {
        role.tool().and_then(|tool| self.tools.get(tool)).unwrap_or(&self.machine)
    }
}
