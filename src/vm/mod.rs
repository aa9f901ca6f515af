//! The single-VM environment under the labs: Consul, Nomad, the package repository and the load balancer, with their
//! configuration, their secrets and the packages that Nomad's jobs fetch.

mod client_state;
mod component;
mod consul;
mod nomad;
mod packages;
mod secrets;

use camino::Utf8PathBuf;
use fs_err as fs;

pub use component::{CONSUL_HTTP, Component, LOAD_BALANCER, NOMAD_HTTP};
pub(crate) use packages::packed_runtimes;
pub use packages::{Form, Package, VARIABLES, copy_of_this_program, installed_packages};
pub use secrets::Secrets;

use crate::api::{consul::Consul, nomad::Nomad};
use crate::assets;
use crate::failure::{Failure, Result};
use crate::model::{LabAddress, Wishes};
use crate::runtime::RuntimeKind;
use crate::state::RunDir;

/// The environment on one address.
#[derive(Debug, Clone)]
pub struct Vm {
    run: RunDir,
    wishes: Wishes,
    secrets: Secrets,
}

impl Vm {
    /// Writes configuration, secrets and packages into the lab's folder. What is there already is kept: a component
    /// that is started again comes back with the secrets it had.
    pub fn prepare(run: RunDir, wishes: Wishes, tools: &[Package], runtimes: &[Package]) -> Result<Self> {
        let secrets = Secrets::ensure(&run)?;
        let vm = Self { run, wishes, secrets };
        for name in ["consul.hcl", "nomad.hcl", "nginx.conf"] {
            let template = assets::vm_file(name)
                .ok_or_else(|| Failure::failed(format!("assets/vm/{name} is not built in")))?;
            fs::write(vm.run.work().join(name), vm.fill(template))?;
        }
        client_state::ensure(&vm.run.root().join("nomad"))?;
        packages::publish(&vm.run, &vm.wishes, tools, runtimes)?;
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

    fn fill(&self, template: &str) -> String {
        let address = self.run.address();
        template
            .replace("{address}", &address.to_string())
            .replace("{run}", &self.run.root().as_str().replace('\\', "\\\\").replace('"', "\\\""))
            .replace("{interface}", interface(self.run.address()))
            .replace("{cgroup}", &self.run.control_group())
    }
}

/// The network interface that has the lab's address.
fn interface(address: LabAddress) -> &'static str {
    match RuntimeKind::of(address) {
        RuntimeKind::Host => "lo",
        RuntimeKind::Docker => "eth0",
    }
}

/// The list of the lab's packages.
pub fn packages_file(run: &RunDir) -> Utf8PathBuf {
    run.work().join(packages::LIST)
}

/// The variables file of the lab's jobs.
pub fn variables_file(run: &RunDir) -> Utf8PathBuf {
    run.work().join(VARIABLES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Token;

    #[test]
    fn configuration_names_the_lab_s_own_address_and_folder() {
        let run = RunDir::new(r#"/home/u/st ate "x""#.into(), "127.0.0.7".parse().unwrap());
        let token = || Token::random().unwrap();
        let secrets =
            Secrets { consul_management: token(), consul_services: token(), nomad_management: token() };
        let vm = Vm { run, wishes: Wishes::default(), secrets };
        let mut filled = String::new();
        for name in ["consul.hcl", "nomad.hcl", "nginx.conf"] {
            let template = assets::vm_file(name).unwrap();
            let text = vm.fill(template);
            assert!(!text.contains("0.0.0.0"), "{name} listens on all addresses");
            let lines = text.lines().zip(template.lines()).filter(|(line, template)| line != template);
            filled.extend(lines.map(|(line, _)| format!("{name}: {}\n", line.trim())));
        }
        insta::assert_snapshot!(filled);
    }
}
