//! Generates the zip archive around one file: the header before the file, and the directory after it.
//!
//! The file is stored without compression, so that `sendfile` can send it. Every field is fixed or follows from the
//! file, so the same file always has the same archive.
//!
//! The fields are those of PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.

use bytes::Bytes;

/// Version 1.0 of the format, without compression.
const VERSION: u16 = 10;
/// Made on Unix, so that readers use the file mode below.
const MADE_BY: u16 = 3 << 8 | VERSION;
const STORED: u16 = 0;
/// 1 January 1980, the earliest date in the format.
const DATE: u16 = 1 << 5 | 1;
const TIME: u16 = 0;
/// A regular file with mode 0755.
const MODE: u32 = 0o100_755 << 16;

/// The bytes before and after the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) before: Bytes,
    pub(super) after: Bytes,
}

/// The frame of a file with this name, size and CRC-32. `None` if the archive would be 4 GiB or larger.
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
    after.put_32(&[MODE, 0]);
    after.0.extend_from_slice(name.as_bytes());

    let directory_length = u32::try_from(after.0.len()).ok()?;
    let directory_begin = u32::try_from(before.0.len()).ok()?.checked_add(size)?;
    after.0.extend_from_slice(b"PK\x05\x06");
    after.put_16(&[0, 0, 1, 1]);
    after.put_32(&[directory_length, directory_begin]);
    after.put_16(&[0]);
    Some(Frame { before: before.0.into(), after: after.0.into() })
}

/// The fields of a header, in order.
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
        /// The zip crate reads the file, its mode, and nothing else.
        #[test]
        fn another_zip_reader_reads_the_archive(
            name in "[a-z][a-z0-9.-]{0,30}", content in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let mut archive = zip::ZipArchive::new(Cursor::new(zip_of(&name, &content))).unwrap();
            prop_assert_eq!(archive.len(), 1);
            let mut file = archive.by_index(0).unwrap();
            prop_assert_eq!(file.name().unwrap(), name);
            prop_assert_eq!(file.unix_mode(), Some(0o100_755));
            prop_assert_eq!(file.compression(), zip::CompressionMethod::Stored);
            prop_assert_eq!(file.size(), content.len() as u64);
            // The reader verifies the CRC at the end.
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, content);
        }
    }

    /// Clients may have pinned the digest of the archive.
    #[test]
    fn the_archive_of_a_file_never_changes() {
        let digest = crate::core::model::Digest::sha256_of(&zip_of("consul", b"#!/bin/sh\n"));
        assert_eq!(digest.hex(), "995f448f565c3255b8467c51a2110d776f5b705fd94b817b8d6e7dba223618ab");
    }

    #[test]
    fn an_archive_of_four_gigabytes_is_refused() {
        assert!(frame("x", u64::from(u32::MAX), 0).is_none());
        assert!(frame("x", u64::from(u32::MAX) - 31, 0).is_some());
        assert!(frame("x", u64::from(u32::MAX) + 1, 0).is_none());
    }
}
