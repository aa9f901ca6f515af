//! One log, read on from where it was read to, across rotation.

use std::io::{Read as _, Seek as _, SeekFrom};

use super::lines::Lines;
use super::{Listing, Logs, Writer};
use crate::core::failure::Result;

/// What is read at once, in bytes.
const CHUNK: u64 = 256 * 1024;

/// What is read in one go before others have their turn, in bytes.
const TURN: u64 = 4 * 1024 * 1024;

/// One log of a writer. A component has one; a task has one for each of its output streams.
#[derive(Debug)]
pub struct Stream {
    writer: Writer,
    /// `stdout` or `stderr`, for a task.
    kind: &'static str,
    file: u64,
    offset: u64,
    lines: Lines,
}

impl Stream {
    /// The logs of a writer, each from its beginning: standard output first.
    pub fn all(writer: &Writer) -> Vec<Self> {
        let kinds: &[&'static str] = match writer {
            Writer::Component(_) => &["stdout"],
            Writer::Task { .. } => &["stdout", "stderr"],
        };
        kinds.iter().map(|kind| Self::new(writer.clone(), kind)).collect()
    }

    /// What a writer writes to its standard output, from the beginning.
    pub fn output(writer: Writer) -> Self {
        Self::new(writer, "stdout")
    }

    fn new(writer: Writer, kind: &'static str) -> Self {
        Self { writer, kind, file: 0, offset: 0, lines: Lines::default() }
    }

    /// Who writes here.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Goes on from `back` bytes before the end.
    pub fn go_to_end(&mut self, logs: &Logs, listing: &Listing, back: u64) {
        self.lines.forget();
        let mut left = back;
        (self.file, self.offset) = (0, 0);
        for (number, size) in self.files(logs, listing).into_iter().rev() {
            (self.file, self.offset) = (number, size.saturating_sub(left));
            if left <= size {
                return;
            }
            left -= size;
        }
    }

    /// The lines that were completed since the last time.
    pub async fn read_on(&mut self, logs: &Logs, listing: &Listing) -> Result<Vec<String>> {
        let files = self.files(logs, listing);
        let mut lines = Vec::new();
        let mut budget = TURN;
        while budget > 0 {
            let current = self.file;
            let mut ahead = files.iter().filter(|(number, _)| *number >= current);
            let Some((number, size)) = ahead.next().copied() else { break };
            if number > current {
                // The files before were removed: rotation was faster.
                self.start_file(number);
                self.lines.forget();
            }
            if self.offset > size {
                self.start_file(number);
            }
            if self.offset == size {
                let Some((next, _)) = ahead.next() else { break };
                // Nomad may cut a line where a file is full: its end is in the next one.
                self.start_file(*next);
                continue;
            }
            let limit = (size - self.offset).min(CHUNK);
            let bytes = self.read(logs, number, limit).await?;
            if bytes.is_empty() {
                break;
            }
            self.offset += bytes.len() as u64;
            budget = budget.saturating_sub(bytes.len() as u64);
            lines.extend(self.lines.push(&bytes));
        }
        Ok(lines)
    }

    /// The beginning of a line whose end has not been written.
    pub fn unfinished(&self) -> Option<String> {
        self.lines.unfinished()
    }

    fn start_file(&mut self, number: u64) {
        self.file = number;
        self.offset = 0;
    }

    /// Number and size of the files that make up this log, oldest first.
    fn files(&self, logs: &Logs, listing: &Listing) -> Vec<(u64, u64)> {
        match &self.writer {
            Writer::Component(name) => {
                let size = std::fs::metadata(logs.run.log(name)).map(|metadata| metadata.len());
                size.map(|size| vec![(0, size)]).unwrap_or_default()
            }
            Writer::Task { task, allocation, .. } => {
                let start = format!("{task}.{}.", self.kind);
                let listed = listing.0.get(allocation).map(Vec::as_slice).unwrap_or_default();
                let mut files: Vec<(u64, u64)> = listed
                    .iter()
                    .filter_map(|file| Some((file.name.strip_prefix(&start)?.parse().ok()?, file.size)))
                    .collect();
                files.sort_unstable();
                files
            }
        }
    }

    async fn read(&self, logs: &Logs, number: u64, limit: u64) -> Result<Vec<u8>> {
        match (&self.writer, &logs.nomad) {
            (Writer::Component(name), _) => {
                let mut file = fs_err::File::open(logs.run.log(name))?;
                file.seek(SeekFrom::Start(self.offset))?;
                let mut bytes = Vec::new();
                file.take(limit).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            (Writer::Task { task, allocation, .. }, Some(nomad)) => {
                let file = format!("{task}.{}.{number}", self.kind);
                let bytes = nomad.read_log(allocation, &file, self.offset, limit).await?;
                Ok(bytes[..bytes.len().min(usize::try_from(limit).unwrap_or(usize::MAX))].to_vec())
            }
            (Writer::Task { .. }, None) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::fixture::{Manner, Server};
    use crate::core::model::LabAddress;
    use crate::machine::state::RunDir;
    use crate::mesh::api::nomad::Nomad;
    use crate::mesh::api::task_logs::LogFile;

    fn logs(server: &Server, state: &tempfile::TempDir) -> Logs {
        let url = server.url("");
        let address = url.trim_start_matches("http://").parse().unwrap();
        let state = camino::Utf8Path::from_path(state.path()).unwrap();
        Logs {
            run: RunDir::new(state, LabAddress::DEFAULT),
            components: vec![],
            nomad: Some(Nomad::new(address, None)),
        }
    }

    /// The same files on the server and in the listing.
    fn files(server: &Server, files: &[(u64, &str)], from: &[(u64, usize)]) -> Listing {
        for (number, offset) in from {
            let text = files.iter().find(|(other, _)| other == number).unwrap().1;
            let limit = text.len() - offset;
            let path = format!(
                "/v1/client/fs/readat/a?path=alloc%2Flogs%2Ft%2Estdout%2E{number}&offset={offset}&limit={limit}"
            );
            server.route(&path, &text.as_bytes()[*offset..], &[Manner::Serve]);
        }
        let file = |(number, text): &(u64, &str)| LogFile {
            name: format!("t.stdout.{number}"),
            size: text.len() as u64,
        };
        Listing(BTreeMap::from([("a".to_owned(), files.iter().map(file).collect())]))
    }

    fn task() -> Stream {
        Stream::output(Writer::Task { job: "j".into(), task: "t".into(), allocation: "a".into() })
    }

    #[tokio::test]
    async fn a_log_is_read_on_across_rotation() {
        let (server, state) = (Server::start(), tempfile::tempdir().unwrap());
        let logs = logs(&server, &state);
        let mut stream = task();
        let listing = files(&server, &[(0, "one\ntw")], &[(0, 0)]);
        assert_eq!(stream.read_on(&logs, &listing).await.unwrap(), ["one"]);
        assert_eq!(stream.unfinished().as_deref(), Some("tw"));
        // It was filled up, and the next one was begun in the middle of a line.
        let listing = files(&server, &[(0, "one\ntwo\nthr"), (1, "ee\n"), (10, "")], &[(0, 6), (1, 0)]);
        assert_eq!(stream.read_on(&logs, &listing).await.unwrap(), ["two", "three"]);
        // Rotation was faster than the reader: what is gone is gone.
        let listing = files(&server, &[(11, "last\n")], &[(11, 0)]);
        assert_eq!(stream.read_on(&logs, &listing).await.unwrap(), ["last"]);
        assert_eq!(stream.read_on(&logs, &listing).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_end_may_lie_in_an_earlier_file() {
        let (server, state) = (Server::start(), tempfile::tempdir().unwrap());
        let logs = logs(&server, &state);
        let all = [(0, "zero\n"), (1, "one\ntwo\n"), (2, "three\n")];
        let mut stream = task();
        stream.go_to_end(&logs, &files(&server, &all, &[]), 0);
        assert_eq!((stream.file, stream.offset), (2, 6));
        let listing = files(&server, &all, &[(1, 4), (2, 0)]);
        stream.go_to_end(&logs, &listing, 10);
        assert_eq!(stream.read_on(&logs, &listing).await.unwrap(), ["two", "three"]);
        stream.go_to_end(&logs, &listing, 1000);
        assert_eq!((stream.file, stream.offset), (0, 0));
    }

    #[tokio::test]
    async fn a_component_has_one_file_that_may_begin_anew() {
        let (server, state) = (Server::start(), tempfile::tempdir().unwrap());
        let logs = logs(&server, &state);
        logs.run.create().unwrap();
        let write = |text: &str| std::fs::write(logs.run.log("lb"), text).unwrap();
        let mut stream = Stream::output(Writer::Component("lb".into()));
        let none = Listing::default();
        assert_eq!(stream.read_on(&logs, &none).await.unwrap(), Vec::<String>::new());
        write("a\nb\n");
        assert_eq!(stream.read_on(&logs, &none).await.unwrap(), ["a", "b"]);
        write("c\n");
        assert_eq!(stream.read_on(&logs, &none).await.unwrap(), ["c"]);
    }
}
