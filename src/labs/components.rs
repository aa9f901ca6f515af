//! What a lab needs, provisioned.

use camino::Utf8PathBuf;

use crate::artifacts::tool::InstalledTool;
use crate::machine::LoadedImages;
use crate::mesh::vm::Package;

/// The provisioned tools and packages of a lab.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// Folders for PATH, first wins.
    pub path: Vec<Utf8PathBuf>,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
    /// The tools' commands, for the lab's package repository.
    pub packages: Vec<Package>,
    /// The tools that it serves whole.
    pub runtimes: Vec<InstalledTool>,
    /// The images of its containers, where it runs in containers.
    pub images: LoadedImages,
}
