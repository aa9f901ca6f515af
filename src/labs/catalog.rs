//! Finds labs: those in `labs` of the working directory, or else the built-in ones.

#[cfg(test)]
mod tests;

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use camino::Utf8Path;
use fs_err as fs;
use include_dir::{Dir, include_dir};

use super::Lab;
use super::read::FileError;
use crate::core::failure::{Failure, Result};
use crate::core::model::{Invalid, LabAddress, LabId};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/labs");

/// The limit of a lab's file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The labs of a working directory.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    unusable: Vec<Unusable>,
}

/// A folder with a `lab.toml` whose name is not a lab id.
#[derive(Debug)]
pub struct Unusable {
    /// The folder's name.
    pub folder: String,
    /// The reason.
    pub why: Failure,
}

#[derive(Debug)]
struct Entry {
    id: LabId,
    origin: String,
    files: Vec<(String, String)>,
    /// Files that cannot be read, with the reason.
    unread: Vec<(String, &'static str)>,
}

impl Catalog {
    /// The labs in `work_dir/labs` if there are any, or else the built-in ones. Sorted by number.
    pub fn find(work_dir: &Utf8Path) -> Result<Self> {
        let folder = work_dir.join("labs");
        let (mut entries, unusable) =
            if folder.is_dir() { read_folder(&folder)? } else { (Vec::new(), Vec::new()) };
        // Other projects may have a folder `labs` for something else.
        if entries.is_empty() {
            entries = built_in();
        }
        entries.sort_by_key(|entry| (number(&entry.id), entry.id.clone()));
        Ok(Self { entries, unusable })
    }

    /// Folders with a `lab.toml` that cannot be labs.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// The ids of all labs in order.
    pub fn ids(&self) -> impl Iterator<Item = &LabId> {
        self.entries.iter().map(|entry| &entry.id)
    }

    /// Reads a lab, by its id, its name or a unique prefix (`1`, `tcp-echo`), with its address filled in.
    pub fn lab(&self, name: &str, address: LabAddress) -> Result<Lab> {
        let entry = self.entry(name)?;
        let origin = format!("{}/lab.toml", entry.origin);
        let text = entry.file("lab.toml").ok_or_else(|| {
            let why = entry.why_unread("lab.toml").unwrap_or("is missing");
            Failure::usage(format!("{origin} {why}"))
        })?;
        let base = match base(text) {
            Some(base) => Some(self.exactly(&base).ok_or_else(|| {
                Failure::usage(format!("{origin}: base = {base:?}: no such lab"))
                    .hint("a base is a lab in the same `labs` folder")
            })?),
            None => None,
        };
        let find = |wanted: &str| match (entry.file(wanted), entry.why_unread(wanted)) {
            (Some(text), _) => Ok(text),
            (None, Some(why)) => Err(FileError::Unreadable { name: wanted.to_owned(), why }),
            (None, None) => {
                base.and_then(|base| base.file(wanted)).ok_or_else(|| FileError::Missing(wanted.to_owned()))
            }
        };
        Lab::parse(entry.id.clone(), text, &origin, address, find)
    }

    fn exactly(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id.as_str() == id)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        if let Some(exact) = self.exactly(name) {
            return Ok(exact);
        }
        if let Some(unusable) = self.unusable.iter().find(|unusable| unusable.folder == name) {
            return Err(unusable.why.clone());
        }
        // `1` means lab 1, never lab 10.
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let shortened = |id: &str| {
            let (number, slug) = id.split_once('-').unwrap_or((id, id));
            if is_number {
                number == name
            } else {
                !name.is_empty() && (id.starts_with(name) || slug.starts_with(name))
            }
        };
        let matching: Vec<&Entry> =
            self.entries.iter().filter(|entry| shortened(entry.id.as_str())).collect();
        match matching.as_slice() {
            [one] => Ok(one),
            [] => {
                let near = crate::core::nearest::nearest(name, self.ids().map(LabId::as_str));
                let failure = Failure::usage(format!("no lab {name:?}"));
                Err(match near {
                    Some(near) => failure.hint(format!("did you mean {near}? `meshlab lab list` shows all")),
                    None => failure.hint("`meshlab lab list` shows all labs"),
                })
            }
            several => {
                let names: Vec<&str> = several.iter().map(|entry| entry.id.as_str()).collect();
                Err(Failure::usage(format!("{name:?} is ambiguous: {}", names.join(" or ")))
                    .hint("use a longer prefix"))
            }
        }
    }
}

impl Entry {
    fn file(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(file, _)| file == name).map(|(_, text)| text.as_str())
    }

    fn why_unread(&self, name: &str) -> Option<&'static str> {
        self.unread.iter().find(|(file, _)| file == name).map(|(_, why)| *why)
    }
}

/// The value of `base` in a `lab.toml`. `None` if it cannot be parsed: [`Lab::parse`] reports the error.
fn base(definition: &str) -> Option<String> {
    let table: toml::Table = definition.parse().ok()?;
    table.get("base")?.as_str().map(str::to_owned)
}

/// The number for sorting: `10-x` comes after `2-y`, labs without a number come last.
fn number(id: &LabId) -> u32 {
    id.as_str().split('-').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)
}

fn built_in() -> Vec<Entry> {
    BUILT_IN
        .dirs()
        .filter_map(|folder| {
            let name = folder.path().file_name()?.to_str()?;
            let files = folder.files().filter_map(|file| {
                Some((file.path().file_name()?.to_str()?.to_owned(), file.contents_utf8()?.to_owned()))
            });
            Some(Entry {
                id: name.parse().ok()?,
                origin: format!("labs/{name} (built in)"),
                files: files.collect(),
                unread: Vec::new(),
            })
        })
        .collect()
}

fn read_folder(folder: &Utf8Path) -> Result<(Vec<Entry>, Vec<Unusable>)> {
    let (mut entries, mut unusable) = (Vec::new(), Vec::new());
    for lab in fs::read_dir(folder)? {
        let path = lab?.path();
        // `lab new` writes a lab under a hidden name first.
        let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        if is_hidden || !path.join("lab.toml").is_file() {
            continue;
        }
        match read_lab(&path) {
            Ok(entry) => entries.push(entry),
            Err(why) => {
                let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                unusable.push(Unusable { folder, why });
            }
        }
    }
    unusable.sort_by(|one, other| one.folder.cmp(&other.folder));
    Ok((entries, unusable))
}

fn read_lab(folder: &Path) -> Result<Entry> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let origin = folder.display().to_string();
    let id = name.parse().map_err(|invalid: Invalid| {
        Failure::usage(format!("{origin}: invalid lab id: {invalid}"))
            .hint("rename the folder, for example to 7-rate-limits")
    })?;
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for file in fs::read_dir(folder)? {
        let file = file?;
        // Files whose name is not UTF-8 do not belong to the lab.
        let Ok(name) = file.file_name().into_string() else { continue };
        match text_of(&file.path()) {
            Ok(Some(text)) => files.push((name, text)),
            Ok(None) => {}
            Err(why) => unread.push((name, why)),
        }
    }
    Ok(Entry { id, origin, files, unread })
}

/// The text of a file or of a link's target. `None` for a folder and the like. `Err` is the reason, as a predicate.
fn text_of(path: &Path) -> Result<Option<String>, &'static str> {
    let metadata = fs::metadata(path).map_err(|_| "cannot be read, or is a broken link")?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > MAX_FILE {
        return Err("is larger than 1 MiB");
    }
    let bytes = fs::read(path).map_err(|_| "cannot be read")?;
    String::from_utf8(bytes).map(Some).map_err(|_| "is not UTF-8 text")
}
