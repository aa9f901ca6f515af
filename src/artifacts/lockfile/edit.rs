//! Edits `deps.lock` in place. Comments, order and spacing stay.

use serde::Serialize;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Key, Table, Value};

use super::{Image, ImagePin, Lock, LockedFile};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

/// The kind of a change to an image, instead of a source's kind.
pub(crate) const IMAGE: &str = "image";

/// A value in the lock that differs from the measured one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// The name of the artifact or image.
    pub artifact: ArtifactName,
    /// The source's platform.
    pub platform: Platform,
    /// The kind of the source; `image` for an image.
    pub kind: &'static str,
    /// The file; `None` for a value of the source or image itself.
    pub file: Option<FileName>,
    /// The name of the value.
    pub field: &'static str,
    /// The value in the lock.
    pub old: String,
    /// The measured value.
    pub new: String,
}

impl Change {
    /// The name of the changed value, with artifact, platform, kind and file.
    pub(crate) fn label(&self) -> String {
        let Self { artifact, platform, kind, field, .. } = self;
        match &self.file {
            Some(file) => format!("{artifact} {platform} {kind} {file} {field}"),
            None => format!("{artifact} {platform} {kind} {field}"),
        }
    }
}

/// The index of a source: of the artifact in the lock, and of the source in the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceIndex {
    pub(crate) artifact: usize,
    pub(crate) source: usize,
}

/// A lock's text that is being edited.
pub(crate) struct LockEdit {
    document: DocumentMut,
}

impl LockEdit {
    /// Parses the text of a valid lock.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self> {
        let document = text
            .parse()
            .map_err(|error| Failure::usage(format!("cannot edit {origin} in place")).seen(&error))?;
        Ok(Self { document })
    }

    /// The edited text.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Sets the digest and size of a file. Returns the changes.
    pub(crate) fn set_file(
        &mut self,
        lock: &Lock,
        index: SourceIndex,
        number: usize,
        digest: &Digest,
        size: u64,
    ) -> Result<Vec<Change>> {
        let file = file_at(lock, index, number)?;
        let change = |field, old: String, new: String| change(lock, index, Some(file), field, old, new);
        let mut changes = Vec::new();
        let table = table_at(source(&mut self.document, index)?, "file", number)?;
        if file.digest != *digest {
            let field = digest.algorithm().name();
            set(table, field, digest.hex().into());
            changes.push(change(field, file.digest.hex(), digest.hex())?);
        }
        if file.size.exact() != Some(size) {
            let value = i64::try_from(size)
                .map_err(|error| Failure::failed("the file is too large for deps.lock").seen(&error))?;
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

    /// Sets the digest of a Go wrapper.
    pub(crate) fn set_inputs(
        &mut self,
        lock: &Lock,
        index: SourceIndex,
        old: &Digest,
        new: &Digest,
    ) -> Result<Vec<Change>> {
        if old == new {
            return Ok(Vec::new());
        }
        set(source(&mut self.document, index)?, "inputs", new.to_string().into());
        Ok(vec![change(lock, index, None, "inputs", old.to_string(), new.to_string())?])
    }

    /// Sets the pin of an image. `number` is the index of the image in the lock.
    pub(crate) fn set_image_pin(
        &mut self,
        image: &Image,
        number: usize,
        pin: &ImagePin,
    ) -> Result<Vec<Change>> {
        let old = image.pin(pin.platform);
        if old == Some(pin) {
            return Ok(Vec::new());
        }
        let table = table_at(self.document.as_table_mut(), IMAGE, number)?;
        let pins = table
            .entry("pin")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or_else(|| missing_table("pin", number))?;
        let position = image.pins.iter().position(|known| known.platform == pin.platform);
        let position = position.unwrap_or_else(|| {
            pins.push(Table::new());
            pins.len() - 1
        });
        let table = pins.get_mut(position).ok_or_else(|| missing_table("pin", position))?;
        let now = pin_fields(pin);
        set(table, "platform", pin.platform.name().into());
        set(table, "sources", Array::from_iter(&pin.sources).into());
        set(table, "config", pin.config.hex().into());
        set(table, "manifest", pin.manifest.hex().into());
        set(table, "layers", layer_array(pin).into());
        let before = old.map(pin_fields).unwrap_or_default();
        Ok(now
            .into_iter()
            .enumerate()
            .map(|(at, (field, new))| Change {
                artifact: image.name.clone(),
                platform: pin.platform,
                kind: IMAGE,
                file: None,
                field,
                old: before.get(at).map_or_else(|| "not pinned".to_owned(), |(_, old)| old.clone()),
                new,
            })
            .filter(|change| change.old != change.new)
            .collect())
    }
}

/// The fields of an image's pin, as shown in changes.
fn pin_fields(pin: &ImagePin) -> Vec<(&'static str, String)> {
    let layers: Vec<String> = pin.layers.iter().map(Digest::short).collect();
    vec![
        ("sources", pin.sources.join(", ")),
        ("config", pin.config.hex()),
        ("manifest", pin.manifest.hex()),
        ("layers", layers.join(", ")),
    ]
}

/// The digests of the layers as an array with one line each.
fn layer_array(pin: &ImagePin) -> Array {
    let mut array = Array::new();
    for layer in &pin.layers {
        array.push_formatted(Value::from(layer.hex()).decorated("\n    ", ""));
    }
    array.set_trailing("\n");
    array.set_trailing_comma(true);
    array
}

fn change(
    lock: &Lock,
    index: SourceIndex,
    file: Option<&LockedFile>,
    field: &'static str,
    old: String,
    new: String,
) -> Result<Change> {
    let artifact =
        lock.artifacts.get(index.artifact).ok_or_else(|| missing_table("artifact", index.artifact))?;
    let source = artifact.sources.get(index.source).ok_or_else(|| missing_table("source", index.source))?;
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

fn file_at(lock: &Lock, index: SourceIndex, number: usize) -> Result<&LockedFile> {
    let source = lock.artifacts.get(index.artifact).and_then(|artifact| artifact.sources.get(index.source));
    source.and_then(|source| source.files.get(number)).ok_or_else(|| missing_table("file", number))
}

fn source(document: &mut DocumentMut, index: SourceIndex) -> Result<&mut Table> {
    table_at(table_at(document.as_table_mut(), "artifact", index.artifact)?, "source", index.source)
}

/// The table `[[name]]` with this index.
fn table_at<'a>(table: &'a mut Table, name: &str, number: usize) -> Result<&'a mut Table> {
    table
        .get_mut(name)
        .and_then(Item::as_array_of_tables_mut)
        .and_then(|tables| tables.get_mut(number))
        .ok_or_else(|| missing_table(name, number))
}

fn missing_table(name: &str, number: usize) -> Failure {
    Failure::usage(format!("the lock has no [[{name}]] table number {}", number + 1))
        .hint("write artifacts, sources and files as [[artifact]], [[artifact.source]] and [[artifact.source.file]]")
}

/// Replaces a value. Keeps the spaces and the comment around it.
fn set(table: &mut Table, key: &str, mut value: Value) {
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    table[key] = Item::Value(value);
}

/// Renames a key. Keeps its position.
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
    use crate::artifacts::lockfile::{EMBEDDED, SizeBound};

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

    const FIRST_SOURCE: SourceIndex = SourceIndex { artifact: 0, source: 0 };

    #[test]
    fn comments_and_order_are_kept() {
        let lock = Lock::parse(TEXT, "x").unwrap();
        let mut edit = LockEdit::parse(TEXT, "x").unwrap();
        let digest = Digest::sha256_of(b"a");
        let changes = edit.set_file(&lock, FIRST_SOURCE, 0, &digest, 7).unwrap();
        let shown: Vec<String> = changes
            .iter()
            .map(|change| format!("{}: {} -> {}", change.label(), change.old, change.new))
            .collect();
        let old = lock.artifacts[0].sources[0].files[0].digest.hex();
        assert_eq!(
            shown,
            [
                format!("tool linux-x86_64 url tool sha256: {old} -> {}", digest.hex()),
                "tool linux-x86_64 url tool size: at most 10 -> 7".to_owned(),
            ]
        );
        assert_eq!(edit.text(), TEXT.replace(&old, &digest.hex()).replace("size_limit = 10", "size = 7"));
        let again = Lock::parse(&edit.text(), "x").unwrap();
        assert_eq!(again.artifacts[0].sources[0].files[0].digest, digest);
    }

    /// Setting all values of the built-in lock to what they are does not change its text.
    #[test]
    fn setting_the_same_values_does_not_change_the_text() {
        let lock = Lock::parse(EMBEDDED, "x").unwrap();
        let mut edit = LockEdit::parse(EMBEDDED, "x").unwrap();
        for (artifact, entry) in lock.artifacts.iter().enumerate() {
            for (source, from) in entry.sources.iter().enumerate() {
                let index = SourceIndex { artifact, source };
                for (number, file) in from.files.iter().enumerate() {
                    if let SizeBound::Exact(size) = file.size {
                        let changes = edit.set_file(&lock, index, number, &file.digest, size.0).unwrap();
                        assert!(changes.is_empty(), "{changes:?}");
                    }
                }
            }
        }
        assert_eq!(edit.text(), EMBEDDED);
        let unknown = SourceIndex { artifact: 0, source: 99 };
        assert!(edit.set_file(&lock, unknown, 0, &Digest::sha256_of(b""), 1).is_err());
    }

    #[test]
    fn images_can_be_pinned_again_and_for_the_first_time() {
        let lock = Lock::parse(EMBEDDED, "x").unwrap();
        for (number, image) in lock.images.iter().enumerate() {
            let mut edit = LockEdit::parse(EMBEDDED, "x").unwrap();
            for pin in &image.pins {
                assert_eq!(edit.set_image_pin(image, number, pin).unwrap(), []);
            }
            assert_eq!(edit.text(), EMBEDDED);
            // A pin that is removed and set again has the same text.
            let Some(pin) = image.pins.last() else { continue };
            let pins = table_at(edit.document.as_table_mut(), IMAGE, number).unwrap();
            pins.get_mut("pin").unwrap().as_array_of_tables_mut().unwrap().remove(image.pins.len() - 1);
            let without = Lock::parse(&edit.text(), "x").unwrap();
            let changes = edit.set_image_pin(&without.images[number], number, pin).unwrap();
            assert!(changes.iter().all(|change| change.old == "not pinned"), "{changes:?}");
            assert_eq!(edit.text(), EMBEDDED);
            let newer = ImagePin { config: Digest::sha256_of(b"new"), ..pin.clone() };
            let changes = edit.set_image_pin(image, number, &newer).unwrap();
            let shown: Vec<String> = changes.iter().map(Change::label).collect();
            assert_eq!(shown, [format!("{} {} image config", image.name, pin.platform)]);
            assert_eq!(
                Lock::parse(&edit.text(), "x").unwrap().images[number].pin(pin.platform),
                Some(&newer)
            );
        }
    }

    #[test]
    fn every_file_can_be_changed_alone() {
        let lock = Lock::parse(EMBEDDED, "x").unwrap();
        for (artifact, entry) in lock.artifacts.iter().enumerate() {
            for (source, from) in entry.sources.iter().enumerate() {
                for number in 0..from.files.len() {
                    let mut edit = LockEdit::parse(EMBEDDED, "x").unwrap();
                    let index = SourceIndex { artifact, source };
                    let digest = match from.files[number].digest {
                        Digest::Sha256(_) => Digest::sha256_of(b"new"),
                        Digest::Sha512(_) => Digest::Sha512([7; 64]),
                    };
                    edit.set_file(&lock, index, number, &digest, 1).unwrap();
                    let changed = Lock::parse(&edit.text(), "x").unwrap();
                    let file = &changed.artifacts[artifact].sources[source].files[number];
                    assert_eq!((file.digest, file.size.exact()), (digest, Some(1)));
                    assert_eq!(edit.text().lines().count(), EMBEDDED.lines().count());
                }
            }
        }
    }
}
