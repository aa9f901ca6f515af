//! The calculator in a real environment, looked at: a call followed through all logs, status, logs, doctor, shell.
//!
//! The tools come from the user's own cache and data folders, or are provisioned into them first.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::environment::Slots;
use crate::support::{Ran, until};

const ADDRESS: &str = "127.0.0.22";

/// The environment, taken down at the end whatever happens.
struct Environment {
    folder: tempfile::TempDir,
}

impl Environment {
    fn up() -> Self {
        let environment = Self { folder: tempfile::tempdir().unwrap() };
        eprintln!("provisioning the core tools (minutes, if Consul and Nomad have to be built)");
        let provisioned = Command::new(env!("CARGO_BIN_EXE_meshlab"))
            .arg("provision")
            .current_dir("/")
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(provisioned.success());
        environment.run(&["--offline", "up"]).expect(0);
        environment.run(&["jobs", "start"]).expect(0);
        environment
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_meshlab"))
            .env("MESHLAB_STATE_DIR", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            // The labs that are built in, whatever lies here.
            .current_dir(self.folder.path())
            .args(["--address", ADDRESS])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran::from(output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--json"], arguments].concat()).expect(0).json()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        drop(self.run(&["down"]));
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// One after the other on one environment, whose start is the longest part of it.
#[test]
fn a_running_lab_can_be_looked_at() {
    let _slot = Slots::take(1);
    let environment = Environment::up();
    every_hop_of_the_calculation_is_found(&environment);
    a_refused_call_ends_where_it_was_refused(&environment);
    tasks_are_listed_like_components(&environment);
    tasks_have_logs(&environment);
    what_is_open_to_whom_is_asked_for_real(&environment);
    tokens_are_in_no_command_line(&environment);
    what_is_down_is_said(&environment);
}

fn every_hop_of_the_calculation_is_found(environment: &Environment) {
    let data = environment.json(&["click", "--trace"]);
    let trace = &data["trace"];
    assert_eq!((data["result"].as_i64(), data["complete"].as_bool()), (Some(9), Some(true)), "{data}");
    let id = text(&trace["request_id"]);
    let way_in = list(&trace["way_in"]);
    let names: Vec<&str> = way_in.iter().map(|hop| text(&hop["name"])).collect();
    assert_eq!((names[0], names[1], names[3], names.len()), ("lb", "gateway", "frontend", 4), "{names:?}");
    assert!(["add-svc-ref-proxy", "sub-svc-ref-proxy"].contains(&names[2]), "{names:?}");
    let legs = list(&trace["legs"]);
    let upstreams: Vec<&str> = legs.iter().map(|leg| text(&leg["call"]["upstream"])).collect();
    let (add, sub) = ("add-svc", "sub-svc");
    assert_eq!(upstreams, [add, add, add, add, add, add, sub, sub, sub, sub, sub, sub, add, add, sub, sub]);
    for leg in legs {
        let upstream = text(&leg["call"]["upstream"]);
        let names: Vec<&str> = list(&leg["hops"]).iter().map(|hop| text(&hop["name"])).collect();
        assert_eq!(names, [&format!("{upstream}-ref-proxy"), &format!("{upstream}-proxy"), upstream]);
    }
    for hop in way_in.iter().chain(legs.iter().flat_map(|leg| list(&leg["hops"]))) {
        assert_eq!((text(&hop["request_id"]), number(&hop["status"])), (id, 200), "{hop}");
    }
    // nginx knows milliseconds only; everybody else's time lies within that of the one before.
    let chains = legs.iter().map(|leg| list(&leg["hops"]).clone());
    for chain in chains.chain([way_in[1..].to_vec()]) {
        for pair in chain.windows(2) {
            let (outer, inner) = (&pair[0], &pair[1]);
            assert!(number(&outer["began"]) <= number(&inner["began"]), "{outer} {inner}");
            assert!(number(&outer["micros"]) >= number(&inner["micros"]), "{outer} {inner}");
        }
    }
    let frontend = &way_in[3];
    let calls: u64 = legs.iter().map(|leg| number(&leg["call"]["micros"])).sum();
    assert!(calls <= number(&frontend["micros"]), "{calls} {frontend}");
    assert!(number(&way_in[1]["micros"]) <= number(&trace["micros"]), "{trace}");
    let shares: u64 = list(&data["shares"]).iter().map(|share| number(&share["micros"])).sum();
    let whole = number(&trace["micros"]);
    assert!(shares.abs_diff(whole) <= whole / 10, "the parts make up {shares} of {whole}");
    let drawn = environment.run(&["click", "1+2-3", "--trace"]).expect(0).stdout;
    for part in ["1+2-3 = 0", "1+2=3", "3-3=0", "add-svc-ref-proxy → add-svc-proxy → add-svc", "all Envoys"]
    {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
}

fn a_refused_call_ends_where_it_was_refused(environment: &Environment) {
    let intention = |action: &str| {
        let entry = format!(
            r#"{{"Kind": "service-intentions", "Name": "sub-svc", "Sources": [{{"Name": "frontend", "Action": "{action}"}}]}}"#
        );
        let command = format!("echo '{entry}' | consul config write -");
        environment.run(&["shell", "--", "sh", "-c", &command]).expect(0);
    };
    intention("deny");
    let mut data = Value::Null;
    until("the call is refused", || {
        let ran = environment.run(&["--json", "click", "1-1", "--trace"]);
        data = ran.json();
        ran.code == Some(1)
    });
    assert_eq!(data["complete"], true, "{data}");
    let hops = list(&data["trace"]["legs"][0]["hops"]);
    let seen: Vec<(&str, u64)> =
        hops.iter().map(|hop| (text(&hop["name"]), number(&hop["status"]))).collect();
    assert_eq!(seen, [("sub-svc-ref-proxy", 403), ("sub-svc-proxy", 403)]);
    intention("allow");
}

fn tasks_are_listed_like_components(environment: &Environment) {
    let status = environment.json(&["status"]);
    let lab = &status["labs"][0];
    let tasks = list(&lab["tasks"]);
    let named = |name: &str| tasks.iter().find(|task| text(&task["name"]) == name);
    for (name, port) in [
        ("addsvcJob/add-svc", 9090),
        ("frontendJob/frontend", 7070),
        ("apiGatewayJob/gateway", 2809),
        ("envoyJob/add-svc-proxy", 21000),
        ("envoyJob/sub-svc-ref-proxy", 21003),
    ] {
        let task = named(name).unwrap_or_else(|| panic!("no {name}: {lab}"));
        assert_eq!(text(&task["state"]), "ready", "{task}");
        assert_eq!(task["listens"], serde_json::json!([format!("{ADDRESS}:{port}")]), "{task}");
        let pid = number(&task["pid"]);
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "{task}");
        assert!(!text(&task["version"]).is_empty(), "{task}");
    }
    assert_eq!(text(&named("sidecar-job/register").unwrap()["state"]), "done");
    assert_eq!(list(&lab["troubles"]).len(), 0, "{lab}");
}

fn tasks_have_logs(environment: &Environment) {
    let logs = |arguments: &[&str]| environment.run(&[&["logs"], arguments].concat());
    assert!(logs(&["add-svc", "-n", "5000"]).expect(0).stdout.contains("\"event\":\"listening\""));
    let envoy = logs(&["envoyJob/add-svc-proxy", "-n", "5000"]).expect(0).stdout;
    assert!(envoy.contains("\"cluster\":\"local_app\"") && envoy.contains("starting workers"), "{envoy}");
    let slip = logs(&["ad-svc"]).expect(2).stderr;
    assert!(slip.contains("did you mean add-svc?") && slip.contains("dashboardJob/dashboard"), "{slip}");
}

fn what_is_open_to_whom_is_asked_for_real(environment: &Environment) {
    let data = environment.run(&["--json", "doctor"]).json();
    let ours = |finding: &&Value| text(&finding["section"]).contains(ADDRESS);
    let found: Vec<(&str, &str)> = list(&data["findings"])
        .iter()
        .filter(ours)
        .map(|finding| (text(&finding["what"]), text(&finding["verdict"])))
        .collect();
    assert_eq!(
        found,
        [
            ("Nomad", "ok"),
            ("Consul", "ok"),
            ("Envoys", "note"),
            ("load balancer", "ok"),
            ("package repository", "ok"),
            ("token files", "ok"),
            ("other machines", "ok"),
        ]
    );
    // A token that others may read is a failure.
    let secrets = environment.folder.path().join("run").join(ADDRESS).join("secrets");
    let token = secrets.join("nomad-management.token");
    let mode = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    let told = environment.run(&["doctor"]).expect(6);
    assert!(told.stdout.contains("others may read"), "{}", told.stdout);
    mode(0o600);
}

fn tokens_are_in_no_command_line(environment: &Environment) {
    assert!(
        environment.run(&["shell", "--", "nomad", "job", "status"]).expect(0).stdout.contains("envoyJob")
    );
    let intentions = environment.run(&["shell", "--", "consul", "intention", "list"]).expect(0).stdout;
    assert!(intentions.contains("add-svc"), "{intentions}");
    // The shell's own command line, and that of everything that runs, as any user of the machine sees them.
    let lines = environment.run(&["shell", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null"]).stdout;
    let secrets = environment.folder.path().join("run").join(ADDRESS).join("secrets");
    for name in ["nomad-management.token", "consul-management.token", "consul-services.token"] {
        let token = std::fs::read_to_string(secrets.join(name)).unwrap();
        assert!(token.len() == 36 && !lines.contains(&token), "{name} is in a command line");
    }
}

fn what_is_down_is_said(environment: &Environment) {
    let status = environment.json(&["status"]);
    let components = list(&status["labs"][0]["components"]);
    let nomad = components.iter().find(|component| text(&component["name"]) == "nomad").unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(number(&nomad["pid"])).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let ran = environment.run(&["status"]);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let ran = ran.expect(1);
    assert!(ran.stderr.contains("not ready: nomad"), "{}", ran.stderr);
    let told = ran.stdout;
    for part in ["Nomad does not answer", "hint: `meshlab up` mends it"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
