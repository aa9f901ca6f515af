//! `meshlab logs`: what components wrote.

use std::io::SeekFrom;
use std::time::Duration;

use camino::Utf8PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::cli::{LogsArgs, Settings};
use crate::failure::{Failure, Result};
use crate::runtime::host::last_lines;
use crate::state::RunDir;
use crate::ui::print_while_read;

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(100);

const CHUNK: usize = 64 * 1024;

/// Prints the last lines of one component or of all, and goes on with new ones if asked to.
pub async fn run(args: &LogsArgs, settings: &Settings) -> Result<()> {
    let run = RunDir::new(&settings.dirs.state, settings.address);
    let Some(state) = run.load() else {
        return Err(Failure::failed(format!("no lab is running on {}", settings.address))
            .hint("a lab's logs live as long as it does: `meshlab lab NAME --keep` leaves it running"));
    };
    let names: Vec<&str> = state.services.iter().map(|service| service.name.as_str()).collect();
    let chosen: Vec<&str> = match &args.service {
        None => names,
        Some(name) if names.contains(&name.as_str()) => vec![name.as_str()],
        Some(name) => {
            let failure = Failure::usage(format!("lab {} has no component {name:?}", state.lab));
            return Err(failure.hint(format!("its components: {}", names.join(", "))));
        }
    };
    let width = chosen.iter().map(|name| name.len()).max().unwrap_or_default();
    let label = |name: &str| if chosen.len() == 1 { String::new() } else { format!("{name:width$} | ") };
    let mut followed = Vec::new();
    for name in &chosen {
        let path = run.log(name);
        // Measured before the lines are read: a line written in between is shown twice rather than never.
        let length = fs_err::metadata(&path).map(|metadata| metadata.len()).unwrap_or_default();
        for line in last_lines(&run, name, args.lines) {
            if !print_while_read(format!("{}{line}\n", label(name)).as_bytes())? {
                return Ok(());
            }
        }
        followed.push(Followed { path, label: label(name), position: length, rest: Vec::new() });
    }
    while args.follow && run.exists() {
        for log in &mut followed {
            if !log.print_new_lines().await? {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

struct Followed {
    path: Utf8PathBuf,
    label: String,
    position: u64,
    /// The beginning of a line that is not complete yet.
    rest: Vec<u8>,
}

impl Followed {
    /// Says whether there is still a reader: without one (`logs -f | head`) there is nothing to go on for.
    async fn print_new_lines(&mut self) -> Result<bool> {
        let Ok(mut file) = tokio::fs::File::open(&self.path).await else { return Ok(true) };
        file.seek(SeekFrom::Start(self.position)).await?;
        let mut chunk = vec![0; CHUNK];
        let length = file.read(&mut chunk).await?;
        self.position += length as u64;
        self.rest.extend_from_slice(&chunk[..length]);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if !print_while_read(&[self.label.as_bytes(), &line].concat())? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
