//! What the state folder has: states, logs and progress of all labs. It may be broken in any way.

use camino::{Utf8Path, Utf8PathBuf};

use super::archive::Archive;
use crate::app::diagnosis::last_failure;
use crate::core::debug_log;
use crate::core::settings::Dirs;
use crate::labs::Progress;

/// How many entries of a lab's folder are looked at.
const MAX_ENTRIES: usize = 50_000;

/// How many files of one kind are added.
const MAX_FILES: usize = 200;

/// The shortest word in a file of secrets that is taken for one, in bytes.
const SHORTEST_WORD: usize = 16;

/// Hides the secrets of all labs.
pub(super) fn hide_secrets(state: &Utf8Path, archive: &mut Archive) {
    for path in files_below(&state.join("run")).into_iter().filter(|path| is_secret(path)) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        // A file with one line is the secret itself.
        if text.trim().lines().count() == 1 {
            archive.hide(&text);
        }
        let word = |letter: char| !(letter.is_ascii_alphanumeric() || "+/=_-.".contains(letter));
        let words = text.split(word).filter(|word| word.len() >= SHORTEST_WORD);
        for word in words.filter(|word| word.contains(|letter: char| letter.is_ascii_digit())) {
            archive.hide(word);
        }
    }
}

fn is_secret(path: &Utf8Path) -> bool {
    let is_in_secrets = path.parent().and_then(Utf8Path::file_name) == Some("secrets");
    let name = path.file_name().unwrap_or_default();
    is_in_secrets || name == "secret-id" || name.ends_with("keyring") || name.ends_with("-key.pem")
}

/// Adds states, logs and progress.
pub(super) fn add(dirs: &Dirs, archive: &mut Archive) {
    archive.add_tail("last-failure.log", &last_failure(dirs));
    for path in entries(&Progress::folder(&dirs.state), "progress", archive) {
        archive.add_tail(&format!("progress/{}", name(&path)), &path);
    }
    for lab in entries(&dirs.state.join("run"), "labs", archive).into_iter().filter(|path| path.is_dir()) {
        let within = format!("labs/{}", name(&lab));
        for file in ["state.json", "steps.json", debug_log::NAME, debug_log::NAME_BEFORE] {
            archive.add_tail(&format!("{within}/{file}"), &lab.join(file));
        }
        for path in entries(&lab.join("logs"), &within, archive) {
            archive.add_tail(&format!("{within}/logs/{}", name(&path)), &path);
        }
        for allocation in entries(&lab.join("nomad/alloc"), &within, archive) {
            let logs = allocation.join("alloc/logs");
            for path in entries(&logs, &within, archive).into_iter().filter(|path| path.is_file()) {
                archive.add_tail(&format!("{within}/tasks/{}/{}", name(&allocation), name(&path)), &path);
            }
        }
    }
}

fn name(path: &Utf8Path) -> &str {
    path.file_name().unwrap_or_default()
}

/// What is in a folder, sorted; nothing if it does not exist.
fn entries(folder: &Utf8Path, within: &str, archive: &mut Archive) -> Vec<Utf8PathBuf> {
    let read = match folder.read_dir_utf8() {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            archive.problem(within, &format!("cannot read {folder}: {error}"));
            return Vec::new();
        }
    };
    let mut found: Vec<Utf8PathBuf> = read.flatten().map(camino::Utf8DirEntry::into_path).collect();
    found.sort();
    if found.len() > MAX_FILES {
        archive.problem(within, &format!("{folder} has {} entries; {MAX_FILES} are here", found.len()));
        found.truncate(MAX_FILES);
    }
    found
}

/// All regular files below a folder, without following links.
fn files_below(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut files = Vec::new();
    let mut looked = 0;
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            looked += 1;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && looked < MAX_ENTRIES => open.push(entry.into_path()),
                Ok(kind) if kind.is_file() => files.push(entry.into_path()),
                _ => {}
            }
        }
    }
    files
}
