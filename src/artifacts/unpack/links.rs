//! Resolves symbolic links in memory, also through other links.

use super::tree::{Node, Tree};

/// The most links in one path, the limit of Linux.
const MAX_LINKS: usize = 40;
/// The most path components to resolve for one link. Bounds time.
const MAX_STEPS: usize = 4096;

/// Why a symbolic link is refused. Each variant has the link's target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    #[error("a link to {0}, which takes more than {MAX_STEPS} steps to follow")]
    TooManySteps(String),
    #[error("a link to {0}, with .. after a part that does not exist")]
    ParentOfMissing(String),
    #[error("a link to {0}, which leaves the folder")]
    Leaves(String),
    #[error("a link to {0}, which leads in a circle")]
    Circle(String),
}

/// Checks that a link at `place` with a relative target stays inside `tree`.
///
/// The target may be missing, since packages split libraries and their links. But `..` after a missing part is refused:
/// its meaning depends on what is created there later.
pub(super) fn check_inside(tree: &Tree, place: &str, target: &str) -> Result<(), LinkError> {
    let mut here: Vec<&str> = place.split('/').collect();
    here.pop();
    let mut ahead: Vec<&str> = target.split('/').rev().collect();
    let (mut links, mut steps, mut missing) = (0, 0, false);
    while let Some(part) = ahead.pop() {
        steps += 1;
        if steps > MAX_STEPS {
            return Err(LinkError::TooManySteps(target.to_owned()));
        }
        match part {
            "" | "." => {}
            ".." if missing => return Err(LinkError::ParentOfMissing(target.to_owned())),
            ".." => {
                if here.pop().is_none() {
                    return Err(LinkError::Leaves(target.to_owned()));
                }
            }
            name => {
                here.push(name);
                match (!missing).then(|| tree.node(&here.join("/"))).flatten() {
                    Some(Node::Folder) => {}
                    // A path through a file does not exist either.
                    Some(Node::File) | None => missing = true,
                    Some(Node::Link(next)) if next.starts_with('/') => {
                        return Err(LinkError::Leaves(target.to_owned()));
                    }
                    Some(Node::Link(next)) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(LinkError::Circle(target.to_owned()));
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
    fn links_inside_the_tree_are_accepted() {
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
            assert_eq!(check_inside(&tree, place, target), Ok(()), "{place} -> {target}");
        }
    }

    #[test]
    fn a_link_that_leaves_the_tree_is_refused_also_through_other_links() {
        type Case = (&'static [(&'static str, &'static str)], fn(String) -> LinkError);
        let cases: [Case; 8] = [
            (&[("a", "..")], LinkError::Leaves),
            // An absolute link may exist, but no other link may lead through it.
            (&[("a", "b/x"), ("b", "/usr")], LinkError::Leaves),
            (&[("lib/a", "../../x")], LinkError::Leaves),
            (&[("a", "bin/../../x")], LinkError::Leaves),
            // `up` is the root, so `up/..` is above it.
            (&[("bin/a", "../lib/up/../x"), ("lib/up", "..")], LinkError::Leaves),
            (&[("a", "b"), ("b", "a")], LinkError::Circle),
            (&[("a", "a")], LinkError::Circle),
            (&[("a", "missing/../b")], LinkError::ParentOfMissing),
        ];
        for (links, reason) in cases {
            let tree = tree(links, &["bin/x", "lib/b"]);
            let (place, target) = links[0];
            assert_eq!(check_inside(&tree, place, target), Err(reason(target.to_owned())), "{links:?}");
        }
    }
}
