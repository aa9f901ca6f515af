//! tar, from any stream.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use ::tar::{Archive, Entry, EntryType};

use super::destination::Destination;
use super::refusal::{refuse, unreadable};
use crate::core::failure::Result;

/// What may lie between the contents of two members: headers, long names, attributes. A bound on memory.
const BETWEEN_MEMBERS: u64 = 1 << 20;
/// The same for the whole archive. A bound on time.
const BETWEEN_ALL: u64 = 256 << 20;
/// How many zeros may follow the end; tar fills up its last record, which is some kilobytes long.
const AFTER_END: u64 = 16 << 20;

/// Gives every member to `destination`, and reads on to the end of the stream, so that its checksums are compared.
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
    if meter.ended.get() {
        return Err(refuse(path, "it ends too early (tar: without its end mark)"));
    }
    meter.in_member();
    only_zeros(archive.into_inner(), destination)
}

fn member(entry: &mut Entry<'_, impl Read>, destination: &mut Destination<'_>) -> Result<()> {
    let name = entry.path_bytes().into_owned();
    let size = entry.size();
    check_attributes(entry, &name, destination)?;
    let kind = entry.header().entry_type();
    match kind {
        // Before POSIX a folder was a file with a slash at the end of its name.
        EntryType::Regular if name.ends_with(b"/") => folder(entry, &name, destination),
        EntryType::Regular | EntryType::Continuous => {
            let mode = entry
                .header()
                .mode()
                .map_err(|error| unreadable(destination.archive(), Some(&name), &error))?;
            match destination.file(&name)? {
                Some(place) => destination.write(&name, place, mode & 0o111 != 0, size, entry),
                None => destination.pass_over(&name, size, entry),
            }
        }
        EntryType::Directory => folder(entry, &name, destination),
        EntryType::Symlink => {
            let target = target(entry, &name, destination)?;
            destination.link(&name, &target)?;
            destination.pass_over(&name, size, entry)
        }
        EntryType::Link => {
            let target = target(entry, &name, destination)?;
            destination.hard_link(&name, &target)?;
            destination.pass_over(&name, size, entry)
        }
        // Comments about the whole archive; git writes the commit there.
        EntryType::XGlobalHeader => destination.pass_over(&name, size, entry),
        other => Err(destination.refuse(&name, format!("{}, which is not taken", in_words(other)))),
    }
}

fn folder(entry: &mut Entry<'_, impl Read>, name: &[u8], destination: &mut Destination<'_>) -> Result<()> {
    destination.folder(name)?;
    destination.pass_over(name, entry.size(), entry)
}

fn target(entry: &Entry<'_, impl Read>, name: &[u8], destination: &Destination<'_>) -> Result<Vec<u8>> {
    let target =
        entry.link_name_bytes().ok_or_else(|| destination.refuse(name, "a link without a target"))?;
    Ok(target.into_owned())
}

/// Extended attributes must be readable, and must not change what the content means.
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
            return Err(destination.refuse(name, "a sparse file, which is not taken"));
        }
    }
    Ok(())
}

fn in_words(kind: EntryType) -> String {
    match kind {
        EntryType::Char | EntryType::Block => "a device node".to_owned(),
        EntryType::Fifo => "a named pipe".to_owned(),
        EntryType::GNUSparse => "a sparse file".to_owned(),
        other => format!("a member of the kind {:?}", char::from(other.as_byte())),
    }
}

/// What follows the end mark is filling; anything else would be content that is not looked at.
fn only_zeros(mut rest: impl Read, destination: &Destination<'_>) -> Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut left = AFTER_END;
    loop {
        match rest.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) if chunk[..length].iter().any(|byte| *byte != 0) => {
                return Err(refuse(destination.archive(), "data after the end of the tar archive"));
            }
            Ok(length) => match left.checked_sub(length as u64) {
                Some(less) => left = less,
                None => return Err(refuse(destination.archive(), "endless zeros after the tar archive")),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(destination.archive(), None, &error)),
        }
    }
}

/// How much of the stream may be read outside of members' contents, and whether it has ended.
struct Meter {
    metering: Cell<bool>,
    left: Cell<u64>,
    left_in_all: Cell<u64>,
    ended: Cell<bool>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            metering: Cell::new(true),
            left: Cell::new(BETWEEN_MEMBERS),
            left_in_all: Cell::new(BETWEEN_ALL),
            ended: Cell::new(false),
        }
    }
}

impl Meter {
    fn between_members(&self) {
        self.metering.set(true);
        self.left.set(BETWEEN_MEMBERS);
    }

    /// The destination counts what a member contains.
    fn in_member(&self) {
        self.metering.set(false);
    }

    fn count(&self, length: u64) -> io::Result<()> {
        if !self.metering.get() {
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
                "tar: more than a megabyte of headers for one member, or far too many in all",
            )),
        }
    }
}

/// The tar crate reads long names and attributes into memory, however long they are; this bounds them.
struct Metered<R> {
    stream: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(into)?;
        self.meter.count(length as u64)?;
        if length == 0 && !into.is_empty() {
            self.meter.ended.set(true);
        }
        Ok(length)
    }
}
