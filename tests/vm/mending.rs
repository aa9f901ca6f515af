//! Components that are killed, and `up` that mends them: as processes, their tasks outlive them; as containers, Nomad takes
//! its tasks along.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::environment::{MENDED, Slots, Vm};
use crate::harness::{Place, on_both_runtimes};
use crate::support::until;

const COMPONENTS: [&str; 4] = ["consul", "nomad", "lb", "repo"];

on_both_runtimes!(up_mends_what_was_killed);

fn up_mends_what_was_killed(place: Place) {
    let _slot = Slots::take(1);
    // The folder's name is a link: the system calls everything below by another name, one too long for a socket.
    let vm = Vm::in_folder(place, 102, "link");
    let real = "real".repeat(30);
    std::fs::create_dir(vm.folder().join(&real)).unwrap();
    std::os::unix::fs::symlink(&real, vm.folder().join("link")).unwrap();
    vm.run(&["up"]).expect(0);
    vm.run(&["jobs", "start"]).expect(0);
    vm.click_until_right(Duration::ZERO);
    for killed in COMPONENTS.map(|component| vec![component]).into_iter().chain([COMPONENTS.to_vec()]) {
        mend(&vm, &killed);
    }
    vm.remember_allocations();
    // Jobs that outlived their Nomad are its jobs again.
    vm.run(&["jobs", "stop"]).expect(0);
    assert!(vm.tasks().is_empty(), "{:?}", vm.tasks());
    assert!(vm.catalog().is_empty(), "{:?}", vm.catalog());
    vm.run(&["jobs", "start"]).expect(0);
    vm.click_until_right(Duration::ZERO);
    vm.remember_allocations();
    // The next moment all of it may be gone.
    for component in COMPONENTS {
        vm.kill(component);
    }
    vm.run(&["down"]).expect(0);
    std::fs::remove_file(vm.folder().join("link")).unwrap();
    std::fs::remove_dir(vm.folder().join(&real)).unwrap();
    vm.is_gone();
}

/// Waits until the same tasks run again, each as another process.
pub(crate) fn every_task_is_new(vm: &Vm, before: &BTreeSet<(String, i32)>) -> BTreeSet<(String, i32)> {
    let names =
        |tasks: &BTreeSet<(String, i32)>| tasks.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    until("every task runs again", || {
        let now = vm.tasks();
        names(&now) == names(before) && now.is_disjoint(before)
    });
    vm.tasks()
}

fn mend(vm: &Vm, killed: &[&str]) {
    let (before, tasks, services) = (vm.components(), vm.tasks(), vm.catalog());
    assert!(tasks.len() >= 9, "{tasks:?}");
    for component in killed {
        vm.kill(component);
    }
    let starts = vm.starts_of_nomad();
    // A killed process is not over before the last of its threads is.
    until("the killed ones have ended, and no others", || {
        let seen = vm.components();
        COMPONENTS.iter().all(|component| (seen[*component].0 == "ended") == killed.contains(component))
    });
    let started = Instant::now();
    let ran = vm.run(&["up"]).expect(0);
    let up = started.elapsed();
    for component in killed {
        assert!(ran.stderr.contains(&format!("{component} is up")), "{}", ran.stderr);
    }
    assert_eq!(vm.starts_of_nomad() - starts, usize::from(killed.contains(&"nomad")), "{killed:?}");
    // Nomad's client has a lease of its server, and does not sit out a refusal while `up` says that all is well.
    assert_ne!(vm.nomad("/v1/agent/self")["stats"]["client"]["heartbeat_ttl"], "0s");
    let click = vm.click_until_right(MENDED.saturating_sub(up));
    eprintln!("mended {killed:?}: up took {up:?}, a right answer {click:?} more");
    let after = vm.ready_components();
    for component in COMPONENTS {
        assert_eq!(
            after[component].1 == before[component].1,
            !killed.contains(&component),
            "{killed:?}: {after:?}"
        );
    }
    let tasks = if vm.place == Place::Docker && killed.contains(&"nomad") {
        // Nomad's tasks go with its container, and are started anew.
        every_task_is_new(vm, &tasks)
    } else {
        assert_eq!(vm.tasks(), tasks, "tasks outlive {killed:?}");
        tasks
    };
    assert_eq!(vm.catalog(), services);
    // Healthy in Consul's eyes as well, and still up to date in Nomad's.
    let ran = vm.run(&["jobs", "start"]).expect(0);
    assert!(ran.stderr.contains("healthy in Consul: add-svc"), "{}", ran.stderr);
    assert_eq!(vm.tasks(), tasks, "nothing is started again after {killed:?}");
}
