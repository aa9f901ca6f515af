//! Bundles that were cut, changed or made by somebody else.

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;
use crate::bundle::manifest::Manifest;
use crate::bundle::member::{self, BLOCK};

/// Where each header of a bundle begins, with its content's length.
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

/// The bundle with its third member, the first stored file, in another shape.
fn with_header(bytes: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let (at, _) = headers(bytes)[2];
    let mut changed = bytes.to_vec();
    let mut header = Header::from_byte_slice(&bytes[at..at + BLOCK]).clone();
    change(&mut header);
    header.set_cksum();
    changed[at..at + BLOCK].copy_from_slice(header.as_bytes());
    changed
}

/// A bundle with nothing but a manifest of this text.
fn only_manifest(text: &str) -> Vec<u8> {
    let name = member::manifest_name(&Digest::sha256_of(text.as_bytes()));
    let mut bytes = member::header(&name, text.len() as u64).unwrap().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    bytes
}

#[test]
fn each_says_what_is_wrong() {
    let scene = Scene::new();
    let whole = scene.bundle();
    let places = headers(&whole);
    let (first, _) = places[2];
    let changed = |at: usize| {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        changed
    };
    let inserted = |at: usize, header: &Header| {
        let mut changed = whole.clone();
        drop(changed.splice(at..at, header.as_bytes().iter().copied()));
        changed
    };
    let named = |name: &[u8]| {
        with_header(&whole, |header| {
            let field = &mut header.as_old_mut().name;
            field.fill(0);
            field[..name.len()].copy_from_slice(name);
        })
    };
    let link = |kind: EntryType| {
        with_header(&whole, |header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
        })
    };
    let twice = Header::from_byte_slice(&whole[first..first + BLOCK]).clone();
    let mut swapped = whole[..places[0].0 + BLOCK].to_vec();
    swapped.extend_from_slice(&whole[places[1].0..]);
    let manifest = |change: &dyn Fn(&mut serde_json::Value)| {
        let text = &whole[BLOCK..BLOCK + places[0].1];
        let mut value: serde_json::Value = serde_json::from_slice(text).unwrap();
        change(&mut value);
        only_manifest(&value.to_string())
    };
    let mut enormous = with_header(&whole, |_| {});
    let mut header = Header::from_byte_slice(&whole[..BLOCK]).clone();
    header.set_size(8_000_000_000);
    header.set_cksum();
    enormous[..BLOCK].copy_from_slice(header.as_bytes());
    let mut more = whole.clone();
    more.extend_from_slice(&[0; BLOCK]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty file", Vec::new()),
        ("no bundle", b"PK\x03\x04, a zip file".repeat(100)),
        ("a short text", b"hello".to_vec()),
        ("cut in the first header", whole[..100].to_vec()),
        ("cut in the manifest", whole[..BLOCK + 10].to_vec()),
        ("cut in a file", whole[..first + BLOCK + 3].to_vec()),
        ("cut in a header", whole[..first + 3].to_vec()),
        ("cut before the end mark", whole[..whole.len() - 2 * BLOCK].to_vec()),
        ("cut in the end mark", whole[..whole.len() - 1].to_vec()),
        ("something after the end mark", more),
        ("a changed byte in the manifest", changed(BLOCK + 30)),
        ("a changed byte in the lock", changed(places[1].0 + BLOCK + 30)),
        ("a changed byte in a file", changed(first + BLOCK + 3)),
        ("a changed byte behind a file", changed(first + BLOCK + places[2].1)),
        ("a changed byte in a header", changed(first + 3)),
        ("a manifest without its lock", swapped),
        ("another owner", with_header(&whole, |header| header.set_uid(1000))),
        ("another size", with_header(&whole, |header| header.set_size(9))),
        ("an absolute name", named(b"/etc/cron.d/evil")),
        ("a name that leads out", named(b"meshlab-bundle/../../evil")),
        ("a name for a terminal", named(b"\x1b[2Jevil\n")),
        ("a symbolic link", link(EntryType::Symlink)),
        ("a hard link", link(EntryType::Link)),
        ("a folder", link(EntryType::Directory)),
        ("attributes", link(EntryType::XHeader)),
        ("a long name", link(EntryType::GNULongName)),
        ("a file twice", inserted(first, &twice)),
        ("an enormous manifest", enormous),
        ("no manifest", only_manifest("hello")),
        ("another schema", only_manifest("{\"schema\":2,\"more\":[]}")),
        ("an unknown field", manifest(&|value| value["more"] = 1.into())),
        ("an enormous lock", manifest(&|value| value["lock"]["size"] = u64::MAX.into())),
        ("an enormous file", manifest(&|value| value["artifacts"][0]["files"][0]["size"] = u64::MAX.into())),
        (
            "an artifact twice",
            manifest(&|value| {
                let artifact = value["artifacts"][0].clone();
                value["artifacts"].as_array_mut().unwrap().push(artifact);
            }),
        ),
        (
            "two sizes",
            manifest(&|value| {
                let mut file = value["artifacts"][0]["files"][0].clone();
                file["size"] = 1.into();
                value["artifacts"][1]["files"].as_array_mut().unwrap().push(file);
            }),
        ),
        (
            "a name of a file that leads out",
            manifest(&|value| {
                value["artifacts"][0]["files"][0]["name"] = "../evil".into();
            }),
        ),
    ];
    let mut shown = String::new();
    for (number, (what, bytes)) in cases.iter().enumerate() {
        let store = format!("to-{number}");
        let failure = scene.import_bytes(bytes, &store).expect_err(what);
        scene.verified(&store);
        let _ = writeln!(shown, "== {what}\n{}", scene.shown(&failure));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_file_longer_than_its_lock_allows_is_not_even_read() {
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
fn what_is_no_file_is_named() {
    let scene = Scene::new();
    fs::create_dir(scene.path("folder")).unwrap();
    let shown = ["missing.tar", "folder"].map(|name| scene.shown(&scene.import(name, "to").unwrap_err()));
    insta::assert_snapshot!(shown.concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens to a bundle on its way, it is noticed, and what got into the store by then is sound.
    #[test]
    fn any_change_is_noticed(place in any::<prop::sample::Index>(), flip in 1_u8..) {
        let scene = Scene::new();
        let mut bytes = scene.bundle();
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(scene.import_bytes(&bytes, "to").is_err());
        scene.verified("to");
    }

    #[test]
    fn any_cut_is_noticed_and_the_whole_bundle_still_works(place in any::<prop::sample::Index>()) {
        let scene = Scene::new();
        let bytes = scene.bundle();
        let length = place.index(bytes.len());
        let failure = scene.import_bytes(&bytes[..length], "to").unwrap_err();
        prop_assert!(failure.message().contains("ends after"), "{}", failure);
        let stored = scene.verified("to");
        let imported = scene.import_bytes(&bytes, "to").unwrap();
        prop_assert_eq!((imported.present, imported.stored), (stored, 5 - stored));
    }

    /// Text that is no manifest at all, and manifests of a strange shape.
    #[test]
    fn a_manifest_is_read_or_refused(text in "\\{?(\"[a-z]{1,9}\"|[0-9]{1,20}|[\\[\\]{},:]){0,12}\\}?") {
        let _ = Manifest::parse(text.as_bytes());
    }
}
