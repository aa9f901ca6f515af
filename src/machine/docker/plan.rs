//! Which images a lab's containers are made from.

use std::collections::BTreeMap;

use crate::artifacts::lockfile::{Image, Lock};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Slug};
use crate::machine::backend::LabNeeds;
use crate::machine::images::LoadedImages;

/// The lock's images that a lab's containers are made from.
#[derive(Debug)]
pub(super) struct Plan {
    /// The smallest image that has all of the lab's tools.
    machine: Slug,
    /// Images of single tools.
    tools: Vec<Slug>,
}

impl Plan {
    pub(super) fn of(needs: &LabNeeds, lock: &Lock) -> Result<Self> {
        let has_all = |image: &&Image| needs.tools.iter().all(|tool| image.contents.contains(tool));
        let machine = lock.images.iter().filter(has_all).min_by_key(|image| image.contents.len());
        let machine = machine.ok_or_else(|| {
            let tools: Vec<&str> = needs.tools.iter().map(ArtifactName::as_str).collect();
            Failure::failed(format!("no image of the lock has all tools of lab {}", needs.lab))
                .detail("tools", tools.join(", "))
                .hint("add one to deps.lock (`[[image]]`), or run the lab as processes: --runtime host")
        })?;
        let is_tool = |image: &&Image| needs.tools.iter().any(|tool| tool.as_str() == image.name.as_str());
        let tools = lock.images.iter().filter(is_tool).map(|image| image.name.clone()).collect();
        Ok(Self { machine: machine.name.clone(), tools })
    }

    pub(super) fn images(&self) -> Vec<Slug> {
        std::iter::once(&self.machine).chain(&self.tools).cloned().collect()
    }

    /// The same images by their names in the daemon.
    pub(super) fn loaded(&self, names: &BTreeMap<Slug, String>) -> LoadedImages {
        let name = |image: &Slug| names.get(image).cloned().unwrap_or_default();
        LoadedImages {
            machine: name(&self.machine),
            tools: self.tools.iter().map(|image| (image.to_string(), name(image))).collect(),
        }
    }
}
