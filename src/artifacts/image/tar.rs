//! The one header that a member can have. ustar; a name that it has no room for gets GNU's long form.

use std::io::{self, Write};

use ::tar::{EntryType, Header};

use crate::core::failure::{Failure, Result};

/// Headers and contents begin at multiples of this.
pub(super) const BLOCK: u64 = 512;
/// The zeros that end a tar file.
pub(super) const END: u64 = 2 * BLOCK;
/// The name that GNU's tar gives to a member whose content is the next member's name.
const LONG_NAME: &str = "././@LongLink";

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Folder,
    File(u64),
    Link(&'a str),
}

/// The header of a member: one block, or several where a name is long. A folder's name has no slash at its end.
pub(super) fn header(name: &str, mode: u32, kind: Kind<'_>) -> Result<Vec<u8>> {
    let cannot = |error: &io::Error| Failure::failed(format!("no tar header for {name}")).seen(error);
    let mut blocks = Vec::new();
    let (entry_type, size) = match kind {
        Kind::Folder => (EntryType::Directory, 0),
        Kind::File(size) => (EntryType::Regular, size),
        Kind::Link(_) => (EntryType::Symlink, 0),
    };
    let name = if kind == Kind::Folder { format!("{name}/") } else { name.to_owned() };
    let mut header = Header::new_ustar();
    if header.set_path(&name).is_err() {
        long(&mut blocks, EntryType::GNULongName, &name);
        header = Header::new_gnu();
        header.set_path(cut(&name)).map_err(|error| cannot(&error))?;
    }
    if let Kind::Link(target) = kind
        && header.set_link_name_literal(target).is_err()
    {
        long(&mut blocks, EntryType::GNULongLink, target);
        header.set_link_name_literal(cut(target)).map_err(|error| cannot(&error))?;
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

/// A member whose content is a name, with its end mark.
fn long(blocks: &mut Vec<u8>, entry_type: EntryType, text: &str) {
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

/// As much of a long name as a header has room for.
fn cut(name: &str) -> &str {
    const ROOM: usize = 99;
    let end = (0..=ROOM).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    &name[..end.min(name.len())]
}

/// How many zeros follow a content.
pub(super) fn padding(size: u64) -> usize {
    // Smaller than a block, so it fits.
    usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0)
}

/// Writes the zeros that follow a content.
pub(super) fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    const ZEROS: [u8; 512] = [0; 512];
    out.write_all(&ZEROS[..padding(size)])
}

/// Writes the zeros that end a tar file.
pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * 512])
}
