use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use proptest::prelude::*;

use super::fixture::{PLATFORM, Scene};
use super::layer::{EXECUTABLE_MODE, Entry, FILE_MODE, Layer};
use super::{Archive, AssembledImage, assemble, layout};
use crate::artifacts::lockfile::{EMBEDDED, Lock};
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::failure::FailureKind;
use crate::core::model::{Digest, Platform};

/// A fake installed tool: a tree and its file list.
struct Fixture {
    folder: tempfile::TempDir,
    listed: Vec<serde_json::Value>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        Self { folder, listed: Vec::new() }
    }

    fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().to_owned()
    }

    fn file(&mut self, path: &str, content: &str, mode: &str) {
        let target = self.path().join("tree").join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, content).unwrap();
        let sha256 = Digest::sha256_of(content.as_bytes());
        self.listed
            .push(serde_json::json!({ "path": path, "size": content.len(), "sha256": sha256, "mode": mode }));
    }

    fn link(&mut self, path: &str, target: &str) {
        let sha256 = Digest::sha256_of(target.as_bytes());
        self.listed.push(
            serde_json::json!({ "path": path, "size": 0, "sha256": sha256, "mode": "777", "link": target }),
        );
    }

    fn tool(&self, name: &str) -> InstalledTool {
        let list = serde_json::json!({ "schema": 1, "files": self.listed });
        fs::write(self.path().join("files.json"), list.to_string()).unwrap();
        InstalledTool {
            artifact: name.parse().unwrap(),
            version: "1".into(),
            source: "apt".into(),
            folder: self.path(),
            commands: BTreeMap::new(),
        }
    }
}

/// A tool like iptables, with libraries, symbolic links and variables.
fn packet_filter() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.file("sbin/xtables-nft-multi", "#!", "755");
    fixture.file("lib/libxtables.so.12.7.0", "so", "644");
    fixture.file("lib/xtables/libxt_mark.so", "", "644");
    fixture.link("sbin/iptables-nft", "xtables-nft-multi");
    fixture.link("lib/libxtables.so.12", "libxtables.so.12.7.0");
    fixture
}

fn layer_of(fixture: &Fixture, name: &str) -> Layer {
    let lock = Lock::parse(EMBEDDED, "built in").unwrap();
    layout::layer(lock.artifact(&name.parse().unwrap()).unwrap(), &fixture.tool(name), PLATFORM).unwrap()
}

fn bytes_of(layer: &Layer) -> Vec<u8> {
    let mut bytes = Vec::new();
    layer.write(&mut bytes).unwrap();
    bytes
}

/// The members of a tar archive, like the output of `tar tv`.
fn listed(tar: &[u8]) -> String {
    let mut text = String::new();
    for entry in ::tar::Archive::new(tar).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let target = entry.link_name().unwrap().map(|target| format!(" -> {}", target.display()));
        let _ = writeln!(
            text,
            "{:04o} {}/{} {} {} {}{}",
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            header.size().unwrap(),
            entry.path().unwrap().display(),
            target.unwrap_or_default()
        );
    }
    text
}

#[test]
fn an_artifact_is_in_opt_and_its_commands_are_in_usr_local_bin() {
    let fixture = packet_filter();
    let layer = layer_of(&fixture, "iptables");
    insta::assert_snapshot!(listed(&bytes_of(&layer)));
    let Some(script) =
        layer.listing().lines().find(|line| line.contains("usr/local/bin/iptables ")).map(str::to_owned)
    else {
        panic!("no iptables")
    };
    let expected = "#!/bin/sh\nexport LD_LIBRARY_PATH='/opt/iptables/lib'\nexport XTABLES_LIBDIR='/opt/iptables/lib/xtables'\nexec '/opt/iptables/sbin/iptables-nft' \"$@\"\n";
    assert!(script.ends_with(&Digest::sha256_of(expected.as_bytes()).to_string()), "{script}");
}

#[test]
fn the_base_layer_has_system_files_and_folders() {
    insta::assert_snapshot!(listed(&bytes_of(&super::content::base().unwrap())));
}

#[test]
fn the_shell_and_the_c_library_are_at_their_usual_paths() {
    let mut shell = Fixture::new();
    shell.file("bin/busybox", "x", "755");
    let text = listed(&bytes_of(&layer_of(&shell, "busybox")));
    for line in [
        "0755 0/0 0 1 bin/busybox\n",
        "bin/sh -> busybox\n",
        "bin/[ -> busybox\n",
        "usr/bin/env -> ../../bin/busybox\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let mut library = Fixture::new();
    library.file("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "x", "755");
    let text = listed(&bytes_of(&layer_of(&library, "libc")));
    assert!(
        text.contains("lib64/ld-linux-x86-64.so.2 -> ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"),
        "{text}"
    );
    let lock = Lock::parse(EMBEDDED, "built in").unwrap();
    let artifact = lock.artifact(&"libc".parse().unwrap()).unwrap();
    let failure = layout::layer(artifact, &library.tool("libc"), Platform::LinuxArm64).unwrap_err();
    assert!(failure.message().contains("has no dynamic loader"), "{failure}");
}

/// The order of the file list, the umask and file times do not change the layer.
#[test]
fn a_layer_does_not_depend_on_file_order_modes_or_times() {
    let one = packet_filter();
    let mut other = packet_filter();
    other.listed.reverse();
    let file = other.path().join("tree/sbin/xtables-nft-multi");
    fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(&file).unwrap().into_file().set_modified(old).unwrap();
    let (one, other) = (layer_of(&one, "iptables"), layer_of(&other, "iptables"));
    assert_eq!(one.listing(), other.listing());
    assert_eq!(bytes_of(&one), bytes_of(&other));
    assert_eq!(one.digest().unwrap(), Digest::sha256_of(&bytes_of(&other)));
}

#[test]
fn a_changed_file_is_refused() {
    let fixture = packet_filter();
    let layer = layer_of(&fixture, "iptables");
    for (content, observed) in [("#!!", "more bytes"), ("#", "1 bytes")] {
        fs::write(fixture.path().join("tree/sbin/xtables-nft-multi"), content).unwrap();
        let failure = layer.write(&mut Vec::new()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Untrusted);
        assert_eq!(failure.details()[1].text, observed);
    }
    // With the same size, only the digest differs.
    fs::write(fixture.path().join("tree/sbin/xtables-nft-multi"), "##").unwrap();
    assert_eq!(layer.digest().unwrap_err().kind(), FailureKind::Untrusted);
}

#[test]
fn two_entries_at_one_path_are_refused() {
    let mut layer = Layer::default();
    let link = || Entry::Link { target: "x".into() };
    layer.add("a/b", link()).unwrap();
    for path in ["a/b", "a", "a/b/c"] {
        assert!(layer.add(path, link()).unwrap_err().message().contains("two entries"), "{path}");
    }
}

fn written(images: &[AssembledImage]) -> Vec<u8> {
    let archive = Archive::new(images).unwrap();
    let mut bytes = Vec::new();
    archive.write(&mut bytes).unwrap();
    assert_eq!(archive.size(), bytes.len() as u64);
    bytes
}

fn members(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    use std::io::Read as _;
    let mut archive = ::tar::Archive::new(tar);
    let members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    });
    members.collect()
}

#[test]
fn an_archive_is_a_docker_archive_and_an_oci_layout() {
    let scene = Scene::new(|text| text);
    let images = scene.images();
    assert!(images.iter().all(|image| image.is_pinned));
    assert_eq!(images[0].identity.reference, "meshlab/both:box-1_2_box-tool-1_2_tool");
    let bytes = written(&images);
    assert_eq!(bytes, written(&scene.images()));
    let members = members(&bytes);
    let blobs = members.iter().filter(|(name, _)| name.starts_with("blobs/sha256/") && !name.ends_with('/'));
    for (name, content) in blobs.clone() {
        assert_eq!(*name, format!("blobs/sha256/{}", Digest::sha256_of(content).hex()));
    }
    // Two configs, two manifests, and three layers: the layers that both images have are stored once.
    assert_eq!(blobs.count(), 7);
    let text = |name: &str| String::from_utf8(members[name].clone()).unwrap();
    let config = text(&format!("blobs/sha256/{}", images[0].identity.id.hex()));
    let manifest = text(&format!("blobs/sha256/{}", images[0].identity.manifest_id.hex()));
    let shown = [config, manifest, text("manifest.json"), text("index.json"), text("oci-layout")]
        .map(|json| format!("{:#}\n", serde_json::from_str::<serde_json::Value>(&json).unwrap()));
    // The digests are checked above. They depend on the files in `assets/image`.
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{64}", "[digest]");
    settings.bind(|| insta::assert_snapshot!(shown.concat()));
}

#[test]
fn writing_an_archive_fails_if_a_tool_has_changed() {
    let scene = Scene::new(|text| text);
    let images = scene.images();
    let tool = scene.tools.find(&scene.lock.artifacts[1], PLATFORM).unwrap();
    fs::write(tool.tree().join("tool"), "I am TOOL").unwrap();
    let failure = Archive::new(&images).unwrap().write(&mut Vec::new()).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Untrusted);
    assert_eq!(failure.message(), "the image layer of tool does not have the pinned digest");
}

#[test]
fn an_image_that_does_not_match_its_pin_is_refused() {
    // The config follows from the layers, so another config is from another version of meshlab.
    let other = |text: String| {
        let at = text.find("config = \"").unwrap() + "config = \"".len();
        format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..])
    };
    let scene = Scene::new(other);
    let failure = assemble(&scene.lock, PLATFORM, &scene.tools, &[]).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    // Without pins, all layers are hashed, with the same result.
    let pinned = Scene::new(|text| text);
    let without = Scene::new(|text| {
        let parts = text.split("[[image.pin]]").map(|part| {
            part.find("[[image]]").filter(|_| part.contains("layers")).map_or_else(
                || if part.contains("layers") { String::new() } else { part.to_owned() },
                |at| part[at..].to_owned(),
            )
        });
        parts.collect()
    });
    assert!(without.lock.images.iter().all(|image| image.pins.is_empty()));
    let (one, other) = (pinned.images(), without.images());
    assert!(other.iter().all(|image| !image.is_pinned));
    assert_eq!(
        one.iter().map(|image| &image.identity).collect::<Vec<_>>(),
        other.iter().map(|image| &image.identity).collect::<Vec<_>>()
    );
    assert_eq!(written(&one), written(&without.images()));
}

#[test]
fn an_artifact_that_is_not_installed_is_reported() {
    let scene = Scene::new(|text| text);
    let empty = Tools::new(Utf8Path::new("/nonexistent"));
    let failure = assemble(&scene.lock, PLATFORM, &empty, &["tool".parse().unwrap()]).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::NotCached);
    assert_eq!(failure.hint_text(), Some("meshlab provision tool"));
    assert!(assemble(&scene.lock, PLATFORM, &scene.tools, &["tol".parse().unwrap()]).is_err());
}

/// The list has the needed applets, each once, with valid file names.
#[test]
fn applets_are_unique_file_names() {
    let names: Vec<&str> = super::content::applets().unwrap().collect();
    let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    assert!(names.iter().all(|name| !name.contains('/')));
    for needed in ["sh", "cat", "grep", "sed", "awk", "ls", "ps", "ip", "nc", "wget", "vi"] {
        assert!(unique.contains(needed), "{needed}");
    }
}

fn name() -> impl Strategy<Value = String> {
    // Short and long names use different header formats.
    proptest::string::string_regex("[a-zé]{1,9}(/[a-z]{1,60}){0,4}").unwrap()
}

fn content() -> impl Strategy<Value = (bool, String, String)> {
    (
        any::<bool>(),
        proptest::string::string_regex("[a-z]{0,600}").unwrap(),
        proptest::string::string_regex("[a-z]{1,120}").unwrap(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The computed size is the size of the tar archive, and the tar crate reads the same entries.
    #[test]
    fn a_layer_has_the_computed_size_and_content(items in proptest::collection::vec((name(), content()), 0..12)) {
        let mut layer = Layer::default();
        let mut expected = BTreeMap::new();
        for (path, (is_link, text, target)) in items {
            let entry = if is_link {
                Entry::Link { target: target.clone() }
            } else {
                Entry::Text { mode: if text.len() % 2 == 0 { FILE_MODE } else { EXECUTABLE_MODE }, text: text.clone().into_bytes() }
            };
            if layer.add(&path, entry).is_ok() {
                expected.insert(path, if is_link { target } else { text });
            }
        }
        let bytes = bytes_of(&layer);
        prop_assert_eq!(bytes.len() as u64, layer.size().unwrap());
        let mut archive = ::tar::Archive::new(bytes.as_slice());
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            use std::io::Read as _;
            let mut entry = entry.unwrap();
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let target = entry.link_name().unwrap().map(|target| target.to_str().unwrap().to_owned());
            found.insert(entry.path().unwrap().to_str().unwrap().to_owned(), target.unwrap_or(content));
        }
        // Entries that conflicted were refused; all others are in the archive.
        prop_assert_eq!(found, expected);
    }
}
