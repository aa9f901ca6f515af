//! The tokens of a lab, in files of mode 0600 in its folder.

use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::core::failure::{Failure, Result};
use crate::core::secret::{Token, write_private};
use crate::machine::state::RunDir;

const CONSUL_MANAGEMENT: &str = "consul-management.token";
const CONSUL_SERVICES: &str = "consul-services.token";
const NOMAD_MANAGEMENT: &str = "nomad-management.token";

/// The lab's tokens.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// All rights in Consul.
    pub consul_management: Token,
    /// Registers services and fetches what proxies need: for Nomad and the Envoys.
    pub consul_services: Token,
    /// All rights in Nomad.
    pub nomad_management: Token,
}

impl Secrets {
    /// The lab's tokens; they are created if it has none.
    pub(super) fn ensure(run: &RunDir) -> Result<Self> {
        if let Some(known) = Self::read(run) {
            return Ok(known);
        }
        let folder = run.secrets();
        std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&folder)
            .map_err(|error| Failure::failed(format!("cannot create {folder}")).seen(&error))?;
        let secrets = Self {
            consul_management: Token::random()?,
            consul_services: Token::random()?,
            nomad_management: Token::random()?,
        };
        let management = secrets.consul_management.expose();
        // Consul creates this token when it first has a leader, and uses it for the agent's own requests.
        let consul = format!(
            "acl {{\n  tokens {{\n    initial_management = \"{management}\"\n    agent              = \"{management}\"\n  }}\n}}\n"
        );
        let nomad = format!("consul {{\n  token = \"{}\"\n}}\n", secrets.consul_services.expose());
        replace(&folder.join("consul.hcl"), &consul)?;
        replace(&folder.join("nomad.hcl"), &nomad)?;
        for (name, token) in [
            (CONSUL_SERVICES, &secrets.consul_services),
            (NOMAD_MANAGEMENT, &secrets.nomad_management),
            // Last: if it exists, all exist.
            (CONSUL_MANAGEMENT, &secrets.consul_management),
        ] {
            replace(&folder.join(name), token.expose())?;
        }
        Ok(secrets)
    }

    /// The lab's tokens, if it has any.
    pub fn read(run: &RunDir) -> Option<Self> {
        let token = |name: &str| Token::read(&run.secrets().join(name)).ok();
        Some(Self {
            consul_management: token(CONSUL_MANAGEMENT)?,
            consul_services: token(CONSUL_SERVICES)?,
            nomad_management: token(NOMAD_MANAGEMENT)?,
        })
    }

    /// The file of the token that jobs use.
    pub(super) fn services_file(run: &RunDir) -> Utf8PathBuf {
        run.secrets().join(CONSUL_SERVICES)
    }

    /// The variables that the commands `consul` and `nomad` read.
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [
            ("CONSUL_HTTP_TOKEN", self.consul_management.expose()),
            ("NOMAD_TOKEN", self.nomad_management.expose()),
        ]
    }
}

/// Writes a file; an interrupted run may have left an old one.
fn replace(path: &Utf8Path, text: &str) -> Result<()> {
    if path.exists() {
        fs_err::remove_file(path)?;
    }
    write_private(path, text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Utf8Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn each_reader_gets_its_own_tokens_and_no_one_else_any() {
        let temporary = tempfile::tempdir().unwrap();
        let run = RunDir::new(Utf8Path::from_path(temporary.path()).unwrap(), "127.0.0.7".parse().unwrap());
        run.create().unwrap();
        let secrets = Secrets::ensure(&run).unwrap();
        let mut written = String::new();
        let mut files: Vec<_> = run.secrets().read_dir_utf8().unwrap().map(Result::unwrap).collect();
        files.sort_by_key(|file| file.file_name().to_owned());
        assert_eq!(mode(&run.secrets()), 0o700);
        for file in files {
            assert_eq!(mode(file.path()), 0o600, "{}", file.path());
            let text = std::fs::read_to_string(file.path()).unwrap();
            written.extend([&format!("--- {}\n", file.file_name()), text.trim_end(), "\n"]);
        }
        for (token, name) in [
            (&secrets.consul_management, "[Consul, all rights]"),
            (&secrets.consul_services, "[Consul, services]"),
            (&secrets.nomad_management, "[Nomad, all rights]"),
        ] {
            written = written.replace(token.expose(), name);
        }
        insta::assert_snapshot!(written);
    }

    #[test]
    fn tokens_stay_the_same_unless_one_is_lost() {
        let temporary = tempfile::tempdir().unwrap();
        let run = RunDir::new(Utf8Path::from_path(temporary.path()).unwrap(), "127.0.0.7".parse().unwrap());
        run.create().unwrap();
        let first = Secrets::ensure(&run).unwrap();
        assert!(Secrets::ensure(&run).unwrap().nomad_management == first.nomad_management);
        std::fs::remove_file(run.secrets().join(CONSUL_MANAGEMENT)).unwrap();
        assert!(Secrets::read(&run).is_none());
        let second = Secrets::ensure(&run).unwrap();
        assert!(second.nomad_management != first.nomad_management);
        assert!(Secrets::read(&run).unwrap().consul_management == second.consul_management);
    }
}
