//! The logs of components.

use crate::machine::state::RunDir;

/// The last lines of a component's log; empty if there is none.
pub fn last_lines(run: &RunDir, service: &str, count: usize) -> Vec<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    // Lines are rarely longer. A log is never read whole.
    const LINE: u64 = 512;
    const MOST: u64 = 16 * 1024 * 1024;
    let tail = LINE.saturating_mul(count as u64).clamp(64 * 1024, MOST);
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(run.log(service))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(tail)))?;
        let mut bytes = Vec::new();
        file.take(tail).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

/// The last lines of a component's log without debug and trace lines, unless there are no others.
pub(super) fn telling_lines(run: &RunDir, service: &str, count: usize) -> Vec<String> {
    const LOOKED_AT: usize = 2000;
    let lines = last_lines(run, service, LOOKED_AT);
    let is_detail =
        |line: &&String| ["[DEBUG]", "[TRACE]", "[debug]", "[trace]"].iter().any(|mark| line.contains(mark));
    let telling: Vec<&String> = lines.iter().filter(|line| !is_detail(line)).collect();
    let chosen = if telling.is_empty() { lines.iter().collect() } else { telling };
    chosen[chosen.len().saturating_sub(count)..].iter().map(|line| (*line).clone()).collect()
}
