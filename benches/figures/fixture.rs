//! Files of the core set as their publishers pack them, made from the tools that are installed.

use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use meshlab::core::model::Digest;
use zip::write::SimpleFileOptions;

use crate::Result;

/// A file to fetch.
pub(crate) struct Packed {
    /// What the lock calls it.
    pub(crate) artifact: String,
    file: String,
    digest: Digest,
    size: usize,
    /// The command that comes of it, and its length.
    pub(crate) command: String,
    pub(crate) unpacked: usize,
}

impl Packed {
    /// The program as a zip with one member, deflated.
    pub(crate) fn zip(program: &Path, folder: &Path) -> Result<Self> {
        let content = fs::read(program)?;
        let command = name_of(program)?;
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(command.as_str(), SimpleFileOptions::default().unix_permissions(0o755))?;
        archive.write_all(&content)?;
        let packed = archive.finish()?.into_inner();
        Self::write(folder, format!("{command}.zip"), command, &packed, content.len())
    }

    /// The program as it is.
    pub(crate) fn raw(program: &Path, folder: &Path) -> Result<Self> {
        let content = fs::read(program)?;
        let command = name_of(program)?;
        Self::write(folder, command.clone(), command, &content, content.len())
    }

    fn write(folder: &Path, file: String, command: String, packed: &[u8], unpacked: usize) -> Result<Self> {
        fs::write(folder.join(&file), packed)?;
        let artifact = file.replace('.', "-");
        let digest = Digest::sha256_of(packed);
        Ok(Self { artifact, file, digest, size: packed.len(), command, unpacked })
    }

    fn is_archive(&self) -> bool {
        self.file != self.command
    }
}

fn name_of(program: &Path) -> Result<String> {
    Ok(program.file_name().ok_or("a program without a name")?.to_string_lossy().into_owned())
}

/// Everything that is fetched.
pub(crate) struct CoreSet {
    pub(crate) files: Vec<Packed>,
}

impl CoreSet {
    /// How many bytes travel.
    pub(crate) fn size(&self) -> usize {
        self.files.iter().map(|file| file.size).sum()
    }

    /// For `sha256sum -c`, in `folder`.
    pub(crate) fn write_sums(&self, folder: &Path) -> Result<PathBuf> {
        let mut sums = String::new();
        for file in &self.files {
            writeln!(sums, "{}  {}", file.digest.hex(), file.file)?;
        }
        let path = folder.join("SHA256SUMS");
        fs::write(&path, sums)?;
        Ok(path)
    }

    /// For meshlab, in `folder`.
    pub(crate) fn write_lock(&self, folder: &Path, base: &str) -> Result<PathBuf> {
        let platform = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x86_64" };
        let mut lock = String::from("version = 1\n");
        for packed in &self.files {
            let Packed { artifact, file, digest, size, command, unpacked } = packed;
            write!(
                lock,
                "\n[[artifact]]\nname = \"{artifact}\"\nversion = \"1\"\nlicense = \"as the tool\"\n\
                 summary = \"a file to fetch\"\nprofiles = [\"core\"]\ncommands = {{ {command} = \"{command}\" }}\n\n\
                 [[artifact.source]]\nkind = \"url\"\nplatform = \"{platform}\"\n\n[[artifact.source.file]]\n\
                 url = \"{base}/{file}\"\nsha256 = \"{}\"\nsize = {size}\n",
                digest.hex()
            )?;
            if packed.is_archive() {
                writeln!(
                    lock,
                    "archive = \"zip\"\nunpacked_limit = {unpacked}\nunpack = {{ \"{command}\" = \"{command}\" }}"
                )?;
            } else {
                writeln!(lock, "install = \"{command}\"")?;
            }
        }
        let path = folder.join("deps.lock");
        fs::write(&path, lock)?;
        Ok(path)
    }
}
