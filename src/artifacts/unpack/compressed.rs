//! Decompressors for gzip, xz and zstd. Each verifies the checksums of its format.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// The size of reads, in bytes.
const CHUNK: usize = 64 * 1024;
/// The largest dictionary (xz) or window (zstd) in bytes, as much as `xz -9` uses.
const MAX_WINDOW: u32 = 64 << 20;
/// The memory of the xz decoder without its dictionary, in KiB.
const XZ_OVERHEAD: u32 = 1024;

/// Decompresses gzip with one or more members, and verifies CRC and length of each.
pub(super) fn gzip(file: impl Read) -> impl Read {
    MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file))
}

/// Decompresses xz with a limit on the dictionary, and verifies checksums and lengths.
pub(super) fn xz(file: impl Read) -> impl Read {
    let memory = MAX_WINDOW / 1024 + XZ_OVERHEAD;
    XzReader::new_mem_limit(BufReader::with_capacity(CHUNK, file), true, memory)
}

/// Decompresses one zstd frame with a limit on the window, and verifies its checksum.
pub(super) fn zstd(file: impl Read) -> io::Result<impl Read> {
    let source = BufReader::with_capacity(CHUNK, file);
    let decoder = StreamingDecoder::new_with_max_window_size(source, u64::from(MAX_WINDOW))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Zstd { decoder, checked: false })
}

/// Verifies the frame's checksum, which ruzstd computes but does not compare.
struct Zstd<R: Read> {
    decoder: StreamingDecoder<R, ruzstd::decoding::FrameDecoder>,
    checked: bool,
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.decoder.read(into)?;
        if length == 0 && !into.is_empty() && !self.checked {
            self.checked = true;
            let frame = &self.decoder.decoder;
            if frame.get_checksum_from_data().is_some_and(|sum| frame.get_calculated_checksum() != Some(sum))
            {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "zstd: the checksum does not match"));
            }
            if self.decoder.get_mut().read(&mut [0])? != 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "zstd: more data after the frame"));
            }
        }
        Ok(length)
    }
}
