//! The Docker daemon of this machine, and whether it can run a lab.

use std::io::ErrorKind;
use std::time::Duration;

use bollard::models::SystemInfo;
use bollard::{API_DEFAULT_VERSION, Docker};
use camino::Utf8PathBuf;
use tokio::net::UnixStream;

use super::failure::with_reply;
use crate::core::failure::{Failure, FailureKind, Result};

/// The daemon's default socket.
const SOCKET: &str = "/var/run/docker.sock";

/// The deadline of one request, in seconds.
const ANSWER: u64 = 120;

/// The deadline of the first request.
const GREETING: Duration = Duration::from_secs(5);

/// The oldest API that has everything that labs need (Docker 20.10).
const OLDEST_API: (usize, usize) = (1, 41);

/// A daemon that can run a lab.
#[derive(Debug, Clone)]
pub struct Daemon {
    pub(super) docker: Docker,
    /// Its version, such as `20.10.24`.
    pub version: String,
    /// The version of control groups that it uses: `1` or `2`.
    pub control_groups: String,
    /// The folder of its images and containers.
    pub data: Option<Utf8PathBuf>,
}

/// The result of looking for a daemon.
#[derive(Debug)]
pub enum Found {
    /// A daemon that can run a lab.
    Usable(Box<Daemon>),
    /// No daemon, with the reason.
    Absent(String),
}

/// Looks for a daemon. Fails if there is one that cannot run a lab: the user may expect containers.
pub async fn find(docker_host: Option<&str>) -> Result<Found> {
    let socket = socket(docker_host)?;
    match tokio::time::timeout(GREETING, UnixStream::connect(&socket)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => match error.kind() {
            ErrorKind::NotFound => return Ok(Found::Absent(format!("there is no {socket}"))),
            ErrorKind::ConnectionRefused => {
                return Ok(Found::Absent(format!("no daemon answers at {socket}")));
            }
            ErrorKind::PermissionDenied => {
                return Err(unusable("this user may not use Docker")
                    .detail("socket", socket.to_string())
                    .seen(&error)
                    .hint("join its group (`sudo usermod -aG docker $USER`, then log in again), or give --runtime host"));
            }
            _ => return Err(unusable(format!("cannot connect to Docker at {socket}")).seen(&error)),
        },
        Err(_) => return Err(silent(&socket)),
    }
    greet(&socket).await.map(|daemon| Found::Usable(Box::new(daemon)))
}

/// The daemon. Fails if there is none.
pub async fn require(docker_host: Option<&str>) -> Result<Daemon> {
    match find(docker_host).await? {
        Found::Usable(daemon) => Ok(*daemon),
        Found::Absent(why) => Err(absent(&why)),
    }
}

/// The failure of a command that needs a daemon where there is none.
pub(in crate::machine) fn absent(why: &str) -> Failure {
    unusable("no Docker daemon runs on this machine")
        .seen_text(why)
        .hint("start it (`sudo systemctl start docker`), or run the lab as processes: --runtime host")
}

fn socket(docker_host: Option<&str>) -> Result<Utf8PathBuf> {
    match docker_host {
        None => Ok(SOCKET.into()),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(path.into()),
            _ => Err(unusable("labs need a Docker daemon on this machine")
                .detail("DOCKER_HOST", host)
                .hint("unset DOCKER_HOST, or give --runtime host: containers share the lab's folder and its network with this machine")),
        },
    }
}

async fn greet(socket: &Utf8PathBuf) -> Result<Daemon> {
    let greeting = async {
        let docker = Docker::connect_with_unix(socket.as_str(), ANSWER, API_DEFAULT_VERSION)?;
        let docker = docker.negotiate_version().await?;
        let info = docker.info().await?;
        Ok((docker, info))
    };
    let greeted: Result<_, bollard::errors::Error> =
        tokio::time::timeout(GREETING, greeting).await.map_err(|_| silent(socket))?;
    let (docker, info) = greeted
        .map_err(|error| with_reply(unusable(format!("cannot connect to Docker at {socket}")), &error))?;
    let version = info.server_version.clone().unwrap_or_default();
    let api = docker.client_version();
    if (api.major_version, api.minor_version) < OLDEST_API {
        return Err(unusable("this Docker is too old")
            .seen_text(format!("version {version}, API {api}"))
            .detail("needed", "20.10 or newer (API 1.41)")
            .hint("update Docker, or give --runtime host"));
    }
    if let Some(reason) = unfit(&info) {
        return Err(unusable(format!("this Docker cannot run a lab: {reason}"))
            .seen_text(format!("version {version} at {socket}"))
            .hint("give --runtime host, or use a daemon that root runs on this very machine"));
    }
    let control_groups = info.cgroup_version.map(|version| version.to_string()).unwrap_or_default();
    let data = info.docker_root_dir.map(Utf8PathBuf::from);
    Ok(Daemon { docker, version, control_groups, data })
}

/// Why a daemon's containers cannot share folder and network with this machine.
fn unfit(info: &SystemInfo) -> Option<&'static str> {
    let options = info.security_options.iter().flatten();
    let has = |name: &str| options.clone().any(|option| option.split(',').any(|part| part == name));
    if info.os_type.as_deref().is_some_and(|system| system != "linux") {
        return Some("its containers are not Linux ones");
    }
    if has("name=rootless") {
        return Some("it is rootless, and its networks cannot be reached from outside");
    }
    if info.operating_system.as_deref().is_some_and(|system| system.contains("Docker Desktop")) {
        return Some("it runs in a virtual machine, whose networks cannot be reached from outside");
    }
    None
}

fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::MissingRequirement, message)
}

fn silent(socket: &Utf8PathBuf) -> Failure {
    unusable(format!("Docker at {socket} does not answer"))
        .seen_text(format!("no answer within {GREETING:?}"))
        .hint("check it with `docker info`, or give --runtime host")
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

    use super::*;

    fn shown(failure: &Failure) -> String {
        let details = failure.details().iter().map(|detail| format!("{}: {}", detail.label, detail.text));
        let lines: Vec<String> = details.collect();
        format!(
            "{}\n{}\nhint: {}",
            failure.message(),
            lines.join("\n"),
            failure.hint_text().unwrap_or_default()
        )
    }

    #[tokio::test]
    async fn every_unusable_daemon_is_reported_with_a_hint() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_str().unwrap();
        let at = |name: &str| format!("unix://{folder}/{name}");
        let Found::Absent(none) = find(Some(&at("none"))).await.unwrap() else { panic!() };
        // A socket on which no process ever listened: a process of another test might inherit a listener.
        let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(temporary.path().join("dead")).unwrap()).unwrap();
        let Found::Absent(dead) = find(Some(&at("dead"))).await.unwrap() else { panic!() };
        let remote = shown(&find(Some("tcp://10.0.0.9:2375")).await.unwrap_err());
        let required = shown(&require(Some(&at("none"))).await.unwrap_err());
        let text = format!("{none}\n{dead}\n---\n{remote}\n---\n{required}").replace(folder, "/run");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn rootless_and_virtual_machines_are_recognised() {
        let info = |options: &[&str], system: &str| SystemInfo {
            os_type: Some("linux".into()),
            security_options: Some(options.iter().map(|option| (*option).to_owned()).collect()),
            operating_system: Some(system.into()),
            ..SystemInfo::default()
        };
        assert_eq!(unfit(&info(&["name=seccomp,profile=builtin", "name=cgroupns"], "Debian")), None);
        assert!(unfit(&info(&["name=rootless"], "Debian")).is_some());
        assert!(unfit(&info(&[], "Docker Desktop")).is_some());
    }
}
