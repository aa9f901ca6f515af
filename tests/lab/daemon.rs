//! Daemons that will not do: absent, elsewhere, forbidden, too old, silent. None of these tests needs a real one.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

use crate::NOBODY;
use crate::harness::{Lab, Place};
use crate::support::{Ran, copy_program};

const STEP: &str = "\n[[step.do]]\nrun = \"echo hello\"\n\n[[step.do]]\ncheck = \"command\"\nclaim = \"c\"\ncommand = \"true\"\nprints = \"\"\n";

/// A lab that needs no port and no tool, with another daemon than the machine's.
fn with(lab: &Lab, docker_host: &str, arguments: &[&str]) -> Ran {
    let folder = lab.write_lab(5, STEP);
    let output = Command::new(env!("CARGO_BIN_EXE_meshlab"))
        .env("MESHLAB_STATE_DIR", lab.state())
        .env("DOCKER_HOST", docker_host)
        .env_remove("MESHLAB_RUNTIME")
        .env_remove("MESHLAB_ADDRESS")
        .current_dir(lab.folder())
        .args(["--offline", "-C", &folder])
        .args(arguments)
        .args(["lab", "9"])
        .output()
        .unwrap();
    Ran::from(output)
}

#[track_caller]
fn is_refused(ran: Ran, parts: &[&str]) {
    let ran = ran.expect(6);
    for part in parts.iter().chain(&["error:", "hint:", "--runtime host"]) {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn no_daemon_means_processes_unless_containers_were_asked_for() {
    let lab = Lab::new(Place::Host, 30);
    let absent = "unix:///nonexistent";
    is_refused(
        with(&lab, absent, &["--runtime", "docker"]),
        &["no Docker daemon runs", "there is no /nonexistent"],
    );
    let ran = with(&lab, absent, &[]).expect(0);
    assert!(ran.stderr.contains("(host: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("no Docker daemon runs here: there is no /nonexistent"), "{}", ran.stderr);
    // A socket on which no process listens.
    let dead = lab.folder().join("dead");
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(&dead).unwrap()).unwrap();
    let dead = format!("unix://{}", dead.display());
    is_refused(with(&lab, &dead, &["--runtime", "docker"]), &["no Docker daemon runs", "no daemon answers"]);
    lab.nothing_is_left();
}

#[test]
fn a_daemon_elsewhere_is_refused() {
    let lab = Lab::new(Place::Host, 31);
    for runtime in [&["--runtime", "docker"][..], &[]] {
        is_refused(with(&lab, "tcp://127.0.0.1:2375", runtime), &["on this machine", "tcp://127.0.0.1:2375"]);
        is_refused(with(&lab, "ssh://somebody@somewhere", runtime), &["on this machine"]);
    }
    lab.nothing_is_left();
}

#[test]
fn a_daemon_that_this_user_may_not_use_is_reported_with_a_hint() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this test gives up root, and there is none to give up");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let socket = home.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).unwrap();
    let program = home.path().join("meshlab");
    copy_program(&program);
    for runtime in [&["--runtime", "docker"][..], &[]] {
        let output = Command::new(&program)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .current_dir(home.path())
            .args(["--offline"])
            .args(runtime)
            .args(["lab", "1"])
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        is_refused(Ran::from(output), &["this user may not use Docker", "usermod -aG docker", "docker.sock"]);
    }
}

#[test]
fn an_old_daemon_and_a_silent_one_are_refused() {
    let lab = Lab::new(Place::Host, 32);
    let socket = lab.folder().join("old");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || answer_as_of_old(&mut stream));
        }
    });
    let host = format!("unix://{}", socket.display());
    is_refused(with(&lab, &host, &[]), &["too old", "17.06.2", "API 1.30", "20.10"]);
    let socket = lab.folder().join("silent");
    let _silent = UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());
    is_refused(with(&lab, &host, &[]), &["does not answer", "no answer within 5s"]);
    lab.nothing_is_left();
}

fn answer_as_of_old(stream: &mut std::os::unix::net::UnixStream) {
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length @ 1..) => request.extend(&piece[..length]),
            _ => return,
        }
    }
    let line = String::from_utf8_lossy(&request);
    let path = line.split(' ').nth(1).unwrap_or_default();
    let body = if path.ends_with("/version") {
        r#"{"Version": "17.06.2-ce", "ApiVersion": "1.30", "MinAPIVersion": "1.12", "Os": "linux"}"#
    } else {
        r#"{"ServerVersion": "17.06.2-ce", "OSType": "linux", "OperatingSystem": "Debian"}"#
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    drop(write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
}
