//! The provisioned tools of a lab.

use camino::Utf8PathBuf;

use crate::artifacts::tool::InstalledTool;
use crate::machine::LoadedImages;
use crate::mesh::vm::Package;

/// The provisioned tools and packages of a lab.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// Folders of PATH, in order.
    pub path: Vec<Utf8PathBuf>,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
    /// The tools' commands as packages of the lab's package repository.
    pub packages: Vec<Package>,
    /// The language runtimes, which the package repository serves as a whole.
    pub runtimes: Vec<InstalledTool>,
    /// The container images. Empty on the host.
    pub images: LoadedImages,
}
