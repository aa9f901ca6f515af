//! Tests with truncated, changed and forged bundles.

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;
use crate::artifacts::bundle::manifest::Manifest;
use crate::artifacts::bundle::member::{self, BLOCK};

/// The offset of each header in a bundle, and the length of its content.
fn headers(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while bytes[at] != 0 {
        let size = Header::from_byte_slice(&bytes[at..at + BLOCK]).size().unwrap();
        let size = usize::try_from(size).unwrap();
        found.push((at, size));
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    found
}

/// A bundle with a changed header of its third member, the first stored file.
fn with_header(bytes: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let (at, _) = headers(bytes)[2];
    let mut changed = bytes.to_vec();
    let mut header = Header::from_byte_slice(&bytes[at..at + BLOCK]).clone();
    change(&mut header);
    header.set_cksum();
    changed[at..at + BLOCK].copy_from_slice(header.as_bytes());
    changed
}

/// A bundle with only a manifest.
fn only_manifest(text: &str) -> Vec<u8> {
    let name = member::manifest_name(&Digest::sha256_of(text.as_bytes()));
    let mut bytes = member::header(&name, text.len() as u64).unwrap().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    bytes
}

/// The failures of importing each bundle. Checks that all stored files are verified.
fn failures(scene: &Scene, cases: &[(&str, Vec<u8>)]) -> String {
    let mut shown = String::new();
    for (number, (what, bytes)) in cases.iter().enumerate() {
        let store = format!("to-{number}");
        let failure = scene.import_bytes(bytes, &store).expect_err(what);
        scene.verified(&store);
        let _ = writeln!(shown, "== {what}\n{}", scene.shown(&failure));
    }
    shown
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn truncated_and_changed_bundles_are_refused() {
    let scene = Scene::new();
    let whole = scene.bundle();
    let places = headers(&whole);
    let (lock, (first, length)) = (places[1].0, places[2]);
    let cases = [
        ("an empty file", Vec::new()),
        ("cut in the first header", whole[..100].to_vec()),
        ("cut in the manifest", whole[..BLOCK + 10].to_vec()),
        ("cut in a file", whole[..first + BLOCK + 3].to_vec()),
        ("cut in a header", whole[..first + 3].to_vec()),
        ("cut before the end mark", whole[..whole.len() - 2 * BLOCK].to_vec()),
        ("cut in the end mark", whole[..whole.len() - 1].to_vec()),
        ("a changed byte in the manifest", flipped(&whole, BLOCK + 30)),
        ("a changed byte in the lock", flipped(&whole, lock + BLOCK + 30)),
        ("a changed byte in a file", flipped(&whole, first + BLOCK + 3)),
        ("a changed byte behind a file", flipped(&whole, first + BLOCK + length)),
        ("a changed byte in a header", flipped(&whole, first + 3)),
    ];
    insta::assert_snapshot!(failures(&scene, &cases));
}

#[test]
fn unexpected_members_are_refused() {
    let scene = Scene::new();
    let whole = scene.bundle();
    let places = headers(&whole);
    let (first, second, last) = (places[2].0, places[3].0, places[places.len() - 1].0);
    let named = |name: &[u8]| {
        with_header(&whole, |header| {
            let field = &mut header.as_old_mut().name;
            field.fill(0);
            field[..name.len()].copy_from_slice(name);
        })
    };
    let of_kind = |kind: EntryType| {
        with_header(&whole, |header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
        })
    };
    let cases = [
        ("no bundle", b"PK\x03\x04, a zip file".repeat(100)),
        ("a short text", b"hello".to_vec()),
        ("no lock", [&whole[..places[1].0], &whole[first..]].concat()),
        ("a file twice", [&whole[..second], &whole[first..]].concat()),
        ("a file missing at the end", [&whole[..last], &[0; 2 * BLOCK]].concat()),
        ("something after the end mark", [&whole[..], &[0; BLOCK]].concat()),
        ("another owner", with_header(&whole, |header| header.set_uid(1000))),
        ("another size", with_header(&whole, |header| header.set_size(9))),
        ("an absolute name", named(b"/etc/cron.d/evil")),
        ("a name that leads out", named(b"meshlab-bundle/../../evil")),
        ("a name for a terminal", named(b"\x1b[2Jevil\n")),
        ("a symbolic link", of_kind(EntryType::Symlink)),
        ("a hard link", of_kind(EntryType::Link)),
        ("a folder", of_kind(EntryType::Directory)),
        ("attributes", of_kind(EntryType::XHeader)),
        ("a long name", of_kind(EntryType::GNULongName)),
    ];
    insta::assert_snapshot!(failures(&scene, &cases));
}

#[test]
fn invalid_manifests_are_refused() {
    let scene = Scene::new();
    let whole = scene.bundle();
    let (_, length) = headers(&whole)[0];
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_slice(&whole[BLOCK..BLOCK + length]).unwrap();
        change(&mut value);
        only_manifest(&value.to_string())
    };
    let mut header = Header::from_byte_slice(&whole[..BLOCK]).clone();
    header.set_size(8_000_000_000);
    header.set_cksum();
    let again = |value: &mut serde_json::Value| {
        let artifact = value["artifacts"][0].clone();
        value["artifacts"].as_array_mut().unwrap().push(artifact);
    };
    let other_size = |value: &mut serde_json::Value| {
        let mut file = value["artifacts"][0]["files"][0].clone();
        file["size"] = 1.into();
        value["artifacts"][1]["files"].as_array_mut().unwrap().push(file);
    };
    let first_file = |member: &'static str, text: serde_json::Value| {
        changed(&move |value| value["artifacts"][0]["files"][0][member] = text.clone())
    };
    let cases = [
        ("an enormous manifest", [header.as_bytes(), &whole[BLOCK..]].concat()),
        ("no manifest", only_manifest("hello")),
        ("another schema", only_manifest("{\"schema\":2,\"more\":[]}")),
        ("an unknown field", changed(&|value| value["more"] = 1.into())),
        ("an enormous lock", changed(&|value| value["lock"]["size"] = u64::MAX.into())),
        ("an enormous file", first_file("size", u64::MAX.into())),
        ("a name that leads out", first_file("name", "../evil".into())),
        ("an artifact twice", changed(&again)),
        ("two sizes", changed(&other_size)),
    ];
    insta::assert_snapshot!(failures(&scene, &cases));
}

#[test]
fn a_file_larger_than_the_lock_allows_is_not_read() {
    let scene = Scene::new();
    let whole = scene.bundle();
    let (_, size) = headers(&whole)[0];
    let mut manifest = Manifest::parse(&whole[BLOCK..BLOCK + size]).unwrap();
    manifest.artifacts[0].files[0].size = 1_000_000_000;
    let json = manifest.to_json().unwrap();
    let mut bytes = only_manifest(std::str::from_utf8(&json).unwrap());
    bytes.truncate(bytes.len() - 2 * BLOCK);
    let (lock, _) = headers(&whole)[1];
    bytes.extend_from_slice(&whole[lock..]);
    insta::assert_snapshot!(scene.shown(&scene.import_bytes(&bytes, "to").unwrap_err()));
}

#[test]
fn a_missing_bundle_or_a_folder_is_reported() {
    let scene = Scene::new();
    fs::create_dir(scene.path("folder")).unwrap();
    let shown = ["missing.tar", "folder"].map(|name| scene.shown(&scene.import(name, "to").unwrap_err()));
    insta::assert_snapshot!(shown.concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any changed byte in a bundle is detected, and all files stored before are valid.
    #[test]
    fn any_changed_byte_is_detected(place in any::<prop::sample::Index>(), flip in 1_u8..) {
        let scene = Scene::new();
        let mut bytes = scene.bundle();
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(scene.import_bytes(&bytes, "to").is_err());
        scene.verified("to");
    }

    #[test]
    fn any_truncation_is_detected_and_the_complete_bundle_can_be_imported(place in any::<prop::sample::Index>()) {
        let scene = Scene::new();
        let bytes = scene.bundle();
        let length = place.index(bytes.len());
        let failure = scene.import_bytes(&bytes[..length], "to").unwrap_err();
        prop_assert!(failure.message().contains("ends after"), "{}", failure);
        let stored = scene.verified("to");
        let imported = scene.import_bytes(&bytes, "to").unwrap();
        prop_assert_eq!((imported.present, imported.stored), (stored, 5 - stored));
    }

    /// Random text, and JSON of other shapes.
    #[test]
    fn parsing_a_manifest_never_panics(text in "\\{?(\"[a-z]{1,9}\"|[0-9]{1,20}|[\\[\\]{},:]){0,12}\\}?") {
        let _ = Manifest::parse(text.as_bytes());
    }
}
