//! A file server on loopback: the pinned nginx, the same for both sides.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::geteuid;

use crate::child::Running;
use crate::{Result, interrupt};

pub(crate) struct Nginx {
    port: u16,
    _process: Running,
}

impl Nginx {
    /// Serves `folder/served`; everything else it needs goes beside that.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        // One process: no workers under another user, who might not be allowed to read the files.
        Self::start_as(program, folder, "master_process off;\n", "")
    }

    /// The same with two workers, tuned for many requests of few clients.
    pub(crate) fn start_two(program: &Path, folder: &Path) -> Result<Self> {
        // Workers of root would be somebody else.
        let user = if geteuid().is_root() { "user root;\n" } else { "" };
        let tuned = "tcp_nopush on;\nkeepalive_requests 1000000000;\n";
        Self::start_as(program, folder, &format!("worker_processes 2;\n{user}"), tuned)
    }

    fn start_as(program: &Path, folder: &Path, main: &str, http: &str) -> Result<Self> {
        let port = free_port()?;
        let mut configuration = format!(
            "daemon off;\n{main}pid nginx.pid;\nerror_log stderr error;\nevents {{}}\nhttp {{\n{http}\
             access_log off;\nsendfile on;\ndefault_type application/octet-stream;\n",
        );
        for temporary in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            writeln!(configuration, "{temporary}_temp_path temporary;")?;
        }
        writeln!(configuration, "server {{ listen 127.0.0.1:{port}; root served; }}\n}}")?;
        std::fs::write(folder.join("nginx.conf"), configuration)?;
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder).stdout(Stdio::null());
        let mut process = Running::start(&mut command)?;
        await_port(&mut process, port)?;
        Ok(Self { port, _process: process })
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A port of loopback that nobody listens on, as far as can be known.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until a server takes connections.
pub(crate) fn await_port(process: &mut Running, port: u16) -> Result<()> {
    let mut has_ended = false;
    let serves = interrupt::until(Duration::from_secs(10), || {
        let serves = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        has_ended = !serves && process.child().try_wait()?.is_some();
        Ok(serves || has_ended)
    })?;
    if serves && !has_ended { Ok(()) } else { Err(format!("{} does not serve", process.name()).into()) }
}
