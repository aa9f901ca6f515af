//! Layers that the lock does not pin, because the tool came from another source than the pinned one: measured once, and
//! kept beside the tool.

use camino::Utf8PathBuf;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use crate::artifacts::tool::InstalledTool;
use crate::core::failure::{Failure, Result};
use crate::core::model::Digest;

const FILE: &str = "layer.json";
const LONGEST: u64 = 4096;

#[derive(Serialize, Deserialize)]
struct Measured {
    /// The digest of the layer's listing: another one has other bytes.
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
    let measured = Measured { listing, layer: layer.digest()? };
    let text = serde_json::to_vec(&measured)
        .map_err(|error| Failure::failed(format!("cannot write {path}")).seen(&error))?;
    // Two that do this at once write the same.
    let beside = Utf8PathBuf::from(format!("{path}.{}", std::process::id()));
    fs::write(&beside, text)?;
    fs::rename(&beside, &path)?;
    Ok(measured.layer)
}

fn read(path: &Utf8PathBuf) -> Option<Measured> {
    if fs::metadata(path).ok()?.len() > LONGEST {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
