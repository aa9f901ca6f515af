//! What only an environment of containers has: containers that are killed or removed, and what Nomad's may do.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::environment::{MENDED, Slots, Vm};
use crate::harness::{Place, docker};
use crate::mending::every_task_is_new;

const COMPONENTS: [&str; 5] = ["consul", "lb", "machine", "nomad", "repo"];

#[test]
fn containers_that_are_gone_come_back() {
    let Some(place) = Place::containers() else { return };
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 131);
    vm.run(&["up"]).expect(0);
    rights(&vm);
    vm.run(&["jobs", "start"]).expect(0);
    vm.click_until_right(Duration::ZERO);
    for (end, killed) in [
        (&["kill"][..], &["lb"][..]),
        (&["rm", "-f"], &["consul", "lb"]),
        (&["kill"], &["nomad"]),
        (&["rm", "-f"], &["nomad"]),
        // It takes all others with it.
        (&["kill"], &["machine"]),
        (&["rm", "-f"], &["machine"]),
        (&["rm", "-f"], &COMPONENTS),
    ] {
        comes_back(&vm, end, killed);
    }
    vm.remember_allocations();
    docker(&["kill", &vm.container("machine")]);
    vm.run(&["down"]).expect(0);
    vm.is_gone();
}

fn comes_back(vm: &Vm, end: &[&str], killed: &[&str]) {
    let tasks = vm.tasks();
    vm.remember_allocations();
    let names: Vec<String> = killed.iter().map(|component| vm.container(component)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    docker(&[end, &names].concat());
    let with_all = killed.contains(&"machine");
    for (component, (state, _)) in vm.components() {
        assert_eq!(
            state == "ended",
            with_all || killed.contains(&component.as_str()),
            "{component}: {state}"
        );
    }
    let started = Instant::now();
    let ran = vm.run(&["up"]).expect(0);
    let up = started.elapsed();
    for component in killed.iter().filter(|component| **component != "machine") {
        assert!(ran.stderr.contains(&format!("{component} is up")), "{}", ran.stderr);
    }
    vm.ready_components();
    let click = vm.click_until_right(MENDED.saturating_sub(up));
    eprintln!("{end:?} {killed:?}: up took {up:?}, a right answer {click:?} more");
    if with_all || killed.contains(&"nomad") {
        every_task_is_new(vm, &tasks);
    } else {
        assert_eq!(vm.tasks(), tasks, "tasks outlive {killed:?}");
    }
    let ran = vm.run(&["up"]).expect(0);
    assert!(ran.stderr.contains("the environment was up already"), "{}", ran.stderr);
    let expected: Vec<String> = COMPONENTS.iter().map(|component| vm.container(component)).collect();
    let mut found = vm.containers_and_networks();
    found.retain(|name| expected.contains(name));
    found.sort();
    assert_eq!(found, expected);
}

/// Only Nomad may mount and make namespaces; nobody is privileged, and nothing of an image can be changed.
fn rights(vm: &Vm) {
    let root = vm.root().canonicalize().unwrap();
    for component in COMPONENTS {
        let text = docker(&["inspect", &vm.container(component)]);
        let found = serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0);
        let host = &found["HostConfig"];
        assert_eq!(host["Privileged"], false, "{component}");
        assert_eq!(host["ReadonlyRootfs"], true, "{component}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{component}");
        assert_ne!(host["NetworkMode"], "host", "{component}");
        assert_ne!(host["PidMode"], "host", "{component}");
        let has = |name: &str| host["CapAdd"].to_string().contains(name);
        for capability in ["SYS_ADMIN", "NET_ADMIN"] {
            assert_eq!(has(capability), component == "nomad", "{component}: {}", host["CapAdd"]);
        }
        for (mount, own) in found["Mounts"].as_array().unwrap().iter().map(|mount| (mount, &mount["Source"]))
        {
            let is_known = *own == root.to_str().unwrap()
                || (component == "nomad" && *own == "/sys/fs/cgroup")
                // The store.
                || (component == "repo" && mount["RW"] == false);
            assert!(is_known, "{component}: {mount}");
        }
        let ports = found["NetworkSettings"]["Ports"].as_object().unwrap();
        let addresses = ports.values().flat_map(|bindings| bindings.as_array().into_iter().flatten());
        for binding in addresses {
            assert_eq!(binding["HostIp"], vm.doors().as_str(), "{component}: {binding}");
        }
        let doors = if component == "machine" { 4 } else { 0 };
        assert_eq!(
            ports.values().filter(|bindings| bindings.is_array()).count(),
            doors,
            "{component}: {ports:?}"
        );
    }
}
