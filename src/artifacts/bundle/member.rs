//! The tar members of a bundle: their names and headers.

use tar::{EntryType, Header};

use crate::core::failure::{Failure, Result};
use crate::core::model::Digest;

/// The block size of tar, in bytes. Headers and contents start at multiples of it.
pub(super) const BLOCK: usize = 512;

/// The size of the end mark in bytes.
pub(super) const END: usize = 2 * BLOCK;

pub(super) const LOCK: &str = "meshlab-bundle/deps.lock";
pub(super) const PROGRAM: &str = "meshlab-bundle/meshlab";
const MANIFEST_START: &str = "meshlab-bundle/manifest-";
const MANIFEST_END: &str = ".json";

/// 1980-01-01, the oldest time that all unpackers accept.
const TIME: u64 = 315_532_800;

/// The largest size of a file in a tar header: 8 GiB.
pub(super) const MAX_SIZE: u64 = (1 << 33) - 1;

/// A tar header.
pub(super) type Block = [u8; BLOCK];

/// The name of the manifest, with its digest, so that the manifest itself can be verified.
pub(super) fn manifest_name(digest: &Digest) -> String {
    format!("{MANIFEST_START}{}{MANIFEST_END}", digest.hex())
}

/// The digest in the name of a manifest.
pub(super) fn manifest_digest(name: &str) -> Option<Digest> {
    let hex = name.strip_prefix(MANIFEST_START)?.strip_suffix(MANIFEST_END)?;
    format!("sha256:{hex}").parse().ok()
}

/// Whether `bytes` may be the start of a bundle.
pub(super) fn starts_like_manifest(bytes: &[u8]) -> bool {
    let length = bytes.len().min(MANIFEST_START.len());
    bytes[..length] == MANIFEST_START.as_bytes()[..length]
}

/// The name of a stored file: its digest. SHA-512 is split in two, because tar limits the parts of a name.
pub(super) fn blob_name(digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
    match hex.split_at_checked(64) {
        Some((start, rest)) if !rest.is_empty() => format!("meshlab-bundle/{algorithm}/{start}/{rest}"),
        _ => format!("meshlab-bundle/{algorithm}/{hex}"),
    }
}

/// The header of a member. It depends only on name and size, so a reader compares it with the expected one.
pub(super) fn header(name: &str, size: u64) -> Result<Block> {
    let mut header = Header::new_ustar();
    header
        .set_path(name)
        .map_err(|error| Failure::failed(format!("cannot write the tar header of {name}")).seen(&error))?;
    if size > MAX_SIZE {
        return Err(Failure::failed(format!(
            "{name} has {size} bytes; at most {MAX_SIZE} fit into a bundle"
        )));
    }
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(if name == PROGRAM { 0o755 } else { 0o644 });
    header.set_mtime(TIME);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// The number of padding bytes after a content of `size` bytes.
pub(super) fn padding(size: u64) -> usize {
    // Less than a block, so it fits.
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// A description of a header, for messages.
pub(super) fn describe(block: &Block) -> String {
    if block.iter().all(|byte| *byte == 0) {
        return "the end of the archive".to_owned();
    }
    let header = Header::from_byte_slice(block);
    let name = shown(&header.path_bytes());
    if header.cksum().ok() != Some(checksum(block)) {
        return "a damaged header".to_owned();
    }
    match (header.entry_type(), header.size()) {
        (EntryType::Regular, Ok(size)) => format!("{name} ({size} bytes)"),
        (EntryType::Symlink | EntryType::Link, _) => format!("the link {name}"),
        (EntryType::Directory, _) => format!("the folder {name}"),
        (kind, _) => format!("{name}, a member of kind {:?}", char::from(kind.as_byte())),
    }
}

/// The name and size in a header.
pub(super) fn name_and_size(block: &Block) -> Option<(String, u64)> {
    let header = Header::from_byte_slice(block);
    header.as_ustar()?;
    let name = String::from_utf8(header.path_bytes().into_owned()).ok()?;
    Some((name, header.size().ok()?))
}

/// The checksum of a header: the sum of its bytes, with spaces in place of the checksum field.
fn checksum(block: &Block) -> u32 {
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
    sum - own + 8 * u32::from(b' ')
}

/// A name for messages, without control characters and shortened.
fn shown(name: &[u8]) -> String {
    const MAX_LENGTH: usize = 200;
    let text = String::from_utf8_lossy(name);
    let visible = |letter: char| if letter.is_control() { '?' } else { letter };
    let mut shown: String = text.chars().take(MAX_LENGTH).map(visible).collect();
    if text.chars().nth(MAX_LENGTH).is_some() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}
