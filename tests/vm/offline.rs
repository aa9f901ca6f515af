//! Labs on a machine that has a bundle and no network: nothing but loopback, and empty folders.
//!
//! The bundle is made of the user's own cache; what is missing there is provisioned first.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::environment::Slots;
use crate::support::Ran;

/// Each lab that has to pass, and the tools it takes.
const LABS: &[(&str, &[&str])] = &[
    ("1-tcp-echo", &["consul", "envoy"]),
    ("2-calculator", &["consul", "nomad", "envoy", "nginx", "wrk"]),
    ("6-mixed-languages", &["consul", "nomad", "envoy", "nginx", "wrk", "node", "java", "python"]),
];

/// Brings loopback up, makes sure that there is no way out, and becomes the command.
const ALONE: &str = r#"
ip link set lo up 2>/dev/null || python3 -c "
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))" || exit 98
[ -z "$(tail -n +2 /proc/net/route)" ] || exit 97
exec "$@"
"#;

/// A whole session: processes of one namespace are of no use to those of another one.
const SESSION: &str = r#"
set -e
"$0" --offline up
"$0" --offline jobs start
"$0" --offline click
"$0" --offline down
"#;

/// A network namespace of its own: with root's right, else with that of a user namespace, as the same user. Nomad and
/// nginx would take a root for the real one, who may mount and give files away.
fn namespace() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-current-user", "--keep-caps", "--net"]];
    WAYS.into_iter().find(|way| {
        let tried = Command::new("unshare").args(*way).args(["sh", "-c", ALONE, "sh", "true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    })
}

/// `meshlab` in such a namespace, with folders below `home` and nothing of this user's.
fn alone(namespace: &[&str], home: &Path, arguments: &[&str]) -> Ran {
    let meshlab = [env!("CARGO_BIN_EXE_meshlab"), "--offline"];
    alone_with(namespace, home, &[&meshlab, arguments].concat())
}

fn alone_with(namespace: &[&str], home: &Path, command_line: &[&str]) -> Ran {
    let mut command = Command::new("unshare");
    command
        .args(namespace)
        .args(["sh", "-c", ALONE, "sh"])
        .args(command_line)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home)
        // Docker's networks are in another namespace.
        .env("MESHLAB_RUNTIME", "host")
        .current_dir(home)
        .stdin(Stdio::null());
    for name in ["CACHE", "DATA", "STATE", "CONFIG"] {
        command.env(format!("MESHLAB_{name}_DIR"), home.join(name.to_lowercase()));
    }
    Ran::from(command.output().unwrap())
}

#[test]
fn a_bundle_is_all_it_takes() {
    let Some(namespace) = namespace() else {
        assert!(std::env::var_os("CI").is_none(), "CI has to be able to make a network namespace");
        eprintln!("SKIPPED: this user may not make a network namespace (unshare --net)");
        return;
    };
    let _slot = Slots::take(1);
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("lab.tar");
    let mut tools: Vec<&str> = LABS.iter().flat_map(|(_, tools)| tools.iter().copied()).collect();
    tools.sort_unstable();
    tools.dedup();
    let exported = Command::new(env!("CARGO_BIN_EXE_meshlab"))
        .args(["bundle", "export"])
        .arg(&bundle)
        .args(&tools)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran::from(exported).expect(0);
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    alone(namespace, &home, &["provision", tools[0]]).expect(5);
    let imported = alone(namespace, &home, &["bundle", "import", bundle.to_str().unwrap()]).expect(0);
    assert!(imported.stdout.contains("meshlab --offline lab 1-tcp-echo"), "{}", imported.stdout);
    for (lab, _) in LABS {
        let ran = alone(namespace, &home, &["-y", "lab", lab]).expect(0);
        assert!(ran.stderr.contains(&format!("lab {lab} passed")), "{}", ran.stderr);
        nothing_is_left(&home);
    }
    let session = ["sh", "-c", SESSION, env!("CARGO_BIN_EXE_meshlab")];
    let ran = alone_with(namespace, &home, &session).expect(0);
    assert!(ran.stdout.contains("= 9 "), "{}", ran.stdout);
    nothing_is_left(&home);
}

#[track_caller]
fn nothing_is_left(home: &Path) {
    let left = std::fs::read_dir(home.join("state")).into_iter().flatten().flatten();
    // How far a reader has come is the reader's.
    let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name != "progress").collect();
    assert!(left.is_empty(), "{left:?}");
}
