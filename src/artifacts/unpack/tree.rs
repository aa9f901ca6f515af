//! What exists in a tree of members, kept in memory: the file system is never asked.

use std::collections::HashMap;

use crate::core::model::RelativePath;

/// All names of a tree together may be this long, in bytes: a bound on memory.
const NAMES_LIMIT: usize = 16 << 20;

/// Something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A folder, named or implied by what is below it.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link with its target.
    Link(Box<str>),
}

/// Paths and what is there.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: HashMap<Box<str>, Node>,
    names: usize,
}

impl Tree {
    /// What is at a path.
    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Adds a folder (which may be there already) and all above it. Gives those that are new, outermost first.
    pub(super) fn add_folder(&mut self, path: &RelativePath) -> Result<Vec<String>, String> {
        let path = path.as_path().as_str();
        let mut new = Vec::new();
        self.missing_folders(path, &mut new)?;
        self.insert_folders(&new)?;
        Ok(new)
    }

    /// Adds a file or link, which must not be there yet, and all folders above it. Gives the folders that are new.
    pub(super) fn add_leaf(&mut self, path: &RelativePath, node: Node) -> Result<Vec<String>, String> {
        let path = path.as_path().as_str();
        match self.nodes.get(path) {
            None => {}
            Some(Node::Folder) => return Err("a file or link where a folder is".to_owned()),
            Some(Node::File | Node::Link(_)) => return Err("a name that was there before".to_owned()),
        }
        let mut new = Vec::new();
        if let Some((above, _)) = path.rsplit_once('/') {
            self.missing_folders(above, &mut new)?;
        }
        self.insert_folders(&new)?;
        self.insert(path, node)?;
        Ok(new)
    }

    /// Walks up from `path` until a folder is there; everything on the way has to be made.
    fn missing_folders(&self, path: &str, missing: &mut Vec<String>) -> Result<(), String> {
        let mut next = Some(path);
        while let Some(folder) = next {
            match self.nodes.get(folder) {
                Some(Node::Folder) => break,
                Some(Node::File) => return Err(format!("a folder where the file {folder} is")),
                Some(Node::Link(_)) => return Err(format!("a path through the symbolic link {folder}")),
                None => missing.push(folder.to_owned()),
            }
            next = folder.rsplit_once('/').map(|(above, _)| above);
        }
        missing.reverse();
        Ok(())
    }

    fn insert_folders(&mut self, folders: &[String]) -> Result<(), String> {
        folders.iter().try_for_each(|folder| self.insert(folder, Node::Folder))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<(), String> {
        self.names += path.len();
        if self.names > NAMES_LIMIT {
            return Err(format!("more than {NAMES_LIMIT} bytes of names"));
        }
        self.nodes.insert(path.into(), node);
        Ok(())
    }
}
