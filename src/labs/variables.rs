//! The environment variables of a lab's commands.

use camino::Utf8PathBuf;

use crate::core::settings::Dirs;
use crate::machine::state::RunDir;
use crate::machine::{CommandEnvironment, WIDTH_VARIABLE};
use crate::mesh::vm::{CONSUL_HTTP, NOMAD_HTTP, Secrets};

/// The variables of all commands of a lab: its PATH and addresses, and meshlab's folders. Nothing comes from the user.
pub fn command_variables(run: &RunDir, path: &[Utf8PathBuf], dirs: &Dirs) -> CommandEnvironment {
    const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let address = run.address();
    let mut folders = vec![run.bin().into_string()];
    folders.extend(path.iter().map(ToString::to_string));
    folders.push(SYSTEM.to_owned());
    let pairs = [
        ("PATH", folders.join(":")),
        ("LANG", "C.UTF-8".to_owned()),
        ("CONSUL_HTTP_ADDR", address.port(CONSUL_HTTP).to_string()),
        ("CONSUL_GRPC_ADDR", address.port(8502).to_string()),
        ("NOMAD_ADDR", format!("http://{}", address.port(NOMAD_HTTP))),
        ("NOMAD_REGION", "bj".to_owned()),
        // Output is shown with a margin, on terminals of 80 columns.
        (WIDTH_VARIABLE, "76".to_owned()),
        // Without Nomad's hints after every command.
        ("NOMAD_CLI_SHOW_HINTS", "false".to_owned()),
        ("MESHLAB_ADDRESS", address.to_string()),
        ("MESHLAB_CACHE_DIR", dirs.cache.to_string()),
        ("MESHLAB_DATA_DIR", dirs.data.to_string()),
        ("MESHLAB_STATE_DIR", dirs.state.to_string()),
        ("MESHLAB_CONFIG_DIR", dirs.config.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The variables with the lab's tokens, for commands that a user types. Empty if the lab has no tokens.
pub fn token_variables(run: &RunDir) -> CommandEnvironment {
    let secrets = Secrets::read(run);
    let pairs = secrets.iter().flat_map(Secrets::variables);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
