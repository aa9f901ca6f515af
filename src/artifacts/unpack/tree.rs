//! The paths in a tree of members, in memory: the file system is never asked.

use std::collections::HashMap;

use crate::core::model::RelativePath;

/// The limit for all names of a tree together, in bytes. Bounds memory.
const MAX_NAMES: usize = 16 << 20;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A folder, either a member itself or the parent of one.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link with its target.
    Link(Box<str>),
}

/// Why a path cannot be added to a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TreeError {
    #[error("a file or link where a folder is")]
    FolderExists,
    #[error("a duplicate name")]
    Duplicate,
    #[error("a folder where the file {0} is")]
    FileExists(String),
    #[error("a path through the symbolic link {0}")]
    ThroughLink(String),
    #[error("more than {MAX_NAMES} bytes of names")]
    TooManyNames,
}

/// Paths and what is at each.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: HashMap<Box<str>, Node>,
    /// The length of all paths, in bytes.
    names: usize,
}

impl Tree {
    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Adds a folder, which may exist, and its parents. Returns the new folders, outermost first.
    pub(super) fn add_folder(&mut self, path: &RelativePath) -> Result<Vec<String>, TreeError> {
        let path = path.as_path().as_str();
        let new = self.missing_folders(path)?;
        self.insert_folders(&new)?;
        Ok(new)
    }

    /// Adds a file or link, which must not exist, and its parents. Returns the new folders, outermost first.
    pub(super) fn add_leaf(&mut self, path: &RelativePath, node: Node) -> Result<Vec<String>, TreeError> {
        let path = path.as_path().as_str();
        match self.nodes.get(path) {
            None => {}
            Some(Node::Folder) => return Err(TreeError::FolderExists),
            Some(Node::File | Node::Link(_)) => return Err(TreeError::Duplicate),
        }
        let new = match path.rsplit_once('/') {
            Some((parent, _)) => self.missing_folders(parent)?,
            None => Vec::new(),
        };
        self.insert_folders(&new)?;
        self.insert(path, node)?;
        Ok(new)
    }

    /// `path` and its parents as far as they do not exist, outermost first.
    fn missing_folders(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let mut missing = Vec::new();
        let mut next = Some(path);
        while let Some(folder) = next {
            match self.nodes.get(folder) {
                Some(Node::Folder) => break,
                Some(Node::File) => return Err(TreeError::FileExists(folder.to_owned())),
                Some(Node::Link(_)) => return Err(TreeError::ThroughLink(folder.to_owned())),
                None => missing.push(folder.to_owned()),
            }
            next = folder.rsplit_once('/').map(|(parent, _)| parent);
        }
        missing.reverse();
        Ok(missing)
    }

    fn insert_folders(&mut self, folders: &[String]) -> Result<(), TreeError> {
        folders.iter().try_for_each(|folder| self.insert(folder, Node::Folder))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<(), TreeError> {
        self.names += path.len();
        if self.names > MAX_NAMES {
            return Err(TreeError::TooManyNames);
        }
        self.nodes.insert(path.into(), node);
        Ok(())
    }
}
