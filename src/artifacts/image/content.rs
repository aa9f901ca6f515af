//! The base layer of every image, and the list of busybox applets.

use super::layer::{Entry, FILE_MODE, FOLDER_MODE, Layer};
use crate::core::assets;
use crate::core::failure::{Failure, Result};

/// Writable for every user, with the sticky bit.
const SHARED_MODE: u32 = 0o1777;
const PRIVATE_MODE: u32 = 0o700;
const FILES: [&str; 3] = ["group", "nsswitch.conf", "passwd"];
const FOLDERS: [(&str, u32); 5] = [
    ("root", PRIVATE_MODE),
    ("run", FOLDER_MODE),
    ("tmp", SHARED_MODE),
    ("var/log", FOLDER_MODE),
    ("var/tmp", SHARED_MODE),
];

/// The lowest layer of every image: system files and empty folders.
pub(super) fn base() -> Result<Layer> {
    let mut layer = Layer::default();
    for name in FILES {
        layer.add(
            &format!("etc/{name}"),
            Entry::Text { mode: FILE_MODE, text: asset(name)?.as_bytes().to_vec() },
        )?;
    }
    for (folder, mode) in FOLDERS {
        layer.add(folder, Entry::Folder { mode })?;
    }
    Ok(layer)
}

/// The commands that are links to busybox. The list is an asset, because the busybox of another platform cannot be run
/// to list them.
pub(super) fn applets() -> Result<impl Iterator<Item = &'static str>> {
    Ok(asset("applets.txt")?.split_ascii_whitespace())
}

fn asset(name: &str) -> Result<&'static str> {
    assets::image_file(name)
        .ok_or_else(|| Failure::failed(format!("this meshlab binary has no assets/image/{name}")))
}
