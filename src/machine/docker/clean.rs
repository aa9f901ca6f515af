//! Removing root's files in a lab's folder for a user who is not root: Nomad and the shell run as root inside.

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::WaitContainerOptions;
use camino::Utf8Path;
use futures_util::StreamExt as _;

use super::container::{remove, start};
use super::failure::with_reply;
use super::images::labelled;
use super::names::Names;
use super::rights::{Part, shared};
use crate::core::failure::{Failure, Result};
use crate::core::until::DEFAULT_DEADLINE;
use crate::machine::state::RunDir;

const CLEANER: &str = "cleaner";

/// Empties a lab's folder and removes its control groups. The lab's other containers are removed already.
pub(super) async fn empty_folder(docker: &Docker, names: &Names, run: &RunDir) -> Result<()> {
    let name = names.container(CLEANER);
    let body = ContainerCreateBody {
        image: Some(any_image(docker).await?),
        user: Some(Part::Cleaner.user()),
        entrypoint: Some(
            [run.program().as_str(), "svc", "empty-folder", run.root().as_str()].map(str::to_owned).to_vec(),
        ),
        env: Some(vec!["HOME=/".to_owned()]),
        labels: Some(names.component_labels(CLEANER)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..Part::Cleaner
                .host_config(vec![shared(run.root(), false), shared(Utf8Path::new("/sys/fs/cgroup"), false)])
        }),
        ..ContainerCreateBody::default()
    };
    start(docker, names, &name, &body).await?;
    let mut ended = docker.wait_container(&name, None::<WaitContainerOptions>);
    let outcome = match tokio::time::timeout(DEFAULT_DEADLINE, ended.next()).await {
        Err(_) => Err(Failure::failed(format!("cannot empty {} within {DEFAULT_DEADLINE:?}", run.root()))
            .hint(format!("`docker logs {name}` shows why; root can remove the folder"))),
        Ok(Some(Err(error))) => Err(with_reply(
            Failure::failed(format!("cannot empty {}", run.root()))
                .hint(format!("`docker logs {name}` shows why; root can remove the folder")),
            &error,
        )),
        _ => Ok(()),
    };
    drop(ended);
    outcome?;
    remove(docker, &name).await
}

/// Any of meshlab's images: this program needs no file of it.
async fn any_image(docker: &Docker) -> Result<String> {
    labelled(docker, None).await?.into_iter().next().ok_or_else(|| {
        Failure::failed("the lab's folder has files of root, and there is no image to remove them with")
            .hint("`sudo meshlab down` removes them")
    })
}
