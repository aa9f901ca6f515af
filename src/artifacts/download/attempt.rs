//! One HTTP request for a file, or for the rest of it.

use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::client::{host_of, shown};
use super::{Downloader, Progress, Sink, Wanted};
use crate::artifacts::lockfile::SizeBound;
use crate::core::failure::{Failure, FailureKind, cause_chain};

/// Why an attempt did not bring the whole file.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Asking again may help.
    Again(Failure),
    /// Asking again is pointless.
    Final(Failure),
    /// More bytes came than the lock allows.
    Longer,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// What the answer's head says about the body.
enum Body {
    /// It begins where the partial file ends.
    Continues { total: Option<u64> },
    /// It begins at the beginning.
    Whole { total: Option<u64> },
    /// The partial file is whole already.
    Nothing,
}

impl Downloader {
    pub(super) async fn attempt(
        &self,
        wanted: &Wanted<'_>,
        sink: &mut Sink,
        progress: &mut Progress,
        first: bool,
    ) -> Result<(), Trouble> {
        let response = self.ask(wanted, sink, progress, first).await?;
        if let Some(tag) = response.headers().get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) {
            progress.tag = Some(tag.clone());
        }
        let total = match head(wanted, sink, &response)? {
            Body::Nothing => return Ok(()),
            Body::Continues { total } => {
                check_total(wanted, total)?;
                total
            }
            Body::Whole { total } => {
                check_total(wanted, total)?;
                sink.restart();
                total
            }
        };
        wanted.report_started(wanted.file.size.exact().or(total), sink);
        self.take(wanted, sink, progress, response).await
    }

    async fn ask(
        &self,
        wanted: &Wanted<'_>,
        sink: &Sink,
        progress: &Progress,
        first: bool,
    ) -> Result<Response, Trouble> {
        // A compressed transfer would be other bytes than those the lock knows.
        let mut request = self.http.client()?.get(wanted.url.clone()).header(ACCEPT_ENCODING, "identity");
        if sink.length() > 0 {
            request = request.header(RANGE, format!("bytes={}-", sink.length()));
            if let Some(tag) = &progress.tag {
                request = request.header(IF_RANGE, tag);
            }
        }
        let silence = self.http.timeouts.silence;
        let (why, dead) = match tokio::time::timeout(silence, request.send()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => {
                // A server that delivered before and refuses now may only be starting again.
                let dead = error.is_timeout() || (first && error.is_connect());
                (plain(error), dead)
            }
            Err(_) => (format!("no answer within {} s", silence.as_secs_f32()), true),
        };
        if dead {
            // Neither this file nor any other will come from there; the next source is asked at once.
            self.http.mark_dead(wanted.url, &why);
            return Err(Trouble::Final(unreachable(wanted.url, &why)));
        }
        let failure = Failure::failed(format!("{} cannot be fetched", shown(wanted.url)));
        Err(Trouble::Again(failure.seen_text(why)))
    }

    /// Passes the body on, piece by piece.
    async fn take(
        &self,
        wanted: &Wanted<'_>,
        sink: &mut Sink,
        progress: &mut Progress,
        mut response: Response,
    ) -> Result<(), Trouble> {
        let silence = self.http.timeouts.silence;
        let start = sink.length();
        let broke = |why: String, at: u64| {
            Trouble::Again(
                Failure::failed(format!("{} broke off after {at} bytes", shown(wanted.url))).seen_text(why),
            )
        };
        loop {
            let bytes = match tokio::time::timeout(silence, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(broke(plain(error), sink.length())),
                Err(_) => {
                    let why = format!("silent for {} s", silence.as_secs_f32());
                    if sink.length() == start {
                        self.http.mark_dead(wanted.url, &why);
                    }
                    return Err(broke(why, sink.length()));
                }
            };
            let room = wanted.file.size.limit().saturating_sub(sink.length());
            if bytes.len() as u64 > room {
                sink.write(bytes.slice(..usize::try_from(room).unwrap_or(bytes.len()))).await;
                return Err(Trouble::Longer);
            }
            if !sink.write(bytes).await {
                return Err(Trouble::Final(Failure::failed("the disk refused a download")));
            }
            progress.tell(wanted, sink.length());
        }
    }
}

/// What the client saw, without the address (which may hold a password and is said already) and without the layers
/// of software that passed it on.
fn plain(error: reqwest::Error) -> String {
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

/// Nothing of this host's can be had: the file's name would only make the line longer.
fn unreachable(url: &Url, why: &str) -> Failure {
    Failure::failed(format!("cannot reach {}", host_of(url))).seen_text(why.to_owned())
}

/// Reads status and headers.
fn head(wanted: &Wanted<'_>, sink: &mut Sink, response: &Response) -> Result<Body, Trouble> {
    let position = sink.length();
    let status = response.status();
    let answered = || Failure::failed(format!("{} answered {status}", shown(wanted.url)));
    match status {
        StatusCode::OK => Ok(Body::Whole { total: content_length(response) }),
        StatusCode::PARTIAL_CONTENT if position > 0 => match content_range(response) {
            Some((Some(start), total)) if start == position => Ok(Body::Continues { total }),
            other => {
                sink.restart();
                let found =
                    other.map_or("no range that can be read".to_owned(), |range| format!("{range:?}"));
                Err(Trouble::Again(answered().seen_text(format!("{found} when asked from {position}"))))
            }
        },
        StatusCode::RANGE_NOT_SATISFIABLE if position > 0 => match content_range(response) {
            Some((None, Some(total))) if total == position => Ok(Body::Nothing),
            _ => {
                sink.restart();
                Err(Trouble::Again(answered()))
            }
        },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Trouble::Again(answered())),
        status if status.is_server_error() => Err(Trouble::Again(answered())),
        _ => Err(Trouble::Final(answered())),
    }
}

/// A file of another length is another file; better said before its bytes are paid for.
fn check_total(wanted: &Wanted<'_>, total: Option<u64>) -> Result<(), Trouble> {
    let Some(total) = total else { return Ok(()) };
    let expected = match wanted.file.size {
        SizeBound::Exact(size) if size.0 != total => format!("{} bytes", size.0),
        SizeBound::AtMost(limit) if total > limit.0 => format!("at most {} bytes", limit.0),
        _ => return Ok(()),
    };
    Err(Trouble::Final(
        Failure::new(
            FailureKind::Untrusted,
            format!("{} is not the file that is locked: it has another length", wanted.file.name),
        )
        .detail("expected", expected)
        .observed(format!("{total} bytes"))
        .detail("from", shown(wanted.url))
        .hint("nothing was fetched or installed; try another --source"),
    ))
}

fn content_length(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Start and total of `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
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
    fn ranges_are_read() {
        assert_eq!(parse_range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(parse_range("bytes */10"), Some((None, Some(10))));
        for bad in ["", "bytes", "bytes 5/10", "items 5-9/10", "bytes x-9/10", "bytes 5-9/x"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
