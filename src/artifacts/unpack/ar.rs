//! The outer layer of a Debian package: a plain `ar` archive. Own code, because the crate for it panics and allocates
//! on what a header claims; the format is sixty bytes.

use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// A member: its name, without filling, and its length.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Walks over members.
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
            return Err(invalid("no Debian package (ar: another beginning)"));
        }
        Ok(Self { file, next: MAGIC.len() as u64, length })
    }

    /// The next member; its bytes come from [`Self::content`].
    pub(super) fn next(&mut self) -> io::Result<Option<Header>> {
        if self.next == self.length {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(self.next))?;
        let mut header = [0; HEADER];
        self.file.read_exact(&mut header)?;
        if &header[58..] != b"`\n" {
            return Err(invalid("ar: a header without its end mark"));
        }
        let field =
            |bytes: &[u8]| std::str::from_utf8(bytes).map(|text| text.trim_end_matches(' ').to_owned());
        let name = field(&header[..16]).map_err(|_| invalid("ar: a name that is not UTF-8"))?;
        let size = field(&header[48..58])
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u64>().ok())
            .ok_or_else(|| invalid("ar: a size that is no number"))?;
        let begin = self.next + HEADER as u64;
        let end = begin + size;
        if end > self.length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("ar: {name} is cut")));
        }
        // Members begin at even places; the filling of the last one may be left out.
        self.next = (end + end % 2).min(self.length);
        Ok(Some(Header { name: name.strip_suffix('/').unwrap_or(&name).to_owned(), size }))
    }

    /// The bytes of the member whose header was just given.
    pub(super) fn content(&mut self, header: &Header) -> impl Read + '_ {
        self.file.by_ref().take(header.size)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
