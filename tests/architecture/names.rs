//! Which file defines what a path names.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use super::Import;
use super::paths::{Path, Paths, paths};

/// How many re-exports are followed for one name.
const MOST_HOPS: usize = 8;

/// All modules of `src/`, by their paths below the crate.
#[derive(Debug)]
pub(super) struct Tree {
    modules: BTreeMap<Vec<String>, Module>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    paths: Paths,
}

impl Tree {
    /// Reads all files.
    pub(super) fn of(sources: &BTreeMap<PathBuf, String>) -> Self {
        let module = |(file, text): (&PathBuf, &String)| {
            (module_path(file), Module { file: file.clone(), paths: paths(text) })
        };
        Self { modules: sources.iter().map(module).collect() }
    }

    /// Every name that one file takes from another, once for each line.
    pub(super) fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        for (module, read) in &self.modules {
            for path in &read.paths.named {
                let Some(segments) = self.absolute(module, path) else { continue };
                let defined_in = self.file_of(&segments, path.name.as_deref() == Some("*"), MOST_HOPS);
                if let Some(to) = defined_in.filter(|to| *to != read.file) {
                    found.push(Import { from: read.file.clone(), line: path.line, to: to.to_owned() });
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// A path from the crate's root on; nothing if it leads out of the crate.
    fn absolute(&self, module: &[String], path: &Path) -> Option<Vec<String>> {
        let mut at = module.to_vec();
        // Inline modules have no file of their own: one `super` for each leads to the file's module.
        let mut inline = path.depth;
        let mut rest = path.segments.iter().map(String::as_str).peekable();
        match rest.peek().copied()? {
            "crate" | "meshlab" => {
                rest.next();
                at.clear();
            }
            "self" => {
                rest.next();
            }
            "super" => {
                while rest.next_if_eq(&"super").is_some() {
                    if inline > 0 {
                        inline -= 1;
                    } else {
                        at.pop()?;
                    }
                }
            }
            child if self.modules.contains_key(&joined(&at, child)) => {}
            _ => return None,
        }
        at.extend(rest.map(str::to_owned));
        Some(at)
    }

    /// The file that defines what an absolute path names, through re-exports.
    fn file_of(&self, segments: &[String], is_glob: bool, hops: usize) -> Option<&FilePath> {
        let longest =
            (0..=segments.len()).rev().find(|length| self.modules.contains_key(&segments[..*length]))?;
        let (module, item) = (&segments[..longest], segments.get(longest));
        let read = &self.modules[module];
        let Some(item) = item.filter(|_| hops > 0) else { return Some(&read.file) };
        if is_glob || read.paths.defined.contains(item) {
            return Some(&read.file);
        }
        let outer = read.paths.named.iter().filter(|path| path.depth == 0);
        let by_name =
            |path: &&Path| path.name.as_ref() == Some(item) && path.segments.last() != path.segments.first();
        if let Some(target) = outer.clone().find(by_name).and_then(|path| self.absolute(module, path))
            && let Some(file) = self.file_of(&target, false, hops - 1)
        {
            return Some(file);
        }
        for glob in outer.filter(|path| path.name.as_deref() == Some("*")) {
            if let Some(mut target) = self.absolute(module, glob)
                && self.modules.get(&target).is_some_and(|module| module.paths.defined.contains(item))
            {
                target.push(item.clone());
                return self.file_of(&target, false, hops - 1);
            }
        }
        Some(&read.file)
    }
}

fn joined(module: &[String], child: &str) -> Vec<String> {
    [module, &[child.to_owned()]].concat()
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are both `a::b`; `src/lib.rs` is the crate's root.
fn module_path(file: &FilePath) -> Vec<String> {
    let below = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let mut path: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}

#[test]
fn names_are_found_where_they_are_defined() {
    let files = [
        ("src/lib.rs", "pub mod a;"),
        ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::*; pub struct A;"),
        ("src/a/b.rs", "use super::A; pub struct B; mod tests { use super::*; use super::super::C; }"),
        ("src/a/c.rs", "pub struct C; fn f() { crate::a::B; }"),
    ];
    let sources = files.map(|(file, text)| (PathBuf::from(file), text.to_owned())).into();
    let shown: Vec<String> = Tree::of(&sources).imports().iter().map(ToString::to_string).collect();
    let expected = [
        "src/a/b.rs:1: imports src/a/c.rs",
        "src/a/b.rs:1: imports src/a/mod.rs",
        "src/a/c.rs:1: imports src/a/b.rs",
        "src/a/mod.rs:1: imports src/a/b.rs",
        "src/a/mod.rs:1: imports src/a/c.rs",
    ];
    assert_eq!(shown, expected);
}
