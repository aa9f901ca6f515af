//! The body of a response: bytes in memory, a part of a file, or a file between two pieces of memory. The file is not
//! read into memory.

use std::fs::File;

use bytes::Bytes;

/// A body: `before`, then the part of the file, then `after`.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) before: Bytes,
    pub(super) file: Option<FilePart>,
    pub(super) after: Bytes,
}

/// A part of a file, from offset `first`.
#[derive(Debug)]
pub(super) struct FilePart {
    pub(super) file: File,
    pub(super) first: u64,
    pub(super) length: u64,
}

impl Body {
    /// The whole of a file.
    pub(super) fn file(file: File, length: u64) -> Self {
        let file = Some(FilePart { file, first: 0, length });
        Self { file, ..Self::default() }
    }

    /// The length in bytes.
    pub(super) fn length(&self) -> u64 {
        let file = self.file.as_ref().map_or(0, |part| part.length);
        self.before.len() as u64 + file + self.after.len() as u64
    }

    /// Cuts out `length` bytes from offset `first`, or fewer if the body is shorter.
    #[must_use]
    pub(super) fn part(mut self, first: u64, length: u64) -> Self {
        let end = first.saturating_add(length);
        let mut begin = 0;
        // The range to keep of a piece with this length, as offsets in the piece.
        let mut cut = |length: u64| {
            let from = first.saturating_sub(begin).min(length);
            let to = end.saturating_sub(begin).min(length).max(from);
            begin += length;
            (from, to)
        };
        let slice = |bytes: &Bytes, (from, to): (u64, u64)| {
            // Both offsets are within the piece, which is in memory.
            let index = |place| usize::try_from(place).unwrap_or(bytes.len());
            bytes.slice(index(from)..index(to))
        };
        self.before = slice(&self.before, cut(self.before.len() as u64));
        self.file = self.file.and_then(|FilePart { file, first, length }| {
            let (from, to) = cut(length);
            (to > from).then_some(FilePart { file, first: first + from, length: to - from })
        });
        self.after = slice(&self.after, cut(self.after.len() as u64));
        self
    }
}

impl From<Bytes> for Body {
    fn from(before: Bytes) -> Self {
        Self { before, ..Self::default() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(before: Vec<u8>) -> Self {
        Self::from(Bytes::from(before))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    use proptest::prelude::*;

    use super::*;

    fn bytes_of(content: &Body) -> Vec<u8> {
        let mut bytes = content.before.to_vec();
        if let Some(part) = &content.file {
            let mut read = vec![0; usize::try_from(part.length).unwrap()];
            part.file.read_exact_at(&mut read, part.first).unwrap();
            bytes.extend(read);
        }
        bytes.extend_from_slice(&content.after);
        bytes
    }

    proptest! {
        /// A part has the same bytes as the same range of the concatenated pieces, also for a part of a part.
        #[test]
        fn a_part_has_the_bytes_of_its_range(
            pieces in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..6)),
            cuts in prop::array::uniform2((0_u64..20, 0_u64..20)),
        ) {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&pieces[1]).unwrap();
            let length = pieces[1].len() as u64;
            let mut content = Body {
                before: pieces[0].clone().into(),
                file: Some(FilePart { file, first: 0, length }),
                after: pieces[2].clone().into(),
            };
            let mut whole = pieces.concat();
            prop_assert_eq!(content.length(), whole.len() as u64);
            for (first, length) in cuts {
                let index = |place: u64| usize::try_from(place).unwrap().min(whole.len());
                whole = whole[index(first)..index(first + length)].to_vec();
                content = content.part(first, length);
                prop_assert_eq!(content.length(), whole.len() as u64);
                prop_assert_eq!(bytes_of(&content), whole.clone());
            }
        }
    }
}
