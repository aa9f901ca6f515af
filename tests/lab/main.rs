//! Lab 1, load tests and images through the binary, with the real tools, as processes and as containers.
//!
//! The tools come from the user's own cache and data folders, or are provisioned into them first: on a machine that
//! builds Consul from its module this takes minutes, once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]
#![allow(clippy::zombie_processes, reason = "a test that fails leaves the rest to the system")]

mod bench;
mod containers;
mod daemon;
mod harness;
mod image;
mod native_sidecars;
mod practice;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod traffic;
mod why;
mod zero_trust;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::{Lab, Place, on_both_runtimes};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{PortHolder, Ran, copy_program, until};

const NOBODY: u32 = 65534;

const TOOLS: &[&str] = &["consul", "envoy"];

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn events(ran: &Ran) -> Vec<Value> {
    ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

on_both_runtimes!(
    all_seven_steps_hold_and_nothing_is_left,
    the_proofs_name_identities_and_counted_bytes,
    two_labs_at_once_on_two_addresses,
    a_kept_lab_can_be_looked_into_used_by_hand_and_taken_down,
    signals_take_everything_down,
    after_a_kill_down_finds_everything,
    the_next_run_clears_what_a_killed_one_left,
    a_port_in_use_is_named_with_its_holder_before_anything_starts,
    a_check_that_fails_says_expected_observed_log_and_hint,
    what_does_not_start_or_end_is_told_and_leaves_nothing,
    an_abandoned_command_leaves_no_process,
);

fn all_seven_steps_hold_and_nothing_is_left(place: Place) {
    let lab = Lab::new(place, 1);
    let ran = lab.run(&["lab", "1-tcp-echo"]).expect(0);
    lab.nothing_is_left();
    let taken_down = ran.stderr.lines().last().unwrap();
    for part in lab.parts_of_a_take_down(&["echo", "consul", "envoy-echo", "envoy-client"]) {
        assert!(taken_down.contains(&part), "{part}: {taken_down}");
    }
    let mut settings = insta::Settings::clone_current();
    // Both runtimes show the same: where they do not is listed here.
    settings.add_filter(&format!(r"{}(\D)", lab.address.replace('.', r"\.")), "[address]$1");
    for (from, to) in [
        (r"\((host: processes of this machine|docker: containers, Docker [^;]+); ", "([runtime]; "),
        // Only where no test has needed them before.
        (r"(?m)^images loaded.*\n", ""),
        (r"✔ \d tools in place", "✔ [some] tools in place"),
        (r"taken down: .* (\([^)]+\))", "taken down: [everything] $1"),
        (r"\(<?\d+(\.\d+)? m?s\)", "([time])"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[trust-domain]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[instant]"),
        (r"in place +<?\d+(\.\d+)? m?s", "in place  [time]"),
        (r#""days_until_expiration": "\d+""#, "[days]"),
        (r"rx_bytes_total: \d+|tx_bytes_total: \d+|downstream_cx_total: \d+", "[count]"),
        (r"(handshake|allowed|denied): \d+", "$1: [count]"),
        (r"TLS handshakes: \d+ at the server, \d+", "TLS handshakes: [count] at the server, [count]"),
        (r"(clusters: ).*", "$1[clusters]"),
        (r"(listeners: ).*", "$1[listeners]"),
    ] {
        settings.add_filter(from, to);
    }
    settings.bind(|| insta::assert_snapshot!("lab-1-plain", ran.stderr));
}

fn the_proofs_name_identities_and_counted_bytes(place: Place) {
    let lab = Lab::new(place, 2);
    let ran = lab.run(&["--json", "lab", "tcp-echo"]).expect(0);
    let evidence: Vec<String> = events(&ran)
        .iter()
        .filter(|event| event["lab"] == "check-passed")
        .flat_map(|event| event["evidence"].as_array().unwrap().clone())
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    let has = |parts: &[&str]| evidence.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["kind connect-proxy, port 21000, for client at port 8080, upstreams: echo at port 9191"]));
    assert!(has(&["kind connect-proxy, port 21001, for echo at port 9090, upstreams: none"]));
    for who in
        ["client's Envoy, received", "client's Envoy, sent", "echo's Envoy, received", "echo's Envoy, sent"]
    {
        assert!(has(&[who, "+10,485,760"]), "{who}: {evidence:?}");
    }
    assert!(has(&["server: spiffe://", "/svc/echo"]) && has(&["client: spiffe://", "/svc/client"]));
    assert!(has(&["0 without a certificate"]));
    assert!(has(&["0 bytes came back"]) && has(&["refused: +"]));
    let finished = events(&ran).into_iter().find(|event| event["lab"] == "finished").unwrap();
    assert_eq!((finished["passed"].as_bool(), finished["steps"].as_array().unwrap().len()), (Some(true), 7));
}

fn two_labs_at_once_on_two_addresses(place: Place) {
    let (one, two) = (Lab::new(place, 3), Lab::new(place, 4));
    let first = one.command(&["-q", "lab", "1"]).spawn().unwrap();
    let second = two.command(&["-q", "lab", "1"]).spawn().unwrap();
    for child in [first, second] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", output.status);
    }
    one.nothing_is_left();
    two.nothing_is_left();
}

fn a_kept_lab_can_be_looked_into_used_by_hand_and_taken_down(place: Place) {
    let lab = Lab::new(place, 5);
    lab.run(&["lab", "1", "--keep"]).expect(0);
    let status = lab.run(&["--json", "status"]).expect(0).json();
    let components = status["labs"][0]["components"].as_array().unwrap();
    let conditions: Vec<_> =
        components.iter().map(|c| (c["name"].as_str().unwrap(), c["state"].as_str().unwrap())).collect();
    assert_eq!(
        conditions,
        [("echo", "ready"), ("consul", "ready"), ("envoy-echo", "ready"), ("envoy-client", "ready")]
    );
    // Of containers, both the machine itself and its doors can be reached.
    for address in [lab.address.clone(), lab.doors()] {
        let mut stream = TcpStream::connect((address.as_str(), 9191)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"by hand").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"by hand");
    }
    let catalog = lab.run(&["shell", "--", "consul", "catalog", "services"]).expect(0);
    assert!(catalog.stdout.contains("echo-sidecar-proxy"), "{}", catalog.stdout);
    assert!(
        lab.run(&["logs", "consul", "-n", "500"]).expect(0).stdout.contains("cluster leadership acquired")
    );
    let unknown = lab.run(&["logs", "nomad"]).expect(2);
    assert!(unknown.stderr.contains("envoy-client"), "{}", unknown.stderr);
    let again = lab.run(&["lab", "1"]).expect(1);
    assert!(
        again.stderr.contains("is running on") && again.stderr.contains("meshlab down"),
        "{}",
        again.stderr
    );
    let down = lab.run(&["down"]).expect(0);
    for part in lab.parts_of_a_take_down(&["echo", "consul", "envoy-echo", "envoy-client"]) {
        assert!(down.stderr.contains(&part), "{part}: {}", down.stderr);
    }
    lab.nothing_is_left();
    assert!(lab.run(&["down"]).expect(0).stderr.contains("nothing is running"));
}

fn signals_take_everything_down(place: Place) {
    let lab = Lab::new(place, 6);
    for (number, which) in [(129, Signal::HUP), (130, Signal::INT), (143, Signal::TERM)] {
        let mut child = lab.start_until(&["lab", "1", "--from", "1"], "\"service\":\"envoy-client\"");
        assert!(!lab.processes().is_empty());
        signal(&child, which);
        assert_eq!(child.wait().unwrap().code(), Some(number));
        lab.nothing_is_left();
    }
}

fn after_a_kill_down_finds_everything(place: Place) {
    let lab = Lab::new(place, 7);
    for moment in
        ["\"service\":\"consul\"", "\"service\":\"envoy-echo\"", "\"service\":\"envoy-client\"", "10 MiB"]
    {
        let mut child = lab.start_until(&["lab", "1"], moment);
        signal(&child, Signal::KILL);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!lab.processes().is_empty(), "{moment}");
        lab.run(&["down"]).expect(0);
        lab.nothing_is_left();
    }
    // Its own folder may be lost as well: the processes carry the lab's name.
    let mut child = lab.start_until(&["lab", "1", "--from", "1"], "\"service\":\"envoy-client\",\"ready\"");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    std::fs::remove_dir_all(lab.state()).unwrap();
    lab.run(&["down", "--all"]).expect(0);
    lab.nothing_is_left();
}

fn the_next_run_clears_what_a_killed_one_left(place: Place) {
    let lab = Lab::new(place, 8);
    let mut child = lab.start_until(&["lab", "1"], "\"service\":\"envoy-echo\"");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let ran = lab.run(&["lab", "1"]).expect(0);
    assert!(ran.stderr.contains("an interrupted run left"), "{}", ran.stderr);
    lab.nothing_is_left();
}

fn a_port_in_use_is_named_with_its_holder_before_anything_starts(place: Place) {
    let lab = Lab::new(place, 9);
    let holder = PortHolder::at(&lab.doors(), 8500);
    let ran = lab.run(&["lab", "1"]).expect(1);
    assert!(ran.stderr.contains("port 8500 is in use"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("(pid {})", holder.pid())), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint:") && ran.stderr.contains("--address"), "{}", ran.stderr);
    drop(holder);
    lab.nothing_is_left();
}

fn a_check_that_fails_says_expected_observed_log_and_hint(place: Place) {
    let lab = Lab::new(place, 10);
    let folder = lab.write_lab(
        3,
        r#"
[[step.do]]
run = "meshlab svc echo --listen {address}:9090"
service = "server"
ready = { kind = "tcp", port = 9090 }

[[step.do]]
check = "tcp-denied"
claim = "the server answers nobody"
component = "server"
port = 9090
"#,
    );
    let ran = lab.run(&["-C", &folder, "lab", "9"]).expect(3);
    lab.nothing_is_left();
    let error = &ran.stderr[ran.stderr.find("error:").unwrap()..];
    let error = error.replace(&lab.address, "[address]");
    let mut settings = insta::Settings::clone_current();
    assert!(error.contains(" sent 6 bytes, all sent back\n"), "{error}");
    // How many looks fit into the time is not the same twice, nor is how the last one ends.
    settings.add_filter(r"(  log of server:\n)(    .*\n)+", "$1    [a line per look]\n");
    settings.bind(|| insta::assert_snapshot!("failed-check", error));
}

fn what_does_not_start_or_end_is_told_and_leaves_nothing(place: Place) {
    let lab = Lab::new(place, 11);
    let check = "\n[[step.do]]\ncheck = \"command\"\nclaim = \"c\"\ncommand = \"true\"\nprints = \"\"\n";
    let dies = "\n[[step.do]]\nrun = \"sh -c 'echo the reason; exit 7'\"\nservice = \"server\"\nready = { kind = \"tcp\", port = 9090 }\n";
    let folder = lab.write_lab(30, &format!("{dies}{check}"));
    let ran = lab.run(&["-C", &folder, "lab", "9"]).expect(1);
    for part in ["server ended before it was ready", "exit status: 7", "the reason", "hint: look at the sky"]
    {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    lab.nothing_is_left();
    let folder =
        lab.write_lab(5, &format!("\n[[step.do]]\nrun = \"echo begun; sleep 600 | sleep 600\"\n{check}"));
    let ran = lab.run(&["-C", &folder, "lab", "9"]).expect(8);
    assert!(ran.stderr.contains("did not end in 5s") && ran.stderr.contains("begun"), "{}", ran.stderr);
    lab.nothing_is_left();
    let silent =
        "\n[[step.do]]\nrun = \"sleep 600\"\nservice = \"server\"\nready = { kind = \"tcp\", port = 9090 }\n";
    let folder = lab.write_lab(1, &format!("{silent}{check}"));
    let ran = lab.run(&["-C", &folder, "lab", "9"]).expect(8);
    assert!(ran.stderr.contains("server was not ready within 1 s"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Connection refused"), "{}", ran.stderr);
    lab.nothing_is_left();
    std::fs::remove_dir_all(Path::new(&folder).join("labs")).unwrap();
}

fn an_abandoned_command_leaves_no_process(place: Place) {
    let lab = Lab::new(place, 14);
    // It is given up after a second, and the lab is kept: nothing but meshlab itself can have ended it.
    let folder = lab.write_lab(
        1,
        "\n[[step.do]]\nrun = \"sleep 600 | sleep 600\"\n\n[[step.do]]\ncheck = \"command\"\nclaim = \"c\"\n\
         command = \"true\"\nprints = \"\"\n",
    );
    lab.run(&["-C", &folder, "lab", "9", "--keep"]).expect(8);
    let sleeping = || lab.processes().into_iter().filter(|line| line.contains("sleep")).collect::<Vec<_>>();
    until("the command has ended", || sleeping().is_empty());
    lab.run(&["down"]).expect(0);
    lab.nothing_is_left();
}

/// Nothing runs here, on neither runtime.
#[test]
fn wrong_names_are_answered_with_the_nearest() {
    let lab = Lab::new(Place::Host, 12);
    let ran = lab.run(&["lab", "1-tpc-echo"]).expect(2);
    assert!(ran.stderr.contains("did you mean 1-tcp-echo"), "{}", ran.stderr);
    let folder = lab.write_lab(5, "\n[[step.do]]\nrin = \"x\"\n");
    let ran = lab.run(&["-C", &folder, "lab", "9"]).expect(2);
    assert!(ran.stderr.contains("lab.toml:13:1: expected run"), "{}", ran.stderr);
}

/// On the host alone: whoever may talk to Docker has root's rights there.
#[test]
fn an_ordinary_user_can_run_it() {
    if !rustix::process::geteuid().is_root() {
        // Then every other test has shown it.
        eprintln!("skipped: this test gives up root, and there is none to give up");
        return;
    }
    let lab = Lab::new(Place::Host, 13);
    // The tools lie in root's own folders: the other user gets a copy, and a copy of the program.
    let paths = Ran::from(
        Command::new(env!("CARGO_BIN_EXE_meshlab"))
            .args(["deps", "path", "consul"])
            .current_dir("/")
            .output()
            .unwrap(),
    )
    .expect(0);
    let tree = PathBuf::from(paths.stdout.trim());
    let tools = tree.ancestors().find(|folder| folder.ends_with("tools")).unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let data = home.path().join("data/tools");
    std::fs::create_dir_all(&data).unwrap();
    for entry in std::fs::read_dir(tools).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("consul-") || name.starts_with("envoy-") {
            let copied = Command::new("cp").arg("-a").arg(entry.path()).arg(&data).status().unwrap();
            assert!(copied.success());
        }
    }
    let program = home.path().join("meshlab");
    copy_program(&program);
    let output = Command::new(&program)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.path())
        .env("MESHLAB_DATA_DIR", home.path().join("data"))
        .env("MESHLAB_STATE_DIR", home.path().join("state"))
        .current_dir(home.path())
        .args(["--offline", "--address", &lab.address, "lab", "1"])
        .stdin(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let ran = Ran::from(output).expect(0);
    assert!(ran.stderr.contains("7 of 7 steps"), "{}", ran.stderr);
    until("nothing of the user's is left", || !home.path().join("state/run").exists());
}
