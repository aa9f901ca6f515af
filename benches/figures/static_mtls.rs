//! Two Envoys with a configuration by hand in place of the mesh: client, mutual TLS, add-svc.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::last_lines;
use crate::environment::Environment;
use crate::provision::tool;
use crate::{Result, interrupt};

const CLIENT: &str = include_str!("../static-mtls/client.yaml");
const SERVER: &str = include_str!("../static-mtls/server.yaml");
const JOB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/static-mtls/envoys.hcl");
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs as long as the environment.
pub(crate) struct StaticMtls {
    /// Where the client connects to.
    pub(crate) entrance: SocketAddr,
}

impl StaticMtls {
    /// In an environment whose add-svc runs. `access_log` is the mesh's own, so that the same lines are written.
    pub(crate) fn start(environment: &Environment, access_log: &str) -> Result<Self> {
        let folder = environment.run().temporary().join("static-mtls").into_std_path_buf();
        std::fs::create_dir(&folder)?;
        make_certificates(&folder)?;
        let address = environment.address();
        let [client, server, client_admin, server_admin] = free_ports(address.port(0))?;
        for (name, template, port, admin) in
            [("server", SERVER, server, server_admin), ("client", CLIENT, client, client_admin)]
        {
            let configuration = template
                .replace("{address}", &address.to_string())
                .replace("{port}", &port.to_string())
                .replace("{admin}", &admin.to_string())
                .replace("{server_port}", &server.to_string())
                .replace("{certificates}", &folder.to_string_lossy())
                .replace("{access_log}", access_log);
            std::fs::write(folder.join(format!("{name}.yaml")), configuration)?;
        }
        let variables = [("envoy", program("envoy")?), ("folder", folder)];
        let variables = variables.map(|(name, path)| format!("-var={name}={}", path.display()));
        let [envoy, folder] = variables.each_ref().map(String::as_str);
        environment.meshlab(&["shell", "--", "nomad", "job", "run", "-detach", envoy, folder, JOB])?;
        for port in [server, client] {
            wait_until_it_listens(address.port(port))?;
        }
        Ok(Self { entrance: address.port(client) })
    }
}

fn wait_until_it_listens(at: SocketAddr) -> Result<()> {
    let listens = interrupt::until(DEADLINE, || Ok(TcpStream::connect(at).is_ok()))?;
    if listens { Ok(()) } else { Err(format!("the hand-made pair does not listen at {at}").into()) }
}

/// An authority and two certificates, elliptic curves as Consul's mesh has them.
fn make_certificates(folder: &Path) -> Result<()> {
    let consul = program("consul")?;
    for arguments in [&["ca", "create"][..], &["cert", "create", "-server"], &["cert", "create", "-client"]] {
        let mut command = Command::new(&consul);
        command.arg("tls").args(arguments).args(["-domain", "intra"]).current_dir(folder);
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`consul tls {}`: {}", arguments.join(" "), last_lines(&said)).into());
        }
    }
    Ok(())
}

fn program(name: &str) -> Result<PathBuf> {
    Ok(tool(name).ok_or_else(|| format!("{name} is not in place"))?.bin.join(name))
}

/// Four different ones that nobody has now.
fn free_ports(any: SocketAddr) -> Result<[u16; 4]> {
    let held = [(); 4].map(|()| TcpListener::bind(any));
    let mut ports = [0; 4];
    for (port, listener) in ports.iter_mut().zip(held) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}
