//! What Nomad's tasks wrote: files that rotate, one after the other, in the folder that an allocation's tasks share.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::nomad::Nomad;
use crate::core::failure::Result;

/// A file of an allocation's log folder: `<task>.stdout.<number>` or `<task>.stderr.<number>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
}

impl Nomad {
    /// The log files of an allocation; none if it has no folder, not yet or not any more.
    pub async fn log_files(&self, allocation: &str) -> Result<Vec<LogFile>> {
        let path = format!("/v1/client/fs/ls/{allocation}?path=alloc%2Flogs");
        let answer = self.0.call(Method::GET, &path, None, super::REQUEST_DEADLINE).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR => Ok(Vec::new()),
            _ => self.0.read(&Method::GET, &path, &answer),
        }
    }

    /// Bytes of one log file from `offset` on, at most `limit`. A file that is gone has none.
    pub async fn read_log(&self, allocation: &str, file: &str, offset: u64, limit: u64) -> Result<Bytes> {
        let file = utf8_percent_encode(file, NON_ALPHANUMERIC);
        let path = format!(
            "/v1/client/fs/readat/{allocation}?path=alloc%2Flogs%2F{file}&offset={offset}&limit={limit}"
        );
        let answer = self.0.call(Method::GET, &path, None, super::REQUEST_DEADLINE).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR => Ok(Bytes::new()),
            _ => Err(self.0.refused(&Method::GET, &path, &answer)),
        }
    }
}
