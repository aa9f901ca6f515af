//! The initial state of Nomad's client: it has registered before.
//!
//! A server refuses a client's first registration until it has keys, a moment after it became the leader. The client then
//! waits 15 to 30 s. A client that has registered before is refused too while the server does not know it, but it sends other
//! requests meanwhile, and tries again as soon as one is answered. So a new client starts with the state of one that has
//! registered: it is refused once, and tries again when [`super::nomad`] has seen the keys.
//!
//! Nomad keeps its state in a bbolt file. This file has the two necessary buckets, on the leaf page of its root.

use std::os::unix::fs::DirBuilderExt as _;

use camino::Utf8Path;
use fs_err as fs;

use crate::core::failure::{Failure, Result};

const PAGE: usize = 4096;

const LEAF: u16 = 0x02;
const META: u16 = 0x04;
const FREE_LIST: u16 = 0x10;

/// Which page has what.
const FREE_LIST_PAGE: u64 = 2;
const ROOT_PAGE: u64 = 3;
const PAGES: u64 = 4;

/// `{"HasRegistered": true}`, as Nomad packs it.
const HAS_REGISTERED: &[u8] = b"\x81\xadHasRegistered\xc3";

/// Writes the state into Nomad's data folder, unless there is one.
pub(super) fn ensure(data: &Utf8Path) -> Result<()> {
    let folder = data.join("client");
    let path = folder.join("state.db");
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(data)?;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&folder)
        .map_err(|error| Failure::failed(format!("cannot create {folder}")).seen(&error))?;
    let new = folder.join("state.db.new");
    fs::write(&new, file())?;
    Ok(fs::rename(new, path)?)
}

fn file() -> Vec<u8> {
    let buckets = [
        Entry { key: b"meta", value: bucket(b"version", b"3"), is_bucket: true },
        Entry { key: b"node", value: bucket(b"node_registration", HAS_REGISTERED), is_bucket: true },
    ];
    let pages = [
        page(0, META, 0, &meta(0)),
        page(1, META, 0, &meta(1)),
        page(FREE_LIST_PAGE, FREE_LIST, 0, &[]),
        page(ROOT_PAGE, LEAF, 2, &leaf(&buckets)),
    ];
    let mut file = Vec::with_capacity(PAGE * pages.len());
    for (number, page) in pages.iter().enumerate() {
        file.extend_from_slice(page);
        file.resize(PAGE * (number + 1), 0);
    }
    file
}

/// A meta page: where the root and the free list are. The page with the higher transaction counts.
fn meta(transaction: u64) -> Vec<u8> {
    const MAGIC: usize = 0xED0C_DAED;
    const VERSION: usize = 2;
    let mut meta = Vec::new();
    for value in [MAGIC, VERSION, PAGE, 0] {
        meta.extend_from_slice(&value.to_le_bytes()[..4]);
    }
    let root_sequence = 0;
    for value in [ROOT_PAGE, root_sequence, FREE_LIST_PAGE, PAGES, transaction] {
        meta.extend(value.to_le_bytes());
    }
    let checksum = fnv_1a(&meta);
    meta.extend(checksum.to_le_bytes());
    meta
}

struct Entry {
    key: &'static [u8],
    value: Vec<u8>,
    is_bucket: bool,
}

/// An inline bucket with one entry: its page follows its header.
fn bucket(key: &'static [u8], value: &[u8]) -> Vec<u8> {
    let (no_page_of_its_own, sequence) = (0_u64, 0_u64);
    let entry = Entry { key, value: value.to_vec(), is_bucket: false };
    let page = page(0, LEAF, 1, &leaf(&[entry]));
    [&no_page_of_its_own.to_le_bytes()[..], &sequence.to_le_bytes(), &page].concat()
}

fn page(id: u64, kind: u16, count: u16, body: &[u8]) -> Vec<u8> {
    let more_pages = 0_u32;
    [&id.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &more_pages.to_le_bytes(), body]
        .concat()
}

/// The offsets of the entries, each relative to its own element, and then all keys and values.
fn leaf(entries: &[Entry]) -> Vec<u8> {
    const ELEMENT: usize = 16;
    let (mut elements, mut content) = (Vec::new(), Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        let place = ELEMENT * (entries.len() - index) + content.len();
        for value in [usize::from(entry.is_bucket), place, entry.key.len(), entry.value.len()] {
            elements.extend_from_slice(&value.to_le_bytes()[..4]);
        }
        content.extend_from_slice(entry.key);
        content.extend_from_slice(&entry.value);
    }
    [elements, content].concat()
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(START, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use camino::Utf8PathBuf;

    use super::*;

    fn number(bytes: &[u8], at: usize, size: usize) -> usize {
        let mut whole = [0; 8];
        whole[..size].copy_from_slice(&bytes[at..at + size]);
        usize::try_from(u64::from_le_bytes(whole)).unwrap()
    }

    /// Keys and values of a leaf page, as bbolt reads them.
    fn entries(page: &[u8]) -> Vec<(&[u8], &[u8])> {
        assert_eq!(number(page, 8, 2), usize::from(LEAF));
        let entry = |index| {
            let at = 16 + 16 * index;
            let key = at + number(page, at + 4, 4);
            let value = key + number(page, at + 8, 4);
            (&page[key..value], &page[value..value + number(page, at + 12, 4)])
        };
        (0..number(page, 10, 2)).map(entry).collect()
    }

    #[test]
    fn what_nomad_looks_for_is_where_bbolt_looks() {
        let file = file();
        assert_eq!(file.len(), 4 * PAGE);
        for (transaction, page) in file.chunks(PAGE).take(2).enumerate() {
            let meta = &page[16..80];
            assert_eq!(number(meta, 48, 8), transaction);
            assert_eq!(meta[56..], fnv_1a(&meta[..56]).to_le_bytes());
            assert_eq!([number(meta, 16, 8), number(meta, 32, 8), number(meta, 40, 8)], [3, 2, 4]);
        }
        let buckets = entries(&file[3 * PAGE..]);
        let within = |bucket: usize| entries(&buckets[bucket].1[16..]);
        assert_eq!([buckets[0].0, buckets[1].0], [&b"meta"[..], b"node"]);
        assert_eq!(within(0), [(&b"version"[..], &b"3"[..])]);
        assert_eq!(within(1), [(&b"node_registration"[..], HAS_REGISTERED)]);
    }

    #[test]
    fn checksums_are_those_of_the_function_s_authors() {
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_client_s_own_state_is_not_touched() {
        let temporary = tempfile::tempdir().unwrap();
        let data = Utf8PathBuf::from_path_buf(temporary.path().join("nomad")).unwrap();
        ensure(&data).unwrap();
        let state = data.join("client/state.db");
        assert_eq!(std::fs::read(&state).unwrap(), file());
        let folder = std::fs::metadata(data.join("client")).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        std::fs::write(&state, "the client's").unwrap();
        ensure(&data).unwrap();
        assert_eq!(std::fs::read_to_string(&state).unwrap(), "the client's");
    }
}
