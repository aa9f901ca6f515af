//! Packs a tool's tree into a tar archive, for Nomad tasks.

use std::io::Write as _;

use camino::Utf8Path;
use fs_err as fs;

use super::layout;
use crate::artifacts::tool::InstalledTool;
use crate::core::failure::Result;
use crate::core::model::{Digest, Hashed};

/// Writes the tar archive and returns its digest and size in bytes. The same tool always produces the same bytes. Fails
/// if a file has changed since it was unpacked. Blocks.
pub(crate) fn pack(tool: &InstalledTool, to: &Utf8Path) -> Result<(Digest, u64)> {
    let layer = layout::packed_layer(tool)?;
    layer.verify()?;
    let mut file = Hashed::new(std::io::BufWriter::new(fs::File::create(to)?));
    layer.write(&mut file)?;
    file.flush()?;
    let (digest, size, _) = file.finish();
    Ok((digest, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::image::fixture::{PLATFORM, Scene};

    #[test]
    fn packing_a_tool_always_produces_the_same_bytes() {
        let scene = Scene::new(|text| text);
        let tool = scene.tools.find(&scene.lock.artifacts[1], PLATFORM).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(folder.path()).unwrap().join("tool.tar");
        let (digest, size) = pack(&tool, &to).unwrap();
        let bytes = fs::read(&to).unwrap();
        assert_eq!((Digest::sha256_of(&bytes), bytes.len() as u64), (digest, size));
        assert_eq!(pack(&tool, &to).unwrap().0, digest);
        let mut archive = ::tar::Archive::new(bytes.as_slice());
        let members: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                format!("{:o} {} {}", header.mode().unwrap(), entry.path().unwrap().display(), entry.size())
            })
            .collect();
        assert_eq!(members, ["755 tool 9"]);
    }

    #[test]
    fn a_changed_file_is_not_packed() {
        let scene = Scene::new(|text| text);
        let tool = scene.tools.find(&scene.lock.artifacts[1], PLATFORM).unwrap();
        fs::write(tool.tree().join("tool"), "I am fool").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(folder.path()).unwrap().join("tool.tar");
        assert!(pack(&tool, &to).unwrap_err().message().contains("has changed since it was unpacked"));
        assert!(!to.exists());
    }
}
