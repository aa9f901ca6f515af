//! Rooms that import each other in a circle: files, or modules that are siblings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Import;

/// A description of each circle, with an import for each step of it. `room` says in which room a file is, if in any.
pub(super) fn among(imports: &[Import], room: impl Fn(&Path) -> Option<PathBuf>) -> Vec<String> {
    let mut edges: BTreeMap<PathBuf, BTreeMap<PathBuf, &Import>> = BTreeMap::new();
    for import in imports {
        if let (Some(from), Some(to)) = (room(&import.from), room(&import.to))
            && from != to
        {
            edges.entry(from).or_default().entry(to).or_insert(import);
        }
    }
    let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        edges.keys().map(|from| (from, reachable(&edges, from))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for (from, all) in &reached {
        if !all.contains(from) || told.contains(from) {
            continue;
        }
        let circle: BTreeSet<&PathBuf> = all
            .iter()
            .copied()
            .filter(|to| reached.get(to).is_some_and(|back| back.contains(from)))
            .collect();
        let ties = edges.iter().filter(|(from, _)| circle.contains(from));
        let ties = ties.flat_map(|(_, to)| to.iter().filter(|(to, _)| circle.contains(to)));
        let ties: Vec<String> = ties.map(|(_, import)| format!("\n    {import}")).collect();
        let names: Vec<String> = circle.iter().map(|room| room.display().to_string()).collect();
        found.push(format!("{}:{}", names.join(", "), ties.concat()));
        told.extend(circle);
    }
    found
}

fn reachable<'a>(
    edges: &'a BTreeMap<PathBuf, BTreeMap<PathBuf, &Import>>,
    from: &PathBuf,
) -> BTreeSet<&'a PathBuf> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&PathBuf> = edges[from].keys().collect();
    while let Some(room) = next.pop() {
        if found.insert(room) {
            next.extend(edges.get(room).into_iter().flat_map(BTreeMap::keys));
        }
    }
    found
}

/// All folders that hold files which import or are imported.
pub(super) fn folders(imports: &[Import]) -> BTreeSet<PathBuf> {
    let files = imports.iter().flat_map(|import| [&import.from, &import.to]);
    files.flat_map(|file| file.ancestors().skip(1)).map(Path::to_owned).collect()
}

/// The child of a folder that a file belongs to. The folder's own `mod.rs` belongs to none.
pub(super) fn module_in(folder: &Path, file: &Path) -> Option<PathBuf> {
    let below = file.strip_prefix(folder).ok()?;
    let first = below.iter().next()?;
    (first != "mod.rs" && first != "lib.rs").then(|| folder.join(first).with_extension(""))
}

#[test]
fn circles_are_found_with_their_imports() {
    let import = |from: &str, to: &str| Import { from: from.into(), line: 1, to: to.into() };
    let imports =
        [import("src/a/x.rs", "src/b.rs"), import("src/b.rs", "src/a/y.rs"), import("src/b.rs", "src/c.rs")];
    assert!(among(&imports, |file| Some(file.to_owned())).is_empty());
    let found = among(&imports, |file| module_in(Path::new("src"), file));
    assert_eq!(
        found,
        ["src/a, src/b:\n    src/a/x.rs:1: imports src/b.rs\n    src/b.rs:1: imports src/a/y.rs"]
    );
}
