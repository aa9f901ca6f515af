//! Where a symbolic link leads, found in memory, through other links too.

use super::tree::{Node, Tree};

/// As many links as Linux follows in one path.
const MOST_HOPS: usize = 40;
/// The most parts of paths that are looked at for one link: a bound on time.
const MOST_PARTS: usize = 4096;

/// Checks that a link at `place` with this target, which is relative, stays below the root of `tree`.
///
/// A target that does not exist is fine (packages split libraries and their links), as long as no `..` follows the
/// missing part: what that would mean depends on what may be put there later.
pub(super) fn stays_below(tree: &Tree, place: &str, target: &str) -> Result<(), String> {
    let mut here: Vec<&str> = place.split('/').collect();
    here.pop();
    let mut ahead: Vec<&str> = target.split('/').rev().collect();
    let (mut hops, mut parts, mut missing) = (0, 0, false);
    while let Some(part) = ahead.pop() {
        parts += 1;
        if parts > MOST_PARTS {
            return Err(format!("a link to {target}, which takes more than {MOST_PARTS} steps to follow"));
        }
        match part {
            "" | "." => {}
            ".." if missing => {
                return Err(format!("a link to {target}, with .. after a part that does not exist"));
            }
            ".." => {
                if here.pop().is_none() {
                    return Err(format!("a link to {target}, which leaves the folder"));
                }
            }
            name => {
                here.push(name);
                match (!missing).then(|| tree.node(&here.join("/"))).flatten() {
                    Some(Node::Folder) => {}
                    // A file has nothing below it, so a longer path through it leads nowhere either.
                    Some(Node::File) | None => missing = true,
                    Some(Node::Link(next)) if next.starts_with('/') => {
                        return Err(format!("a link to {target}, which leaves the folder"));
                    }
                    Some(Node::Link(next)) => {
                        hops += 1;
                        if hops > MOST_HOPS {
                            return Err(format!("a link to {target}, which leads in a circle"));
                        }
                        here.pop();
                        ahead.extend(next.split('/').rev());
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(links: &[(&str, &str)], files: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (place, target) in links {
            tree.add_leaf(&place.parse().unwrap(), Node::Link((*target).into())).unwrap();
        }
        for file in files {
            tree.add_leaf(&file.parse().unwrap(), Node::File).unwrap();
        }
        tree
    }

    #[test]
    fn links_inside_are_fine() {
        let cases = [
            ("lib/a", "b"),
            ("lib/a", "../bin/x"),
            ("lib/a", "./../lib/b"),
            ("lib/a", ".."),
            ("a", "."),
            ("lib/a", "missing/b"),
            ("lib/deep/a", "../../bin/x"),
        ];
        for (place, target) in cases {
            let tree = tree(&[(place, target)], &["bin/x", "lib/b"]);
            assert_eq!(stays_below(&tree, place, target), Ok(()), "{place} -> {target}");
        }
    }

    #[test]
    fn links_that_leave_are_found_through_others() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("a", "..")], "leaves"),
            // Absolute ones may stand in an archive as long as nothing that is taken goes through them.
            (&[("a", "b/x"), ("b", "/usr")], "leaves"),
            (&[("lib/a", "../../x")], "leaves"),
            (&[("a", "bin/../../x")], "leaves"),
            // Looks as if it stayed, but `up` is the root, so `up/..` is above it.
            (&[("bin/a", "../lib/up/../x"), ("lib/up", "..")], "leaves"),
            (&[("a", "b"), ("b", "a")], "circle"),
            (&[("a", "a")], "circle"),
            (&[("a", "missing/../b")], "does not exist"),
        ];
        for (links, reason) in cases {
            let tree = tree(links, &["bin/x", "lib/b"]);
            let refused = stays_below(&tree, links[0].0, links[0].1).unwrap_err();
            assert!(refused.contains(reason), "{links:?}: {refused}");
        }
    }
}
