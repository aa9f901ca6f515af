//! Reads tar archives from a stream.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use ::tar::{Archive, Entry, EntryType};

use super::destination::Destination;
use super::refusal::{refuse, unreadable};
use crate::core::failure::Result;

/// The limit for headers, long names and attributes between two members, in bytes. Bounds memory.
const MAX_HEADERS: u64 = 1 << 20;
/// The same limit for the whole archive. Bounds time.
const MAX_HEADERS_IN_ALL: u64 = 256 << 20;
/// The limit for zeros after the end mark, in bytes. tar pads its last record, usually to 10 kB.
const MAX_PADDING: u64 = 16 << 20;

/// Gives every member to `destination`. Reads to the end of the stream, so that the decompressor verifies its
/// checksums.
pub(super) fn read(stream: impl Read, destination: &mut Destination<'_>) -> Result<()> {
    let meter = Rc::new(Meter::default());
    let mut archive = Archive::new(Metered { stream, meter: Rc::clone(&meter) });
    let path = destination.archive();
    meter.between_members();
    let entries = archive.entries().map_err(|error| unreadable(path, None, &error))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| unreadable(path, None, &error))?;
        meter.in_member();
        member(&mut entry, destination)?;
        meter.between_members();
    }
    if meter.has_ended.get() {
        return Err(refuse(path, "the file ends too early (tar: without end mark)"));
    }
    meter.in_member();
    check_padding(archive.into_inner(), destination)
}

fn member(entry: &mut Entry<'_, impl Read>, destination: &mut Destination<'_>) -> Result<()> {
    let name = entry.path_bytes().into_owned();
    let size = entry.size();
    check_attributes(entry, &name, destination)?;
    let kind = entry.header().entry_type();
    match kind {
        // Before POSIX, a folder was a file whose name ends with a slash.
        EntryType::Regular if name.ends_with(b"/") => folder(entry, &name, destination),
        EntryType::Regular | EntryType::Continuous => {
            let mode = entry
                .header()
                .mode()
                .map_err(|error| unreadable(destination.archive(), Some(&name), &error))?;
            match destination.file(&name)? {
                Some(place) => destination.write(&name, place, mode & 0o111 != 0, size, entry),
                None => destination.skip(&name, size, entry),
            }
        }
        EntryType::Directory => folder(entry, &name, destination),
        EntryType::Symlink => {
            let target = target(entry, &name, destination)?;
            destination.link(&name, &target)?;
            destination.skip(&name, size, entry)
        }
        EntryType::Link => {
            let target = target(entry, &name, destination)?;
            destination.hard_link(&name, &target)?;
            destination.skip(&name, size, entry)
        }
        // Comments on the whole archive, such as the commit that git writes.
        EntryType::XGlobalHeader => destination.skip(&name, size, entry),
        other => Err(destination.refuse(&name, format!("{}, which is not supported", kind_name(other)))),
    }
}

fn folder(entry: &mut Entry<'_, impl Read>, name: &[u8], destination: &mut Destination<'_>) -> Result<()> {
    destination.folder(name)?;
    destination.skip(name, entry.size(), entry)
}

fn target(entry: &Entry<'_, impl Read>, name: &[u8], destination: &Destination<'_>) -> Result<Vec<u8>> {
    let target =
        entry.link_name_bytes().ok_or_else(|| destination.refuse(name, "a link without a target"))?;
    Ok(target.into_owned())
}

/// Checks that extended attributes are readable and do not make the file sparse.
fn check_attributes(
    entry: &mut Entry<'_, impl Read>,
    name: &[u8],
    destination: &Destination<'_>,
) -> Result<()> {
    let archive = destination.archive();
    let attributes = entry.pax_extensions().map_err(|error| unreadable(archive, Some(name), &error))?;
    for attribute in attributes.into_iter().flatten() {
        let attribute = attribute.map_err(|error| unreadable(archive, Some(name), &error))?;
        if attribute.key_bytes().starts_with(b"GNU.sparse") {
            return Err(destination.refuse(name, "a sparse file, which is not supported"));
        }
    }
    Ok(())
}

fn kind_name(kind: EntryType) -> String {
    match kind {
        EntryType::Char | EntryType::Block => "a device node".to_owned(),
        EntryType::Fifo => "a named pipe".to_owned(),
        EntryType::GNUSparse => "a sparse file".to_owned(),
        other => format!("a member of kind {:?}", char::from(other.as_byte())),
    }
}

/// Checks that only padding follows the end mark: other data would be unchecked content.
fn check_padding(mut rest: impl Read, destination: &Destination<'_>) -> Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut left = MAX_PADDING;
    loop {
        match rest.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) if chunk[..length].iter().any(|byte| *byte != 0) => {
                return Err(refuse(destination.archive(), "data after the end of the tar archive"));
            }
            Ok(length) => match left.checked_sub(length as u64) {
                Some(less) => left = less,
                None => {
                    return Err(refuse(
                        destination.archive(),
                        "too many zeros after the end of the tar archive",
                    ));
                }
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(destination.archive(), None, &error)),
        }
    }
}

/// Counts the bytes read outside of member contents, and notes the end of the stream.
struct Meter {
    is_metering: Cell<bool>,
    left: Cell<u64>,
    left_in_all: Cell<u64>,
    has_ended: Cell<bool>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            is_metering: Cell::new(true),
            left: Cell::new(MAX_HEADERS),
            left_in_all: Cell::new(MAX_HEADERS_IN_ALL),
            has_ended: Cell::new(false),
        }
    }
}

impl Meter {
    fn between_members(&self) {
        self.is_metering.set(true);
        self.left.set(MAX_HEADERS);
    }

    /// Pauses metering: the destination counts the content of members.
    fn in_member(&self) {
        self.is_metering.set(false);
    }

    fn count(&self, length: u64) -> io::Result<()> {
        if !self.is_metering.get() {
            return Ok(());
        }
        match (self.left.get().checked_sub(length), self.left_in_all.get().checked_sub(length)) {
            (Some(left), Some(left_in_all)) => {
                self.left.set(left);
                self.left_in_all.set(left_in_all);
                Ok(())
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "tar: more than 1 MiB of headers for one member, or 256 MiB in all",
            )),
        }
    }
}

/// Limits long names and attributes, which the tar crate reads into memory whatever their length.
struct Metered<R> {
    stream: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(into)?;
        self.meter.count(length as u64)?;
        if length == 0 && !into.is_empty() {
            self.meter.has_ended.set(true);
        }
        Ok(length)
    }
}
