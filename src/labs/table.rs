//! Tables of a definition as they were written: every key and value knows its place, so that an error can point to it.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

/// What is wrong in a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// The offset of its first byte.
    pub(super) at: usize,
    /// What was expected.
    pub(super) what: String,
}

impl Misplaced {
    pub(super) fn new(at: &Range<usize>, what: impl Into<String>) -> Self {
        Self { at: at.start, what: what.into() }
    }

    /// What TOML's reader says. `whole` is where it looked, for what it knows no better place of.
    fn of(error: &toml::de::Error, whole: &Range<usize>) -> Self {
        Self::new(&error.span().unwrap_or_else(|| whole.clone()), error.message().trim())
    }
}

/// A value and its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A table that is read once it is known what it is about.
#[derive(Debug)]
pub(super) struct Table<'a> {
    entries: DeTable<'a>,
    place: Range<usize>,
}

impl<'a> Table<'a> {
    /// A whole definition.
    pub(super) fn parse(text: &'a str) -> Result<Self, Misplaced> {
        let root = DeTable::parse(text).map_err(|error| Misplaced::of(&error, &(0..0)))?;
        Ok(Self { place: root.span(), entries: root.into_inner() })
    }

    /// A part of one.
    pub(super) fn of(value: Value<'a>) -> Result<Self, Misplaced> {
        let place = value.span();
        match value.into_inner() {
            DeValue::Table(entries) => Ok(Self { entries, place }),
            other => Err(Misplaced::new(&place, format!("expected a table, found {}", other.type_str()))),
        }
    }

    /// Where it begins and ends; for one under a heading, the heading.
    pub(super) fn place(&self) -> &Range<usize> {
        &self.place
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the value of a key is.
    pub(super) fn place_of(&self, key: &str) -> Option<Range<usize>> {
        self.entries.get(key).map(Spanned::span)
    }

    /// Changes every text in it. The places stay those of what was written.
    pub(super) fn change_texts(&mut self, change: &impl Fn(&str) -> String) {
        change_texts_of(&mut self.entries, change);
    }

    /// The values of a list, to be read one by one. An empty list stays, so that whoever reads the rest still finds it;
    /// what is no list stays as it is, for them to refuse it.
    pub(super) fn take_list(&mut self, key: &str) -> Vec<Value<'a>> {
        match self.entries.get_mut(key).map(Spanned::get_mut) {
            Some(DeValue::Array(items)) => std::mem::replace(items, DeArray::new()).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Moves some of the keys into a table of their own.
    pub(super) fn take(&mut self, keys: &[&str]) -> Self {
        let taken = keys.iter().filter_map(|key| self.entries.remove_entry(*key)).collect();
        Self { entries: taken, place: self.place.clone() }
    }

    /// Makes `{ KEY = "NAME", ... }` of a value into `{ NAME = { ... } }`. Serde reads the former only by way of a copy
    /// that has lost all places, the latter as it stands.
    pub(super) fn put_name_first(&mut self, of: &str, key: &str) -> Result<(), Misplaced> {
        let Some(value) = self.entries.get_mut(of) else { return Ok(()) };
        let place = value.span();
        let missing = || Misplaced::new(&place, format!("missing field `{key}`"));
        let DeValue::Table(entries) = value.get_mut() else {
            let what = format!("expected {{ {key} = ... }}, found {}", value.get_ref().type_str());
            return Err(Misplaced::new(&place, what));
        };
        let name = entries.remove(key).ok_or_else(missing)?;
        let at = name.span();
        let DeValue::String(name) = name.into_inner() else {
            return Err(Misplaced::new(&at, format!("expected {key} = \"a name\"")));
        };
        let rest = Spanned::new(place, DeValue::Table(std::mem::take(entries)));
        entries.insert(Spanned::new(at, name), rest);
        Ok(())
    }

    /// Reads it. An error points to the key or value that is wrong, or to the table for a key that is missing.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Misplaced> {
        let value = Spanned::new(self.place.clone(), DeValue::Table(self.entries));
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| Misplaced::of(&error, &self.place))
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
