//! The single-VM environment under the labs: Consul, Nomad, the package repository and the load balancer, with their
//! configuration, their secrets and the packages that Nomad's jobs fetch.

mod address;
mod client_state;
mod component;
mod consul;
mod nomad;
mod packages;
mod secrets;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

pub use address::{CONSUL_HTTP, LOAD_BALANCER, NOMAD_HTTP};
pub use component::Component;
pub(crate) use packages::packed_runtimes;
pub use packages::{Form, Package, VARIABLES, installed_packages};
pub use secrets::Secrets;

use crate::core::assets;
use crate::core::failure::{Failure, Result};
use crate::core::model::{EnvironmentSpec, Network};
use crate::machine::state::RunDir;
use crate::machine::{ALLOCATIONS, Placement};
use crate::mesh::api::consul::Consul;
use crate::mesh::api::nomad::Nomad;

/// What Nomad reads besides where its tasks may have networks of their own.
const BRIDGE_FILE: &str = "bridge.hcl";

/// The configuration files that every lab environment has.
const CONFIGURATION: [&str; 3] = ["consul.hcl", "nomad.hcl", "nginx.conf"];

/// Whether a file of this name is written into the lab's folder for the environment: a lab cannot have one beside it.
pub fn is_own_file(name: &str) -> bool {
    CONFIGURATION.contains(&name) || [BRIDGE_FILE, VARIABLES, packages::LIST].contains(&name)
}

/// The environment on one address.
#[derive(Debug, Clone)]
pub struct Vm {
    run: RunDir,
    placement: Placement,
    spec: EnvironmentSpec,
    secrets: Secrets,
}

impl Vm {
    /// Writes configuration, secrets and packages into the lab's folder. Existing secrets are kept: a component that is started
    /// again has the same ones.
    pub fn prepare(
        run: RunDir,
        placement: Placement,
        spec: EnvironmentSpec,
        tools: &[Package],
        runtimes: &[Package],
    ) -> Result<Self> {
        let secrets = Secrets::ensure(&run)?;
        let vm = Self { run, placement, spec, secrets };
        let plugins = plugins(tools);
        for name in vm.configuration() {
            let template = assets::vm_file(name)
                .ok_or_else(|| Failure::failed(format!("assets/vm/{name} is not built in")))?;
            fs::write(vm.run.work().join(name), vm.fill(template, &plugins))?;
        }
        client_state::ensure(&vm.run.root().join("nomad"))?;
        packages::publish(&vm.run, &vm.spec, tools, runtimes)?;
        Ok(vm)
    }

    /// The lab's folder.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// Consul's API, with all rights.
    pub fn consul(&self) -> Consul {
        Consul::new(self.run.address().port(CONSUL_HTTP), Some(self.secrets.consul_management.clone()))
    }

    /// Nomad's API, with all rights.
    pub fn nomad(&self) -> Nomad {
        Nomad::new(self.run.address().port(NOMAD_HTTP), Some(self.secrets.nomad_management.clone()))
    }

    fn configuration(&self) -> impl Iterator<Item = &'static str> {
        let bridge = (self.spec.network == Network::Bridge).then_some(BRIDGE_FILE);
        CONFIGURATION.into_iter().chain(bridge)
    }

    fn fill(&self, template: &str, plugins: &Utf8Path) -> String {
        let address = self.run.address();
        template
            .replace("{address}", &address.to_string())
            .replace("{run}", &self.run.root().as_str().replace('\\', "\\\\").replace('"', "\\\""))
            .replace("{interface}", self.placement.interface)
            .replace("{cgroup}", &self.run.control_group())
            .replace("{bridge_interface}", self.placement.bridge_interface)
            .replace("{cni}", plugins.as_str())
            .replace("{allocations}", ALLOCATIONS)
    }
}

/// The list of the lab's packages.
pub fn packages_file(run: &RunDir) -> Utf8PathBuf {
    run.work().join(packages::LIST)
}

/// The folder of the CNI plugins.
fn plugins(tools: &[Package]) -> Utf8PathBuf {
    let own = tools.iter().find(|tool| tool.name.as_str() == "host-local");
    let own = own.and_then(|tool| tool.path.parent()).map(Utf8Path::to_owned);
    own.unwrap_or_else(|| Utf8PathBuf::from("/opt/cni/bin"))
}

/// The variables file of the lab's jobs.
pub fn variables_file(run: &RunDir) -> Utf8PathBuf {
    run.work().join(VARIABLES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::secret::Token;
    use crate::machine::state::RunState;

    #[test]
    fn configuration_names_the_lab_s_own_address_and_folder() {
        let run = RunDir::new(r#"/home/u/st ate "x""#.into(), "127.0.0.7".parse().unwrap());
        let token = || Token::random().unwrap();
        let secrets =
            Secrets { consul_management: token(), consul_services: token(), nomad_management: token() };
        let spec = EnvironmentSpec { network: Network::Bridge, ..EnvironmentSpec::default() };
        let placement = RunState::on_host("1-x", run.address(), &[]).placement();
        let vm = Vm { run, placement, spec, secrets };
        let mut filled = String::new();
        for name in vm.configuration() {
            let template = assets::vm_file(name).unwrap();
            let text = vm.fill(template, Utf8Path::new("/tools/cni"));
            assert!(!text.contains("0.0.0.0"), "{name} listens on all addresses");
            let lines = text.lines().zip(template.lines()).filter(|(line, template)| line != template);
            filled.extend(lines.map(|(line, _)| format!("{name}: {}\n", line.trim())));
        }
        insta::assert_snapshot!(filled);
    }
}
