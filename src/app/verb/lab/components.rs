//! What a lab needs, provisioned.

use std::sync::Arc;

use crate::app::verb::runtime::{self, Chosen, Images};
use crate::artifacts::image;
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{Request, provision};
use crate::artifacts::tool::InstalledTool;
use crate::core::event::{SharedReporter, Silent};
use crate::core::failure::{Failure, Result};
use crate::labs::{Components, Lab, Place};
use crate::machine::docker;
use crate::machine::host::apart;
use crate::machine::state::RunDir;
use crate::mesh::vm::installed_packages;

/// A lab of processes whose tasks have networks needs one of its own. Gets what it needs, which is not to be had from there,
/// and starts this program anew inside; returns if there is nothing to be done.
pub(in crate::app::verb) async fn move_apart(
    lab: &Lab,
    chosen: &Chosen,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<()> {
    if !moves_apart(lab, chosen) {
        return Ok(());
    }
    apart::require_rights()?;
    let settings = &chosen.settings;
    let run = RunDir::of(settings);
    if !runtime::is_anything_there(&run, settings).await? {
        runtime::require_free(&run, lab, None).await?;
    }
    let components = components(lab, chosen, lock, reporter).await?;
    let busybox = components.path.iter().map(|folder| folder.join("busybox")).find(|path| path.exists());
    let busybox = busybox.ok_or_else(|| {
        Failure::usage(format!("lab {} has networks, and no busybox to make them with", lab.id))
            .hint("add \"busybox\" to its tools")
    })?;
    let again = settings.re_exec()?;
    apart::make(&settings.dirs.state, &busybox)?;
    match apart::start_anew(again)? {}
}

/// Whether a lab is to run in a network of its own, and this process is not there.
pub(super) fn moves_apart(lab: &Lab, chosen: &Chosen) -> bool {
    chosen.daemon.is_none() && lab.has_networks() && !apart::is_inside()
}

/// What a lab needs, provisioned, and where it is to run.
pub(in crate::app::verb) async fn components(
    lab: &Lab,
    chosen: &Chosen,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Components> {
    let images = chosen.daemon.as_ref().map(|_| Images::of(lab, lock)).transpose()?;
    let mut names = lab.tools.clone();
    let runtimes = lab.environment.iter().flat_map(|spec| &spec.runtimes);
    names.extend(runtimes.clone().cloned());
    if let Some(images) = &images {
        names.extend(images.artifacts(lock)?);
    }
    names.sort();
    names.dedup();
    let request = Request { names, ..Request::default() };
    // That nothing is needed is not worth a line, nor what was told before this program was started anew.
    let silent: SharedReporter = Arc::new(Silent);
    let told = if request.names.is_empty() || apart::is_inside() { &silent } else { reporter };
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

/// The same for a lab that is about to start: what it needs of this machine has to be free.
pub(in crate::app::verb) async fn components_for_a_start(
    lab: &Lab,
    run: &RunDir,
    chosen: &Chosen,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Components> {
    // Before the tools, which may take minutes to get, and again after them.
    runtime::require_free(run, lab, chosen.daemon.as_ref()).await?;
    let components = components(lab, chosen, lock, reporter).await?;
    runtime::require_free(run, lab, chosen.daemon.as_ref()).await?;
    Ok(components)
}
