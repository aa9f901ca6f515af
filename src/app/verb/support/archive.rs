//! The members of the file, masked and bounded, with a manifest.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::SystemTime;

use camino::Utf8Path;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::OFlags;
use serde::Serialize;
use serde_json::{Value, json};

use crate::core::failure::{Failure, Result};
use crate::core::mask::Mask;

const FOLDER: &str = "meshlab-support";

/// The most of one file that is taken: its end, in bytes.
const MAX_MEMBER: u64 = 2 << 20;

/// The most that all members have together, in bytes.
const MAX_TOTAL: usize = 64 << 20;

/// 1980-01-01: the oldest time that no unpacker complains of.
const TIME: u64 = 315_532_800;

/// What goes into the file.
pub(super) struct Archive {
    created: SystemTime,
    mask: Mask,
    members: BTreeMap<String, (String, Facts)>,
    total: usize,
    problems: Vec<Value>,
}

#[derive(Serialize)]
struct Facts {
    bytes: usize,
    /// How many secrets were masked.
    masked: usize,
    /// How many bytes at its beginning were left out.
    bytes_left_out: u64,
}

impl Archive {
    pub(super) fn new(created: SystemTime) -> Self {
        Self { created, mask: Mask::default(), members: BTreeMap::new(), total: 0, problems: Vec::new() }
    }

    /// Hides a secret in all members that are added from now on.
    pub(super) fn hide(&mut self, secret: &str) {
        self.mask.hide(secret);
    }

    /// Adds a text.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        self.add_cut(name, text, 0);
    }

    /// Adds a JSON document.
    pub(super) fn add_json(&mut self, name: &str, json: &Value) {
        self.add(name, &format!("{json:#}\n"));
    }

    /// Adds the end of a file. One that does not exist is left out.
    pub(super) fn add_tail(&mut self, name: &str, path: &Utf8Path) {
        match tail(path, MAX_MEMBER) {
            Ok(Some((text, left_out))) => self.add_cut(name, &text, left_out),
            Ok(None) => {}
            Err(error) => self.problem(name, &format!("cannot read {path}: {error}")),
        }
    }

    /// Notes what could not be added.
    pub(super) fn problem(&mut self, name: &str, what: &str) {
        let what = self.mask.apply(what).0.into_owned();
        self.problems.push(json!({"name": name, "problem": what}));
    }

    fn add_cut(&mut self, name: &str, text: &str, bytes_left_out: u64) {
        let (text, masked) = self.mask.apply(text);
        if self.total + text.len() > MAX_TOTAL {
            self.problem(name, "left out: the file has its greatest length");
            return;
        }
        self.total += text.len();
        let facts = Facts { bytes: text.len(), masked, bytes_left_out };
        self.members.insert(name.to_owned(), (text.into_owned(), facts));
    }

    /// How many members there are, without the manifest.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// How many secrets were masked.
    pub(super) fn masked(&self) -> usize {
        self.members.values().map(|(_, facts)| facts.masked).sum()
    }

    /// The file: the manifest, then the members sorted by name.
    pub(super) fn pack(self) -> Result<Vec<u8>> {
        let cannot = |error: std::io::Error| Failure::failed("cannot pack the file").seen(&error);
        let facts: BTreeMap<&str, &Facts> =
            self.members.iter().map(|(name, (_, facts))| (name.as_str(), facts)).collect();
        let manifest = json!({
            "schema": super::SCHEMA,
            "created": humantime::format_rfc3339_seconds(self.created).to_string(),
            "members": facts,
            "masked": "tokens, passwords and private keys that the state folder has; private keys; passwords in URLs; values of names such as token, secret and password",
            "problems": self.problems,
        });
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let manifest = format!("{manifest:#}\n");
        let members = self.members.iter().map(|(name, (text, _))| (name.as_str(), text.as_str()));
        for (name, text) in std::iter::once(("manifest.json", manifest.as_str())).chain(members) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(TIME);
            tar.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes()).map_err(cannot)?;
        }
        tar.into_inner().and_then(GzEncoder::finish).map_err(cannot)
    }
}

/// The end of a regular file from the beginning of a line, and how many bytes come before it. `None` if it does not exist.
fn tail(path: &Utf8Path, limit: u64) -> std::io::Result<Option<(String, u64)>> {
    // A link could lead to a file that is not meshlab's, and a pipe would be waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut left_out = found.len().saturating_sub(limit);
    file.seek(SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    if left_out > 0 {
        // Half of a secret would not be known as one.
        let begin = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        bytes.drain(..begin);
        left_out += begin as u64;
    }
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), left_out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_taken_from_a_lines_beginning() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let path = folder.join("log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&path, 100).unwrap(), Some(("one\ntwo\nthree\n".to_owned(), 0)));
        assert_eq!(tail(&path, 9).unwrap(), Some(("three\n".to_owned(), 8)));
        assert_eq!(tail(&path, 3).unwrap(), Some((String::new(), 14)));
        assert_eq!(tail(&folder.join("none"), 3).unwrap(), None);
        std::os::unix::fs::symlink(&path, folder.join("link")).unwrap();
        assert!(tail(&folder.join("link"), 100).is_err() && tail(folder, 100).is_err());
    }

    #[test]
    fn the_same_members_make_the_same_file() {
        let pack = |names: [&str; 2]| {
            let mut archive = Archive::new(SystemTime::UNIX_EPOCH);
            archive.hide("a-secret-of-mine");
            for name in names {
                archive.add(name, &format!("{name} a-secret-of-mine"));
            }
            assert_eq!((archive.members(), archive.masked()), (2, 2));
            archive.pack().unwrap()
        };
        assert_eq!(pack(["a", "b"]), pack(["b", "a"]));
    }
}
