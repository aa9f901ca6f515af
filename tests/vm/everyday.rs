//! From an empty machine to an empty machine, and the mistakes a person makes on the way.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::environment::{Slots, Vm, error_of};
use crate::harness::{Place, on_both_runtimes};
use crate::rights::{secrets_stay_secret, without_a_token_one_may_look};

on_both_runtimes!(a_day_with_the_environment);

fn a_day_with_the_environment(place: Place) {
    let _slot = Slots::take(1);
    let vm = Arc::new(Vm::new(place, 101));
    let watch = Watch::start(&vm);
    nothing_runs_yet(&vm);
    vm.run(&["up"]).expect(0);
    assert_eq!(vm.starts_of_nomad(), 1, "its client was not refused for long");
    up_again_starts_nothing(&vm);
    vm.run(&["jobs", "start"]).expect(0);
    calls(&vm);
    ways_are_open(&vm);
    jobs_are_listed(&vm);
    secrets_stay_secret(&vm);
    without_a_token_one_may_look(&vm);
    wrong_names(&vm);
    vm.remember_allocations();
    a_broken_file_hinders_only_itself(&vm);
    stop_leaves_nothing(&vm);
    one_job_alone(&vm);
    a_wrong_checksum(&vm);
    vm.remember_allocations();
    watch.all_was_well();
    vm.run(&["down"]).expect(0);
    vm.is_gone();
}

/// Looks at the environment's sockets all the while.
struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<(u32, BTreeSet<String>)>>,
}

impl Watch {
    fn start(vm: &Arc<Vm>) -> Self {
        let (stop, ends) = channel();
        let vm = Arc::clone(vm);
        let thread = std::thread::spawn(move || {
            let (mut looks, mut found) = (0, BTreeSet::new());
            // The sender says nothing: it is dropped at the end.
            while ends.recv_timeout(Duration::from_millis(250)) == Err(RecvTimeoutError::Timeout) {
                found.extend(vm.strange_sockets());
                looks += 1;
            }
            (looks, found)
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }

    fn end(&mut self) -> Option<(u32, BTreeSet<String>)> {
        drop(self.stop.take());
        self.thread.take().map(|thread| thread.join().unwrap())
    }

    fn all_was_well(mut self) {
        let (looks, found) = self.end().unwrap();
        assert!(looks > 20, "looked only {looks} times");
        assert!(found.is_empty(), "open to others, or reaching out: {found:#?}");
    }
}

/// Where a test fails, the environment has to be let go of, so that it is taken down.
impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end());
    }
}

fn nothing_runs_yet(vm: &Vm) {
    for arguments in [&["jobs", "start"][..], &["jobs", "stop"], &["jobs", "list"]] {
        let ran = vm.run(arguments).expect(1);
        assert!(error_of(&ran).contains("no lab is running on"), "{}", ran.stderr);
        assert!(error_of(&ran).contains("hint: `meshlab up`"), "{}", ran.stderr);
    }
    for verb in ["click", "fault"] {
        let ran = vm.run(&[verb]).expect(1);
        assert!(
            error_of(&ran).contains(&format!("no answer from http://{}:8088", vm.address)),
            "{}",
            ran.stderr
        );
        assert!(error_of(&ran).contains("`meshlab up`"), "{}", ran.stderr);
    }
    let ran = vm.run(&["up", "--lab", "2-calculatr"]).expect(2);
    assert!(error_of(&ran).contains("did you mean 2-calculator"), "{}", ran.stderr);
    let ran = vm.run(&["up", "--lab", "1"]).expect(2);
    assert!(error_of(&ran).contains("lab 1-tcp-echo has no environment"), "{}", ran.stderr);
    vm.is_gone();
}

fn up_again_starts_nothing(vm: &Vm) {
    let before = vm.ready_components();
    assert_eq!(before.len(), 4, "{before:?}");
    let ran = vm.run(&["up"]).expect(0);
    assert!(ran.stderr.contains("the environment was up already"), "{}", ran.stderr);
    assert_eq!(vm.ready_components(), before);
    // Nothing behind the door yet.
    let ran = vm.run(&["click"]).expect(1);
    assert!(error_of(&ran).contains("`meshlab jobs start` starts the jobs"), "{}", ran.stderr);
}

fn calls(vm: &Vm) {
    let ran = vm.run(&["click"]).expect(0);
    assert!(ran.stdout.contains("= 9 "), "{}", ran.stdout);
    let answer = vm.run(&["--json", "click", "1000-1-2"]).expect(0).json();
    assert_eq!(
        (&answer["calls"][0]["status"], &answer["calls"][0]["answer"]["result"]),
        (&200.into(), &997.into())
    );
    for (expression, reason) in [
        ("1+", "expected an integer, found the end"),
        ("", "at position 1: expected an integer, found the end"),
        ("1*2", "'*'"),
    ] {
        let ran = vm.run(&["click", expression]).expect(2);
        assert!(error_of(&ran).contains("is no expression"), "{expression}: {}", ran.stderr);
        assert!(error_of(&ran).contains("seen: 400 Bad Request:"), "{expression}: {}", ran.stderr);
        assert!(error_of(&ran).contains(reason), "{expression}: {}", ran.stderr);
    }
    let fault = vm.run(&["--json", "fault"]).expect(0).json();
    assert_eq!(fault["calls"][0]["status"], 500);
    let details = fault["calls"][0]["answer"]["details"].as_str().unwrap();
    assert!(details.contains("404") && details.contains("add-svc"), "{details}");
    assert!(vm.run(&["fault"]).expect(0).stdout.starts_with("500 "));
}

/// What calls come through has to be open in what Consul and the Envoys say, too.
fn ways_are_open(vm: &Vm) {
    for (source, destination) in
        [("api-gateway", "frontend"), ("frontend", "add-svc"), ("frontend", "sub-svc")]
    {
        let way = vm.run(&["--json", "why", source, destination]).expect(0).json();
        let hops = way["way"]["hops"].as_array().unwrap();
        assert_eq!(hops.len(), 14, "{way:#}");
        assert!(hops.iter().all(|hop| hop["state"] == "open"), "{way:#}");
    }
    // The gateway routes to the frontend alone.
    let ran = vm.run(&["--json", "why", "api-gateway", "add-svc"]).expect(3);
    assert_eq!(ran.json()["stops_at"], "route");
    let ran = vm.run(&["why", "api-gateway", "add-svc"]).expect(3);
    assert!(error_of(&ran).contains("http-route frontend"), "{}", ran.stderr);
    // One request goes by the route that Envoy has for it.
    for (path, stop) in [("/frontend/compute", Value::Null), ("/nowhere", "route".into())] {
        let expected = if stop.is_null() { 0 } else { 3 };
        let ran = vm.run(&["--json", "why", "api-gateway", "frontend", "--path", path]).expect(expected);
        assert_eq!(ran.json()["stops_at"], stop, "{path}");
    }
    for (source, destination, expected) in [
        ("add-svc-proxy", "sub-svc", "add-svc-proxy is a sidecar"),
        ("frontend", "api-gateway", "api-gateway is an API gateway"),
    ] {
        let ran = vm.run(&["why", source, destination]).expect(1);
        assert!(error_of(&ran).contains(expected), "{}", ran.stderr);
    }
}

fn job_states(vm: &Vm) -> Vec<(String, String, u64)> {
    let list = vm.run(&["jobs", "list", "--json"]).expect(0).json();
    let row = |job: &Value| {
        let text = |name: &str| job[name].as_str().unwrap().to_owned();
        (text("job"), text("state"), job["running"].as_u64().unwrap())
    };
    list["jobs"].as_array().unwrap().iter().map(row).collect()
}

const JOBS: [&str; 7] =
    ["addsvcJob", "subsvcJob", "frontendJob", "sidecar-job", "apiGatewayJob", "envoyJob", "dashboardJob"];

fn jobs_are_listed(vm: &Vm) {
    let expected = JOBS.map(|job| match job {
        "sidecar-job" => (job.to_owned(), "done".to_owned(), 0),
        _ => (job.to_owned(), "running".to_owned(), 1),
    });
    assert_eq!(job_states(vm), expected);
    let services = vm.catalog();
    for name in ["add-svc", "sub-svc", "frontend", "api-gateway", "dashboard", "add-svc-ref-proxy"] {
        assert!(services.contains(name), "{services:?}");
    }
    // Asked for what runs already, nothing changes.
    let before = vm.tasks();
    vm.run(&["jobs", "start", "addsvcJob", "frontendJob.hcl"]).expect(0);
    assert_eq!(vm.tasks(), before);
}

fn wrong_names(vm: &Vm) {
    for verb in ["start", "stop"] {
        let ran = vm.run(&["jobs", verb, "addsvcjob"]).expect(2);
        assert!(error_of(&ran).contains("no job is called \"addsvcjob\""), "{}", ran.stderr);
        assert!(error_of(&ran).contains("did you mean addsvcJob?"), "{}", ran.stderr);
    }
    let ran = vm.run(&["lab", "1"]).expect(1);
    assert!(error_of(&ran).contains("lab 2-calculator is running on"), "{}", ran.stderr);
}

fn a_broken_file_hinders_only_itself(vm: &Vm) {
    let path = vm.work("dashboardJob.hcl");
    let whole = fs::read_to_string(&path).unwrap();
    let broken = whole.replacen("  group \"dashboard\" {", "  group \"dashboard\" {\n    cuont = 1", 1);
    let line = broken.lines().position(|line| line.contains("cuont")).unwrap() + 1;
    fs::write(&path, broken).unwrap();
    for arguments in [&["jobs", "start"][..], &["jobs", "start", "dashboardJob"]] {
        let ran = vm.run(arguments).expect(2);
        let error = error_of(&ran);
        assert!(error.contains("dashboardJob.hcl is no job that Nomad understands"), "{error}");
        assert!(error.contains(&format!("dashboardJob.hcl:{line}")) && error.contains("cuont"), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
    assert_eq!(job_states(vm)[6], ("dashboardJob".to_owned(), "running".to_owned(), 1));
    assert!(vm.run(&["jobs", "list"]).expect(0).stdout.contains("its file is broken"));
    vm.run(&["jobs", "stop", "dashboardJob"]).expect(0);
    assert_eq!(job_states(vm)[6].1, "not started");
    fs::remove_file(&path).unwrap();
    let ran = vm.run(&["jobs", "start", "dashboardJob"]).expect(1);
    assert!(error_of(&ran).contains("dashboardJob.hcl"), "{}", ran.stderr);
    fs::write(&path, whole).unwrap();
    vm.run(&["jobs", "start", "dashboardJob"]).expect(0);
}

fn stop_leaves_nothing(vm: &Vm) {
    vm.run(&["jobs", "stop"]).expect(0);
    assert_eq!(vm.nomad("/v1/jobs").as_array().unwrap().len(), 0);
    assert_eq!(vm.nomad("/v1/allocations").as_array().unwrap().len(), 0);
    assert_eq!(vm.catalog(), BTreeSet::new());
    assert_eq!(vm.tasks(), BTreeSet::new());
    assert!(job_states(vm).iter().all(|(_, state, running)| state == "not started" && *running == 0));
    let ran = vm.run(&["jobs", "stop"]).expect(0);
    assert_eq!(ran.stdout, "no job was running\n");
    let ran = vm.run(&["jobs", "stop", "subsvcJob"]).expect(0);
    assert_eq!(ran.stdout, "no job was running\n");
}

fn one_job_alone(vm: &Vm) {
    vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
    let running: Vec<_> = job_states(vm).into_iter().filter(|(_, state, _)| state == "running").collect();
    assert_eq!(running, [("addsvcJob".to_owned(), "running".to_owned(), 1)]);
    assert_eq!(vm.catalog().into_iter().collect::<Vec<_>>(), ["add-svc"]);
    let (status, sum) = vm.call(9090, "GET", "/api/v1/execute/?l=40&r=2", &[], "");
    assert_eq!((status, sum.trim()), (200, "42"));
    // A changed job is waited for, though the one before it is healthy all the while.
    let (path, before) = (vm.work("addsvcJob.hcl"), vm.tasks());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("memory = 64", "memory = 65", 1)).unwrap();
    vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
    let after = vm.tasks();
    assert!(after.len() == 1 && after.is_disjoint(&before), "{before:?}, then {after:?}");
    let (status, _) = vm.call(9090, "GET", "/health/state", &[], "");
    assert_eq!(status, 200);
}

fn a_wrong_checksum(vm: &Vm) {
    let path = vm.work("lab.vars.hcl");
    let right = fs::read_to_string(&path).unwrap();
    let at = right.find("checksum = \"sha256:").unwrap() + "checksum = \"sha256:".len();
    // All packages that are this program have the same checksum.
    let digest = &right[at..at + 64];
    fs::write(&path, right.replace(digest, &"0".repeat(64))).unwrap();
    let started = Instant::now();
    let ran = vm.run(&["jobs", "start", "subsvcJob"]).expect(1);
    // Long before its patience ends.
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
    let error = error_of(&ran);
    assert!(error.contains("job subsvcJob"), "{error}");
    assert!(error.contains("task sub-svc: Failed Artifact Download"), "{error}");
    assert!(error.contains("checksum") || error.contains("Checksums did not match"), "{error}");
    assert!(error.contains("hint: run `meshlab up`, which rewrites lab.vars.hcl"), "{error}");
    vm.run(&["up"]).expect(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), right);
    vm.run(&["jobs", "start", "subsvcJob"]).expect(0);
}
