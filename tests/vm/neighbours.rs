//! Other labs, other users, and machines that are full.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::environment::{Slots, Vm, error_of};
use crate::harness::{Place, on_both_runtimes};
use crate::support::{PortHolder, Ran, copy_program, until};

const NOBODY: u32 = 65534;

on_both_runtimes!(
    two_environments_side_by_side,
    what_is_there_already_is_named,
    a_full_disk_is_told_and_leaves_nothing
);

fn two_environments_side_by_side(place: Place) {
    let _slots = Slots::take(2);
    // A space in a folder's name must not matter.
    let (one, two) = (Vm::in_folder(place, 107, "sta te"), Vm::new(place, 108));
    std::thread::scope(|scope| {
        for vm in [&one, &two] {
            scope.spawn(|| {
                vm.run(&["up"]).expect(0);
                vm.run(&["jobs", "start"]).expect(0);
                vm.remember_allocations();
            });
        }
    });
    for vm in [&one, &two] {
        let took = vm.click_until_right(Duration::from_secs(10));
        eprintln!("{}: a right answer after {took:?}", vm.address);
    }
    // While the other one runs, nothing of this one may stay, not even in what both use.
    one.run(&["down"]).expect(0);
    one.is_gone();
    two.click_until_right(Duration::ZERO);
    two.run(&["jobs", "stop", "addsvcJob"]).expect(0);
    two.run(&["jobs", "start", "addsvcJob"]).expect(0);
    two.click_until_right(Duration::from_secs(10));
    two.remember_allocations();
    two.run(&["down"]).expect(0);
    two.is_gone();
}

fn what_is_there_already_is_named(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 109);
    let needed: &[(u16, &str)] = match place {
        Place::Host => &[(8088, "the load balancer"), (4648, "Nomad's gossip"), (2809, "the API gateway")],
        // Only doors are on this machine.
        Place::Docker => &[(8088, "the load balancer"), (3000, "the dashboard")],
    };
    for (port, purpose) in needed {
        let holder = PortHolder::at(&vm.doors(), *port);
        let ran = vm.run(&["up"]).expect(1);
        let error = error_of(&ran);
        assert!(error.contains(&format!("port {port} is in use")) && error.contains(purpose), "{error}");
        assert!(error.contains(&format!("(pid {})", holder.pid())), "{error}");
        assert!(error.contains("hint:") && error.contains("--address"), "{error}");
        drop(holder);
        vm.is_gone();
    }
    vm.run(&["lab", "1", "--keep"]).expect(0);
    let ran = vm.run(&["up"]).expect(1);
    assert!(error_of(&ran).contains("lab 1-tcp-echo is running on"), "{}", ran.stderr);
    assert!(error_of(&ran).contains("`meshlab down` ends it"), "{}", ran.stderr);
    let ran = vm.run(&["jobs", "start"]).expect(1);
    assert!(
        error_of(&ran).contains("lab 1-tcp-echo") && error_of(&ran).contains("has no Nomad"),
        "{}",
        ran.stderr
    );
    vm.run(&["down"]).expect(0);
    vm.is_gone();
}

/// The installed tools, copied to where another user may read them; and the program.
fn home_of_another_user() -> tempfile::TempDir {
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
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let data = home.path().join("data/tools");
    std::fs::create_dir_all(&data).unwrap();
    for entry in std::fs::read_dir(tools).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if crate::TOOLS.iter().any(|tool| name.starts_with(&format!("{tool}-"))) {
            let copied = Command::new("cp").arg("-a").arg(entry.path()).arg(&data).status().unwrap();
            assert!(copied.success());
        }
    }
    copy_program(&home.path().join("meshlab"));
    home
}

fn as_nobody(home: &Path, address: &str, arguments: &[&str]) -> Ran {
    let output = Command::new(home.join("meshlab"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("MESHLAB_DATA_DIR", home.join("data"))
        .env("MESHLAB_STATE_DIR", home.join("state"))
        .current_dir(home)
        .args(["--offline", "--address", address])
        .args(arguments)
        .stdin(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    Ran::from(output)
}

/// On the host alone: whoever may talk to Docker has root's rights there.
#[test]
fn an_ordinary_user_can_do_all_of_it() {
    if !rustix::process::geteuid().is_root() {
        // Then every other test has shown it.
        eprintln!("skipped: this test gives up root, and there is none to give up");
        return;
    }
    let _slot = Slots::take(1);
    let vm = Vm::new(Place::Host, 110);
    let home = home_of_another_user();
    let run = |arguments: &[&str]| as_nobody(home.path(), &vm.address, arguments);
    run(&["up"]).expect(0);
    run(&["jobs", "start"]).expect(0);
    assert!(run(&["click"]).expect(0).stdout.contains("= 9 "));
    assert!(run(&["fault"]).expect(0).stdout.starts_with("500 "));
    run(&["jobs", "stop", "envoyJob"]).expect(0);
    run(&["down"]).expect(0);
    until("nothing of the user's is left", || !home.path().join("state/run").exists());
    vm.is_gone();
}

fn a_full_disk_is_told_and_leaves_nothing(place: Place) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can mount a small disk");
        return;
    }
    let _slot = Slots::take(1);
    let program = std::fs::metadata(env!("CARGO_BIN_EXE_meshlab")).unwrap().len() >> 20;
    // Too small for the copy of the program, and for Consul's log beside it.
    for (megabytes, who) in [(1, "failed to copy file"), (program + 20, "consul ended before it was ready")] {
        let vm = Vm::new(place, 111);
        std::fs::create_dir(vm.state()).unwrap();
        let Some(disk) = SmallDisk::mount(&vm.state(), megabytes) else {
            eprintln!("skipped: no right to mount");
            return;
        };
        let ran = vm.run(&["up"]).expect(1);
        let error = error_of(&ran);
        assert!(error.contains(who) && error.to_lowercase().contains("no space left on device"), "{error}");
        assert!(error.contains("hint: free some space"), "{error}");
        assert!(vm.run(&["down"]).expect(0).stderr.contains("nothing is running"));
        let left: Vec<_> = std::fs::read_dir(vm.state()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        drop(disk);
        vm.is_gone();
    }
}

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u64) -> Option<Self> {
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
