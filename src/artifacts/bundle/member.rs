//! The members of a bundle as tar sees them: their names, and the one header that each can have.

use tar::{EntryType, Header};

use crate::core::failure::{Failure, Result};
use crate::core::model::Digest;

/// Headers and contents begin at multiples of this.
pub(super) const BLOCK: usize = 512;

/// The zeros that end a tar file.
pub(super) const END: usize = 2 * BLOCK;

pub(super) const LOCK: &str = "meshlab-bundle/deps.lock";
pub(super) const PROGRAM: &str = "meshlab-bundle/meshlab";
const MANIFEST_START: &str = "meshlab-bundle/manifest-";
const MANIFEST_END: &str = ".json";

/// 1980-01-01: the oldest time that no unpacker complains of.
const TIME: u64 = 315_532_800;

/// The most digits that a header has room for, in octal: 8 GiB.
pub(super) const LARGEST: u64 = (1 << 33) - 1;

/// A header, as it is written.
pub(super) type Block = [u8; BLOCK];

/// The manifest's name holds its digest, so that everything else can be checked against what it says.
pub(super) fn manifest_name(digest: &Digest) -> String {
    format!("{MANIFEST_START}{}{MANIFEST_END}", digest.hex())
}

/// The digest in the name of a manifest.
pub(super) fn manifest_digest(name: &str) -> Option<Digest> {
    let hex = name.strip_prefix(MANIFEST_START)?.strip_suffix(MANIFEST_END)?;
    format!("sha256:{hex}").parse().ok()
}

/// Whether these may be the first bytes of a bundle.
pub(super) fn starts_like_manifest(bytes: &[u8]) -> bool {
    let length = bytes.len().min(MANIFEST_START.len());
    bytes[..length] == MANIFEST_START.as_bytes()[..length]
}

/// A stored file's name is its digest. SHA-512 is broken in two: no part of a name in tar has 128 letters.
pub(super) fn blob_name(digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
    match hex.split_at_checked(64) {
        Some((start, rest)) if !rest.is_empty() => format!("meshlab-bundle/{algorithm}/{start}/{rest}"),
        _ => format!("meshlab-bundle/{algorithm}/{hex}"),
    }
}

/// The header of a member. There is exactly one for a name and a size, so a reader only has to compare.
pub(super) fn header(name: &str, size: u64) -> Result<Block> {
    let mut header = Header::new_ustar();
    header
        .set_path(name)
        .map_err(|error| Failure::failed(format!("no tar header for {name}")).seen(&error))?;
    if size > LARGEST {
        return Err(Failure::failed(format!("{name} has {size} bytes, more than fit into a bundle")));
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

/// How many zeros follow a content.
pub(super) fn padding(size: u64) -> usize {
    // Smaller than a block, so it fits.
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// What a header says that is not the expected one, as far as it can be told.
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
        (kind, _) => format!("{name}, a member of the kind {:?}", char::from(kind.as_byte())),
    }
}

/// The name and the size in a header that may be a manifest's.
pub(super) fn name_and_size(block: &Block) -> Option<(String, u64)> {
    let header = Header::from_byte_slice(block);
    header.as_ustar()?;
    let name = String::from_utf8(header.path_bytes().into_owned()).ok()?;
    Some((name, header.size().ok()?))
}

/// The sum of all bytes, with blanks where the sum itself stands.
fn checksum(block: &Block) -> u32 {
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
    sum - own + 8 * u32::from(b' ')
}

/// A name from outside: visible characters, and not many.
fn shown(name: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(name);
    let visible = |letter: char| if letter.is_control() { '?' } else { letter };
    let mut shown: String = text.chars().take(MOST).map(visible).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}
