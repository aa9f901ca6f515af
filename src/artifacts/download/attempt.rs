//! One attempt to download a file or the rest of it, with one HTTP request.

use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::client::{host_of, shown};
use super::{AttemptState, DownloadRequest, Downloader, Sink};
use crate::artifacts::lockfile::SizeBound;
use crate::core::failure::{Failure, FailureKind, cause_chain};

/// Why an attempt did not complete the file.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// Another attempt may succeed.
    Retry(Failure),
    /// Another attempt would fail the same way.
    Final(Failure),
    /// The body is longer than the lock allows.
    TooLong,
}

impl From<Failure> for AttemptError {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// What the head of the response says about the body.
enum Body {
    /// The body starts where the partial file ends.
    Continues { total: Option<u64> },
    /// The body is the whole file.
    Whole { total: Option<u64> },
    /// The partial file is already complete.
    None,
}

impl Downloader {
    pub(super) async fn attempt(
        &self,
        request: &DownloadRequest<'_>,
        sink: &mut Sink,
        state: &mut AttemptState,
        is_first: bool,
    ) -> Result<(), AttemptError> {
        let response = self.send(request, sink, state, is_first).await?;
        if let Some(tag) = response.headers().get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) {
            state.etag = Some(tag.clone());
        }
        let total = match head(request, sink, &response)? {
            Body::None => return Ok(()),
            Body::Continues { total } => {
                check_total(request, total)?;
                total
            }
            Body::Whole { total } => {
                check_total(request, total)?;
                sink.restart();
                total
            }
        };
        request.report_started(request.file.size.exact().or(total), sink);
        self.receive(request, sink, state, response).await
    }

    async fn send(
        &self,
        request: &DownloadRequest<'_>,
        sink: &Sink,
        state: &AttemptState,
        is_first: bool,
    ) -> Result<Response, AttemptError> {
        // A compressed transfer would not have the locked digest.
        let mut http = self.http.client()?.get(request.url.clone()).header(ACCEPT_ENCODING, "identity");
        if sink.length() > 0 {
            http = http.header(RANGE, format!("bytes={}-", sink.length()));
            if let Some(tag) = &state.etag {
                http = http.header(IF_RANGE, tag);
            }
        }
        let idle = self.http.timeouts.idle;
        let (why, is_dead) = match tokio::time::timeout(idle, http.send()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => {
                // A server that responded before and refuses connections now may be restarting.
                let is_dead = error.is_timeout() || (is_first && error.is_connect());
                (short_cause(error), is_dead)
            }
            Err(_) => (format!("no answer within {} s", idle.as_secs_f32()), true),
        };
        if is_dead {
            // The other files of this host would fail as well: try the next source at once.
            self.http.mark_dead(request.url, &why);
            return Err(AttemptError::Final(unreachable(request.url, &why)));
        }
        let failure = Failure::failed(format!("cannot fetch {}", shown(request.url)));
        Err(AttemptError::Retry(failure.seen_text(why)))
    }

    /// Writes the body to the sink, chunk by chunk.
    async fn receive(
        &self,
        request: &DownloadRequest<'_>,
        sink: &mut Sink,
        state: &mut AttemptState,
        mut response: Response,
    ) -> Result<(), AttemptError> {
        let idle = self.http.timeouts.idle;
        let start = sink.length();
        let interrupted = |why: String, at: u64| {
            AttemptError::Retry(
                Failure::failed(format!("the download of {} stopped after {at} bytes", shown(request.url)))
                    .seen_text(why),
            )
        };
        loop {
            let bytes = match tokio::time::timeout(idle, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(interrupted(short_cause(error), sink.length())),
                Err(_) => {
                    let why = format!("no data for {} s", idle.as_secs_f32());
                    if sink.length() == start {
                        self.http.mark_dead(request.url, &why);
                    }
                    return Err(interrupted(why, sink.length()));
                }
            };
            let room = request.file.size.limit().saturating_sub(sink.length());
            if bytes.len() as u64 > room {
                sink.write(bytes.slice(..usize::try_from(room).unwrap_or(bytes.len()))).await;
                return Err(AttemptError::TooLong);
            }
            if !sink.write(bytes).await {
                return Err(AttemptError::Final(Failure::failed("cannot write the download to disk")));
            }
            state.report_progress(request, sink.length());
        }
    }
}

/// The cause of an error, without the URL (which may contain a password) and without the library's layers.
fn short_cause(error: reqwest::Error) -> String {
    let chain = cause_chain(&error.without_url());
    let layers = [
        "error sending request: ",
        "client error (Connect): ",
        "client error (SendRequest): ",
        "dns error: ",
        "error resolving DNS: ",
        "failed to lookup address information: ",
    ];
    layers.iter().fold(chain.as_str(), |text, layer| text.strip_prefix(layer).unwrap_or(text)).to_owned()
}

/// The failure for a host that does not respond, whatever the file.
fn unreachable(url: &Url, why: &str) -> Failure {
    Failure::failed(format!("cannot reach {}", host_of(url))).seen_text(why.to_owned())
}

/// Reads the status and the headers of a response.
fn head(request: &DownloadRequest<'_>, sink: &mut Sink, response: &Response) -> Result<Body, AttemptError> {
    let position = sink.length();
    let status = response.status();
    let refused = || Failure::failed(format!("{} answered {status}", shown(request.url)));
    match status {
        StatusCode::OK => Ok(Body::Whole { total: content_length(response) }),
        StatusCode::PARTIAL_CONTENT if position > 0 => match content_range(response) {
            Some((Some(start), total)) if start == position => Ok(Body::Continues { total }),
            other => {
                sink.restart();
                let found = other.map_or("an invalid Content-Range".to_owned(), |range| format!("{range:?}"));
                Err(AttemptError::Retry(
                    refused().seen_text(format!("{found} for a request from byte {position}")),
                ))
            }
        },
        StatusCode::RANGE_NOT_SATISFIABLE if position > 0 => match content_range(response) {
            Some((None, Some(total))) if total == position => Ok(Body::None),
            _ => {
                sink.restart();
                Err(AttemptError::Retry(refused()))
            }
        },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(AttemptError::Retry(refused())),
        status if status.is_server_error() => Err(AttemptError::Retry(refused())),
        _ => Err(AttemptError::Final(refused())),
    }
}

/// Checks the total length against the lock before the body is downloaded.
fn check_total(request: &DownloadRequest<'_>, total: Option<u64>) -> Result<(), AttemptError> {
    let Some(total) = total else { return Ok(()) };
    let expected = match request.file.size {
        SizeBound::Exact(size) if size.0 != total => format!("{} bytes", size.0),
        SizeBound::AtMost(limit) if total > limit.0 => format!("at most {} bytes", limit.0),
        _ => return Ok(()),
    };
    Err(AttemptError::Final(
        Failure::new(
            FailureKind::Untrusted,
            format!("{} does not have the size in the lock", request.file.name),
        )
        .detail("expected", expected)
        .observed(format!("{total} bytes"))
        .detail("from", shown(request.url))
        .hint("nothing was fetched or installed; try another --source"),
    ))
}

fn content_length(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Start and total of a Content-Range: `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn content_range(response: &Response) -> Option<(Option<u64>, Option<u64>)> {
    parse_range(response.headers().get(CONTENT_RANGE)?.to_str().ok()?)
}

fn parse_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if range == "*" {
        return Some((None, total));
    }
    let (start, _) = range.split_once('-')?;
    Some((Some(start.parse().ok()?), total))
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn content_ranges_are_parsed() {
        assert_eq!(parse_range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(parse_range("bytes */10"), Some((None, Some(10))));
        for bad in ["", "bytes", "bytes 5/10", "items 5-9/10", "bytes x-9/10", "bytes 5-9/x"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
