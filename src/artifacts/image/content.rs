//! The base layer: what every image has beside its artifacts. And the commands that busybox stands for.

use super::layer::{Entry, FOLDER, Layer, PLAIN};
use crate::core::assets;
use crate::core::failure::{Failure, Result};

/// Everybody may write there, and remove only what is theirs.
const SHARED: u32 = 0o1777;
const OWN: u32 = 0o700;
const FILES: [&str; 3] = ["group", "nsswitch.conf", "passwd"];
const FOLDERS: [(&str, u32); 5] =
    [("root", OWN), ("run", FOLDER), ("tmp", SHARED), ("var/log", FOLDER), ("var/tmp", SHARED)];

/// The lowest layer of every image.
pub(super) fn base() -> Result<Layer> {
    let mut layer = Layer::default();
    for name in FILES {
        layer.put(
            &format!("etc/{name}"),
            Entry::Text { mode: PLAIN, text: asset(name)?.as_bytes().to_vec() },
        )?;
    }
    for (folder, mode) in FOLDERS {
        layer.put(folder, Entry::Folder { mode })?;
    }
    Ok(layer)
}

/// The commands that are links to busybox. A list that is committed: to ask busybox would mean to run it, which another
/// platform's can't be.
pub(super) fn applets() -> Result<impl Iterator<Item = &'static str>> {
    Ok(asset("applets.txt")?.split_ascii_whitespace())
}

fn asset(name: &str) -> Result<&'static str> {
    assets::image_file(name)
        .ok_or_else(|| Failure::failed(format!("this meshlab has no assets/image/{name}")))
}
