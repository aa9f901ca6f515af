//! Removing a lab's containers and networks by their labels, with or without a recorded state.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::container::remove;
use super::failure::{cannot, is_unknown};
use super::names::{ADDRESS, MACHINE, Names, RUN};
use crate::core::event::Removed;
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::core::until::{Observed, POLL_INTERVAL, until};

/// How long new containers may appear: the daemon may still work on requests of a killed meshlab.
const LATE_CONTAINERS_GRACE: Duration = Duration::from_secs(30);

/// Removes every container and network of a lab. Returns what was there.
pub(super) async fn remove_all(docker: &Docker, names: &Names) -> Result<Vec<Removed>> {
    let removed = Mutex::new(BTreeSet::new());
    // The first removal has no deadline. The grace is for containers that appear later.
    remove_found(docker, names, &removed).await?;
    let outcome = until(LATE_CONTAINERS_GRACE, POLL_INTERVAL, async || -> Result<_> {
        let left = remove_found(docker, names, &removed).await?;
        Ok(if left.is_empty() { Observed::Ready(()) } else { Observed::Pending(left) })
    });
    outcome.await?.map_err(|late| {
        Failure::failed("another process keeps creating containers of this lab")
            .detail("left", late.last.unwrap_or_default().join(", "))
            .hint("end the other meshlab first, then run `meshlab down` again")
    })?;
    Ok(removed.into_inner().into_iter().collect())
}

/// Removes the containers and networks that a lab has now, and returns what they were.
async fn remove_found(
    docker: &Docker,
    names: &Names,
    removed: &Mutex<BTreeSet<Removed>>,
) -> Result<Vec<String>> {
    let containers = containers(docker, names.filter()).await?;
    let networks = networks(docker, names.filter()).await?;
    let found = containers.iter().filter_map(name).map(|name| format!("container {name}"));
    let found = found.chain(networks.iter().map(|name| format!("network {name}"))).collect();
    // The machine last: it holds the process namespace of the others.
    let (machines, others): (Vec<String>, Vec<String>) =
        containers.iter().filter_map(name).partition(|name| *name == names.container(MACHINE));
    for together in [others, machines] {
        let outcomes = join_all(together.iter().map(|name| remove(docker, name))).await;
        for (name, outcome) in together.into_iter().zip(outcomes) {
            outcome?;
            removed.lock().await.insert(Removed::Container { name });
        }
    }
    for network in networks {
        match docker.remove_network(&network).await {
            Ok(()) => _ = removed.lock().await.insert(Removed::Network { name: network }),
            Err(error) if is_unknown(&error) => {}
            Err(error) => return Err(cannot(format!("remove Docker's network {network}"))(error)),
        }
    }
    Ok(found)
}

/// Unpauses the lab's containers: a paused one does not answer.
pub(super) async fn wake(docker: &Docker, names: &Names) -> Result<()> {
    let mut filter = names.filter();
    filter.insert("status".to_owned(), vec!["paused".to_owned()]);
    for container in containers(docker, filter).await?.iter().filter_map(name) {
        docker
            .unpause_container(&container)
            .await
            .map_err(cannot(format!("unpause the container {container}")))?;
    }
    Ok(())
}

/// Whether a lab has containers or networks.
pub(super) async fn is_there(docker: &Docker, names: &Names) -> Result<bool> {
    Ok(!containers(docker, names.filter()).await?.is_empty()
        || !networks(docker, names.filter()).await?.is_empty())
}

/// The addresses of labs whose folders are or were in this one.
pub(super) async fn addresses(docker: &Docker, labs: &str) -> Result<Vec<LabAddress>> {
    let any = HashMap::from([("label".to_owned(), vec![RUN.to_owned()])]);
    let containers = containers(docker, any.clone()).await?.into_iter().filter_map(|found| found.labels);
    let all = ListNetworksOptionsBuilder::default().filters(&any).build();
    let networks = docker.list_networks(Some(all)).await.map_err(cannot("list Docker's networks"))?;
    let networks = networks.into_iter().filter_map(|found| found.labels);
    let mut addresses: Vec<LabAddress> = containers
        .chain(networks)
        .filter(|labels| {
            labels.get(RUN).and_then(|run| run.rsplit_once('/')).is_some_and(|(above, _)| above == labs)
        })
        .filter_map(|labels| labels.get(ADDRESS)?.parse().ok())
        .collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

async fn containers(docker: &Docker, filter: HashMap<String, Vec<String>>) -> Result<Vec<ContainerSummary>> {
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
    docker.list_containers(Some(options)).await.map_err(cannot("list Docker's containers"))
}

fn name(container: &ContainerSummary) -> Option<String> {
    let name = container.names.iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned());
    name.or_else(|| container.id.clone())
}

async fn networks(docker: &Docker, filter: HashMap<String, Vec<String>>) -> Result<Vec<String>> {
    let options = ListNetworksOptionsBuilder::default().filters(&filter).build();
    let found = docker.list_networks(Some(options)).await.map_err(cannot("list Docker's networks"))?;
    Ok(found.into_iter().filter_map(|network| network.name).collect())
}
