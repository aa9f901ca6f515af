//! `meshlab support`: one file for a bug report.
//!
//! Invariant: every member goes through the mask, and what cannot be read is listed in the manifest, never fatal.

mod archive;
mod folder;
mod settings;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;
use serde_json::{Value, json};

use super::{Context, Output, Run, doctor, status};
use crate::artifacts::lockfile::{EMBEDDED, Lock};
use crate::core::atomic_file::{TEMP_PREFIX, cannot_write};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ByteSize, Digest, Platform};
use archive::Archive;

const SCHEMA: u32 = 1;

/// How long a look at the machine or at the labs may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(20);

/// Write one file for a bug report: versions, machine, settings, states, logs; secrets are masked
#[derive(Debug, Args)]
pub(crate) struct SupportArgs {
    /// File to write; an existing file is replaced [default: meshlab-support-DATE.tar.gz]
    file: Option<Utf8PathBuf>,
}

impl Run for SupportArgs {
    /// It must work where nothing else does, and must not write to the logs that it reads.
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let now = SystemTime::now();
        let file = self.file.unwrap_or_else(|| default_name(now).into());
        let archive = collect(context, now).await;
        let (members, masked) = (archive.members(), archive.masked());
        let bytes = archive.pack()?;
        write(&context.settings.work_dir.join(&file), &bytes)?;
        context.print(&output(&file, bytes.len() as u64, members, masked))
    }
}

fn default_name(now: SystemTime) -> String {
    let date = humantime::format_rfc3339_seconds(now).to_string();
    let date = date.trim_end_matches('Z').replace('T', "-").replace(':', "");
    format!("meshlab-support-{date}.tar.gz")
}

async fn collect(context: &Context, now: SystemTime) -> Archive {
    let settings = &context.settings;
    let mut archive = Archive::new(now);
    // First: all members are masked with what is found here.
    folder::hide_secrets(&settings.dirs.state, &mut archive);
    archive.add_json("version.json", &version());
    archive.add_json("settings.json", &settings::origins(context));
    archive.add_tail("config.toml", &settings.dirs.config.join("config.toml"));
    add_lock(context, &mut archive);
    add_look("doctor", doctor(context), &mut archive).await;
    add_look("status", status_of(context), &mut archive).await;
    folder::add(&settings.dirs, &mut archive);
    archive
}

fn version() -> Value {
    let kernel = rustix::system::uname();
    let platform =
        Platform::current().map_or_else(|failure| failure.to_string(), |here| here.name().to_owned());
    json!({
        "meshlab": env!("CARGO_PKG_VERSION"),
        "platform": platform,
        "kernel": kernel.release().to_string_lossy(),
        "kernel_version": kernel.version().to_string_lossy(),
        "user_id": rustix::process::geteuid().as_raw(),
    })
}

/// The lock as it is, also where it cannot be read as one.
fn add_lock(context: &Context, archive: &mut Archive) {
    let path = context.lock_path();
    let text = match &path {
        Some(path) => fs::read_to_string(path),
        None => Ok(EMBEDDED.to_owned()),
    };
    match text {
        Ok(text) => {
            let digest = Digest::sha256_of(text.as_bytes());
            let origin = path.as_ref().map_or("built in", |path| path.as_str());
            let fault = Lock::parse(&text, origin).err().map(|failure| failure.to_string());
            archive.add_json("lock.json", &json!({"origin": origin, "digest": digest, "fault": fault}));
            archive.add("deps.lock", &text);
        }
        Err(error) => archive.problem("deps.lock", &error.to_string()),
    }
}

async fn doctor(context: &Context) -> Result<Output> {
    Ok(doctor::run(&context.settings, &context.lock()?).await?.0)
}

/// What `status` prints, and what it fails with.
async fn status_of(context: &Context) -> Result<Output> {
    let (mut output, outcome) = status::run(&context.settings).await?;
    if let Err(failure) = outcome {
        output.human.extend([failure.to_string(), "\n".to_owned()]);
    }
    Ok(output)
}

async fn add_look(name: &str, look: impl Future<Output = Result<Output>>, archive: &mut Archive) {
    match tokio::time::timeout(LOOK_DEADLINE, Box::pin(look)).await {
        Ok(Ok(output)) => {
            archive.add(&format!("{name}.txt"), &output.human);
            archive.add_json(&format!("{name}.json"), &output.json);
        }
        Ok(Err(failure)) => archive.problem(name, &failure.to_string()),
        Err(_) => archive.problem(name, &format!("no result within {LOOK_DEADLINE:?}")),
    }
}

/// For its owner alone: a mask can miss a secret.
fn write(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let folder = path.parent().ok_or_else(|| Failure::usage(format!("{path} is not a file")))?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .tempfile_in(folder)
        .map_err(|error| cannot_write(path, &error))?;
    file.write_all(bytes).map_err(|error| cannot_write(path, &error))?;
    file.persist(path).map(drop).map_err(|failed| cannot_write(path, &failed.error))
}

fn output(file: &Utf8Path, bytes: u64, members: usize, masked: usize) -> Output {
    let human = format!(
        "{file}: {members} members, {}, {masked} secrets masked\n\
         manifest.json in it lists them. Look through the file before you attach it to a bug report.\n",
        ByteSize(bytes)
    );
    let json = json!({"schema": SCHEMA, "file": file, "bytes": bytes, "members": members, "masked": masked});
    Output { human, json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_has_the_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        assert_eq!(default_name(now), "meshlab-support-2026-01-02-030405.tar.gz");
    }
}
