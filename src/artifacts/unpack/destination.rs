//! Where members go: checks each, takes what the rules name, writes and hashes in one pass, within the lock's limit.

use std::collections::HashMap;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use super::NamedArchive;
use super::UnpackedFile;
use super::links::stays_below;
use super::name;
use super::placing::Placing;
use super::refusal::{lock_mismatch, refuse, refuse_member, unreadable};
use super::tree::{Node, Tree};
use crate::artifacts::lockfile::Unpack;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ByteSize, Digest, DigestAlgorithm, Hasher, RelativePath};

/// The most members an archive may have; the largest that is locked has some 15,000.
pub(super) const MOST_ENTRIES: u64 = 200_000;
/// The most symbolic links, as each has to be followed.
const MOST_LINKS: usize = 20_000;
/// How much is decompressed, hashed and written at once.
const CHUNK: usize = 128 * 1024;
const RUNNABLE: u32 = 0o755;
const PLAIN: u32 = 0o644;

/// The folder an archive is unpacked into.
pub(super) struct Destination<'a> {
    archive: NamedArchive<'a>,
    into: &'a Utf8Path,
    limit: ByteSize,
    left: u64,
    entries: u64,
    placing: Placing<'a>,
    /// The lock's `executable`, and whether each found something.
    executable: Vec<(&'a RelativePath, bool)>,
    /// The archive's own tree: every member, taken or not.
    members: Tree,
    /// The tool's tree.
    placed: Tree,
    files: Vec<UnpackedFile>,
    hard_links: Vec<HardLink>,
    links: Vec<Link>,
    chunk: Vec<u8>,
}

struct HardLink {
    place: RelativePath,
    original: RelativePath,
    member: RelativePath,
}

struct Link {
    member: RelativePath,
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
            entries: 0,
            placing: Placing::new(&unpack.rules),
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

    /// A refusal that names the archive and the member.
    pub(super) fn refuse(&self, member: &[u8], seen: impl Into<String>) -> Failure {
        refuse_member(self.archive, member, seen)
    }

    /// Checks a folder and makes it, if a rule takes it.
    pub(super) fn folder(&mut self, member: &[u8]) -> Result<()> {
        let Some(path) = self.count_and_parse(member)? else { return Ok(()) };
        self.members.add_folder(&path).map_err(|seen| self.refuse(member, seen))?;
        let place = self.placing.folder(&path).map_err(|seen| self.refuse(member, seen))?;
        if let Some(place) = place {
            let new = self.placed.add_folder(&place).map_err(|seen| self.refuse(member, seen))?;
            self.make_folders(&new)?;
        }
        Ok(())
    }

    /// Checks a file's name. Gives its place if a rule takes it; its bytes then belong into [`Self::write`], else, where
    /// they have to be read to get past them, into [`Self::pass_over`].
    pub(super) fn file(&mut self, member: &[u8]) -> Result<Option<RelativePath>> {
        let path = self.leaf_path(member)?;
        self.add_leaf(member, &path, &Node::File)
    }

    /// Checks a symbolic link, as far as that is possible before all members are known.
    pub(super) fn link(&mut self, member: &[u8], target: &[u8]) -> Result<()> {
        let path = self.leaf_path(member)?;
        let target: Box<str> = name::parse_target(target).map_err(|seen| self.refuse(member, seen))?.into();
        if self.links.len() >= MOST_LINKS {
            return Err(self.refuse(member, format!("more than {MOST_LINKS} symbolic links")));
        }
        let place = self.add_leaf(member, &path, &Node::Link(target.clone()))?;
        if target.starts_with('/') {
            // Packages for a root file system have them (libc6's loader); one that nobody takes leads nowhere.
            return match place {
                Some(_) => Err(self.refuse(member, format!("a link to the absolute path {target}"))),
                None => Ok(()),
            };
        }
        self.links.push(Link { member: path, place, target });
        Ok(())
    }

    /// Checks a hard link: another name for a file that came before.
    pub(super) fn hard_link(&mut self, member: &[u8], target: &[u8]) -> Result<()> {
        let path = self.leaf_path(member)?;
        let bad_target = |seen: String| self.refuse(member, format!("a hard link to {seen}"));
        let original = name::parse(target).map_err(bad_target)?;
        let original = original.ok_or_else(|| self.refuse(member, "a hard link to a folder"))?;
        if self.members.node(original.as_path().as_str()) != Some(&Node::File) {
            return Err(
                self.refuse(member, format!("a hard link to {original}, which is no file that came before"))
            );
        }
        let Some(place) = self.add_leaf(member, &path, &Node::File)? else { return Ok(()) };
        let Some(original) = self.placing.leaf(&original).map_err(|seen| self.refuse(member, seen))? else {
            let seen = format!("{path} is taken, but is a hard link to {original}, which no rule takes");
            return Err(lock_mismatch(self.archive, seen));
        };
        self.hard_links.push(HardLink { place, original, member: path });
        Ok(())
    }

    /// Writes a file that [`Self::file`] gave a place, hashing its bytes as they pass.
    pub(super) fn write(
        &mut self,
        member: &[u8],
        place: RelativePath,
        run_right: bool,
        size: u64,
        source: &mut dyn Read,
    ) -> Result<()> {
        let executable = self.covered_by_executable(&place) || run_right;
        let path = place.below(self.into);
        let mode = if executable { RUNNABLE } else { PLAIN };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        // The process's umask may have taken rights away.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        let mut hasher = Hasher::new(DigestAlgorithm::Sha256);
        self.stream(member, size, source, |bytes| {
            hasher.update(bytes);
            Ok(file.write_all(bytes)?)
        })?;
        self.files.push(UnpackedFile { path: place, size, sha256: hasher.finish(), executable, link: None });
        Ok(())
    }

    /// Reads and counts the bytes of a member that is not taken.
    pub(super) fn pass_over(&mut self, member: &[u8], size: u64, source: &mut dyn Read) -> Result<()> {
        self.stream(member, size, source, |_| Ok(()))
    }

    /// The tree is complete: rules must have found something, links may now be followed and made.
    pub(super) fn finish(mut self) -> Result<Vec<UnpackedFile>> {
        if let Some(seen) = self.placing.idle_rule() {
            return Err(lock_mismatch(self.archive, seen));
        }
        self.make_hard_links()?;
        self.make_links()?;
        if let Some((path, _)) = self.executable.iter().find(|(_, found)| !found) {
            return Err(lock_mismatch(
                self.archive,
                format!("executable names {path}, and nothing is there"),
            ));
        }
        self.files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok(self.files)
    }

    /// Hands on a member's bytes; refuses more than the lock allows, and another length than the archive says.
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
                let seen = format!("more than the {limit} ({} bytes) that deps.lock allows in all", limit.0);
                return Err(self.refuse(member, seen));
            };
            self.left = left;
            done += length as u64;
            take(&self.chunk[..length])?;
        }
        if done == size {
            Ok(())
        } else {
            Err(self.refuse(member, format!("{done} bytes where the archive says {size}")))
        }
    }

    fn count_and_parse(&mut self, member: &[u8]) -> Result<Option<RelativePath>> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(refuse(self.archive, format!("more than {MOST_ENTRIES} members")));
        }
        name::parse(member).map_err(|seen| self.refuse(member, seen))
    }

    fn leaf_path(&mut self, member: &[u8]) -> Result<RelativePath> {
        self.count_and_parse(member)?.ok_or_else(|| self.refuse(member, "a file or link without a name"))
    }

    fn add_leaf(&mut self, member: &[u8], path: &RelativePath, node: &Node) -> Result<Option<RelativePath>> {
        self.members.add_leaf(path, node.clone()).map_err(|seen| self.refuse(member, seen))?;
        let place = self.placing.leaf(path).map_err(|seen| self.refuse(member, seen))?;
        if let Some(place) = &place {
            let new = self
                .placed
                .add_leaf(place, node.clone())
                .map_err(|seen| self.refuse(member, format!("{seen}, at {place} in the tree")))?;
            self.make_folders(&new)?;
        }
        Ok(place)
    }

    fn make_folders(&self, folders: &[String]) -> Result<()> {
        for folder in folders {
            let path = self.into.join(folder);
            fs::create_dir(&path)?;
            fs::set_permissions(&path, std::fs::Permissions::from_mode(RUNNABLE))?;
        }
        Ok(())
    }

    fn covered_by_executable(&mut self, place: &RelativePath) -> bool {
        let mut covered = false;
        for (path, found) in &mut self.executable {
            if place.as_path().starts_with(path.as_path()) {
                *found = true;
                covered = true;
            }
        }
        covered
    }

    fn make_hard_links(&mut self) -> Result<()> {
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
            // Both names are one file: what makes one executable makes the other.
            if self.covered_by_executable(&place) && !self.files[at].executable {
                fs::set_permissions(&path, std::fs::Permissions::from_mode(RUNNABLE))?;
                self.files[at].executable = true;
            }
            index.insert(place.clone(), self.files.len());
            self.files.push(UnpackedFile { path: place, ..self.files[at].clone() });
        }
        Ok(())
    }

    fn make_links(&mut self) -> Result<()> {
        let links = std::mem::take(&mut self.links);
        // All are followed before the first is made.
        for Link { member, place, target } in &links {
            let member = member.as_path().as_str();
            let refuse = |seen: String| self.refuse(member.as_bytes(), seen);
            stays_below(&self.members, member, target).map_err(refuse)?;
            if let Some(place) = place {
                stays_below(&self.placed, place.as_path().as_str(), target)
                    .map_err(|seen| refuse(format!("{seen} (at {place} in the tree)")))?;
            }
        }
        for Link { place, target, .. } in links {
            let Some(place) = place else { continue };
            fs_err::os::unix::fs::symlink(&*target, place.below(self.into))?;
            self.covered_by_executable(&place);
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
