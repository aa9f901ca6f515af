use std::collections::BTreeMap;

use proptest::prelude::*;

use super::samples::{self, KINDS, Member, build, file, link, program};
use super::{Scene, everything};
use crate::artifacts::lockfile::ArchiveKind;
use crate::core::failure::FailureKind;
use crate::core::model::Digest;

/// Paths that often collide, and often lead out of the folder.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        2 => Just("..".to_owned()),
        1 => prop::sample::select(vec![".", "", "\\", "into", "outside"]).prop_map(str::to_owned),
        1 => "[a-c./\u{0}é\\n]{0,5}",
    ];
    (prop::collection::vec(part, 1..5), prop::bool::weighted(0.1))
        .prop_map(|(parts, absolute)| format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")))
}

fn member() -> impl Strategy<Value = Member> {
    prop_oneof![
        4 => (path(), prop::collection::vec(any::<u8>(), 0..50), 0_u32..0o7777)
            .prop_map(|(name, content, mode)| Member::File { name, mode, content }),
        1 => path().prop_map(Member::Folder),
        4 => (path(), path()).prop_map(|(name, target)| Member::Link { name, target }),
        1 => (path(), path()).prop_map(|(name, target)| Member::HardLink { name, target }),
    ]
}

fn kind() -> impl Strategy<Value = ArchiveKind> {
    prop::sample::select(KINDS.to_vec())
}

/// A safe archive of each format, and of each compression of Debian packages.
fn safe() -> impl Strategy<Value = (ArchiveKind, Vec<u8>)> {
    let tar = samples::tar(&safe_members());
    let mut archives: Vec<(ArchiveKind, Vec<u8>)> =
        KINDS.into_iter().map(|kind| (kind, build(kind, &safe_members()))).collect();
    archives.push((ArchiveKind::Deb, samples::deb("data.tar.gz", &samples::gzip(&tar))));
    archives.push((ArchiveKind::Deb, samples::deb("data.tar.zst", &samples::zstd(&tar))));
    prop::sample::select(archives)
}

fn safe_members() -> Vec<Member> {
    vec![
        program("bin/tool", &b"machine code ".repeat(100)),
        file("share/text", b"short"),
        file("share/noise", &(0..3000_u32).map(|n| (n * n / 7 % 251) as u8).collect::<Vec<_>>()),
        link("alias", "bin/tool"),
    ]
}

fn safe_content() -> BTreeMap<String, Digest> {
    let content = |item| match item {
        Member::File { name, content, .. } => Some((name, Digest::sha256_of(&content))),
        Member::Link { name, target } => Some((name, Digest::sha256_of(target.as_bytes()))),
        _ => None,
    };
    safe_members().into_iter().filter_map(content).collect()
}

/// Checks that an archive is refused, or unpacks to exactly the content of the safe archive.
fn refused_or_correct(kind: ArchiveKind, archive: &[u8]) -> Result<(), TestCaseError> {
    let scene = Scene::new(archive);
    match scene.unpack(&everything(kind)) {
        Ok(files) => {
            scene.assert_is_on_disk(&files);
            let found: BTreeMap<String, Digest> =
                files.into_iter().map(|file| (file.path.to_string(), file.sha256)).collect();
            prop_assert_eq!(found, safe_content());
        }
        Err(failure) => prop_assert_eq!(failure.kind(), FailureKind::Untrusted, "{}", failure),
    }
    scene.assert_nothing_outside();
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_created_outside_of_the_folder(kind in kind(), items in prop::collection::vec(member(), 1..8)) {
        let scene = Scene::new(&build(kind, &items));
        if let Ok(files) = scene.unpack(&everything(kind)) {
            scene.assert_is_on_disk(&files);
        }
        scene.assert_nothing_outside();
    }

    #[test]
    fn a_truncated_archive_is_never_accepted_as_complete((kind, archive) in safe(), at in any::<prop::sample::Index>()) {
        refused_or_correct(kind, &archive[..at.index(archive.len())])?;
    }

    #[test]
    fn a_changed_byte_is_detected_or_harmless(
        (kind, archive) in safe(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..3),
    ) {
        let mut archive = archive;
        for (at, change) in flips {
            let at = at.index(archive.len());
            archive[at] ^= change;
        }
        refused_or_correct(kind, &archive)?;
    }

    #[test]
    fn random_bytes_are_refused(kind in kind(), noise in prop::collection::vec(any::<u8>(), 0..600)) {
        refused_or_correct(kind, &noise)?;
    }
}
