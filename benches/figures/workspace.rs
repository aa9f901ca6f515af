//! The one folder a run writes to, on the disk that holds target/: a folder in memory would say little about a disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::Result;

/// Removed when dropped; what a killed run left is removed by the next.
pub(crate) struct Workspace {
    path: PathBuf,
    // Last: until the folder is gone.
    _lock: File,
}

impl Workspace {
    /// The folder, empty. Two runs at once would measure each other.
    pub(crate) fn claim() -> Result<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(root)?;
        let lock = File::create(root.join("figures.lock"))?;
        lock.try_lock().map_err(|error| format!("another run of the benchmark is at work: {error}"))?;
        let path = root.join("figures");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // The next run removes what this leaves.
        let _ = fs::remove_dir_all(&self.path);
    }
}
