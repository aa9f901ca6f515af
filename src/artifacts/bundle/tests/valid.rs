//! Tests with valid bundles.

use std::io::Read as _;

use super::*;
use crate::core::failure::FailureKind;
use crate::core::model::ArtifactName;

#[test]
fn the_order_of_the_artifacts_does_not_change_the_bundle() {
    let scene = Scene::new();
    let one = scene.export("one.tar", &[Platform::LinuxX86_64, Platform::LinuxArm64]).unwrap();
    let two = scene.export("two.tar", &[Platform::LinuxArm64, Platform::LinuxX86_64]).unwrap();
    assert_eq!(fs::read(scene.path("one.tar")).unwrap(), fs::read(scene.path("two.tar")).unwrap());
    assert_eq!(one.digest, two.digest);
    assert_eq!(one.digest, hash_file(&scene.path("one.tar"), DigestAlgorithm::Sha256).unwrap());
    assert_eq!(one.size, fs::metadata(scene.path("one.tar")).unwrap().len());
    // No other file is left.
    let names = fs::read_dir(scene.path("")).unwrap().count();
    assert_eq!(names, ["from", "one.tar", "two.tar"].len());
}

#[test]
fn the_tar_crate_reads_a_bundle_and_each_file_is_in_it_once() {
    let scene = Scene::new();
    let bytes = scene.bundle();
    let mut names = Vec::new();
    let mut archive = tar::Archive::new(bytes.as_slice());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if let Some(hex) = name.strip_prefix("meshlab-bundle/sha256/") {
            assert_eq!(Digest::sha256_of(&content).hex(), hex);
        }
        if let Some(hex) = name.strip_prefix("meshlab-bundle/sha512/") {
            assert_eq!(sha512_of(&content).hex(), hex.replace('/', ""));
        }
        if name == "meshlab-bundle/deps.lock" {
            assert_eq!(content, scene.lock.text.as_bytes());
        }
        names.push(name);
    }
    assert_eq!(names.len(), 2 + 5, "{names:?}");
    names.dedup();
    assert_eq!(names.len(), 2 + 5, "{names:?}");
}

#[test]
fn the_manifest_lists_lock_and_artifacts() {
    let scene = Scene::new();
    let bytes = scene.bundle();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn an_import_stores_everything_and_a_second_one_writes_nothing() {
    let scene = Scene::new();
    let bytes = scene.bundle();
    let first = scene.import_bytes(&bytes, "to").unwrap();
    assert_eq!((first.stored, first.present, first.unknown), (5, 0, 0));
    assert_eq!(first.installable.iter().map(ArtifactName::as_str).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(scene.verified("to"), 5);
    let second = scene.import_bytes(&bytes, "to").unwrap();
    assert_eq!((second.stored, second.present, second.unknown), (0, 5, 0));
    assert_eq!(scene.warnings(), Vec::<String>::new());
}

#[test]
fn a_truncated_stored_file_is_replaced() {
    let scene = Scene::new();
    let store = scene.store("to");
    put(&store, &Digest::sha256_of(LONG), &LONG[..100]);
    let imported = scene.import_bytes(&scene.bundle(), "to").unwrap();
    assert_eq!((imported.stored, imported.present), (5, 0));
    assert_eq!(scene.verified("to"), 5);
}

#[test]
fn a_file_that_is_not_in_the_lock_is_not_stored() {
    let scene = Scene::new();
    let bytes = scene.bundle();
    let (head, _) = scene.lock.text.split_once("\n[[artifact]]\nname = \"two\"").unwrap();
    let other = Scene::with_lock(head);
    let imported = other.import_bytes(&bytes, "to").unwrap();
    assert_eq!((imported.stored, imported.unknown), (3, 2));
    assert_eq!(other.verified("to"), 3);
    insta::assert_snapshot!(other.warnings().join("\n"), @r#"
    {"event":"warning","warning":"not-in-lock","artifact":"two","version":"1.0","platform":"linux-x86_64","lock":"deps.lock"}
    {"event":"warning","warning":"not-in-lock","artifact":"two","version":"1.0","platform":"linux-arm64","lock":"deps.lock"}
    {"event":"note","note":"other-lock","lock":"deps.lock"}
    "#);
}

#[test]
fn a_bundle_of_another_lock_is_refused_before_anything_is_stored() {
    let scene = Scene::new();
    let bytes = scene.bundle();
    let text = lock_text("2.0").replace(&Digest::sha256_of(LONG).hex(), &Digest::sha256_of(b"?").hex());
    let other = Scene::with_lock(&text);
    let failure = other.import_bytes(&bytes, "to").unwrap_err();
    assert_eq!(failure.kind(), FailureKind::LockOutdated);
    insta::assert_snapshot!(other.shown(&failure));
    assert!(!other.path("to").exists());
    // With the missing file in the store, the import succeeds: this machine has all files.
    put(&other.store("to"), &Digest::sha256_of(b"?"), b"?");
    other.import_bytes(&bytes, "to").unwrap();
}

#[test]
fn a_bundle_for_another_platform_is_stored_with_a_warning() {
    let scene = Scene::new();
    scene.export("there.tar", &[Platform::LinuxArm64]).unwrap();
    let imported = scene.import("there.tar", "to").unwrap();
    assert_eq!((imported.stored, imported.installable.len()), (2, 0));
    insta::assert_snapshot!(scene.warnings().join("\n"), @r#"{"event":"warning","warning":"other-platform","platforms":["linux-arm64"],"here":"linux-x86_64"}"#);
}

#[test]
fn a_changed_file_is_not_exported_and_an_existing_bundle_stays() {
    let scene = Scene::new();
    fs::write(scene.path("whole.tar"), "before").unwrap();
    let mut changed = LONG.to_vec();
    changed[1000] ^= 1;
    put(&scene.store("from"), &Digest::sha256_of(LONG), &changed);
    let failure = scene.export("whole.tar", &[HERE]).unwrap_err();
    insta::assert_snapshot!(scene.shown(&failure));
    assert_eq!(fs::read(scene.path("whole.tar")).unwrap(), b"before");
    assert_eq!(fs::read_dir(scene.path("")).unwrap().count(), 2);
    // The file was removed from the store, so that the next export fetches it.
    assert!(!scene.store("from").contains(&Digest::sha256_of(LONG)));
}

#[test]
fn a_file_of_another_size_is_not_exported() {
    let scene = Scene::new();
    put(&scene.store("from"), &Digest::sha256_of(SHORT), b"shorter");
    let failure = scene.export("whole.tar", &[HERE]).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Untrusted);
    assert!(!scene.path("whole.tar").exists() && !scene.path("whole.tar.partial").exists());
}

#[test]
fn paths_that_cannot_be_written_are_reported() {
    let scene = Scene::new();
    fs::create_dir(scene.path("folder")).unwrap();
    let shown: Vec<String> =
        ["folder", "no/such.tar"].map(|name| scene.shown(&scene.export(name, &[HERE]).unwrap_err())).into();
    insta::assert_snapshot!(shown.concat());
}

#[test]
fn the_partial_file_of_a_killed_export_is_replaced() {
    let scene = Scene::new();
    fs::write(scene.path("precious"), "precious").unwrap();
    std::os::unix::fs::symlink(scene.path("precious"), scene.path("whole.tar.partial")).unwrap();
    scene.export("whole.tar", &[HERE]).unwrap();
    assert!(!scene.path("whole.tar.partial").exists());
    assert_eq!(fs::read(scene.path("precious")).unwrap(), b"precious");
}

#[test]
fn a_cancelled_export_leaves_nothing() {
    let scene = Scene::new();
    let chosen = scene.lock.artifacts.iter().map(|artifact| (artifact, &artifact.sources[0])).collect();
    let export_of = Export { lock: &scene.lock, chosen, program: None };
    let (store, path, reporter) = (scene.store("from"), scene.path("whole.tar"), scene.reporter());
    // The only blocking thread is busy, so the export cannot finish before it is cancelled.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let holder = runtime.spawn_blocking(move || held.recv().is_err());
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = export(&export_of, &store, &path, &reporter) => panic!("the export was not cancelled"),
            () = std::future::ready(()) => {}
        }
    });
    drop(release);
    assert!(runtime.block_on(holder).unwrap());
    drop(runtime);
    assert_eq!(fs::read_dir(scene.path("")).unwrap().count(), 1);
}
