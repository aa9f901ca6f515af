//! Who may see what of an environment, and who may change it.

use std::collections::BTreeSet;
use std::fs;

use crate::environment::{Vm, files_below, mode};
use crate::harness::{Place, docker};

pub(crate) fn secrets_stay_secret(vm: &Vm) {
    assert_eq!((mode(&vm.root()), mode(&vm.root().join("secrets"))), (0o700, 0o700));
    for file in files_below(&vm.root().join("secrets")) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let tokens: Vec<String> = ["consul-management.token", "nomad-management.token", "consul-services.token"]
        .map(|name| vm.secret(name))
        .into();
    let holds = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        tokens.iter().any(|token| text.contains(token.as_str()))
    };
    let members = vm.members();
    let names: BTreeSet<String> =
        members.iter().filter_map(|process| Some(process.stat().ok()?.comm)).collect();
    for name in
        ["consul", "nomad", "nginx", "meshlab", "envoy", "add-svc", "sub-svc", "frontend", "dashboard"]
    {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    for process in members {
        for file in ["environ", "cmdline"] {
            let content = fs::read(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
            assert!(!holds(&content), "{file} of {:?}", process.cmdline());
        }
    }
    let work = vm.root().join("work");
    let written =
        [files_below(&work), files_below(&vm.root().join("logs")), files_below(&vm.root().join("tmp"))];
    for file in written.concat() {
        assert!(!holds(&fs::read(&file).unwrap()), "{}", file.display());
    }
    // What tasks wrote.
    for file in files_below(&vm.root().join("nomad/alloc")) {
        if file.components().any(|part| part.as_os_str() == "logs") {
            assert!(!holds(&fs::read(&file).unwrap()), "{}", file.display());
        }
    }
    for arguments in
        [&["status"][..], &["--json", "status"], &["logs", "-n", "100000"], &["-v", "jobs", "list"]]
    {
        let ran = vm.run(arguments).expect(0);
        assert!(!ran.stdout.is_empty());
        assert!(!holds(ran.stdout.as_bytes()) && !holds(ran.stderr.as_bytes()), "{arguments:?}");
    }
    if vm.place == Place::Docker {
        let names = vm.containers_and_networks();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            assert!(!holds(docker(&["inspect", &name]).as_bytes()), "docker inspect {name}");
        }
    }
    // Those who need them get them.
    let shell = vm
        .run(&["shell", "--", "sh", "-c", "consul acl token list -format=json && nomad job status"])
        .expect(0);
    assert!(
        shell.stdout.contains("Nomad and the Envoys") && shell.stdout.contains("envoyJob"),
        "{}",
        shell.stdout
    );
}

pub(crate) fn without_a_token_one_may_look(vm: &Vm) {
    let job = r#"{"Job": {"ID": "intruder", "Name": "intruder", "Type": "batch", "Region": "bj", "Datacenters": ["dc-dev-01"],
        "TaskGroups": [{"Name": "g", "Count": 1, "Tasks": [
            {"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/true"}}]}]}}"#;
    for (port, method, path, body) in [
        (4646, "GET", "/v1/jobs", ""),
        (4646, "PUT", "/v1/jobs", job),
        (4646, "POST", "/v1/jobs/parse", r#"{"JobHCL": "job \"x\" {}"}"#),
        (4646, "DELETE", "/v1/job/addsvcJob", ""),
        (4646, "GET", "/v1/nodes", ""),
        (4646, "GET", "/v1/agent/self", ""),
        (4646, "PUT", "/v1/system/gc", ""),
        (4646, "GET", "/v1/acl/tokens", ""),
        (8500, "PUT", "/v1/agent/service/register", r#"{"Name": "intruder", "Port": 1}"#),
        (8500, "PUT", "/v1/agent/service/deregister/add-svc-proxy", ""),
        (
            8500,
            "PUT",
            "/v1/catalog/register",
            r#"{"Node": "n", "Address": "127.0.0.1", "Service": {"Service": "intruder"}}"#,
        ),
        (8500, "PUT", "/v1/kv/intruder", "x"),
        (8500, "GET", "/v1/acl/tokens", ""),
        (8500, "GET", "/v1/acl/policies", ""),
        (8500, "PUT", "/v1/acl/token", "{}"),
        (8500, "PUT", "/v1/connect/intentions/exact?source=x&destination=add-svc", r#"{"Action": "allow"}"#),
        (8500, "PUT", "/v1/config", r#"{"Kind": "service-defaults", "Name": "add-svc", "Protocol": "tcp"}"#),
        (8500, "PUT", "/v1/agent/leave", ""),
        (8500, "GET", "/v1/agent/self", ""),
        (8500, "GET", "/v1/snapshot", ""),
    ] {
        let (status, answer) = vm.call(port, method, path, &[], body);
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    let (again, _) = vm.call(4646, "POST", "/v1/acl/bootstrap", &[], "{}");
    assert_eq!(again, 400, "the first token was given out already");
    let (again, _) = vm.call(8500, "PUT", "/v1/acl/bootstrap", &[], "");
    assert_eq!(again, 403, "the first token was given out already");
    for path in
        ["/v1/catalog/services", "/v1/catalog/nodes", "/v1/health/service/add-svc", "/v1/agent/services"]
    {
        let (status, answer) = vm.call(8500, "GET", path, &[], "");
        assert_eq!(status, 200, "{path}: {answer}");
    }
    assert!(!vm.catalog().contains("intruder"));
    assert!(!vm.nomad("/v1/jobs").to_string().contains("intruder"));
    // The token of the Envoys is no key to the rest.
    let token = format!("X-Consul-Token: {}", vm.secret("consul-services.token"));
    for (method, path) in [("GET", "/v1/acl/tokens"), ("PUT", "/v1/kv/x"), ("PUT", "/v1/agent/leave")] {
        let (status, answer) = vm.call(8500, method, path, &[&token], "");
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
}
