//! Tests with valid and invalid bundles of a small lock.

mod invalid;
mod valid;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{Export, Exported, Imported, export, import};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::store::{Store, hash_file};
use crate::core::event::{Event, Reporter, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hasher, Platform};

/// Longer than a tar block, and not a multiple of one.
const LONG: &[u8] = &[7; 1300];
const SHORT: &[u8] = b"#!/bin/sh\n";
const SHARED: &[u8] = b"the same file for both";
const OTHER: &[u8] = b"for the other platform";

const HERE: Platform = Platform::LinuxX86_64;

/// A folder with a store, a lock, and the reported events.
struct Scene {
    folder: tempfile::TempDir,
    lock: Lock,
    events: Arc<Recorder>,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Reporter for Recorder {
    fn report(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Scene {
    /// A scene with all files of the lock in the store.
    fn new() -> Self {
        let scene = Self::with_lock(&lock_text("1.0"));
        for content in [LONG, SHORT, SHARED, OTHER] {
            put(&scene.store("from"), &Digest::sha256_of(content), content);
        }
        put(&scene.store("from"), &sha512_of(LONG), LONG);
        scene
    }

    fn with_lock(text: &str) -> Self {
        let lock = Lock::parse(text, "deps.lock").unwrap();
        Self { folder: tempfile::tempdir().unwrap(), lock, events: Arc::default() }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn store(&self, name: &str) -> Store {
        Store::new(&self.path(name))
    }

    fn reporter(&self) -> SharedReporter {
        Arc::clone(&self.events) as SharedReporter
    }

    /// Exports all artifacts for the given platforms, in this order.
    fn export(&self, name: &str, platforms: &[Platform]) -> Result<Exported> {
        let artifacts = self.lock.artifacts.iter().rev();
        let chosen = artifacts
            .flat_map(|artifact| platforms.iter().map(move |platform| (artifact, *platform)))
            .map(|(artifact, platform)| (artifact, artifact.sources_for(platform).next().unwrap()))
            .collect();
        let export_of = Export { lock: &self.lock, chosen, program: None };
        block_on(export(&export_of, &self.store("from"), &self.path(name), &self.reporter()))
    }

    fn import(&self, bundle: &str, store: &str) -> Result<Imported> {
        let (path, store) = (self.path(bundle), self.store(store));
        block_on(import(&path, &self.lock, &store, HERE, &self.reporter()))
    }

    /// A bundle with all artifacts for all platforms.
    fn bundle(&self) -> Vec<u8> {
        self.export("whole.tar", &Platform::ALL).unwrap();
        fs::read(self.path("whole.tar")).unwrap()
    }

    fn import_bytes(&self, bytes: &[u8], store: &str) -> Result<Imported> {
        fs::write(self.path("other.tar"), bytes).unwrap();
        self.import("other.tar", store)
    }

    /// Verifies all files of a store. Returns their number.
    fn verified(&self, store: &str) -> usize {
        let mut count = 0;
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
            let Ok(entries) = fs::read_dir(self.path(store).join(algorithm.name())) else { continue };
            for entry in entries {
                let path = Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap();
                assert_eq!(hash_file(&path, algorithm).unwrap().hex(), path.file_name().unwrap());
                count += 1;
            }
        }
        let left: Vec<_> = fs::read_dir(self.path(store).join("partial")).into_iter().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        count
    }

    fn warnings(&self) -> Vec<String> {
        let events = self.events.0.lock().unwrap();
        let text = |event: &Event| match event {
            Event::Warning(_) | Event::Note(_) => Some(serde_json::to_string(event).unwrap()),
            _ => None,
        };
        events.iter().filter_map(text).collect()
    }

    /// A failure as text, with its exit code.
    fn shown(&self, failure: &Failure) -> String {
        let mut text = format!("exit {}: {}\n", failure.kind().exit_code(), failure.message());
        for detail in failure.details() {
            let _ = writeln!(text, "  {}: {}", detail.label, detail.text);
        }
        let _ = writeln!(text, "  hint: {}", failure.hint_text().unwrap_or("none"));
        text.replace(self.path("").as_str(), "[folder]/")
    }
}

fn put(store: &Store, digest: &Digest, content: &[u8]) {
    store.prepare(digest).unwrap();
    fs::write(store.path_of(digest), content).unwrap();
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn sha512_of(content: &[u8]) -> Digest {
    let mut hasher = Hasher::new(DigestAlgorithm::Sha512);
    hasher.update(content);
    hasher.finish()
}

/// A lock with two artifacts that share a file. One has a file pinned by SHA-512; both have files for another platform.
fn lock_text(version: &str) -> String {
    let file = |name: &str, content: &[u8]| {
        let hex = Digest::sha256_of(content).hex();
        format!(
            "\n[[artifact.source.file]]\nurl = \"https://x.test/{name}.bin\"\nsha256 = \"{hex}\"\nsize = {}\ninstall = \"{name}\"\n",
            content.len()
        )
    };
    let long = format!(
        "\n[[artifact.source.file]]\nurl = \"https://x.test/long.bin\"\nsha512 = \"{}\"\nsize_limit = 5000\ninstall = \"long\"\n",
        sha512_of(LONG).hex()
    );
    let artifact = |name: &str| {
        format!(
            "\n[[artifact]]\nname = \"{name}\"\nversion = \"{version}\"\nlicense = \"MIT\"\nsummary = \"s\"\nprofiles = [\"core\"]\ncommands = {{ {name} = \"{name}\" }}\n"
        )
    };
    let source =
        |platform: Platform| format!("\n[[artifact.source]]\nkind = \"url\"\nplatform = \"{platform}\"\n");
    let (here, there) = (source(HERE), source(Platform::LinuxArm64));
    [
        "version = 1\n",
        &artifact("one"),
        &here,
        &file("one", SHORT),
        &file("shared", SHARED),
        &there,
        &file("one", OTHER),
        &artifact("two"),
        &here,
        &file("two", LONG),
        &file("shared", SHARED),
        &long,
        &there,
        &file("two", SHARED),
    ]
    .concat()
}
