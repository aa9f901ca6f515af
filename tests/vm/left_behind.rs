//! Runs that are killed, interrupted, or robbed of their files.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::environment::{Slots, Vm, error_of};
use crate::harness::{Place, on_both_runtimes};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

// Parts of events of `--json`.
const CONSUL_STARTS: &str = r#""runtime":"starting","component":"consul""#;
const CONSUL_WAITS: &str = r#""runtime":"waiting-for","component":"consul""#;
const GATEWAY_SUBMITTED: &str = r#""jobs":"submitted","job":"apiGatewayJob""#;
const NOMAD_STARTS: &str = r#""runtime":"starting","component":"nomad""#;
const NOMAD_WAITS: &str = r#""runtime":"waiting-for","component":"nomad""#;
const SIDECARS_SUBMITTED: &str = r#""jobs":"submitted","job":"sidecar-job""#;

const MOMENTS: [&str; 4] = [CONSUL_STARTS, CONSUL_WAITS, NOMAD_STARTS, NOMAD_WAITS];

on_both_runtimes!(
    a_killed_up_leaves_nothing_that_down_does_not_find,
    the_next_up_clears_what_a_killed_one_left,
    signals_take_everything_down,
    a_folder_removed_by_hand_leaves_nothing
);

fn a_killed_up_leaves_nothing_that_down_does_not_find(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 103);
    for moment in MOMENTS {
        let mut child = vm.start_until(&["up"], moment);
        signal(&child, Signal::KILL);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        vm.run(&["down"]).expect(0);
        vm.is_gone();
    }
}

fn the_next_up_clears_what_a_killed_one_left(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 104);
    let mut child = vm.start_until(&["up"], NOMAD_WAITS);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(!vm.members().is_empty());
    let ran = vm.run(&["up"]).expect(0);
    assert!(ran.stderr.contains("an interrupted run left"), "{}", ran.stderr);
    vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
    // Jobs that were being started are there or not, and can be started again.
    for moment in [SIDECARS_SUBMITTED, GATEWAY_SUBMITTED] {
        let mut child = vm.start_until(&["jobs", "start"], moment);
        signal(&child, Signal::KILL);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        vm.run(&["jobs", "start"]).expect(0);
        vm.click_until_right(std::time::Duration::ZERO);
        vm.remember_allocations();
        vm.run(&["jobs", "stop"]).expect(0);
    }
    let mut child = vm.start_until(&["jobs", "start"], GATEWAY_SUBMITTED);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    vm.remember_allocations();
    vm.run(&["down"]).expect(0);
    vm.is_gone();
}

fn signals_take_everything_down(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 105);
    for (moment, number, which) in
        [(CONSUL_WAITS, 130, Signal::INT), (NOMAD_WAITS, 143, Signal::TERM), (NOMAD_STARTS, 129, Signal::HUP)]
    {
        let mut child = vm.start_until(&["up"], moment);
        signal(&child, which);
        assert_eq!(child.wait().unwrap().code(), Some(number));
        vm.is_gone();
    }
}

fn a_folder_removed_by_hand_leaves_nothing(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 106);
    for down in [&["down"][..], &["down", "--all"], &["up"]] {
        vm.run(&["up"]).expect(0);
        vm.run(&["jobs", "start", "addsvcJob", "dashboardJob"]).expect(0);
        vm.remember_allocations();
        // As root, mounts keep some of it; the record is gone in any case.
        let removed =
            std::process::Command::new("rm").arg("-rf").arg(vm.root()).stderr(Stdio::null()).status();
        assert!(removed.is_ok());
        assert!(!vm.root().join("state.json").exists());
        let ran = vm.run(&["jobs", "list"]).expect(1);
        assert!(error_of(&ran).contains("no lab is running on"), "{}", ran.stderr);
        let ran = vm.run(down).expect(0);
        if place == Place::Docker {
            // Without a record, Docker is what knows.
            let network = format!("network meshlab-{}", vm.address);
            let machine = format!("container {}", vm.container("machine"));
            for part in [machine, format!("container {}", vm.container("nomad")), network] {
                assert!(ran.stderr.contains(&part), "{part}: {}", ran.stderr);
            }
        }
        if down == ["up"] {
            vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
            vm.remember_allocations();
            vm.run(&["down"]).expect(0);
        }
        vm.is_gone();
    }
}
