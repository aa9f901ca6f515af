use super::samples::{self, KINDS, build, file, folder, hard_link, link, program};
use super::{Scene, everything, seen};
use crate::artifacts::lockfile::{ArchiveKind, Unpack, UnpackRule};
use crate::core::failure::FailureKind;
use crate::core::model::ByteSize;

#[test]
fn every_format_unpacks_to_the_same_tree() {
    let items = [
        folder("bin/"),
        program("bin/tool", b"\x7fELF"),
        file("share/doc/readme", "read me\n".repeat(50_000).as_bytes()),
        file("share/empty", b""),
        link("bin/alias", "tool"),
        link("current", "share/doc"),
        link("share/doc/back", "../../bin/tool"),
    ];
    for kind in KINDS {
        let scene = Scene::new(&build(kind, &items));
        let files = scene.unpack(&everything(kind)).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_path().as_str()).collect();
        let expected =
            ["bin/alias", "bin/tool", "current", "share/doc/back", "share/doc/readme", "share/empty"];
        assert_eq!(paths, expected, "{kind:?}");
        assert!(files[1].executable, "{kind:?}");
        assert_eq!(files[4].size, 400_000, "{kind:?}");
        scene.assert_is_on_disk(&files);
        scene.assert_nothing_outside();
    }
}

#[test]
fn a_debian_package_may_use_gzip_xz_or_zstd() {
    let tar = samples::tar(&[file("./usr/bin/x", b"x")]);
    let packages = [
        ("data.tar.gz", samples::gzip(&tar)),
        ("data.tar.xz", samples::xz(&tar)),
        ("data.tar.zst", samples::zstd(&tar)),
    ];
    for (name, data) in packages {
        let scene = Scene::new(&samples::deb(name, &data));
        let files = scene.unpack(&everything(ArchiveKind::Deb)).unwrap();
        assert_eq!(files.len(), 1, "{name}");
        scene.assert_is_on_disk(&files);
    }
}

#[test]
fn an_absolute_link_that_no_rule_selects_is_accepted() {
    let items = [file("lib/loader", b"x"), link("lib64/loader", "/lib/loader")];
    for kind in KINDS {
        let rule = UnpackRule::File { from: "lib/loader".parse().unwrap(), to: "loader".parse().unwrap() };
        let scene = Scene::new(&build(kind, &items));
        let files = scene.unpack(&Unpack { rules: vec![rule], ..everything(kind) }).unwrap();
        assert_eq!(files.len(), 1, "{kind:?}");
        scene.assert_nothing_outside();
    }
}

#[test]
fn rules_map_members_to_paths_in_the_tree() {
    let items = [
        file("pkg-1.0/bin/tool", b"tool"),
        file("pkg-1.0/lib/a", b"a"),
        file("pkg-1.0/lib/deep/b", b"b"),
        file("pkg-1.0/LICENSE", b"licence"),
        link("pkg-1.0/lib/so", "a"),
    ];
    for kind in KINDS {
        let rules = Unpack {
            archive: kind,
            limit: ByteSize(1 << 20),
            rules: vec![
                UnpackRule::File { from: "pkg-1.0/bin/tool".parse().unwrap(), to: "run".parse().unwrap() },
                UnpackRule::Folder {
                    from: Some("pkg-1.0/lib".parse().unwrap()),
                    to: Some("l".parse().unwrap()),
                },
            ],
            executable: vec!["run".parse().unwrap(), "l/deep".parse().unwrap()],
        };
        let scene = Scene::new(&build(kind, &items));
        let files = scene.unpack(&rules).unwrap();
        let shown: Vec<(&str, bool)> =
            files.iter().map(|file| (file.path.as_path().as_str(), file.executable)).collect();
        assert_eq!(shown, [("l/a", false), ("l/deep/b", true), ("l/so", false), ("run", true)], "{kind:?}");
        scene.assert_is_on_disk(&files);
    }
}

#[test]
fn hard_links_are_reported_as_files() {
    let items = [file("a", b"same"), hard_link("b", "a"), hard_link("./c", "./b")];
    let mut rules = everything(ArchiveKind::TarGz);
    rules.executable = vec!["c".parse().unwrap()];
    let scene = Scene::new(&build(ArchiveKind::TarGz, &items));
    let files = scene.unpack(&rules).unwrap();
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|file| file.size == 4 && file.sha256 == files[0].sha256 && file.link.is_none()));
}

#[test]
fn long_names_and_attributes_are_read() {
    let long = format!("{}/x", "deep".repeat(40));
    let scene = Scene::new(&build(ArchiveKind::TarGz, &[file(&long, b"x"), link("l", &long)]));
    let files = scene.unpack(&everything(ArchiveKind::TarGz)).unwrap();
    assert_eq!(files[0].path.as_path(), long);
    scene.assert_is_on_disk(&files);

    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5")]).unwrap();
    let mut header = ::tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(1);
    header.set_mode(0o755);
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    let scene = Scene::new(&samples::gzip(&builder.into_inner().unwrap()));
    let files = scene.unpack(&everything(ArchiveKind::TarGz)).unwrap();
    assert_eq!((files[0].path.as_path().as_str(), files[0].executable), (long.as_str(), true));
}

#[test]
fn a_rule_that_matches_nothing_is_an_error_in_the_lock() {
    let named = |from: &str| UnpackRule::File { from: from.parse().unwrap(), to: "x".parse().unwrap() };
    let below = |from: &str| UnpackRule::Folder { from: Some(from.parse().unwrap()), to: None };
    for kind in KINDS {
        let cases = [
            (named("bin"), "", "no file is named bin"),
            (named("tool"), "", "no file is named tool"),
            (below("lib"), "", "the folder lib/ is empty or missing"),
            (named("bin/tool"), "y", "`executable` names y"),
        ];
        for (rule, executable, expected) in cases {
            let mut rules = everything(kind);
            rules.rules.push(rule);
            rules.executable = executable.parse().into_iter().collect();
            let scene = Scene::new(&build(kind, &[file("bin/tool", b"x"), file("z", b"z")]));
            let failure = scene.unpack(&rules).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Untrusted);
            assert!(failure.message().contains("deps.lock"), "{failure}");
            assert!(seen(&failure).contains(expected), "{kind:?}: {failure}");
        }
    }
}

#[test]
fn unpacking_needs_an_empty_folder() {
    let scene = Scene::new(&build(ArchiveKind::Zip, &[file("a", b"x")]));
    std::fs::write(scene.tree().join("there"), "").unwrap();
    let failure = scene.unpack(&everything(ArchiveKind::Zip)).unwrap_err();
    assert!(failure.message().contains("not empty"), "{failure}");
}

#[test]
fn a_missing_archive_is_reported_with_its_path() {
    let scene = Scene::new(b"");
    std::fs::remove_file(scene.root.join("archive")).unwrap();
    let failure = scene.unpack(&everything(ArchiveKind::Zip)).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Failed);
    assert!(failure.to_string().contains("archive"), "{failure}");
}
