//! Writes tar headers: ustar, and GNU long names for names that do not fit.

use std::io::{self, Write};

use ::tar::{EntryType, Header};

use crate::core::failure::{Failure, Result};

/// The block size of tar, in bytes. Headers and contents start at multiples of it.
pub(super) const BLOCK: u64 = 512;
/// The size of the end mark in bytes.
pub(super) const END: u64 = 2 * BLOCK;
/// The name of the GNU member that contains the long name of the next member.
const LONG_NAME: &str = "././@LongLink";

/// The kind of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberKind<'a> {
    Folder,
    /// With its size in bytes.
    File(u64),
    /// With its target.
    Link(&'a str),
}

/// The header of a member: one block, or several for long names. `name` has no trailing slash, also for a folder.
pub(super) fn header(name: &str, mode: u32, kind: MemberKind<'_>) -> Result<Vec<u8>> {
    let failure =
        |error: &io::Error| Failure::failed(format!("cannot write the tar header of {name}")).seen(error);
    let mut blocks = Vec::new();
    let (entry_type, size) = match kind {
        MemberKind::Folder => (EntryType::Directory, 0),
        MemberKind::File(size) => (EntryType::Regular, size),
        MemberKind::Link(_) => (EntryType::Symlink, 0),
    };
    let name = if kind == MemberKind::Folder { format!("{name}/") } else { name.to_owned() };
    let mut header = Header::new_ustar();
    if header.set_path(&name).is_err() {
        add_long_name(&mut blocks, EntryType::GNULongName, &name);
        header = Header::new_gnu();
        header.set_path(truncated(&name)).map_err(|error| failure(&error))?;
    }
    if let MemberKind::Link(target) = kind
        && header.set_link_name_literal(target).is_err()
    {
        add_long_name(&mut blocks, EntryType::GNULongLink, target);
        header.set_link_name_literal(truncated(target)).map_err(|error| failure(&error))?;
    }
    header.set_entry_type(entry_type);
    header.set_size(size);
    finish(&mut header, mode);
    blocks.extend_from_slice(header.as_bytes());
    Ok(blocks)
}

fn finish(header: &mut Header, mode: u32) {
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
}

/// Adds a member whose content is a long name, with a final zero.
fn add_long_name(blocks: &mut Vec<u8>, entry_type: EntryType, text: &str) {
    let size = text.len() as u64 + 1;
    let mut header = Header::new_gnu();
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.name[..LONG_NAME.len()].copy_from_slice(LONG_NAME.as_bytes());
    }
    header.set_entry_type(entry_type);
    header.set_size(size);
    finish(&mut header, 0o644);
    blocks.extend_from_slice(header.as_bytes());
    blocks.extend_from_slice(text.as_bytes());
    blocks.resize(blocks.len() + 1 + padding(size), 0);
}

/// The part of a long name that fits into a header.
fn truncated(name: &str) -> &str {
    const MAX_LENGTH: usize = 99;
    let end = (0..=MAX_LENGTH).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    &name[..end.min(name.len())]
}

/// The number of padding bytes after a content of `size` bytes.
pub(super) fn padding(size: u64) -> usize {
    // Less than a block, so it fits.
    usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0)
}

/// Writes the padding after a content of `size` bytes.
pub(super) fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    const ZEROS: [u8; 512] = [0; 512];
    out.write_all(&ZEROS[..padding(size)])
}

/// Writes the end mark.
pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * 512])
}
