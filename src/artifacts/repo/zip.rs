//! A zip around one file, made as it is sent: a header before the file's own bytes, and a directory after them.
//!
//! The file is stored as it is, so that its bytes never pass through this program; and every field is fixed or follows
//! from the file, so that the same file makes the same zip on every machine and in every year.
//!
//! The fields are those of PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.

use bytes::Bytes;

/// A version that knows folders and no compression.
const VERSION: u16 = 10;
/// The same, made on Unix: that is why the rights below are understood.
const MADE_BY: u16 = 3 << 8 | VERSION;
const STORED: u16 = 0;
/// 1 January 1980, the first day that a zip knows.
const DATE: u16 = 1 << 5 | 1;
const TIME: u16 = 0;
/// A regular file that everybody may run and its owner may write.
const RIGHTS: u32 = 0o100_755 << 16;

/// What comes before a file and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) before: Bytes,
    pub(super) after: Bytes,
}

/// The frame of a file with this name, size and CRC-32; none where a plain zip cannot hold it: from 4 GiB on.
pub(super) fn frame(name: &str, size: u64, crc: u32) -> Option<Frame> {
    let name_length = u16::try_from(name.len()).ok()?;
    let size = u32::try_from(size).ok()?;
    let mut before = Fields(b"PK\x03\x04".to_vec());
    before.put_16(&[VERSION, 0, STORED, TIME, DATE]);
    before.put_32(&[crc, size, size]);
    before.put_16(&[name_length, 0]);
    before.0.extend_from_slice(name.as_bytes());

    let mut after = Fields(b"PK\x01\x02".to_vec());
    after.put_16(&[MADE_BY, VERSION, 0, STORED, TIME, DATE]);
    after.put_32(&[crc, size, size]);
    after.put_16(&[name_length, 0, 0, 0, 0]);
    after.put_32(&[RIGHTS, 0]);
    after.0.extend_from_slice(name.as_bytes());

    let directory_length = u32::try_from(after.0.len()).ok()?;
    let directory_begin = u32::try_from(before.0.len()).ok()?.checked_add(size)?;
    after.0.extend_from_slice(b"PK\x05\x06");
    after.put_16(&[0, 0, 1, 1]);
    after.put_32(&[directory_length, directory_begin]);
    after.put_16(&[0]);
    Some(Frame { before: before.0.into(), after: after.0.into() })
}

/// Numbers of a zip, one after the other.
struct Fields(Vec<u8>);

impl Fields {
    fn put_16(&mut self, numbers: &[u16]) {
        self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    fn put_32(&mut self, numbers: &[u32]) {
        self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use proptest::prelude::*;

    use super::*;

    fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let Frame { before, after } = frame(name, content.len() as u64, crc.sum()).unwrap();
        [&before, content, &after].concat()
    }

    proptest! {
        /// A reader that was written by others finds the file, its rights, and nothing else.
        #[test]
        fn a_zip_reader_reads_it_back(
            name in "[a-z][a-z0-9.-]{0,30}", content in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let mut archive = zip::ZipArchive::new(Cursor::new(zip_of(&name, &content))).unwrap();
            prop_assert_eq!(archive.len(), 1);
            let mut file = archive.by_index(0).unwrap();
            prop_assert_eq!(file.name().unwrap(), name);
            prop_assert_eq!(file.unix_mode(), Some(0o100_755));
            prop_assert_eq!(file.compression(), zip::CompressionMethod::Stored);
            prop_assert_eq!(file.size(), content.len() as u64);
            // The reader compares the CRC at the end.
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, content);
        }
    }

    /// Another zip of the same file would have another digest: whoever pinned it would be turned away.
    #[test]
    fn it_never_changes() {
        let digest = crate::core::model::Digest::sha256_of(&zip_of("consul", b"#!/bin/sh\n"));
        assert_eq!(digest.hex(), "995f448f565c3255b8467c51a2110d776f5b705fd94b817b8d6e7dba223618ab");
    }

    #[test]
    fn four_gigabytes_are_too_many() {
        assert!(frame("x", u64::from(u32::MAX), 0).is_none());
        assert!(frame("x", u64::from(u32::MAX) - 31, 0).is_some());
        assert!(frame("x", u64::from(u32::MAX) + 1, 0).is_none());
    }
}
