//! Where an artifact lies in an image.
//!
//! A tool's tree is at `/opt/<artifact>`, and each of its commands in `/usr/local/bin`. What Debian has at the root of its
//! file system lies there here too: the C library, which programs find nowhere else, and the shell.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::content::applets;
use super::layer::{Entry, Layer, PLAIN, RUNNABLE};
use crate::artifacts::lockfile::Artifact;
use crate::artifacts::tool::{InstalledTool, TreeFile};
use crate::core::failure::{Failure, Result};
use crate::core::model::{Platform, RelativePath};

const SHELL: &str = "busybox";
const C_LIBRARY: &str = "libc";
/// Nomad looks for its network plugins where everybody has them.
const NETWORK_PLUGINS: &str = "cni-plugins";
const NETWORK_PLUGINS_FOLDER: &str = "opt/cni/bin";

/// Where a file of a tool's tree is in every image that has the tool.
pub fn path_inside(tool: &InstalledTool, path: Utf8PathBuf) -> Utf8PathBuf {
    match path.strip_prefix(tool.tree()) {
        Ok(below) => Utf8PathBuf::from(format!("/{}{below}", prefix(tool.artifact.as_str()))),
        Err(_) => path,
    }
}

/// What stands before every path of an artifact's tree.
fn prefix(name: &str) -> String {
    if is_root(name) { String::new() } else { format!("opt/{name}/") }
}

fn is_root(name: &str) -> bool {
    [SHELL, C_LIBRARY].contains(&name)
}

/// The layer of an artifact.
pub(super) fn layer(artifact: &Artifact, tool: &InstalledTool, platform: Platform) -> Result<Layer> {
    let name = artifact.name.as_str();
    let (is_root, prefix) = (is_root(name), prefix(name));
    let tree = tool.tree();
    let mut layer = Layer::default();
    for file in tool.files()? {
        let entry = match &file.link {
            Some(target) => Entry::Link { target: target.clone() },
            None => file_entry(&file, &tree),
        };
        layer.put(&format!("{prefix}{}", file.path), entry)?;
    }
    for (command, target) in artifact.commands.iter().filter(|_| !is_root) {
        layer.put(&format!("usr/local/bin/{command}"), entry_of(artifact, &prefix, target))?;
        if name == NETWORK_PLUGINS {
            let link = Entry::Link { target: format!("../../{name}/{target}") };
            layer.put(&format!("{NETWORK_PLUGINS_FOLDER}/{command}"), link)?;
        }
    }
    match name {
        SHELL => shell(&mut layer)?,
        C_LIBRARY => loader(&mut layer, tool, platform)?,
        _ => {}
    }
    Ok(layer)
}

/// A tool's tree and nothing else, without links: Nomad unpacks them as empty files, so each becomes what it leads to.
pub(super) fn packed(tool: &InstalledTool) -> Result<Layer> {
    let tree = tool.tree();
    let real_tree = tree.canonicalize_utf8()?;
    let files = tool.files()?;
    let mut layer = Layer::default();
    for file in &files {
        let found = if file.link.is_none() {
            Some(file)
        } else {
            let real = file.path.below(&tree).canonicalize_utf8()?;
            let below = real.strip_prefix(&real_tree).ok();
            files.iter().find(|other| Some(other.path.as_path()) == below && other.link.is_none())
        };
        let found = found.ok_or_else(|| {
            Failure::failed(format!("{} {} cannot be packed", tool.artifact, tool.version))
                .detail("at", format!("{}, a link to no file of it", file.path))
                .hint("correct `unpack` of this artifact in deps.lock")
        })?;
        layer.put(file.path.as_path().as_str(), file_entry(found, &tree))?;
    }
    Ok(layer)
}

fn file_entry(file: &TreeFile, tree: &Utf8Path) -> Entry {
    Entry::File {
        mode: if file.is_executable { RUNNABLE } else { PLAIN },
        from: file.path.below(tree),
        size: file.size,
        sha256: file.sha256,
    }
}

/// What a command's name leads to: its file, or a script that sets the variables it needs.
fn entry_of(artifact: &Artifact, prefix: &str, target: &RelativePath) -> Entry {
    if artifact.environment.is_empty() {
        return Entry::Link { target: format!("../../../{prefix}{target}") };
    }
    let mut script = String::from("#!/bin/sh\n");
    for (variable, folder) in &artifact.environment {
        let _ = writeln!(script, "export {variable}={}", quoted(&format!("/{prefix}{folder}")));
    }
    let _ = writeln!(script, "exec {} \"$@\"", quoted(&format!("/{prefix}{target}")));
    Entry::Text { mode: RUNNABLE, text: script.into_bytes() }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn shell(layer: &mut Layer) -> Result<()> {
    for applet in applets()? {
        layer.put(&format!("bin/{applet}"), Entry::Link { target: SHELL.to_owned() })?;
    }
    // Where scripts look for it.
    layer.put("usr/bin/env", Entry::Link { target: format!("../../bin/{SHELL}") })
}

/// Programs name their loader by a path that the package makes with a link.
fn loader(layer: &mut Layer, tool: &InstalledTool, platform: Platform) -> Result<()> {
    let (link, target) = match platform {
        Platform::LinuxX86_64 => {
            ("lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        }
        Platform::LinuxArm64 => ("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu/ld-linux-aarch64.so.1"),
    };
    let file = target.trim_start_matches("../lib/");
    if !tool.files()?.iter().any(|found| found.path.as_path().as_str() == format!("lib/{file}")) {
        return Err(Failure::failed(format!("{} {} has no loader", tool.artifact, tool.version))
            .detail("expected", format!("lib/{file}"))
            .hint("correct `unpack` of this artifact in deps.lock"));
    }
    layer.put(link, Entry::Link { target: target.to_owned() })
}
