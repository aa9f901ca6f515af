//! Caches the digests of layers that the lock does not pin (the tool came from another source than the pinned one) in
//! the tool's folder.

use camino::Utf8PathBuf;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use crate::artifacts::tool::InstalledTool;
use crate::core::failure::{Failure, Result};
use crate::core::model::Digest;

const FILE: &str = "layer.json";
const MAX_SIZE: u64 = 4096;

#[derive(Serialize, Deserialize)]
struct CachedDigest {
    /// The digest of the layer's listing. If the listing changes, the layer changes.
    listing: Digest,
    layer: Digest,
}

/// The digest of a tool's layer. Hashes the whole tool the first time. Blocks.
pub(super) fn digest(layer: &Layer, tool: &InstalledTool) -> Result<Digest> {
    let listing = Digest::sha256_of(layer.listing().as_bytes());
    let path = tool.folder.join(FILE);
    if let Some(known) = read(&path).filter(|known| known.listing == listing) {
        return Ok(known.layer);
    }
    let measured = CachedDigest { listing, layer: layer.digest()? };
    let text = serde_json::to_vec(&measured)
        .map_err(|error| Failure::failed(format!("cannot write {path}")).seen(&error))?;
    // Concurrent processes write the same content.
    let temporary = Utf8PathBuf::from(format!("{path}.{}", std::process::id()));
    fs::write(&temporary, text)?;
    fs::rename(&temporary, &path)?;
    Ok(measured.layer)
}

fn read(path: &Utf8PathBuf) -> Option<CachedDigest> {
    if fs::metadata(path).ok()?.len() > MAX_SIZE {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
