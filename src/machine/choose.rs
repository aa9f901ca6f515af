//! Which backend a lab runs on. A lab that exists has its backend in its state; a new lab gets one here, once.

use std::sync::Arc;

use super::backend::Backend;
use super::docker::{self, Containers, Found};
use super::host::Host;
use super::process;
use crate::core::event::RuntimeReason;
use crate::core::failure::{Failure, Result};
use crate::core::model::{LabAddress, RuntimeKind};
use crate::core::settings::{RuntimeChoice, Settings};
use crate::machine::state::RunDir;

/// All backends, in the order in which a new lab asks them.
const CANDIDATES: [RuntimeKind; 2] = [RuntimeKind::Docker, RuntimeKind::Host];

/// The backend of a lab.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The lab's address.
    pub address: LabAddress,
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Why this one.
    pub reason: RuntimeReason,
}

/// The answer of a backend that is asked to take a lab.
enum Answer {
    Takes(Arc<dyn Backend>),
    /// It cannot: why.
    CannotTake(String),
}

/// The backend of the lab on the settings' address: the recorded one, else the first that can take it. Without an address,
/// each backend is asked for its default address.
pub async fn choose(settings: &Settings) -> Result<Choice> {
    let run = RunDir::of(settings);
    let at_address = |kind: RuntimeKind| require(kind, run.clone(), settings);
    if let Some(state) = run.load() {
        return at_address(state.runtime).await.map(chosen);
    }
    if !is_undecided(settings) {
        let kind = settings.runtime.kind().or_else(|| kind_for(settings.address));
        return at_address(kind.unwrap_or(RuntimeKind::Host)).await.map(chosen);
    }
    let mut refusals = Vec::new();
    for kind in CANDIDATES {
        let run = RunDir::new(&settings.dirs.state, default_address(kind));
        match ask(kind, run, settings).await? {
            Answer::Takes(backend) => {
                let reason = match backend.version() {
                    Some(version) => RuntimeReason::DockerFound { docker_version: version.to_owned() },
                    None => RuntimeReason::DockerAbsent { observed: refusals.join("; ") },
                };
                return Ok(Choice { reason, ..chosen(backend) });
            }
            Answer::CannotTake(why) => refusals.push(why),
        }
    }
    Err(Failure::failed("no runtime can take this lab").seen_text(refusals.join("; ")))
}

/// The backend that the lab of a folder runs on, or ran on when its record was lost.
pub async fn of_lab(run: &RunDir, settings: &Settings) -> Result<Arc<dyn Backend>> {
    let recorded = run.load().map(|state| state.runtime);
    let kind = recorded.or_else(|| kind_for(run.address())).unwrap_or(RuntimeKind::Host);
    match ask(kind, run.clone(), settings).await? {
        Answer::Takes(backend) => Ok(backend),
        Answer::CannotTake(why) => Err(docker::absent(&why)
            .hint("this lab runs in containers: start Docker, then run the same command again")),
    }
}

/// The processes of this machine, for a shell that needs no lab.
pub fn this_machine(run: &RunDir) -> Arc<dyn Backend> {
    Arc::new(Host::new(run.clone()))
}

/// Whether anything of a lab exists: its folder, processes, containers, a network.
pub async fn is_anything_there(run: &RunDir, settings: &Settings) -> Result<bool> {
    if run.exists() || !process::find_members(run, None)?.is_empty() {
        return Ok(true);
    }
    let Some(kind) = kind_for(run.address()) else { return Ok(false) };
    match ask(kind, run.clone(), settings).await? {
        Answer::Takes(backend) => backend.is_there().await,
        Answer::CannotTake(_) => Ok(false),
    }
}

/// The addresses of all labs of a state folder that have processes or containers, also if their folders are gone; and why
/// containers could not be looked for, if so: the other labs are found all the same.
pub async fn labs_without_folder(settings: &Settings) -> Result<(Vec<LabAddress>, Option<Failure>)> {
    let state_dir = &settings.dirs.state;
    let mut found = process::marked_addresses(state_dir)?;
    let labelled = async {
        match docker::find(docker_host(settings)).await? {
            Found::Usable(daemon) => docker::labelled_addresses(&daemon, state_dir).await,
            Found::Absent(_) => Ok(Vec::new()),
        }
    };
    let labelled: Result<Vec<LabAddress>> = labelled.await;
    let failure = match labelled {
        Ok(labelled) => {
            found.extend(labelled);
            None
        }
        Err(failure) => Some(failure),
    };
    found.sort();
    found.dedup();
    Ok((found, failure))
}

/// Whether nothing decides where a lab runs: no `--runtime`, no address, no lab that exists.
pub fn is_undecided(settings: &Settings) -> bool {
    settings.runtime.kind().is_none() && !settings.is_address_set && !RunDir::of(settings).exists()
}

/// Whether it is an address that a lab gets if it is given none.
pub fn is_default_address(address: LabAddress) -> bool {
    CANDIDATES.into_iter().any(|kind| default_address(kind) == address)
}

/// The address of a lab that is given none: that of the lab that runs on a default address, else the default address.
pub fn usual_address(runtime: RuntimeChoice, state_dir: &camino::Utf8Path) -> LabAddress {
    let exists = |kind: &RuntimeKind| RunDir::new(state_dir, default_address(*kind)).exists();
    let kind = runtime.kind().or_else(|| CANDIDATES.into_iter().find(exists));
    default_address(kind.unwrap_or(RuntimeKind::Host))
}

/// Fails if the backend that `--runtime` names cannot use an address.
pub fn require_address(runtime: RuntimeChoice, address: LabAddress) -> Result<()> {
    let Some(kind) = runtime.kind().filter(|kind| !can_use(*kind, address)) else { return Ok(()) };
    Err(Failure::usage(format!("{address} is no address for --runtime {kind}")).hint(format!(
        "leave --runtime out, or give an address such as {}",
        default_address(kind).alternative()
    )))
}

/// The address of the Docker daemon that the user's `docker` command uses.
pub fn docker_host(settings: &Settings) -> Option<&str> {
    settings.environment.var("DOCKER_HOST")
}

fn chosen(backend: Arc<dyn Backend>) -> Choice {
    let reason = RuntimeReason::Requested { docker_version: backend.version().map(str::to_owned) };
    Choice { address: backend.placement().address, reason, backend }
}

async fn require(kind: RuntimeKind, run: RunDir, settings: &Settings) -> Result<Arc<dyn Backend>> {
    match ask(kind, run, settings).await? {
        Answer::Takes(backend) => Ok(backend),
        Answer::CannotTake(why) => Err(docker::absent(&why)),
    }
}

/// Asks a backend to take the lab of a folder.
async fn ask(kind: RuntimeKind, run: RunDir, settings: &Settings) -> Result<Answer> {
    Ok(match kind {
        RuntimeKind::Host => Answer::Takes(Arc::new(Host::new(run))),
        RuntimeKind::Docker => match docker::find(docker_host(settings)).await? {
            Found::Usable(daemon) => Answer::Takes(Arc::new(Containers::new(*daemon, run))),
            Found::Absent(why) => Answer::CannotTake(why),
        },
    })
}

/// The first backend that can use an address.
fn kind_for(address: LabAddress) -> Option<RuntimeKind> {
    CANDIDATES.into_iter().find(|kind| can_use(*kind, address))
}

/// Containers have private addresses, processes addresses of the loopback interface.
fn can_use(kind: RuntimeKind, address: LabAddress) -> bool {
    match kind {
        RuntimeKind::Docker => !address.is_loopback(),
        RuntimeKind::Host => address.is_loopback(),
    }
}

fn default_address(kind: RuntimeKind) -> LabAddress {
    match kind {
        RuntimeKind::Docker => LabAddress::MACHINE,
        RuntimeKind::Host => LabAddress::DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_a_runtime_cannot_use_is_wrong_usage() {
        let refused = |runtime, address: &str| require_address(runtime, address.parse().unwrap()).err();
        assert_eq!(refused(RuntimeChoice::Auto, "10.20.0.150"), None);
        assert_eq!(refused(RuntimeChoice::Docker, "10.20.0.150"), None);
        assert_eq!(refused(RuntimeChoice::Host, "127.0.0.9"), None);
        let docker = refused(RuntimeChoice::Docker, "127.0.0.9").unwrap();
        assert_eq!(docker.message(), "127.0.0.9 is no address for --runtime docker");
        let host = refused(RuntimeChoice::Host, "10.20.0.150").unwrap();
        assert!(host.hint_text().unwrap().ends_with("127.0.0.2"), "{host}");
    }
}
