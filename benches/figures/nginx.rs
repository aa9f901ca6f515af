//! A file server on loopback: the pinned nginx, the same for both sides.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::child::Running;

pub(crate) struct Nginx {
    port: u16,
    _process: Running,
}

impl Nginx {
    /// Serves `folder/served`; everything else it needs goes beside that.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // One process: no workers under another user, who might not be allowed to read the files.
        let mut configuration = String::from(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr error;\nevents {}\nhttp {\n\
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
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline || process.child().try_wait()?.is_some() {
                return Err("nginx does not serve".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { port, _process: process })
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
