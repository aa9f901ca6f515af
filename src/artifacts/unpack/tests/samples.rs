//! Builders of archives, also of invalid and unsafe ones.

use std::io::{Cursor, Write as _};

use ::tar::{Builder, EntryType, Header};
use ::zip::write::SimpleFileOptions;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::artifacts::lockfile::ArchiveKind;

pub(super) const KINDS: [ArchiveKind; 5] =
    [ArchiveKind::Zip, ArchiveKind::Wheel, ArchiveKind::TarGz, ArchiveKind::TarXz, ArchiveKind::Deb];

/// A member to write.
#[derive(Debug, Clone)]
pub(super) enum Member {
    File {
        name: String,
        mode: u32,
        content: Vec<u8>,
    },
    Folder(String),
    Link {
        name: String,
        target: String,
    },
    HardLink {
        name: String,
        target: String,
    },
    /// Only in tar.
    Other {
        name: String,
        kind: EntryType,
    },
}

pub(super) fn file(name: &str, content: &[u8]) -> Member {
    Member::File { name: name.to_owned(), mode: 0o644, content: content.to_owned() }
}

pub(super) fn program(name: &str, content: &[u8]) -> Member {
    Member::File { name: name.to_owned(), mode: 0o4755, content: content.to_owned() }
}

pub(super) fn folder(name: &str) -> Member {
    Member::Folder(name.to_owned())
}

pub(super) fn link(name: &str, target: &str) -> Member {
    Member::Link { name: name.to_owned(), target: target.to_owned() }
}

pub(super) fn hard_link(name: &str, target: &str) -> Member {
    Member::HardLink { name: name.to_owned(), target: target.to_owned() }
}

pub(super) fn other(name: &str, kind: EntryType) -> Member {
    Member::Other { name: name.to_owned(), kind }
}

/// Builds an archive of any kind.
pub(super) fn build(kind: ArchiveKind, members: &[Member]) -> Vec<u8> {
    match kind {
        ArchiveKind::Zip | ArchiveKind::Wheel => zip(members),
        ArchiveKind::TarGz => gzip(&tar(members)),
        ArchiveKind::TarXz => xz(&tar(members)),
        ArchiveKind::Deb => deb("data.tar.xz", &xz(&tar(members))),
    }
}

pub(super) fn tar(members: &[Member]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in members {
        match item {
            Member::File { name, mode, content } => {
                append(&mut builder, name, EntryType::Regular, *mode, content, "");
            }
            Member::Folder(name) => append(&mut builder, name, EntryType::Directory, 0o777, b"", ""),
            Member::Link { name, target } => {
                append(&mut builder, name, EntryType::Symlink, 0o777, b"", target);
            }
            Member::HardLink { name, target } => {
                append(&mut builder, name, EntryType::Link, 0o644, b"", target);
            }
            Member::Other { name, kind } => append(&mut builder, name, *kind, 0o644, b"", ""),
        }
    }
    builder.into_inner().unwrap()
}

/// Writes names unchanged; the tar crate would refuse some.
fn append(builder: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, mode: u32, content: &[u8], to: &str) {
    for (text, long) in [(name, EntryType::GNULongName), (to, EntryType::GNULongLink)] {
        if text.len() > 100 {
            let mut header = Header::new_gnu();
            header.set_entry_type(long);
            header.set_size(text.len() as u64 + 1);
            header.set_cksum();
            builder.append(&header, &*[text.as_bytes(), b"\0"].concat()).unwrap();
        }
    }
    let mut header = Header::new_gnu();
    let short = |text: &str| text.as_bytes()[..text.len().min(100)].to_vec();
    let (short_name, short_target) = (short(name), short(to));
    let old = header.as_old_mut();
    old.name[..short_name.len()].copy_from_slice(&short_name);
    old.linkname[..short_target.len()].copy_from_slice(&short_target);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn xz(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

pub(super) fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

pub(super) fn deb(data_name: &str, data: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", b"not looked at"), (data_name, data)])
}

pub(super) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, content.len()).unwrap();
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

pub(super) fn zip(members: &[Member]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for item in members {
        let options = |mode: u32| SimpleFileOptions::default().unix_permissions(mode);
        // A member whose name the crate refuses is left out.
        match item {
            Member::File { name, mode, content } => {
                if writer.start_file(name.as_str(), options(*mode)).is_ok() {
                    writer.write_all(content).unwrap();
                }
            }
            Member::Folder(name) => drop(writer.add_directory(name.as_str(), options(0o777))),
            Member::Link { name, target } => {
                drop(writer.add_symlink(name.as_str(), target.as_str(), options(0o777)));
            }
            Member::HardLink { .. } | Member::Other { .. } => {}
        }
    }
    writer.finish().unwrap().into_inner()
}

/// Replaces every `from` by `to`, which must have the same length. For bytes without a checksum.
pub(super) fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    bytes
}
