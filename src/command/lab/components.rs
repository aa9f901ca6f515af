//! What a lab needs, provisioned.

use std::sync::Arc;

use crate::artifact::provision::{Request, provision};
use crate::artifact::tool::InstalledTool;
use crate::command::runtime::{Chosen, Images};
use crate::event::{SharedReporter, Silent};
use crate::failure::Result;
use crate::image;
use crate::lab::{Components, Lab, Place};
use crate::lockfile::Lock;
use crate::runtime::docker;
use crate::vm::installed_packages;

/// What a lab needs, provisioned, and where it is to run.
pub(in crate::command) async fn components(
    lab: &Lab,
    chosen: &Chosen,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Components> {
    let images = chosen.daemon.as_ref().map(|_| Images::of(lab, lock)).transpose()?;
    let mut names = lab.tools.clone();
    let runtimes = lab.environment.iter().flat_map(|wishes| &wishes.runtimes);
    names.extend(runtimes.clone().cloned());
    if let Some(images) = &images {
        names.extend(images.artifacts(lock)?);
    }
    names.sort();
    names.dedup();
    let request = Request { names, ..Request::default() };
    // That nothing is needed is not worth a line.
    let silent: SharedReporter = Arc::new(Silent);
    let told = if request.names.is_empty() { &silent } else { reporter };
    let provisioned = provision(&request, &chosen.settings, lock, told).await?;
    let mut components = Components::default();
    if lab.environment.is_some() {
        let place = |tool: &InstalledTool, path| match images {
            Some(_) => image::path_inside(tool, path),
            None => path,
        };
        components.packages = installed_packages(provisioned.tools(), place)?;
    }
    for name in runtimes {
        components.runtimes.push(provisioned.tool(name.as_str())?.clone());
    }
    for name in &lab.tools {
        let tool = provisioned.tool(name.as_str())?;
        components.path.push(tool.bin_dir());
        components.tools.push((name.to_string(), tool.version.clone()));
    }
    if let (Some(daemon), Some(images)) = (&chosen.daemon, images) {
        let plan = images.plan(lab, daemon, &chosen.settings, lock, reporter).await?;
        components.place = Place::Docker { daemon: Box::new(daemon.clone()), plan: Box::new(plan) };
        // Inside, the tools are those of the images.
        components.path = vec![docker::COMMANDS.into()];
    }
    Ok(components)
}
