//! What a bug report is made of, through the binary: `meshlab support` and the log of a command that failed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::server::{Manner, Server};
use crate::support::{Sandbox, artifact, lock, tool, zip_source};

const TOKEN: &str = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
const GOSSIP: &str = "q1w2e3r4t5y6u7i8o9p0q1w2e3r4t5y6u7i8o9p0abc=";
const KEY: &str = "MHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5";
const PASSWORD: &str = "correct-horse";
const SECRETS: [&str; 4] = [TOKEN, GOSSIP, KEY, PASSWORD];

/// The names of the members in their order, and their texts.
fn unpacked(path: &std::path::Path) -> (Vec<String>, BTreeMap<String, String>) {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name.strip_prefix("meshlab-support/").unwrap().to_owned(), text)
    });
    let members: Vec<(String, String)> = members.collect();
    (members.iter().map(|(name, _)| name.clone()).collect(), members.into_iter().collect())
}

#[test]
fn no_secret_is_in_any_member() {
    let sandbox = Sandbox::new();
    let run = "state/run/127.0.0.9";
    sandbox.write(&format!("{run}/secrets/nomad-management.token"), TOKEN);
    sandbox.write(&format!("{run}/secrets/nomad.hcl"), format!("consul {{\n  token = \"{TOKEN}\"\n}}\n"));
    sandbox.write(&format!("{run}/consul/serf/local.keyring"), format!("[\"{GOSSIP}\"]"));
    let key = format!("-----BEGIN EC PRIVATE KEY-----\n{KEY}\n-----END EC PRIVATE KEY-----\n");
    sandbox.write(&format!("{run}/secrets/server-key.pem"), &key);
    let log =
        format!("start\nwith {TOKEN}\ngossip {GOSSIP}\nkey {KEY}\nget https://u:{PASSWORD}@h.test/x\n{key}");
    sandbox.write(&format!("{run}/logs/consul.log"), &log);
    sandbox.write(&format!("{run}/nomad/alloc/4a32/alloc/logs/add-svc.stdout.0"), &log);
    sandbox.write(&format!("{run}/debug.log"), format!("2026 INFO x\n{log}"));
    // A record that cannot be read.
    sandbox.write(&format!("{run}/state.json"), format!("{{ \"token\": \"{TOKEN}\""));
    sandbox.write("state/run/not-an-address/logs/x.log", &log);
    sandbox.write("state/last-failure.log", &log);
    sandbox.write("config/config.toml", format!("mirror = \"http://u:{PASSWORD}@mirror.test/\"\njobs = 2\n"));
    sandbox.write("deps.lock", "this is no lock");
    let mut command = sandbox.meshlab(&["--offline", "support", "report.tar.gz"]);
    command.env("MESHLAB_MIRROR", format!("http://u:{PASSWORD}@other.test/"));
    let ran = crate::support::Ran::from(command.output().unwrap()).expect(0);
    let path = sandbox.path("report.tar.gz");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (names, members) = unpacked(&path);
    for (name, text) in &members {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {name}: {text}");
        }
    }
    let mut sorted = names.clone();
    sorted[1..].sort();
    assert_eq!((names[0].as_str(), &names), ("manifest.json", &sorted));
    for name in [
        "deps.lock",
        "doctor.json",
        "labs/127.0.0.9/debug.log",
        "labs/127.0.0.9/logs/consul.log",
        "labs/127.0.0.9/state.json",
        "labs/127.0.0.9/tasks/4a32/add-svc.stdout.0",
        "labs/not-an-address/logs/x.log",
        "last-failure.log",
        "settings.json",
        "status.txt",
        "version.json",
    ] {
        // Without a lock, the machine is not looked at.
        assert_eq!(members.contains_key(name), name != "doctor.json", "{name}: {names:?}");
    }
    assert!(members["labs/127.0.0.9/logs/consul.log"].starts_with("start\nwith [masked]\n"));
    let json = |name: &str| serde_json::from_str::<Value>(&members[name]).unwrap();
    let (manifest, settings) = (json("manifest.json"), json("settings.json"));
    assert_eq!(manifest["members"].as_object().unwrap().len(), names.len() - 1);
    assert_eq!(manifest["members"]["labs/127.0.0.9/logs/consul.log"]["masked"], 6);
    assert_eq!(manifest["problems"][0]["name"], "doctor");
    assert_eq!(settings["settings"]["offline"]["from"], "--offline");
    assert_eq!(settings["settings"]["jobs"]["from"], "config.toml");
    assert_eq!(settings["settings"]["mirror"]["from"], "MESHLAB_MIRROR");
    assert_eq!(settings["settings"]["runtime"]["from"], "default");
    assert_eq!(settings["settings"]["state_dir"]["from"], "MESHLAB_STATE_DIR");
    assert_eq!(ran.json()["members"], names.len() - 1);
}

#[test]
fn it_works_with_nothing_there_and_with_a_state_folder_that_is_none() {
    let sandbox = Sandbox::new();
    sandbox.write("deps.lock", include_str!("../../deps.lock"));
    let ran = sandbox.run(&["support"]).expect(0);
    let file = ran.json()["file"].as_str().unwrap().to_owned();
    assert!(file.starts_with("meshlab-support-2") && file.ends_with(".tar.gz"), "{file}");
    let (_, members) = unpacked(&sandbox.path(&file));
    assert!(members.contains_key("doctor.txt") && members["status.txt"].contains("no lab is running"));
    assert!(!sandbox.path("state").exists(), "it only reads");

    sandbox.write("state/run", "a file");
    sandbox.run(&["support", "broken.tar.gz"]).expect(0);
    let (_, members) = unpacked(&sandbox.path("broken.tar.gz"));
    assert!(members["manifest.json"].contains("\"name\": \"labs\""), "{}", members["manifest.json"]);
}

#[test]
fn the_log_of_a_command_that_fails_is_kept_until_one_succeeds() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    let url = server.url("/tool.zip").replace("http://", &format!("http://u:{PASSWORD}@"));
    sandbox.write("deps.lock", lock(&[artifact("tool", "1.0", &[zip_source(&url, &content)])]));
    let kept = sandbox.path("state/last-failure.log");
    let failed = sandbox.run(&["-v", "provision"]).expect(1);
    let lines: Vec<Value> =
        failed.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let logged: Vec<&Value> = lines.iter().filter(|line| line["event"] == "log").collect();
    assert!(logged.iter().any(|line| line["target"] == "meshlab::artifacts::download"), "{logged:?}");
    assert!(logged.iter().all(|line| line["level"] != "debug" && line["text"].is_string()), "{logged:?}");
    let log = std::fs::read_to_string(&kept).unwrap();
    assert!(log.contains(" INFO meshlab::app::diagnosis: starts ") && log.contains("ERROR"), "{log}");
    assert!(!log.contains(PASSWORD) && !failed.stderr.contains(PASSWORD), "{log}");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);

    // A wrong command line and a verb that only reads leave it as it is.
    sandbox.run(&["provision", "--no-such-flag"]).expect(2);
    sandbox.run(&["deps", "list"]).expect(0);
    let wrong = crate::support::Ran::from(
        sandbox.meshlab(&["deps", "list"]).env("MESHLAB_LOG", "meshlab=loud").output().unwrap(),
    );
    assert!(wrong.expect(2).stderr.contains("MESHLAB_LOG"));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), log);

    server.route("/tool.zip", &content, &[Manner::Serve]);
    sandbox.run(&["provision"]).expect(0);
    assert!(!kept.exists());
}
