//! Reads zip files and wheels. Members that no rule selects are checked by name and kind, but not decompressed.

use std::io::{BufReader, Read, Seek};
use std::ops::Range;

use ::zip::read::{ArchiveOffset, Config, ZipFileEntry, ZipReadOptions};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;

use super::NamedArchive;
use super::destination::{Destination, MAX_MEMBERS};
use super::refusal::{refuse, refuse_member, unreadable};
use crate::core::failure::{Failure, Result};
use crate::core::model::RelativePath;

/// Small, because each read of the directory seeks first, which empties the buffer.
const DIRECTORY_CHUNK: usize = 512;
const CONTENT_CHUNK: usize = 32 * 1024;
/// Longer than any accepted link target, in bytes.
const MAX_TARGET: u64 = 2048;

/// The fixed part of the header before each member, in bytes.
const LOCAL_HEADER: u64 = 30;

const KIND_OF_FILE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Gives every member to `destination`. `directory` and `content` are the same file, opened twice.
///
/// All members are checked before the first is written. This also separates long-lived allocations from those of the
/// decompressors, which avoids megabytes of fragmentation in archives with many small files.
pub(super) fn read<F: Read + Seek>(
    directory: F,
    content: F,
    destination: &mut Destination<'_>,
) -> Result<()> {
    let archive = destination.archive();
    let broken = |error| failure(archive, None, error);
    // No data may precede the archive: no release has that, and programs read it differently.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let directory = BufReader::with_capacity(DIRECTORY_CHUNK, directory);
    let mut content = BufReader::with_capacity(CONTENT_CHUNK, content);
    let mut members =
        ZipIterable::try_new(directory, config).map_err(broken)?.enforce_header_consistency(true);
    if members.len() as u64 > MAX_MEMBERS {
        return Err(refuse(archive, format!("{} members; at most {MAX_MEMBERS} are allowed", members.len())));
    }
    let mut extents = Vec::with_capacity(members.len());
    let mut places = Vec::with_capacity(members.len());
    for entry in members.files().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        extents.push(extent(&entry));
        places.push(check(entry, &mut content, destination)?);
    }
    if overlap(extents) {
        return Err(refuse(archive, "members that overlap, as in a zip bomb"));
    }
    let mut members = members.enforce_header_consistency(false);
    for (entry, place) in members.files().map_err(broken)?.zip(places) {
        let (entry, Some(place)) = (entry.map_err(broken)?, place) else { continue };
        let (name, size) = (entry.name_raw().to_vec(), entry.size());
        let is_executable = entry.unix_mode().unwrap_or(0) & 0o111 != 0;
        let mut bytes = open(entry, &mut content, destination)?;
        destination.write(&name, place, is_executable, size, &mut bytes)?;
    }
    Ok(())
}

/// The bytes of the archive that belong to a member, without the extra fields of its local header.
fn extent(entry: &ZipFileEntry<'_>) -> Range<u64> {
    let length = LOCAL_HEADER + entry.name_raw().len() as u64;
    let begin = entry.header_start();
    begin..begin.saturating_add(length).saturating_add(entry.compressed_size())
}

/// Checks one member. Returns its path in the tree if it is a file that a rule selects.
fn check(
    entry: ZipFileEntry<'_>,
    content: &mut (impl Read + Seek),
    destination: &mut Destination<'_>,
) -> Result<Option<RelativePath>> {
    let name = entry.name_raw().to_vec();
    let has_folder_name = name.ends_with(b"/");
    match entry.unix_mode().unwrap_or(REGULAR) & KIND_OF_FILE {
        0 | REGULAR | FOLDER if has_folder_name && entry.size() == 0 => destination.folder(&name)?,
        0 | REGULAR if !has_folder_name => return destination.file(&name),
        LINK if !has_folder_name => {
            let mut target = Vec::new();
            let read = open(entry, content, destination)?.take(MAX_TARGET).read_to_end(&mut target);
            read.map_err(|error| unreadable(destination.archive(), Some(&name), &error))?;
            destination.link(&name, &target)?;
        }
        0 | REGULAR | LINK | FOLDER => {
            return Err(destination
                .refuse(&name, "a folder with content, or another kind of member with a folder's name"));
        }
        _ => return Err(destination.refuse(&name, "a device node, pipe or socket, which is not supported")),
    }
    Ok(None)
}

fn open<'a, F: Read + Seek>(
    entry: ZipFileEntry<'a>,
    content: &'a mut F,
    destination: &Destination<'_>,
) -> Result<::zip::read::ZipFile<'a, F>> {
    let name = entry.name_raw().to_vec();
    entry
        .with_reader(content, ZipReadOptions::new())
        .map_err(|error| failure(destination.archive(), Some(&name), error))
}

fn overlap(mut extents: Vec<Range<u64>>) -> bool {
    extents.sort_unstable_by_key(|extent| (extent.start, extent.end));
    extents.windows(2).any(|pair| pair[0].end > pair[1].start)
}

fn failure(archive: NamedArchive<'_>, member: Option<&[u8]>, error: ZipError) -> Failure {
    match error {
        ZipError::Io(error) => unreadable(archive, member, &error),
        other => match member {
            Some(member) => refuse_member(archive, member, other.to_string()),
            None => refuse(archive, other.to_string()),
        },
    }
}
