//! Runs that are killed, interrupted, or robbed of their files.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::environment::{Slots, Vm, error_of};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

const MOMENTS: [&str; 4] = ["starting consul", "waiting for consul", "starting nomad", "waiting for nomad"];

#[test]
fn a_killed_up_leaves_nothing_that_down_does_not_find() {
    let _slot = Slots::take(1);
    let vm = Vm::new(103);
    for moment in MOMENTS {
        let mut child = vm.start_until(&["up"], moment);
        signal(&child, Signal::KILL);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        vm.run(&["down"]).expect(0);
        vm.is_gone();
    }
}

#[test]
fn the_next_up_clears_what_a_killed_one_left() {
    let _slot = Slots::take(1);
    let vm = Vm::new(104);
    let mut child = vm.start_until(&["up"], "waiting for nomad");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(!vm.members().is_empty());
    let ran = vm.run(&["up"]).expect(0);
    assert!(ran.stderr.contains("an interrupted run left"), "{}", ran.stderr);
    vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
    // Jobs that were being started are there or not, and can be started again.
    for moment in ["sidecar-job submitted", "apiGatewayJob submitted"] {
        let mut child = vm.start_until(&["jobs", "start"], moment);
        signal(&child, Signal::KILL);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        vm.run(&["jobs", "start"]).expect(0);
        vm.click_until_right(std::time::Duration::ZERO);
        vm.remember_allocations();
        vm.run(&["jobs", "stop"]).expect(0);
    }
    let mut child = vm.start_until(&["jobs", "start"], "apiGatewayJob submitted");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    vm.remember_allocations();
    vm.run(&["down"]).expect(0);
    vm.is_gone();
}

#[test]
fn signals_take_everything_down() {
    let _slot = Slots::take(1);
    let vm = Vm::new(105);
    for (moment, number, which) in [
        ("waiting for consul", 130, Signal::INT),
        ("waiting for nomad", 143, Signal::TERM),
        ("starting nomad", 129, Signal::HUP),
    ] {
        let mut child = vm.start_until(&["up"], moment);
        signal(&child, which);
        assert_eq!(child.wait().unwrap().code(), Some(number));
        vm.is_gone();
    }
}

#[test]
fn a_folder_removed_by_hand_leaves_nothing() {
    let _slot = Slots::take(1);
    let vm = Vm::new(106);
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
        vm.run(down).expect(0);
        if down == ["up"] {
            vm.run(&["jobs", "start", "addsvcJob"]).expect(0);
            vm.remember_allocations();
            vm.run(&["down"]).expect(0);
        }
        vm.is_gone();
    }
}
