//! `deps.lock` changed in place: comments, order and spacing stay as a person wrote them.

use serde::Serialize;
use toml_edit::{DocumentMut, Item, Key, Table, Value};

use super::{Lock, LockedFile};
use crate::failure::{Failure, Result};
use crate::model::{ArtifactName, Digest, FileName, Platform};

/// One value that differs from what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The artifact.
    pub artifact: ArtifactName,
    /// The source's platform.
    pub platform: Platform,
    /// The source's kind.
    pub kind: &'static str,
    /// The file; `None` for a value of the source itself.
    pub file: Option<FileName>,
    /// Which value.
    pub field: &'static str,
    /// What the lock said.
    pub old: String,
    /// What was measured.
    pub new: String,
}

impl Change {
    /// What changes, in one line.
    pub fn place(&self) -> String {
        let Self { artifact, platform, kind, field, .. } = self;
        match &self.file {
            Some(file) => format!("{artifact} {platform} {kind} {file} {field}"),
            None => format!("{artifact} {platform} {kind} {field}"),
        }
    }
}

/// A source: the artifact's place in the lock, and the source's place in the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourcePlace {
    pub(crate) artifact: usize,
    pub(crate) source: usize,
}

/// The text of a lock, with its values.
pub(crate) struct LockEdit {
    document: DocumentMut,
}

impl LockEdit {
    /// Reads a lock that [`Lock::parse`] found good.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self> {
        let document = text
            .parse()
            .map_err(|error| Failure::usage(format!("{origin} cannot be changed in place")).seen(&error))?;
        Ok(Self { document })
    }

    /// The text with all changes.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Writes what a file was measured to be, and says what changed by that.
    pub(crate) fn set_file(
        &mut self,
        lock: &Lock,
        place: SourcePlace,
        number: usize,
        digest: &Digest,
        size: u64,
    ) -> Result<Vec<Change>> {
        let file = file_of(lock, place, number)?;
        let change = |field, old: String, new: String| change(lock, place, Some(file), field, old, new);
        let mut changes = Vec::new();
        let table = tables(source(&mut self.document, place)?, "file", number)?;
        if file.digest != *digest {
            let field = digest.algorithm().name();
            set(table, field, digest.hex().into());
            changes.push(change(field, file.digest.hex(), digest.hex())?);
        }
        if file.size.exact() != Some(size) {
            let value =
                i64::try_from(size).map_err(|error| Failure::failed("too large a file").seen(&error))?;
            let old = match file.size.exact() {
                Some(size) => size.to_string(),
                None => format!("at most {}", file.size.limit()),
            };
            rename(table, "size_limit", "size");
            set(table, "size", value.into());
            changes.push(change("size", old, size.to_string())?);
        }
        Ok(changes)
    }

    /// Writes the digest of a Go wrapper.
    pub(crate) fn set_inputs(
        &mut self,
        lock: &Lock,
        place: SourcePlace,
        old: &Digest,
        new: &Digest,
    ) -> Result<Vec<Change>> {
        if old == new {
            return Ok(Vec::new());
        }
        set(source(&mut self.document, place)?, "inputs", new.to_string().into());
        Ok(vec![change(lock, place, None, "inputs", old.to_string(), new.to_string())?])
    }
}

fn change(
    lock: &Lock,
    place: SourcePlace,
    file: Option<&LockedFile>,
    field: &'static str,
    old: String,
    new: String,
) -> Result<Change> {
    let artifact = lock.artifacts.get(place.artifact).ok_or_else(|| gone("artifact", place.artifact))?;
    let source = artifact.sources.get(place.source).ok_or_else(|| gone("source", place.source))?;
    Ok(Change {
        artifact: artifact.name.clone(),
        platform: source.platform,
        kind: source.kind.name(),
        file: file.map(|file| file.name.clone()),
        field,
        old,
        new,
    })
}

fn file_of(lock: &Lock, place: SourcePlace, number: usize) -> Result<&LockedFile> {
    let source = lock.artifacts.get(place.artifact).and_then(|artifact| artifact.sources.get(place.source));
    source.and_then(|source| source.files.get(number)).ok_or_else(|| gone("file", number))
}

fn source(document: &mut DocumentMut, place: SourcePlace) -> Result<&mut Table> {
    tables(tables(document.as_table_mut(), "artifact", place.artifact)?, "source", place.source)
}

/// The table with this number of `[[name]]`.
fn tables<'a>(table: &'a mut Table, name: &str, number: usize) -> Result<&'a mut Table> {
    table
        .get_mut(name)
        .and_then(Item::as_array_of_tables_mut)
        .and_then(|tables| tables.get_mut(number))
        .ok_or_else(|| gone(name, number))
}

fn gone(name: &str, number: usize) -> Failure {
    Failure::usage(format!("the lock has no {name} table number {}", number + 1))
        .hint("write artifacts, sources and files as [[artifact]], [[artifact.source]] and [[artifact.source.file]]")
}

/// Replaces a value and leaves the spaces and the comment around it.
fn set(table: &mut Table, key: &str, mut value: Value) {
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    table[key] = Item::Value(value);
}

/// Gives a key another name at the same place.
fn rename(table: &mut Table, from: &str, to: &str) {
    if !table.contains_key(from) {
        return;
    }
    let entries: Vec<(Key, Item)> =
        table.iter().filter_map(|(name, item)| Some((table.key(name)?.clone(), item.clone()))).collect();
    table.clear();
    for (key, item) in entries {
        if key.get() == from {
            let renamed = Key::new(to).with_leaf_decor(key.leaf_decor().clone());
            table.insert_formatted(&renamed, item);
        } else {
            table.insert_formatted(&key, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::{EMBEDDED, SizeBound};

    const TEXT: &str = r#"# at the top
version = 1

# what it is for
[[artifact]]
name = "tool"
version = "1.0"   # the last one
license = "MIT"
summary = "a tool"
commands = { tool = "tool" }

[[artifact.source]]
kind = "url"
platform = "linux-x86_64"

[[artifact.source.file]]
url = "https://example.org/tool"
# published, never compared
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" # empty
size_limit = 10 # never measured
install = "tool"
"#;

    const PLACE: SourcePlace = SourcePlace { artifact: 0, source: 0 };

    #[test]
    fn comments_and_order_stay() {
        let lock = Lock::parse(TEXT, "x").unwrap();
        let mut edit = LockEdit::parse(TEXT, "x").unwrap();
        let digest = Digest::sha256_of(b"a");
        let changes = edit.set_file(&lock, PLACE, 0, &digest, 7).unwrap();
        let told: Vec<String> = changes
            .iter()
            .map(|change| format!("{}: {} -> {}", change.place(), change.old, change.new))
            .collect();
        let old = lock.artifacts[0].sources[0].files[0].digest.hex();
        assert_eq!(
            told,
            [
                format!("tool linux-x86_64 url tool sha256: {old} -> {}", digest.hex()),
                "tool linux-x86_64 url tool size: at most 10 -> 7".to_owned(),
            ]
        );
        assert_eq!(edit.text(), TEXT.replace(&old, &digest.hex()).replace("size_limit = 10", "size = 7"));
        let again = Lock::parse(&edit.text(), "x").unwrap();
        assert_eq!(again.artifacts[0].sources[0].files[0].digest, digest);
    }

    /// Writing what is there already changes nothing, down to the byte, in the real lock.
    #[test]
    fn the_real_lock_survives() {
        let lock = Lock::parse(EMBEDDED, "x").unwrap();
        let mut edit = LockEdit::parse(EMBEDDED, "x").unwrap();
        for (artifact, entry) in lock.artifacts.iter().enumerate() {
            for (source, from) in entry.sources.iter().enumerate() {
                let place = SourcePlace { artifact, source };
                for (number, file) in from.files.iter().enumerate() {
                    if let SizeBound::Exact(size) = file.size {
                        let changes = edit.set_file(&lock, place, number, &file.digest, size.0).unwrap();
                        assert!(changes.is_empty(), "{changes:?}");
                    }
                }
            }
        }
        assert_eq!(edit.text(), EMBEDDED);
        let far = SourcePlace { artifact: 0, source: 99 };
        assert!(edit.set_file(&lock, far, 0, &Digest::sha256_of(b""), 1).is_err());
    }

    #[test]
    fn every_file_of_the_real_lock_can_be_changed_alone() {
        let lock = Lock::parse(EMBEDDED, "x").unwrap();
        for (artifact, entry) in lock.artifacts.iter().enumerate() {
            for (source, from) in entry.sources.iter().enumerate() {
                for number in 0..from.files.len() {
                    let mut edit = LockEdit::parse(EMBEDDED, "x").unwrap();
                    let place = SourcePlace { artifact, source };
                    let digest = match from.files[number].digest {
                        Digest::Sha256(_) => Digest::sha256_of(b"new"),
                        Digest::Sha512(_) => Digest::Sha512([7; 64]),
                    };
                    edit.set_file(&lock, place, number, &digest, 1).unwrap();
                    let changed = Lock::parse(&edit.text(), "x").unwrap();
                    let file = &changed.artifacts[artifact].sources[source].files[number];
                    assert_eq!((file.digest, file.size.exact()), (digest, Some(1)));
                    assert_eq!(edit.text().lines().count(), EMBEDDED.lines().count());
                }
            }
        }
    }
}
