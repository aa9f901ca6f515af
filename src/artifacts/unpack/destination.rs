//! The target of unpacking: checks every member, and writes and hashes those that the rules select.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use super::links::check_inside;
use super::name;
use super::refusal::{lock_mismatch, refuse, refuse_member, unreadable};
use super::rules::Rules;
use super::tree::{Node, Tree};
use super::{NamedArchive, UnpackedFile};
use crate::artifacts::lockfile::Unpack;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ByteSize, Digest, DigestAlgorithm, Hasher, RelativePath};

/// The most members of an archive. The largest archive in `deps.lock` has about 15,000.
pub(super) const MAX_MEMBERS: u64 = 200_000;
/// The most symbolic links. Each is resolved, so this bounds time.
const MAX_LINKS: usize = 20_000;
/// The size of reads and writes, in bytes.
const CHUNK: usize = 128 * 1024;
const EXECUTABLE_MODE: u32 = 0o755;
const PLAIN_MODE: u32 = 0o644;

/// The folder that an archive is unpacked into, and the state of unpacking.
pub(super) struct Destination<'a> {
    archive: NamedArchive<'a>,
    into: &'a Utf8Path,
    limit: ByteSize,
    /// How many more bytes may be unpacked.
    left: u64,
    member_count: u64,
    rules: Rules<'a>,
    /// The paths of `executable` in the lock, and whether each has matched a file.
    executable: Vec<(&'a RelativePath, bool)>,
    /// The archive's tree: every member, selected or not.
    members: Tree,
    /// The tree in the target folder.
    placed: Tree,
    files: Vec<UnpackedFile>,
    hard_links: Vec<HardLink>,
    links: Vec<SymbolicLink>,
    chunk: Vec<u8>,
}

/// A hard link that a rule selects.
struct HardLink {
    /// The path in the target folder.
    place: RelativePath,
    /// The path of the linked file in the target folder.
    original: RelativePath,
    member: RelativePath,
}

struct SymbolicLink {
    member: RelativePath,
    /// The path in the target folder, if a rule selects it.
    place: Option<RelativePath>,
    target: Box<str>,
}

impl<'a> Destination<'a> {
    pub(super) fn new(archive: NamedArchive<'a>, unpack: &'a Unpack, into: &'a Utf8Path) -> Self {
        Self {
            archive,
            into,
            limit: unpack.limit,
            left: unpack.limit.0,
            member_count: 0,
            rules: Rules::new(&unpack.rules),
            executable: unpack.executable.iter().map(|path| (path, false)).collect(),
            members: Tree::default(),
            placed: Tree::default(),
            files: Vec::new(),
            hard_links: Vec::new(),
            links: Vec::new(),
            chunk: vec![0; CHUNK],
        }
    }

    /// The archive, for messages.
    pub(super) fn archive(&self) -> NamedArchive<'a> {
        self.archive
    }

    /// The failure for an unsafe member.
    pub(super) fn refuse(&self, member: &[u8], seen: impl fmt::Display) -> Failure {
        refuse_member(self.archive, member, seen)
    }

    /// Checks a folder, and creates it if a rule selects it.
    pub(super) fn folder(&mut self, member: &[u8]) -> Result<()> {
        let Some(path) = self.count_and_parse(member)? else { return Ok(()) };
        self.members.add_folder(&path).map_err(|seen| self.refuse(member, seen))?;
        let place = self.rules.folder(&path).map_err(|seen| self.refuse(member, seen))?;
        if let Some(place) = place {
            let new = self.placed.add_folder(&place).map_err(|seen| self.refuse(member, seen))?;
            self.create_folders(&new)?;
        }
        Ok(())
    }

    /// Checks a file's name. Returns its path in the target folder if a rule selects it, for [`Self::write`]. Where the
    /// content has to be read to get past it, [`Self::skip`] reads it.
    pub(super) fn file(&mut self, member: &[u8]) -> Result<Option<RelativePath>> {
        let path = self.leaf_path(member)?;
        self.add_leaf(member, &path, &Node::File)
    }

    /// Checks a symbolic link. Whether it stays inside is checked when all members are known.
    pub(super) fn link(&mut self, member: &[u8], target: &[u8]) -> Result<()> {
        let path = self.leaf_path(member)?;
        let target: Box<str> = name::parse_target(target).map_err(|seen| self.refuse(member, seen))?.into();
        if self.links.len() >= MAX_LINKS {
            return Err(self.refuse(member, format!("more than {MAX_LINKS} symbolic links")));
        }
        let place = self.add_leaf(member, &path, &Node::Link(target.clone()))?;
        if target.starts_with('/') {
            // Packages for a root file system have them (libc6's loader). Accepted if no rule selects it.
            return match place {
                Some(_) => Err(self.refuse(member, format!("a link to the absolute path {target}"))),
                None => Ok(()),
            };
        }
        self.links.push(SymbolicLink { member: path, place, target });
        Ok(())
    }

    /// Checks a hard link. Its target must be an earlier file of the archive.
    pub(super) fn hard_link(&mut self, member: &[u8], target: &[u8]) -> Result<()> {
        let path = self.leaf_path(member)?;
        let bad_target = |seen: name::NameError| self.refuse(member, format!("a hard link to {seen}"));
        let original = name::parse(target).map_err(bad_target)?;
        let original = original.ok_or_else(|| self.refuse(member, "a hard link to a folder"))?;
        if self.members.node(original.as_path().as_str()) != Some(&Node::File) {
            return Err(
                self.refuse(member, format!("a hard link to {original}, which is not an earlier file"))
            );
        }
        let Some(place) = self.add_leaf(member, &path, &Node::File)? else { return Ok(()) };
        let Some(original) = self.rules.leaf(&original).map_err(|seen| self.refuse(member, seen))? else {
            let seen = format!("{path} is selected, but is a hard link to {original}, which no rule selects");
            return Err(lock_mismatch(self.archive, seen));
        };
        self.hard_links.push(HardLink { place, original, member: path });
        Ok(())
    }

    /// Writes and hashes a file at the path that [`Self::file`] returned.
    pub(super) fn write(
        &mut self,
        member: &[u8],
        place: RelativePath,
        is_executable: bool,
        size: u64,
        source: &mut dyn Read,
    ) -> Result<()> {
        let executable = self.match_executable(&place) || is_executable;
        let path = place.below(self.into);
        let mode = if executable { EXECUTABLE_MODE } else { PLAIN_MODE };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        // The umask may have removed permissions.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        let mut hasher = Hasher::new(DigestAlgorithm::Sha256);
        self.stream(member, size, source, |bytes| {
            hasher.update(bytes);
            Ok(file.write_all(bytes)?)
        })?;
        self.files.push(UnpackedFile { path: place, size, sha256: hasher.finish(), executable, link: None });
        Ok(())
    }

    /// Reads and counts the content of a member that no rule selects.
    pub(super) fn skip(&mut self, member: &[u8], size: u64, source: &mut dyn Read) -> Result<()> {
        self.stream(member, size, source, |_| Ok(()))
    }

    /// Checks that every rule matched, then creates the links. Returns all files, sorted by path.
    pub(super) fn finish(mut self) -> Result<Vec<UnpackedFile>> {
        if let Some(seen) = self.rules.unmatched_rule() {
            return Err(lock_mismatch(self.archive, seen));
        }
        self.create_hard_links()?;
        self.create_links()?;
        if let Some((path, _)) = self.executable.iter().find(|(_, found)| !found) {
            return Err(lock_mismatch(
                self.archive,
                format!("`executable` names {path}, which is no unpacked file"),
            ));
        }
        self.files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok(self.files)
    }

    /// Passes a member's content to `take`. Refuses more bytes than the lock allows, and a length other than `size`.
    fn stream(
        &mut self,
        member: &[u8],
        size: u64,
        source: &mut dyn Read,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut done: u64 = 0;
        loop {
            let length = match source.read(&mut self.chunk) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(self.archive, Some(member), &error)),
            };
            let Some(left) = self.left.checked_sub(length as u64) else {
                let limit = self.limit;
                let seen = format!(
                    "more than the {limit} ({} bytes) that deps.lock allows for the archive",
                    limit.0
                );
                return Err(self.refuse(member, seen));
            };
            self.left = left;
            done += length as u64;
            take(&self.chunk[..length])?;
        }
        if done == size {
            Ok(())
        } else {
            Err(self.refuse(member, format!("{done} bytes, but its header says {size}")))
        }
    }

    fn count_and_parse(&mut self, member: &[u8]) -> Result<Option<RelativePath>> {
        self.member_count += 1;
        if self.member_count > MAX_MEMBERS {
            return Err(refuse(self.archive, format!("more than {MAX_MEMBERS} members")));
        }
        name::parse(member).map_err(|seen| self.refuse(member, seen))
    }

    fn leaf_path(&mut self, member: &[u8]) -> Result<RelativePath> {
        self.count_and_parse(member)?.ok_or_else(|| self.refuse(member, "a file or link without a name"))
    }

    fn add_leaf(&mut self, member: &[u8], path: &RelativePath, node: &Node) -> Result<Option<RelativePath>> {
        self.members.add_leaf(path, node.clone()).map_err(|seen| self.refuse(member, seen))?;
        let place = self.rules.leaf(path).map_err(|seen| self.refuse(member, seen))?;
        if let Some(place) = &place {
            let new = self
                .placed
                .add_leaf(place, node.clone())
                .map_err(|seen| self.refuse(member, format!("{seen}, at {place} in the tree")))?;
            self.create_folders(&new)?;
        }
        Ok(place)
    }

    fn create_folders(&self, folders: &[String]) -> Result<()> {
        for folder in folders {
            let path = self.into.join(folder);
            fs::create_dir(&path)?;
            fs::set_permissions(&path, std::fs::Permissions::from_mode(EXECUTABLE_MODE))?;
        }
        Ok(())
    }

    /// Whether `executable` of the lock names `place` or a folder above it.
    fn match_executable(&mut self, place: &RelativePath) -> bool {
        let mut is_match = false;
        for (path, found) in &mut self.executable {
            if place.as_path().starts_with(path.as_path()) {
                *found = true;
                is_match = true;
            }
        }
        is_match
    }

    fn create_hard_links(&mut self) -> Result<()> {
        let mut index: HashMap<RelativePath, usize> = HashMap::new();
        if !self.hard_links.is_empty() {
            index = self.files.iter().enumerate().map(|(at, file)| (file.path.clone(), at)).collect();
        }
        for HardLink { place, original, member } in std::mem::take(&mut self.hard_links) {
            let Some(at) = index.get(&original).copied() else {
                let seen = format!("a hard link to {original}, which was not written");
                return Err(self.refuse(member.as_path().as_str().as_bytes(), seen));
            };
            let path = place.below(self.into);
            fs::hard_link(original.below(self.into), &path)?;
            // Both names are one file with one mode.
            if self.match_executable(&place) && !self.files[at].executable {
                fs::set_permissions(&path, std::fs::Permissions::from_mode(EXECUTABLE_MODE))?;
                self.files[at].executable = true;
            }
            index.insert(place.clone(), self.files.len());
            self.files.push(UnpackedFile { path: place, ..self.files[at].clone() });
        }
        Ok(())
    }

    fn create_links(&mut self) -> Result<()> {
        let links = std::mem::take(&mut self.links);
        // All are resolved before the first is created.
        for SymbolicLink { member, place, target } in &links {
            let member = member.as_path().as_str();
            let refuse = |seen: String| self.refuse(member.as_bytes(), seen);
            check_inside(&self.members, member, target).map_err(|seen| refuse(seen.to_string()))?;
            if let Some(place) = place {
                check_inside(&self.placed, place.as_path().as_str(), target)
                    .map_err(|seen| refuse(format!("{seen} (at {place} in the tree)")))?;
            }
        }
        for SymbolicLink { place, target, .. } in links {
            let Some(place) = place else { continue };
            fs_err::os::unix::fs::symlink(&*target, place.below(self.into))?;
            self.match_executable(&place);
            self.files.push(UnpackedFile {
                path: place,
                size: 0,
                sha256: Digest::sha256_of(target.as_bytes()),
                executable: false,
                link: Some(target.into()),
            });
        }
        Ok(())
    }
}
