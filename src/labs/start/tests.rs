//! A whole lab on the scripted backend: no process is started.

use std::collections::BTreeMap;
use std::net::TcpListener;

use camino::{Utf8Path, Utf8PathBuf};

use super::*;
use crate::core::model::LabAddress;
use crate::core::settings::{ColorChoice, Dirs, Environment, Invocation, RuntimeChoice};
use crate::labs::read::FileError;
use crate::machine::Role;
use crate::machine::scripted::Scripted;

/// An address that no other test uses.
const ADDRESS: &str = "127.113.7.1";

fn lab(port: u16) -> Lab {
    let text = format!(
        r#"
title = "t"
summary = "s"
tools = []
learned = []

[[step]]
id = "list"
title = "A command"
text = "x"
[[step.do]]
run = "list"
[[step.do]]
check = "command"
claim = "two lines"
command = "list"
prints = "one\ntwo"

[[step]]
id = "serve"
title = "A service"
text = "x"
[[step.do]]
run = "nomad agent -dev"
service = "nomad"
ready = {{ kind = "tcp", port = {port} }}
[[step.do]]
check = "command"
claim = "it says so"
command = "status"
prints = "ready"
[[step.reset]]
stop = "nomad"
"#
    );
    let file = |name: &str| Err(FileError::Missing(name.to_owned()));
    Lab::parse("9-own".parse().unwrap(), &text, "lab.toml", ADDRESS.parse().unwrap(), file).unwrap()
}

fn settings(folder: &Utf8Path, address: LabAddress) -> Settings {
    let below = |name: &str| folder.join(name);
    Settings {
        dirs: Dirs {
            cache: below("cache"),
            data: below("data"),
            state: below("state"),
            config: below("config"),
        },
        offline: true,
        locked: false,
        json: false,
        quiet: false,
        verbose: 0,
        yes: true,
        jobs: 1,
        address,
        is_address_set: true,
        inside: false,
        color: ColorChoice::Never,
        runtime: RuntimeChoice::Auto,
        lock: None,
        mirror: None,
        work_dir: Utf8PathBuf::from("/"),
        environment: Environment::default(),
        invocation: Invocation { arguments: Vec::new(), flags: Vec::new() },
    }
}

#[tokio::test]
async fn a_whole_lab_runs_on_a_backend_without_processes() {
    let temporary = tempfile::tempdir().unwrap();
    let address: LabAddress = ADDRESS.parse().unwrap();
    // What the scripted service would do.
    let service = TcpListener::bind(address.port(0)).unwrap();
    let lab = lab(service.local_addr().unwrap().port());
    let settings = settings(Utf8Path::from_path(temporary.path()).unwrap(), address);
    let run = RunDir::of(&settings);
    let commands = [("list", vec!["one", "two"]), ("status", vec!["ready"])];
    let commands: BTreeMap<String, Vec<String>> = commands
        .into_iter()
        .map(|(line, lines)| (line.to_owned(), lines.into_iter().map(str::to_owned).collect()))
        .collect();
    let backend = Scripted { commands, run: Some(run.clone()), ..Scripted::default() };
    let calls = Arc::clone(&backend.calls);
    let lock = Lock::parse("version = 1\nartifact = []\n", "test").unwrap();
    let reporter: SharedReporter = Arc::new(Silent);
    let launcher = Launcher {
        settings,
        reason: RuntimeReason::Requested { docker_version: None },
        backend: Arc::new(backend),
        lock: &lock,
        reporter: &reporter,
    };

    launcher.enter_netns(&lab).await.unwrap();
    let run_lock = launcher.clear_leftovers(run.lock().await.unwrap()).await.unwrap();
    let components = launcher.provision_to_start(&lab).await.unwrap();
    let mut session = launcher.start(lab.clone(), components).await.unwrap();
    for index in 0..lab.steps.len() {
        let (summary, outcome) = session.run_step(index, None).await;
        outcome.unwrap();
        assert_eq!((summary.passed, summary.checks), (true, 1));
    }
    session.reset_step(1).await.unwrap();
    let state = run.load().unwrap();
    assert_eq!(
        state.services[0].role,
        Role::LabService { tool: None },
        "whatever its name and its command are"
    );
    launcher.undo(run_lock).await.unwrap();
    assert!(!run.exists());
    assert_eq!(
        *calls.lock().unwrap(),
        [
            "require 0 free ports",
            "load images of 9-own",
            "require 0 free ports",
            "prepare 9-own",
            "run list with ",
            "run list with ",
            "start nomad (recorded: true)",
            "run status with ",
            "stop nomad",
            "take down",
        ]
    );
}
