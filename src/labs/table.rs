//! TOML tables whose keys and values keep their position in the file, so that an error can point to them.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

/// An error in a `lab.toml`, and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabTomlError {
    /// Byte offset in the file.
    pub(super) at: usize,
    /// What was expected, and what was found.
    pub(super) what: String,
}

impl LabTomlError {
    pub(super) fn new(at: &Range<usize>, what: impl Into<String>) -> Self {
        Self { at: at.start, what: what.into() }
    }

    /// An error of the TOML parser. `whole` is the position if the parser gives none.
    fn of(error: &toml::de::Error, whole: &Range<usize>) -> Self {
        Self::new(&error.span().unwrap_or_else(|| whole.clone()), error.message().trim())
    }
}

/// A value and its position.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A table that is not deserialized yet.
#[derive(Debug)]
pub(super) struct Table<'a> {
    entries: DeTable<'a>,
    position: Range<usize>,
}

impl<'a> Table<'a> {
    /// Parses a file.
    pub(super) fn parse(text: &'a str) -> Result<Self, LabTomlError> {
        let root = DeTable::parse(text).map_err(|error| LabTomlError::of(&error, &(0..0)))?;
        Ok(Self { position: root.span(), entries: root.into_inner() })
    }

    /// The table that a value is.
    pub(super) fn of(value: Value<'a>) -> Result<Self, LabTomlError> {
        let position = value.span();
        match value.into_inner() {
            DeValue::Table(entries) => Ok(Self { entries, position }),
            other => {
                Err(LabTomlError::new(&position, format!("expected a table, found {}", other.type_str())))
            }
        }
    }

    /// The position of the table, or of its heading.
    pub(super) fn position(&self) -> &Range<usize> {
        &self.position
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The position of a key's value.
    pub(super) fn position_of(&self, key: &str) -> Option<Range<usize>> {
        self.entries.get(key).map(Spanned::span)
    }

    /// Replaces every text in the table. Positions do not change.
    pub(super) fn change_texts(&mut self, change: &impl Fn(&str) -> String) {
        change_texts_of(&mut self.entries, change);
    }

    /// Takes the values out of a list, and leaves an empty list. A value that is not a list stays: `read` rejects it.
    pub(super) fn take_list(&mut self, key: &str) -> Vec<Value<'a>> {
        match self.entries.get_mut(key).map(Spanned::get_mut) {
            Some(DeValue::Array(items)) => std::mem::replace(items, DeArray::new()).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Moves these keys into a new table.
    pub(super) fn take(&mut self, keys: &[&str]) -> Self {
        let taken = keys.iter().filter_map(|key| self.entries.remove_entry(*key)).collect();
        Self { entries: taken, position: self.position.clone() }
    }

    /// Turns the value `{ KEY = "NAME", ... }` of key `of` into `{ NAME = { ... } }`, which serde reads as an enum without
    /// losing positions.
    pub(super) fn put_name_first(&mut self, of: &str, key: &str) -> Result<(), LabTomlError> {
        let Some(value) = self.entries.get_mut(of) else { return Ok(()) };
        let position = value.span();
        let missing = || LabTomlError::new(&position, format!("missing field `{key}`"));
        let DeValue::Table(entries) = value.get_mut() else {
            let what = format!("expected {{ {key} = ... }}, found {}", value.get_ref().type_str());
            return Err(LabTomlError::new(&position, what));
        };
        let name = entries.remove(key).ok_or_else(missing)?;
        let at = name.span();
        let DeValue::String(name) = name.into_inner() else {
            return Err(LabTomlError::new(&at, format!("expected {key} = \"a name\"")));
        };
        let rest = Spanned::new(position, DeValue::Table(std::mem::take(entries)));
        entries.insert(Spanned::new(at, name), rest);
        Ok(())
    }

    /// Deserializes the table. An error points to the wrong key or value, or to the table if a key is missing.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, LabTomlError> {
        let value = Spanned::new(self.position.clone(), DeValue::Table(self.entries));
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| LabTomlError::of(&error, &self.position))
    }
}

fn change_texts_of(entries: &mut DeTable<'_>, change: &impl Fn(&str) -> String) {
    for (_, value) in entries.iter_mut() {
        change_texts_in(value.get_mut(), change);
    }
}

fn change_texts_in(value: &mut DeValue<'_>, change: &impl Fn(&str) -> String) {
    match value {
        DeValue::String(text) => *text = change(text).into(),
        DeValue::Array(items) => items.iter_mut().for_each(|item| change_texts_in(item.get_mut(), change)),
        DeValue::Table(entries) => change_texts_of(entries, change),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
