//! Reads `ar` archives, the outer format of Debian packages. Written here because the `ar` crate panics on bad headers
//! and allocates as much as a header claims; the header is 60 bytes.

use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// The header of a member: name without padding, and length in bytes.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Reads members one after the other.
pub(super) struct Reader<F> {
    file: F,
    next: u64,
    length: u64,
}

impl<F: Read + Seek> Reader<F> {
    pub(super) fn new(mut file: F) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(invalid("not a Debian package (ar: wrong magic number)"));
        }
        Ok(Self { file, next: MAGIC.len() as u64, length })
    }

    /// The header of the next member. [`Self::content`] reads its bytes.
    pub(super) fn next(&mut self) -> io::Result<Option<Header>> {
        if self.next == self.length {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(self.next))?;
        let mut header = [0; HEADER];
        self.file.read_exact(&mut header)?;
        if &header[58..] != b"`\n" {
            return Err(invalid("ar: a header without end mark"));
        }
        let field =
            |bytes: &[u8]| std::str::from_utf8(bytes).map(|text| text.trim_end_matches(' ').to_owned());
        let name = field(&header[..16]).map_err(|_| invalid("ar: a name that is not UTF-8"))?;
        let size = field(&header[48..58])
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u64>().ok())
            .ok_or_else(|| invalid("ar: a size that is not a number"))?;
        let begin = self.next + HEADER as u64;
        let end = begin + size;
        if end > self.length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("ar: {name} is truncated")));
        }
        // Members start at even offsets; the padding of the last one may be missing.
        self.next = (end + end % 2).min(self.length);
        Ok(Some(Header { name: name.strip_suffix('/').unwrap_or(&name).to_owned(), size }))
    }

    /// The bytes of the member whose header [`Self::next`] returned last.
    pub(super) fn content(&mut self, header: &Header) -> impl Read + '_ {
        self.file.by_ref().take(header.size)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
