//! Lab 3 through the binary: Nomad's own sidecars, on networks that nothing of is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::{Lab, Place, on_both_runtimes, own};
use crate::support::{Ran, copy_program};
use crate::{events, signal};

const STEPS: usize = 10;

/// Of its own, beside those of the environment.
const PORTS: [u16; 3] = [2809, 9191, 19004];

on_both_runtimes!(
    native_sidecars_are_spread_over_killed_and_replaced,
    what_runs_in_a_network_of_its_own_is_used_from_outside,
);

/// Labs with a network of their own are the host's matter, and root's.
fn may_make_networks() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can make networks");
    }
    is_root
}

/// As an ordinary user it cannot run on the host, and says so before anything is there.
fn can_run(lab: &Lab) -> bool {
    if lab.place == Place::Docker || rustix::process::geteuid().is_root() {
        return true;
    }
    let refused = lab.run(&["lab", "3-native-sidecars"]).expect(6);
    assert!(refused.stderr.contains("only root can make them"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--runtime docker"), "{}", refused.stderr);
    lab.nothing_is_left();
    false
}

/// Bridges, names of networks and mounts of the machine itself.
fn traces() -> BTreeSet<String> {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| format!("{folder}/{}", entry.file_name().display())).collect()
    };
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mounted = mounts.lines().filter(|line| line.contains("/run/alloc") || line.contains("/run/netns"));
    let found = ["/var/lib/cni", "/run/netns"].into_iter().flat_map(names);
    let bridge = names("/sys/class/net").into_iter().filter(|name| name.ends_with("/nomad"));
    let own = ["/run/alloc", "/run/meshlab-outside"].into_iter().filter(|path| Path::new(path).exists());
    let found = found.chain(own.map(str::to_owned));
    found.chain(bridge).chain(mounted.map(str::to_owned)).collect()
}

fn native_sidecars_are_spread_over_killed_and_replaced(place: Place) {
    let lab = Lab::new(place, 60);
    if !can_run(&lab) {
        return;
    }
    let before = traces();
    let ran = lab.run(&["--json", "lab", "3-native-sidecars"]).expect(0);
    lab.nothing_is_left();
    lab.ports_are_free(&PORTS);
    assert_eq!(traces(), before);
    let events = events(&ran);
    let evidence = |claim: &str| -> Vec<String> {
        let passed = events.iter().find(|event| {
            event["lab"] == "check-passed" && event["claim"].as_str().unwrap().starts_with(claim)
        });
        let passed = passed.unwrap_or_else(|| panic!("no check {claim:?}"));
        passed["evidence"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    let has = |claim: &str, part: &str| {
        let evidence = evidence(claim);
        assert!(evidence.iter().any(|line| line.contains(part)), "{part:?}: {evidence:?}");
    };
    has("nine", "add-svc's Envoy, received: +8");
    has("300 calls are spread", "0 failed");
    // Three Envoys were asked, each at a port that Nomad chose.
    let each = evidence("300 calls are spread").pop().unwrap();
    assert_eq!(each.matches('+').count(), 3, "{each}");
    has("the frontend's Envoy had calls to add-svc that failed", "upstream_rq_5xx");
    has("calls were retried, and retries succeeded", "upstream_rq_retry_success");
    has("one in four calls", "v2: ");
    has("three instances, and all of them", "v2: all 100 calls");
    let finished = events.iter().find(|event| event["lab"] == "finished").unwrap();
    let steps = finished["steps"].as_array().map(Vec::len);
    assert_eq!((finished["passed"].as_bool(), steps), (Some(true), Some(STEPS)));
}

fn what_runs_in_a_network_of_its_own_is_used_from_outside(place: Place) {
    let lab = Lab::new(place, 62);
    if !can_run(&lab) {
        return;
    }
    let before = traces();
    lab.run(&["-y", "lab", "3-native-sidecars", "--step", "2", "--keep"]).expect(0);
    let click = lab.run(&["click", "1+2"]).expect(0);
    assert!(click.stdout.starts_with("1+2 = 3 "), "{}", click.stdout);
    let status = lab.run(&["--json", "status"]).expect(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let rows = |name: &str| status["labs"][0][name].as_array().unwrap().clone();
    let unwell: Vec<_> = rows("components")
        .into_iter()
        .chain(rows("tasks"))
        .filter(|row| !["ready", "done", "waiting"].contains(&row["state"].as_str().unwrap()))
        .collect();
    assert!(unwell.is_empty(), "{unwell:?}");
    lab.run(&["lab", "check", "3-native-sidecars", "2"]).expect(0);
    let shell = lab.run(&["shell", "--", "nomad", "job", "status", "-short", "addsvcJob"]).expect(0);
    assert!(shell.stdout.contains("= running"), "{}", shell.stdout);
    lab.run(&["jobs", "stop"]).expect(0);
    lab.run(&["jobs", "start"]).expect(0);
    lab.run(&["click"]).expect(0);
    lab.run(&["down"]).expect(0);
    lab.nothing_is_left();
    assert_eq!(traces(), before);
}

/// Writes a lab whose tasks would have networks, if it had any: one step, done by a command.
fn write_apart(folder: &Path, id: &str, environment: &str, command: &str) {
    let folder = folder.join("labs").join(id);
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "title = \"{id}\"\nsummary = \"own\"\ntools = [\"busybox\"]\nlearned = []\n{environment}\n\
         [[step]]\nid = \"one\"\ntitle = \"The step\"\ntext = \"text\"\ntimeout_seconds = 5\n\
         [[step.do]]\nrun = \"{command}\"\n\
         [[step.do]]\ncheck = \"command\"\nclaim = \"it is done\"\ncommand = \"cat done\"\nprints = \"done\"\n"
    );
    std::fs::write(folder.join("lab.toml"), text).unwrap();
}

const APART: &str = "[environment]\nnetwork = \"bridge\"\n";

const DONE: &str = "echo done > done";

#[test]
fn of_several_labs_that_are_tested_one_may_have_a_network_of_its_own() {
    let lab = Lab::new(Place::Host, 64);
    if !may_make_networks() {
        return;
    }
    write_apart(lab.folder(), "1-here", "", DONE);
    write_apart(lab.folder(), "3-apart", APART, DONE);
    // A shortened name, and a flag's value that is a lab's name as well.
    let tested = lab.run(&["-j", "3", "lab", "test", "here", "3"]).expect(0);
    for id in ["1-here", "3-apart"] {
        let passed = format!("lab {id} tested, passed");
        assert!(tested.stderr.contains(&passed), "{passed}: {}", tested.stderr);
    }
    // What it ends with is what the whole ends with.
    write_apart(lab.folder(), "3-apart", APART, "true");
    let failed = lab.run(&["lab", "test", "1", "3"]).expect(3);
    assert!(failed.stderr.contains("the test of lab 3-apart failed"), "{}", failed.stderr);
    lab.nothing_is_left();
}

#[test]
fn a_test_in_a_process_of_its_own_is_told_to_stop() {
    let lab = Lab::new(Place::Host, 65);
    if !may_make_networks() {
        return;
    }
    write_apart(lab.folder(), "1-here", "", DONE);
    write_apart(lab.folder(), "3-apart", APART, "echo begun > begun; sleep 600");
    for (stop, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut child = lab.start_until(&["lab", "test", "1", "3"], "\"lab\":\"tested\"");
        let begun = lab.state().join("run").join(&lab.address).join("work/begun");
        crate::until("the command of the lab apart runs", || begun.exists());
        // This process alone, not its group.
        signal(&child, stop);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        lab.nothing_is_left();
    }
}

/// All that is needed, and all that is written, lies where Nomad and its plugins have folders of the lab's own.
#[test]
fn what_lies_beside_the_folders_of_its_own_is_the_machines() {
    if !may_make_networks() {
        return;
    }
    let before = traces();
    let temporary =
        |folder: &str| tempfile::Builder::new().prefix("meshlab-test-").tempdir_in(folder).unwrap();
    let (run, library) = (temporary("/run"), temporary("/var/lib"));
    write_apart(run.path(), "3-apart", APART, DONE);
    let program = run.path().join("meshlab");
    copy_program(&program);
    // Not made yet. A lab under test keeps the name of its state for good.
    let state = library.path().join("not/yet").into_os_string().into_string().unwrap();
    let lab = Lab::within(Place::Host, own(), 66, Box::leak(state.into_boxed_str()));
    // Beside what Nomad writes.
    let direct = tempfile::Builder::new().prefix("meshlab-test-").suffix(".xml").tempfile_in("/run").unwrap();
    let direct = direct.into_temp_path();
    std::fs::remove_file(&direct).unwrap();
    let reports = [run.path().join("r.json"), library.path().join("r.html"), direct.to_path_buf()];
    let meshlab = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .env("MESHLAB_STATE_DIR", lab.state())
            .current_dir(run.path())
            .args(["--offline", "--runtime", "host", "--address", &lab.address])
            .args(arguments)
            .stdin(Stdio::null());
        Ran::from(command.output().unwrap())
    };
    let mut arguments = vec!["lab", "3", "--keep"];
    for report in &reports {
        arguments.extend(["--report", report.to_str().unwrap()]);
    }
    meshlab(&arguments).expect(0);
    for report in &reports {
        assert!(std::fs::read_to_string(report).unwrap().contains("it is done"), "{}", report.display());
    }
    // It is found from outside. What goes on inside finds a folder that was not there when it began; that nothing is left
    // to do is what this report tells.
    assert!(meshlab(&["--json", "status"]).expect(0).stdout.contains("3-apart"));
    let later = temporary("/run");
    let report = later.path().join("r.json");
    meshlab(&["lab", "3", "--report", report.to_str().unwrap()]).expect(1);
    assert!(std::fs::read_to_string(&report).unwrap().contains("all 1 steps"));
    meshlab(&["down"]).expect(0);
    lab.nothing_is_left();
    assert_eq!(traces(), before);
    let refused = Command::new(&program)
        .env("MESHLAB_STATE_DIR", "/run")
        .args(["--offline", "--runtime", "host", "--address", &lab.address, "lab", "3"])
        .current_dir(run.path())
        .output();
    let refused = Ran::from(refused.unwrap()).expect(2);
    assert!(refused.stderr.contains("/run/meshlab"), "{}", refused.stderr);
}
