//! The paths of an artifact's files in an image.
//!
//! A tool's tree is in `/opt/<artifact>`, and its commands are in `/usr/local/bin`. The C library and the shell are at
//! the same paths as in Debian, where programs expect them.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::content::applets;
use super::layer::{EXECUTABLE_MODE, Entry, FILE_MODE, Layer};
use crate::artifacts::lockfile::Artifact;
use crate::artifacts::tool::{InstalledTool, TreeFile};
use crate::core::failure::{Failure, Result};
use crate::core::model::{Platform, RelativePath};

const SHELL: &str = "busybox";
const C_LIBRARY: &str = "libc";
/// The CNI plugins. Nomad expects them in `/opt/cni/bin`.
const CNI_PLUGINS: &str = "cni-plugins";
const CNI_FOLDER: &str = "opt/cni/bin";

/// The path in an image of a file of a tool's tree. Other paths are returned unchanged.
pub fn path_inside(tool: &InstalledTool, path: Utf8PathBuf) -> Utf8PathBuf {
    match path.strip_prefix(tool.tree()) {
        Ok(below) => Utf8PathBuf::from(format!("/{}{below}", prefix(tool.artifact.as_str()))),
        Err(_) => path,
    }
}

/// The prefix of an artifact's paths in an image, relative to `/`.
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
        layer.add(&format!("{prefix}{}", file.path), entry)?;
    }
    for (command, target) in artifact.commands.iter().filter(|_| !is_root) {
        layer.add(&format!("usr/local/bin/{command}"), command_entry(artifact, &prefix, target))?;
        if name == CNI_PLUGINS {
            let link = Entry::Link { target: format!("../../{name}/{target}") };
            layer.add(&format!("{CNI_FOLDER}/{command}"), link)?;
        }
    }
    match name {
        SHELL => add_shell_links(&mut layer)?,
        C_LIBRARY => add_loader_link(&mut layer, tool, platform)?,
        _ => {}
    }
    Ok(layer)
}

/// The tree of a tool, with each symbolic link replaced by its target: Nomad unpacks links as empty files.
pub(super) fn packed_layer(tool: &InstalledTool) -> Result<Layer> {
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
            Failure::failed(format!("cannot pack {} {}", tool.artifact, tool.version))
                .detail("at", format!("{}, a link to a file outside of the tool", file.path))
                .hint("correct `unpack` of this artifact in deps.lock")
        })?;
        layer.add(file.path.as_path().as_str(), file_entry(found, &tree))?;
    }
    Ok(layer)
}

fn file_entry(file: &TreeFile, tree: &Utf8Path) -> Entry {
    Entry::File {
        mode: if file.is_executable { EXECUTABLE_MODE } else { FILE_MODE },
        from: file.path.below(tree),
        size: file.size,
        sha256: file.sha256,
    }
}

/// The entry of a command: a link to its file, or a script that sets variables.
fn command_entry(artifact: &Artifact, prefix: &str, target: &RelativePath) -> Entry {
    if artifact.environment.is_empty() {
        return Entry::Link { target: format!("../../../{prefix}{target}") };
    }
    let mut script = String::from("#!/bin/sh\n");
    for (variable, folder) in &artifact.environment {
        let _ = writeln!(script, "export {variable}={}", quoted(&format!("/{prefix}{folder}")));
    }
    let _ = writeln!(script, "exec {} \"$@\"", quoted(&format!("/{prefix}{target}")));
    Entry::Text { mode: EXECUTABLE_MODE, text: script.into_bytes() }
}

/// A path quoted for a shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn add_shell_links(layer: &mut Layer) -> Result<()> {
    for applet in applets()? {
        layer.add(&format!("bin/{applet}"), Entry::Link { target: SHELL.to_owned() })?;
    }
    // Scripts start with `#!/usr/bin/env`.
    layer.add("usr/bin/env", Entry::Link { target: format!("../../bin/{SHELL}") })
}

/// Adds the dynamic loader's path, which programs contain. In Debian it is a link as well.
fn add_loader_link(layer: &mut Layer, tool: &InstalledTool, platform: Platform) -> Result<()> {
    let (link, target) = match platform {
        Platform::LinuxX86_64 => {
            ("lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        }
        Platform::LinuxArm64 => ("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu/ld-linux-aarch64.so.1"),
    };
    let file = target.trim_start_matches("../lib/");
    if !tool.files()?.iter().any(|found| found.path.as_path().as_str() == format!("lib/{file}")) {
        return Err(Failure::failed(format!("{} {} has no dynamic loader", tool.artifact, tool.version))
            .detail("expected", format!("lib/{file}"))
            .hint("correct `unpack` of this artifact in deps.lock"));
    }
    layer.add(link, Entry::Link { target: target.to_owned() })
}
