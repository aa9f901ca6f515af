use ::tar::EntryType;

use super::samples::{
    self, KINDS, Member, ar, build, deb, file, folder, gzip, hard_link, link, other, replace, tar, xz,
};
use super::{Scene, everything, seen};
use crate::artifacts::lockfile::{ArchiveKind, Unpack, UnpackRule};
use crate::core::failure::FailureKind;
use crate::core::model::ByteSize;

/// Checks that an archive is refused with `reason`, and that nothing outside of the folder changes.
#[track_caller]
fn refused(archive: &[u8], rules: &Unpack, reason: &str) {
    let scene = Scene::new(archive);
    match scene.unpack(rules) {
        Ok(files) => panic!("unpacked {files:?}, expected a refusal: {reason}"),
        Err(failure) => {
            assert_eq!(failure.kind(), FailureKind::Untrusted, "{failure}");
            assert!(seen(&failure).contains(reason), "expected {reason:?}, found {:?}", seen(&failure));
            assert!(failure.details().iter().any(|detail| detail.label == "archive"), "{failure}");
        }
    }
    scene.assert_nothing_outside();
}

/// Selects only the file `good`, so that no rule selects the unsafe member.
fn only_good(archive: ArchiveKind) -> Unpack {
    let rules = vec![UnpackRule::File { from: "good".parse().unwrap(), to: "good".parse().unwrap() }];
    Unpack { rules, ..everything(archive) }
}

/// Checks that members are refused in every format, whether a rule selects them or not.
#[track_caller]
fn refused_everywhere(bad: &[Member], reason: &str) {
    let items = [&[file("good", b"good")], bad].concat();
    for kind in KINDS {
        let archive = build(kind, &items);
        refused(&archive, &everything(kind), reason);
        refused(&archive, &only_good(kind), reason);
    }
}

/// As [`refused_everywhere`], for members that only tar has.
#[track_caller]
fn refused_in_tar(bad: &[Member], reason: &str) {
    let items = [&[file("good", b"good")], bad].concat();
    let tar = tar(&items);
    for (kind, archive) in [
        (ArchiveKind::TarGz, gzip(&tar)),
        (ArchiveKind::TarXz, xz(&tar)),
        (ArchiveKind::Deb, deb("data.tar.gz", &gzip(&tar))),
    ] {
        refused(&archive, &everything(kind), reason);
        refused(&archive, &only_good(kind), reason);
    }
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let long = "long/".repeat(300);
    for (name, reason) in [
        ("/outside", "absolute"),
        ("../outside", ".."),
        ("a/../../outside", ".."),
        ("..", ".."),
        ("..\\outside", "'\\\\'"),
        ("a\nb", "'\\n'"),
        (long.as_str(), "1500 bytes"),
    ] {
        refused_everywhere(&[file(name, b"evil")], reason);
        refused_in_tar(&[folder(name)], reason);
        refused_in_tar(&[link(name, "good")], reason);
        refused_in_tar(&[hard_link(name, "good")], reason);
    }
    for kind in [ArchiveKind::Zip, ArchiveKind::Wheel] {
        let archive = replace(&build(kind, &[file("good", b""), file("nul_", b"")]), "nul_", "nu\0_");
        refused(&archive, &everything(kind), "'\\0'");
    }
}

#[test]
fn links_that_leave_the_folder_are_refused() {
    for (name, target, reason) in [
        ("evil", "..", "leaves"),
        ("evil", "../outside", "leaves"),
        ("a/evil", "../../outside", "leaves"),
        ("evil", "good/../../outside", "does not exist"),
        ("evil", "missing/../../outside", "does not exist"),
        ("evil", "..\\outside", "'\\\\'"),
        ("evil", "evil", "circle"),
    ] {
        refused_everywhere(&[link(name, target)], reason);
    }
    // Packages for a root file system have absolute links. No rule may select one, nor a path through one.
    for kind in KINDS {
        let items = [file("good", b"good"), link("evil", "/etc/passwd")];
        refused(&build(kind, &items), &everything(kind), "absolute");
    }
    let items = [file("good", b"good"), link("evil", "/etc"), link("lib/a", "../evil/passwd")];
    let lib = UnpackRule::Folder { from: Some("lib".parse().unwrap()), to: None };
    for kind in KINDS {
        let rules = Unpack { rules: vec![lib.clone()], ..everything(kind) };
        refused(&build(kind, &items), &rules, "leaves");
    }
    // Each link alone is harmless.
    refused_everywhere(&[link("a/up", ".."), link("b", "a/up/../outside")], "leaves");
    refused_everywhere(&[link("b", "a/up/../outside"), link("a/up", "..")], "leaves");
}

#[test]
fn hard_links_that_leave_the_folder_are_refused() {
    for (target, reason) in [
        ("/etc/passwd", "absolute"),
        ("../outside", ".."),
        ("outside", "not an earlier file"),
        (".", "a folder"),
        ("", "without a target"),
    ] {
        refused_in_tar(&[hard_link("evil", target)], reason);
    }
    refused_in_tar(&[link("l", "good"), hard_link("evil", "l")], "not an earlier file");
    refused_in_tar(&[folder("d"), hard_link("evil", "d")], "not an earlier file");
}

#[test]
fn a_hard_link_to_a_file_that_no_rule_selects_is_refused() {
    let rules = only_good(ArchiveKind::TarGz);
    let archive = gzip(&tar(&[file("secret", b"x"), hard_link("good", "secret")]));
    refused(&archive, &rules, "which no rule selects");
}

#[test]
fn no_file_is_written_through_a_link() {
    refused_everywhere(&[link("l", "d"), folder("d/"), file("l/x", b"evil")], "through the symbolic link l");
    refused_everywhere(&[link("l", "."), file("l/l/x", b"evil")], "through the symbolic link l");
    refused_everywhere(&[file("l/x", b"first"), link("l", "d")], "where a folder is");
    refused_everywhere(&[file("f", b"first"), file("f/x", b"evil")], "where the file f is");
}

#[test]
fn a_rule_cannot_move_a_link_so_that_it_leaves_the_folder() {
    for kind in KINDS {
        let archive = build(kind, &[link("usr/lib/x", "../bin/x"), file("usr/lib/y", b"y")]);
        let folder = UnpackRule::Folder { from: Some("usr/lib".parse().unwrap()), to: None };
        refused(
            &archive,
            &Unpack { rules: vec![folder], ..everything(kind) },
            "leaves the folder (at x in the tree)",
        );
    }
}

#[test]
fn special_files_are_refused() {
    for (kind, reason) in [
        (EntryType::Char, "device"),
        (EntryType::Block, "device"),
        (EntryType::Fifo, "pipe"),
        // The tar crate refuses it, because it has no map.
        (EntryType::GNUSparse, ""),
        (EntryType::new(b'V'), "'V'"),
    ] {
        refused_in_tar(&[other("evil", kind)], reason);
    }
    // zip: the kind is in the upper half of the external attributes of the second directory entry.
    for kind in [0o010_000_u32, 0o020_000, 0o060_000, 0o140_000] {
        let mut archive = build(ArchiveKind::Zip, &[file("good", b"good"), file("evil", b"")]);
        let entry = archive.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        archive[entry + 38..entry + 42].copy_from_slice(&((kind | 0o644) << 16).to_le_bytes());
        refused(&archive, &everything(ArchiveKind::Zip), "device node, pipe or socket");
    }
}

#[test]
fn duplicate_names_are_refused() {
    refused_in_tar(&[file("twice", b"1"), file("twice", b"2")], "duplicate name");
    refused_in_tar(&[file("twice", b"1"), file("./twice", b"2")], "duplicate name");
    refused_in_tar(&[file("twice", b"1"), link("twice", "good")], "duplicate name");
    refused_in_tar(&[file("twice", b"1"), folder("twice/")], "where the file twice is");
    let zip = replace(&samples::zip(&[file("twic1", b"1"), file("twic2", b"2")]), "twic1", "twic2");
    refused(&zip, &everything(ArchiveKind::Zip), "duplicate name");
}

#[test]
fn two_members_for_one_path_are_refused() {
    for kind in KINDS {
        let archive = build(kind, &[file("a/x", b"1"), file("b/x", b"2")]);
        let folder = |from: &str| UnpackRule::Folder { from: Some(from.parse().unwrap()), to: None };
        let rules = Unpack { rules: vec![folder("a"), folder("b")], ..everything(kind) };
        refused(&archive, &rules, "at x in the tree");
    }
}

#[test]
fn archives_larger_than_the_limit_are_refused() {
    let big = vec![0; 200_000];
    for kind in KINDS {
        let archive = build(kind, &[file("good", b"x"), file("a", &big), file("b", &big)]);
        let rules = Unpack { limit: ByteSize(300_000), ..everything(kind) };
        refused(&archive, &rules, "more than the 300 kB");
    }
    // The header states a smaller size.
    let mut zip = samples::zip(&[file("good", &big)]);
    let size = 200_000_u32.to_le_bytes();
    while let Some(at) = zip.windows(4).position(|window| window == size) {
        zip[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    refused(&zip, &everything(ArchiveKind::Zip), "");
}

#[test]
fn overlapping_members_are_refused() {
    // The content of `outer` is the local entry of `inner`, which is in the directory as well.
    let inner = samples::zip(&[file("inner", b"shared")]);
    let directory_of = |zip: &[u8]| zip.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let local = &inner[..directory_of(&inner)];
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        ::zip::write::SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
    writer.start_file("outer", stored).unwrap();
    std::io::Write::write_all(&mut writer, local).unwrap();
    let outer = writer.finish().unwrap().into_inner();
    let content_at = outer.windows(local.len()).position(|window| window == local).unwrap();

    let end_of = |zip: &[u8]| zip.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let mut second = inner[directory_of(&inner)..end_of(&inner)].to_vec();
    second[42..46].copy_from_slice(&u32::try_from(content_at).unwrap().to_le_bytes());
    let mut zip = [&outer[..end_of(&outer)], &second, &outer[end_of(&outer)..]].concat();
    let end = end_of(&zip);
    let directory = u32::try_from(end - directory_of(&outer)).unwrap();
    zip[end + 8..end + 12].copy_from_slice(&[2, 0, 2, 0]);
    zip[end + 12..end + 16].copy_from_slice(&directory.to_le_bytes());
    refused(&zip, &everything(ArchiveKind::Zip), "members that overlap");
}

#[test]
fn a_zip_with_contradicting_headers_is_refused() {
    let zip = samples::zip(&[file("good", b"x")]);
    let local_only = [&replace(&zip[..60], "good", "evil"), &zip[60..]].concat();
    refused(&local_only, &everything(ArchiveKind::Zip), "");
    let prefixed = [b"#!/bin/sh\n", &zip[..]].concat();
    refused(&prefixed, &everything(ArchiveKind::Zip), "");
}

#[test]
fn endless_headers_and_padding_are_refused() {
    // A name of 2 MiB, which the tar crate would read into memory.
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(2 << 20);
    header.set_cksum();
    builder.append(&header, &*vec![b'a'; 2 << 20]).unwrap();
    let archive = gzip(&builder.into_inner().unwrap());
    refused(&archive, &everything(ArchiveKind::TarGz), "more than 1 MiB of headers");
    // Too many zeros after the archive.
    let archive = gzip(&[tar(&[file("good", b"x")]), vec![0; 17 << 20]].concat());
    refused(&archive, &everything(ArchiveKind::TarGz), "too many zeros");
    let archive = gzip(&[tar(&[file("good", b"x")]), tar(&[file("hidden", b"x")])].concat());
    refused(&archive, &everything(ArchiveKind::TarGz), "after the end");
}

#[test]
fn too_many_members_are_refused() {
    let mut tar = Vec::new();
    let one = samples::tar(&[folder("./")]);
    for _ in 0..=200_000 {
        tar.extend_from_slice(&one[..512]);
    }
    refused(&gzip(&tar), &everything(ArchiveKind::TarGz), "more than 200000 members");
}

#[test]
fn a_dictionary_larger_than_the_limit_is_refused() {
    let mut archive = xz(&tar(&[file("good", b"x")]));
    // The block header: its size, flags, filter id 0x21, one byte of properties (the dictionary), padding, CRC.
    let header = 12;
    assert_eq!(archive[header + 2], 0x21);
    archive[header + 4] = 40;
    let length = (usize::from(archive[header]) + 1) * 4;
    let crc = crc32(&archive[header..header + length - 4]);
    archive[header + length - 4..header + length].copy_from_slice(&crc.to_le_bytes());
    refused(&archive, &everything(ArchiveKind::TarXz), "mem");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn files_that_are_not_archives_are_refused() {
    type Members<'a> = &'a [(&'a str, &'a [u8])];
    for kind in KINDS {
        for bytes in [&b""[..], b"x", b"<html>404</html>", &[0; 4096], b"PK\x05\x06", b"!<arch>\n"] {
            refused(bytes, &everything(kind), "");
        }
    }
    let packages: [(Members<'_>, &str); 6] = [
        (&[("debian-binary", b"2.0\n")], "no data.tar"),
        (&[("debian-binary", b"1.0\n")], "other than 2"),
        (&[("x", b"2.0\n")], "not debian-binary"),
        (&[("debian-binary", b"2.0\n"), ("data.tar.bz2", b"x")], "not compressed with"),
        (&[("debian-binary", b"2.0\n"), ("data.tar.zst", b"x")], ""),
        (&[("debian-binary", b"2.0\n"), ("/99999", b"x")], "no data.tar"),
    ];
    for (members, reason) in packages {
        refused(&ar(members), &everything(ArchiveKind::Deb), reason);
    }
    let data = gzip(&tar(&[file("good", b"x")]));
    let twice = ar(&[("debian-binary", b"2.0\n"), ("data.tar.gz", &data), ("data.tar.gz", &data)]);
    refused(&twice, &everything(ArchiveKind::Deb), "after the package's data");
}

#[test]
fn a_truncated_archive_is_refused() {
    let items = [file("good", &b"some text ".repeat(500)), file("z", b"z"), link("l", "z")];
    for kind in KINDS {
        let archive = build(kind, &items);
        for length in (0..archive.len()).step_by(7).chain(archive.len().saturating_sub(40)..archive.len()) {
            // The last padding byte of a Debian package may be missing.
            if kind == ArchiveKind::Deb && length + 1 == archive.len() && archive.last() == Some(&b'\n') {
                continue;
            }
            refused(&archive[..length], &everything(kind), "");
        }
    }
    let whole = tar(&items);
    let without_end = gzip(&whole[..whole.len() - 1024]);
    refused(&without_end, &everything(ArchiveKind::TarGz), "without end mark");
}
