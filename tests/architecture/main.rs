//! The structure that `src/lib.rs` draws, held against the imports: layers, circles, the length of files; and loops that sleep.
//!
//! There is no list of exceptions. Test code inside `src/` follows the same rules.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod circles;
mod names;
mod paths;
mod sleeps;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use names::Tree;

/// In lines.
const LONGEST_FILE: usize = 400;

/// One file of `src/` that names something in another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: PathBuf,
    line: usize,
    to: PathBuf,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: imports {}", self.from.display(), self.line, self.to.display())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, sorted, relative to the project's folder.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The files of `src/` with their texts.
fn sources() -> BTreeMap<PathBuf, String> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        (path, text)
    };
    rust_files("src").into_iter().map(read).collect()
}

/// The layers from the lowest to the highest, as `src/lib.rs` draws them.
fn layers() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let line = text.lines().find(|line| line.contains(" <- ")).unwrap();
    line.trim_start_matches("//!").split("<-").map(|name| name.trim().to_owned()).collect()
}

/// The layer of a file: its folder below `src/`, or for a file there its own name.
fn layer_of(file: &Path) -> String {
    let below = file.strip_prefix("src").unwrap();
    below.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn rank(layers: &[String], file: &Path) -> usize {
    let layer = layer_of(file);
    // `lib.rs` draws the layers and may name all of them.
    if layer == "lib" {
        return layers.len();
    }
    layers
        .iter()
        .position(|known| *known == layer)
        .unwrap_or_else(|| panic!("{} is in no layer", file.display()))
}

fn imports() -> Vec<Import> {
    let tree = Tree::of(&sources());
    tree.imports()
}

fn lines(problems: impl IntoIterator<Item = impl fmt::Display>) -> String {
    problems.into_iter().map(|problem| format!("\n  {problem}")).collect::<Vec<_>>().concat()
}

#[test]
fn every_folder_of_src_is_a_layer() {
    let mut drawn = layers();
    assert_eq!(drawn.pop().as_deref(), Some("main"), "main uses all layers");
    let mut folders: Vec<String> = std::fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "lib.rs" && name != "main.rs")
        .collect();
    folders.sort();
    drawn.sort();
    assert_eq!(folders, drawn, "src/ beside the layers that src/lib.rs draws");
}

#[test]
fn imports_run_from_higher_layers_to_lower_ones() {
    let layers = layers();
    let against: Vec<Import> = imports()
        .into_iter()
        .filter(|import| rank(&layers, &import.from) < rank(&layers, &import.to))
        .collect();
    assert!(against.is_empty(), "{} imports run upward:{}", against.len(), lines(against));
}

/// Siblings in each folder, a file or a folder each; what is inside a module is looked at in the module's own folder.
#[test]
fn no_modules_import_each_other_in_a_circle() {
    let imports = imports();
    let mut found = Vec::new();
    for folder in circles::folders(&imports) {
        found.extend(circles::among(&imports, |file| circles::module_in(&folder, file)));
    }
    assert!(found.is_empty(), "{} circles of modules:{}", found.len(), lines(found));
}

/// Each wait has a deadline and keeps its last observation, because `core::until` is the only loop that sleeps.
#[test]
fn no_loop_sleeps_outside_the_helper() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_files);
    let others = files.filter(|file| file != Path::new("src/core/until.rs"));
    let found: Vec<String> = others
        .flat_map(|file| {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            let lines = sleeps::in_loops(&text).into_iter();
            lines.map(move |line| format!("{}:{line}: a loop sleeps", file.display()))
        })
        .collect();
    assert!(found.is_empty(), "{} loops sleep; use core::until:{}", found.len(), lines(found));
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_files);
    let lengths = files.map(|file| {
        let length = std::fs::read_to_string(root().join(&file)).unwrap().lines().count();
        (file, length)
    });
    let long: Vec<String> = lengths
        .filter(|(_, length)| *length > LONGEST_FILE)
        .map(|(file, length)| format!("{}:{LONGEST_FILE}: the file has {length} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "files of more than {LONGEST_FILE} lines:{}", lines(long));
}
