//! Decompressors for what lies inside of `tar.gz`, `tar.xz` and deb, each checking its own checksums.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// How much compressed data is read at once.
const CHUNK: usize = 64 * 1024;
/// The biggest dictionary (xz) or window (zstd) that is taken; `xz -9` uses as much.
const MOST_MEMORY: u32 = 64 << 20;
/// What the xz decoder needs beside its dictionary, in KiB.
const XZ_OVERHEAD: u32 = 1024;

/// gzip, one or several members; at their end it compares CRC and length.
pub(super) fn gzip(file: impl Read) -> impl Read {
    MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file))
}

/// xz, with a bound on the dictionary; at the end of each block and stream it compares checksums and lengths.
pub(super) fn xz(file: impl Read) -> impl Read {
    let memory = MOST_MEMORY / 1024 + XZ_OVERHEAD;
    XzReader::new_mem_limit(BufReader::with_capacity(CHUNK, file), true, memory)
}

/// zstd, one frame, with a bound on the window.
pub(super) fn zstd(file: impl Read) -> io::Result<impl Read> {
    let source = BufReader::with_capacity(CHUNK, file);
    let decoder = StreamingDecoder::new_with_max_window_size(source, u64::from(MOST_MEMORY))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Zstd { decoder, checked: false })
}

/// ruzstd computes the frame's checksum and leaves it to its user to compare it.
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
