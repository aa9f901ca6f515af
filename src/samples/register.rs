//! Registers services in Consul and deregisters them: for jobs whose sidecars Nomad does not manage.

use std::net::SocketAddr;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::Value;

use crate::core::failure::{Failure, Result};
use crate::core::secret::Token;
use crate::mesh::api::consul::Consul;

/// The maximum length of a service definition, in bytes.
const MAX_DEFINITION_BYTES: u64 = 64 * 1024;

/// Register services with Consul, or remove them
#[derive(Debug, clap::Args)]
pub struct RegisterArgs {
    /// Consul's HTTP address
    #[arg(long, env = "CONSUL_HTTP_ADDR", value_name = "ADDR")]
    consul: SocketAddr,
    /// File with a Consul token
    #[arg(long, env = "CONSUL_HTTP_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<Utf8PathBuf>,
    /// Remove the service with this id (repeatable)
    #[arg(long, value_name = "ID")]
    deregister: Vec<String>,
    /// Service definitions, one JSON object in each file
    files: Vec<Utf8PathBuf>,
}

/// Registers the service of each file, then deregisters the given ids. Returns a line for each request.
pub async fn run(args: &RegisterArgs) -> Result<Vec<String>> {
    let token = args.token_file.as_deref().map(Token::read).transpose()?;
    let consul = Consul::new(args.consul, token);
    let mut done = Vec::new();
    for file in &args.files {
        let service = definition(file)?;
        consul.register(&service).await?;
        let text = |name: &str| service.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        done.push(format!("PUT /v1/agent/service/register {} ({})", text("ID"), text("Kind")));
    }
    for id in &args.deregister {
        consul.deregister(id).await?;
        done.push(format!("PUT /v1/agent/service/deregister/{id}"));
    }
    Ok(done)
}

fn definition(file: &Utf8Path) -> Result<Value> {
    let length = fs::metadata(file)?.len();
    if length > MAX_DEFINITION_BYTES {
        return Err(Failure::usage(format!("{file} is longer than {MAX_DEFINITION_BYTES} bytes")));
    }
    serde_json::from_str(&fs::read_to_string(file)?)
        .map_err(|error| Failure::usage(format!("invalid service definition in {file}")).seen(&error))
}
