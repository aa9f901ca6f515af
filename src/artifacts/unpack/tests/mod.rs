//! Tests with safe and unsafe archives, built in memory.

mod properties;
mod safe_archives;
mod samples;
mod unsafe_archives;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{NamedArchive, UnpackedFile, unpack};
use crate::artifacts::lockfile::{ArchiveKind, Unpack, UnpackRule};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ByteSize, Digest, RelativePath};

/// A folder with an archive, a target folder `into`, and a file `outside` that must not change.
struct Scene {
    _keep: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Scene {
    fn new(archive: &[u8]) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        std::fs::create_dir(root.join("into")).unwrap();
        std::fs::write(root.join("archive"), archive).unwrap();
        std::fs::write(root.join("outside"), "untouched").unwrap();
        Self { _keep: keep, root }
    }

    fn unpack(&self, rules: &Unpack) -> Result<Vec<UnpackedFile>> {
        unpack(NamedArchive { path: &self.root.join("archive"), name: "archive" }, rules, &self.tree())
    }

    fn tree(&self) -> Utf8PathBuf {
        self.root.join("into")
    }

    /// Checks that nothing outside of the target folder was created or changed.
    fn assert_nothing_outside(&self) {
        let mut names: Vec<String> =
            self.root.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["archive", "into", "outside"]);
        assert_eq!(std::fs::read_to_string(self.root.join("outside")).unwrap(), "untouched");
    }

    /// Checks that the target folder contains exactly `files`, with their content, modes and targets.
    fn assert_is_on_disk(&self, files: &[UnpackedFile]) {
        let mut found = BTreeMap::new();
        collect(&self.tree(), &self.tree(), &mut found);
        let reported: BTreeMap<String, UnpackedFile> =
            files.iter().map(|file| (file.path.to_string(), file.clone())).collect();
        assert_eq!(found, reported);
        let root = self.tree().canonicalize_utf8().unwrap();
        for file in files.iter().filter(|file| file.link.is_some()) {
            if let Ok(leads_to) = file.path.below(&root).canonicalize_utf8() {
                assert!(leads_to.starts_with(&root), "{} leads to {leads_to}", file.path);
            }
        }
    }
}

fn collect(root: &Utf8Path, folder: &Utf8Path, found: &mut BTreeMap<String, UnpackedFile>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let path: RelativePath = entry.path().strip_prefix(root).unwrap().as_str().parse().unwrap();
        let metadata = entry.path().symlink_metadata().unwrap();
        if metadata.is_dir() {
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o755, "{path}");
            collect(root, entry.path(), found);
            continue;
        }
        let file = if metadata.is_symlink() {
            let target = entry.path().read_link_utf8().unwrap().to_string();
            let sha256 = Digest::sha256_of(target.as_bytes());
            UnpackedFile { path, size: 0, sha256, executable: false, link: Some(target) }
        } else {
            let mode = metadata.permissions().mode() & 0o7777;
            assert!(mode == 0o755 || mode == 0o644, "{path} has the mode {mode:o}");
            let sha256 = Digest::sha256_of(&std::fs::read(entry.path()).unwrap());
            UnpackedFile { path, size: metadata.len(), sha256, executable: mode == 0o755, link: None }
        };
        found.insert(file.path.to_string(), file);
    }
}

/// Selects every member.
fn everything(archive: ArchiveKind) -> Unpack {
    Unpack {
        archive,
        limit: ByteSize(1 << 20),
        rules: vec![UnpackRule::Folder { from: None, to: None }],
        executable: Vec::new(),
    }
}

/// The details `member` and `seen` of a failure.
fn seen(failure: &Failure) -> String {
    let detail = |label: &str| {
        failure
            .details()
            .iter()
            .find(|detail| detail.label == label)
            .map_or("", |detail| detail.text.as_str())
    };
    format!("{}: {}", detail("member"), detail("seen"))
}
