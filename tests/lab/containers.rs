//! What only a lab of containers has: Docker's own view of it, a shell inside, and what may be in its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use procfs::net::TcpState;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Lab, Place, docker, own};
use crate::signal;
use crate::support::{Ran, until, until_every};
use crate::terminal::Terminal;

const COMPONENTS: [&str; 5] = ["consul", "echo", "envoy-client", "envoy-echo", "machine"];

const DOORS: [u16; 4] = [8500, 9191, 19000, 19001];

#[test]
fn a_lab_explains_itself_to_docker() {
    let Some(place) = Place::containers() else { return };
    let lab = Lab::new(place, 20);
    lab.run(&["lab", "1", "--keep"]).expect(0);
    names_and_labels(&lab);
    rights(&lab);
    doors(&lab);
    listeners(&lab);
    a_shell_inside(&lab);
    a_shell_that_is_interrupted_leaves_nothing(&lab);
    a_terminal_inside(&lab);
    lab.run(&["down"]).expect(0);
    lab.nothing_is_left();
}

fn inspected(lab: &Lab, component: &str) -> Value {
    let text = docker(&["inspect", &lab.container(component)]);
    serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0)
}

fn names_and_labels(lab: &Lab) {
    let expected: BTreeSet<String> = COMPONENTS.iter().map(|name| lab.container(name)).collect();
    let own = format!("label=meshlab.address={}", lab.address);
    let shown = docker(&["ps", "--filter", &own, "--format", "{{.Names}}\t{{.Image}}"]);
    let images: BTreeMap<String, String> = shown
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(name, image)| (name.to_owned(), image.to_owned()))
        .collect();
    assert_eq!(images.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let status = lab.run(&["--json", "status"]).expect(0).json();
    let version = |tool: &str| {
        let tools = status["labs"][0]["tools"].as_array().unwrap();
        let found = tools.iter().find(|found| found["name"] == tool).unwrap();
        found["version"].as_str().unwrap().to_owned()
    };
    for (component, program) in [("consul", "consul"), ("envoy-echo", "envoy"), ("envoy-client", "envoy")] {
        let image = format!("meshlab/{program}:{}", version(program));
        assert_eq!(images[&lab.container(component)], image);
    }
    let run = lab.state().canonicalize().unwrap().join("run").join(&lab.address);
    for component in COMPONENTS {
        let labels = &inspected(lab, component)["Config"]["Labels"];
        assert_eq!(labels["meshlab.run"], run.to_str().unwrap());
        assert_eq!(labels["meshlab.lab"], "1-tcp-echo");
        assert_eq!(labels["meshlab.component"], component);
    }
    // Whoever asks Docker for a log is told where it is.
    let log = docker(&["logs", &lab.container("consul")]);
    assert_eq!(log, "its output: meshlab logs consul");
}

fn rights(lab: &Lab) {
    let run = lab.state().canonicalize().unwrap().join("run").join(&lab.address);
    for component in COMPONENTS {
        let found = inspected(lab, component);
        let host = &found["HostConfig"];
        assert_eq!(host["Privileged"], false, "{component}");
        assert_eq!(host["ReadonlyRootfs"], true, "{component}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{component}");
        assert!(!host["CapAdd"].to_string().contains("SYS_ADMIN"), "{component}: {}", host["CapAdd"]);
        assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges"]), "{component}");
        for mount in found["Mounts"].as_array().unwrap() {
            assert_eq!(mount["Source"], run.to_str().unwrap(), "{component}: {mount}");
        }
        let machine = inspected(lab, "machine")["Id"].as_str().unwrap().to_owned();
        if component != "machine" {
            assert_eq!(host["NetworkMode"], format!("container:{machine}"), "{component}");
            assert_eq!(host["PidMode"], format!("container:{machine}"), "{component}");
        }
    }
}

fn doors(lab: &Lab) {
    let found = inspected(lab, "machine");
    let ports = found["NetworkSettings"]["Ports"].as_object().unwrap();
    let published: BTreeSet<(String, String, String)> = ports
        .iter()
        .flat_map(|(inside, bindings)| {
            let bindings = bindings.as_array().into_iter().flatten();
            bindings.map(|binding| {
                let text = |name: &str| binding[name].as_str().unwrap().to_owned();
                (inside.clone(), text("HostIp"), text("HostPort"))
            })
        })
        .collect();
    let expected = DOORS.map(|port| (format!("{port}/tcp"), lab.doors(), port.to_string()));
    assert_eq!(published, expected.into());
    // On this machine nothing else was opened.
    let doors: IpAddr = lab.doors().parse().unwrap();
    let listening: BTreeSet<u16> = [procfs::net::tcp(), procfs::net::tcp6()]
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.state == TcpState::Listen && entry.local_address.ip() == doors)
        .map(|entry| entry.local_address.port())
        .collect();
    assert_eq!(listening, DOORS.into());
}

/// What listens inside, seen from inside and from outside.
fn listeners(lab: &Lab) {
    let pid = i32::try_from(inspected(lab, "machine")["State"]["Pid"].as_i64().unwrap()).unwrap();
    let holder = procfs::process::Process::new(pid).unwrap();
    let own: IpAddr = lab.address.parse().unwrap();
    let mut listening = BTreeSet::new();
    for entry in [holder.tcp(), holder.tcp6()].into_iter().flatten().flatten() {
        if entry.state == TcpState::Listen {
            let ip = entry.local_address.ip();
            assert!(ip == own || ip.is_loopback(), "{} is open to others", entry.local_address);
            listening.insert(entry.local_address);
        }
    }
    assert!(listening.len() > 8, "{listening:?}");
    let seen = lab.run(&["shell", "--", "netstat", "-ltn"]).expect(0).stdout;
    for address in listening {
        assert!(seen.contains(&address.to_string()), "{address}: {seen}");
    }
}

fn a_shell_inside(lab: &Lab) {
    let run = |line: &str| lab.run(&["shell", "--", "sh", "-c", line]);
    let network = run("ip -4 addr show eth0").expect(0).stdout;
    assert!(network.contains(&format!("inet {}/24", lab.address)), "{network}");
    assert_eq!(run("hostname").expect(0).stdout, "hello-servicemesh-envoy\n");
    let both = run("echo out; echo err >&2; exit 7").expect(7);
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    run("kill -TERM $$").expect(143);
    // Files of the lab are at hand, and those of this machine are not.
    run("test -f services.hcl && test ! -e /home && ! touch /usr/local/bin/x").expect(0);
    let unknown = lab.run(&["shell", "--", "no-such-program"]).expect(1);
    assert!(unknown.stderr.contains("cannot run \"no-such-program\""), "{}", unknown.stderr);
    assert_eq!(unknown.stdout, "", "Docker's words are not the program's");
    // Whose reader has left ends, and holds up nothing.
    let mut endless = lab.command(&["shell", "--", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut begun = [0; 2];
    endless.stdout.take().unwrap().read_exact(&mut begun).unwrap();
    assert_eq!(endless.wait().unwrap().code(), Some(141));
    // All of a long input arrives, and its end does.
    let text = "by hand, a line of many\n".repeat(20_000);
    let mut command = lab.command(&["shell", "--", "cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut input, given) = (child.stdin.take().unwrap(), text.clone());
    let writer = std::thread::spawn(move || input.write_all(given.as_bytes()));
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(0);
    writer.join().unwrap().unwrap();
    assert!(ran.stdout == text, "{} bytes of {} came back", ran.stdout.len(), text.len());
}

fn a_shell_that_is_interrupted_leaves_nothing(lab: &Lab) {
    let sleeping = || lab.processes().iter().any(|line| line.contains("sleep 601"));
    for which in [Signal::INT, Signal::TERM] {
        let mut command = lab.command(&["shell", "--", "sh", "-c", "sleep 601 | sleep 601"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        until("it runs", sleeping);
        signal(&child, which);
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(130 | 143)), "{code:?}");
        until("it has ended", || !sleeping());
    }
}

/// A shell at a terminal: it knows the terminal's size, keys reach it as they are, and the terminal is given back as it was.
fn a_terminal_inside(lab: &Lab) {
    let terminal = Terminal::new(33, 111);
    let before = terminal.modes();
    let start = || terminal.start(&mut lab.command(&["shell"]));
    let sleeping = || lab.processes().iter().any(|line| line.contains("sleep 602"));
    let mut child = start();
    terminal.shows("hello-servicemesh-envoy:", 1);
    until_every(Duration::from_millis(50), "it knows the terminal's size", || {
        terminal.keys("stty size\n");
        terminal.seen().contains("33 111")
    });
    terminal.keys("sleep 602\n");
    until("it runs", sleeping);
    // Ctrl-C is for what runs inside, not for meshlab.
    terminal.keys("\x03");
    until("it has ended", || !sleeping());
    terminal.keys("exit 5\n");
    assert_eq!(child.ends().code(), Some(5), "{}", terminal.seen());
    assert_eq!(terminal.modes(), before);
    let mut child = start();
    terminal.keys("sleep 602\n");
    until("it runs", sleeping);
    // The window is closed.
    signal(&child.0, Signal::HUP);
    assert_eq!(child.ends().code(), Some(129));
    until("it has ended", || !sleeping());
    assert_eq!(terminal.modes(), before);
}

/// Something of Docker's that a test made; removed when dropped.
struct Made(&'static [&'static str], String);

impl Made {
    fn network(name: &str, range: &str) -> Self {
        docker(&["network", "create", "--subnet", range, name]);
        Self(&["network", "rm"], name.to_owned())
    }

    fn container(name: &str, is_running: bool) -> Self {
        let verb = if is_running { &["run", "-d"][..] } else { &["create"] };
        // Any image will do; provisioning has not loaded one yet, but the first lab did.
        let image = docker(&["images", "--format", "{{.ID}}", "meshlab/envoy"]);
        let image = image.lines().next().unwrap();
        let rest = ["--name", name, "--network", "none", "--entrypoint", "/bin/sleep", image, "600"];
        docker(&[verb, &rest].concat());
        Self(&["rm", "-f"], name.to_owned())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        drop(Command::new("docker").args(self.0).arg(&self.1).output());
    }
}

#[test]
fn what_is_in_the_way_is_named_before_anything_is_made() {
    let Some(place) = Place::containers() else { return };
    let lab = Lab::new(place, 21);
    // The images are there from here on.
    lab.run(&["lab", "1", "--step", "1"]).expect(0);
    let error_of = |made: &Made| {
        let ran = lab.run(&["--json", "lab", "1"]).expect(1);
        assert!(!ran.stderr.contains("\"starting\""), "{}", ran.stderr);
        let name = &made.1;
        let left = lab.containers_and_networks();
        assert!(left.iter().all(|left| left == name), "{left:?}");
        let ran = lab.run(&["lab", "1"]).expect(1);
        let error = ran.stderr[ran.stderr.find("error:").unwrap()..].to_owned();
        assert!(error.contains(name.as_str()) && error.contains("hint:"), "{error}");
        assert!(!ran.stderr.contains("step 1/7"), "{}", ran.stderr);
        error
    };
    // A network that overlaps.
    let other = format!("test-of-{}", lab.address);
    let theirs = format!("10.{}.21.128/25", own());
    let made = Made::network(&other, &theirs);
    let error = error_of(&made);
    assert!(error.contains(&format!("the network of {} is taken", lab.address)), "{error}");
    assert!(error.contains(&theirs) && error.contains("--address"), "{error}");
    drop(made);
    // One of the lab's own name that is somebody else's.
    let made = Made::network(&format!("meshlab-{}", lab.address), &format!("10.{}.22.0/24", own()));
    let error = error_of(&made);
    assert!(error.contains("not this lab's"), "{error}");
    drop(made);
    // Containers of the lab's names, running or not.
    for (component, is_running) in
        [("machine", true), ("machine", false), ("consul", false), ("envoy-client", true)]
    {
        let made = Made::container(&lab.container(component), is_running);
        let error = error_of(&made);
        assert!(error.contains("docker rm -f"), "{error}");
        drop(made);
    }
    lab.nothing_is_left();
    lab.run(&["lab", "1", "--step", "1"]).expect(0);
    lab.nothing_is_left();
}

/// The words by which the environment's own components are called give a lab's service no rights.
#[test]
fn a_lab_s_own_programs_get_no_rights_whatever_they_are_called() {
    let Some(place) = Place::containers() else { return };
    let lab = Lab::new(place, 24);
    let words = ["nomad", "nginx", "consul"];
    let mut actions = String::new();
    for (word, port) in words.into_iter().zip(9095..) {
        write!(
            actions,
            "[[step.do]]\nrun = \"echo 'exec meshlab svc echo --listen {{address}}:{port}' > {word}; chmod +x {word}\"\n\
             [[step.do]]\nrun = \"env PATH=.:$PATH {word}\"\nservice = \"{word}\"\n\
             ready = {{ kind = \"tcp\", port = {port} }}\n"
        )
        .unwrap();
    }
    actions.push_str("[[step.do]]\ncheck = \"tcp-echo\"\nclaim = \"it echoes\"\nport = 9095\nbytes = 8\n");
    let folder = lab.write_lab(30, &actions);
    lab.run(&["-C", &folder, "lab", "9", "--keep"]).expect(0);
    let run = lab.state().canonicalize().unwrap().join("run").join(&lab.address);
    let user = format!("{}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for word in words {
        let found = inspected(&lab, word);
        let host = &found["HostConfig"];
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{word}");
        assert!(host["CapAdd"].as_array().is_none_or(Vec::is_empty), "{word}: {}", host["CapAdd"]);
        assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges"]), "{word}");
        assert_eq!(found["Config"]["User"], user.as_str(), "{word}");
        let mounts = found["Mounts"].as_array().unwrap();
        assert_eq!(mounts.len(), 1, "{word}: {mounts:?}");
        assert_eq!(mounts[0]["Source"], run.to_str().unwrap(), "{word}");
    }
    lab.run(&["down"]).expect(0);
    lab.nothing_is_left();
}

/// Another state folder, or another user's, at the same address.
#[test]
fn a_lab_of_another_state_folder_is_left_alone() {
    let Some(place) = Place::containers() else { return };
    let (one, two) = (Lab::new(place, 23), Lab::new(place, 23));
    one.run(&["lab", "1", "--keep"]).expect(0);
    let before = one.containers_and_networks();
    let ran = two.run(&["lab", "1"]).expect(1);
    assert!(ran.stderr.contains("port") && ran.stderr.contains("in use"), "{}", ran.stderr);
    assert!(two.run(&["down"]).expect(0).stderr.contains("nothing is running"));
    assert!(two.run(&["down", "--all"]).expect(0).stderr.contains("nothing is running"));
    assert_eq!(one.containers_and_networks(), before);
    one.run(&["down"]).expect(0);
    one.nothing_is_left();
}
