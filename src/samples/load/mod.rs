//! A load generator: a bounded number of calls to one URL, and their outcomes.
//!
//! It uses keep-alive connections. Each call counts once: a call that was sent and failed is not retried. A call that was not
//! sent, because the server had just closed an idle connection, is sent again on another one.

mod tally;

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use tokio::time::{Instant, sleep_until, timeout};

pub use tally::{Calls, Tally};

use super::pool::{self, Pool};
use crate::core::failure::cause_chain;

/// The maximum number of calls of one load.
pub const MAX_CALLS: u32 = 100_000;
/// The maximum number of calls at once.
pub const MAX_CONNECTIONS: u16 = 256;
/// The maximum number of calls per second.
pub const MAX_RATE: u32 = 10_000;
/// The longest timeout of one call.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(1);
/// The longest duration of a load.
pub const MAX_DURATION: Duration = Duration::from_mins(10);

/// The maximum length of an answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// What to call, and how often.
#[derive(Debug, Clone)]
pub struct Load {
    /// The address of the service.
    pub address: SocketAddr,
    /// The path with its query; starts with `/`.
    pub path: String,
    /// The HTTP method.
    pub method: Method,
    /// The headers of every call.
    pub headers: HeaderMap,
    /// The number of calls.
    pub count: u32,
    /// The number of calls at once.
    pub connections: u16,
    /// Calls per second. `None`: no limit.
    pub rate: Option<u32>,
    /// The timeout of one call, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// No call starts after this time.
    pub duration: Option<Duration>,
    /// The header by whose values answers are counted.
    pub by: Option<HeaderName>,
}

impl Load {
    /// Validates the ranges and the path.
    pub fn check(&self) -> Result<(), LoadError> {
        within("calls", 1, MAX_CALLS, self.count)?;
        within("connections", 1, MAX_CONNECTIONS, self.connections)?;
        self.rate.map_or(Ok(()), |rate| within("a rate", 1, MAX_RATE, rate))?;
        within("a timeout", Millis(1), Millis::of(MAX_TIMEOUT), Millis::of(self.timeout))?;
        self.duration.map_or(Ok(()), |duration| {
            within("a duration", Millis(1), Millis::of(MAX_DURATION), Millis::of(duration))
        })?;
        self.uri().map(drop)
    }

    fn uri(&self) -> Result<Uri, LoadError> {
        let uri = Uri::builder().scheme("http").authority(self.address.to_string());
        let uri = uri.path_and_query(&self.path).build();
        uri.map_err(|error| LoadError::Path { path: self.path.clone(), error })
    }

    /// Makes the calls. Dropping the future cancels them.
    pub async fn run(&self) -> Result<Tally, LoadError> {
        self.check()?;
        let run = Run {
            load: self,
            uri: self.uri()?,
            client: pool::new(self.timeout),
            begun: Instant::now(),
            next: AtomicU32::new(0),
        };
        let workers = (0..self.connections).map(|_| run.work());
        let tallies = join_all(workers).await;
        let mut whole = Tally::default();
        for tally in tallies {
            whole.add(tally);
        }
        whole.took = run.begun.elapsed();
        Ok(whole)
    }
}

/// Why a load is invalid.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A number is out of range.
    #[error("expected {what} from {min} to {max}, found {found}")]
    Range {
        /// Which number.
        what: &'static str,
        /// The least.
        min: String,
        /// The most.
        max: String,
        /// The number.
        found: String,
    },
    /// The path is no path of a URL.
    #[error("{path:?}: {error}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        error: hyper::http::Error,
    },
}

fn within<T: PartialOrd + Display + Copy>(
    what: &'static str,
    min: T,
    max: T,
    found: T,
) -> Result<(), LoadError> {
    if min <= found && found <= max {
        return Ok(());
    }
    let [min, max, found] = [min, max, found].map(|number| number.to_string());
    Err(LoadError::Range { what, min, max, found })
}

/// Whole milliseconds, shown with their unit.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Millis(u64);

impl Millis {
    fn of(time: Duration) -> Self {
        Self(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        humantime::format_duration(Duration::from_millis(self.0)).fmt(f)
    }
}

/// A running load.
struct Run<'a> {
    load: &'a Load,
    uri: Uri,
    client: Pool,
    begun: Instant,
    next: AtomicU32,
}

impl Run<'_> {
    /// Makes one call after the other while there are any left.
    async fn work(&self) -> Tally {
        let mut tally = Tally::default();
        loop {
            let number = self.next.fetch_add(1, Relaxed);
            if number >= self.load.count {
                return tally;
            }
            let due = match self.load.rate {
                Some(rate) => self.begun + Duration::from_secs(1) * number / rate,
                None => Instant::now(),
            };
            if self.load.duration.is_some_and(|duration| due >= self.begun + duration) {
                return tally;
            }
            sleep_until(due).await;
            let begun = Instant::now();
            let outcome = timeout(self.load.timeout, self.call()).await;
            let took = begun.elapsed();
            match outcome {
                Ok(Ok((status, label))) => tally.answered(status, label.as_deref(), took),
                Ok(Err(error)) => tally.failed(&error.to_string(), took),
                Err(_) => tally.failed(&CallError::Timeout(self.load.timeout).to_string(), took),
            }
        }
    }

    /// The status, and the value of the header `by`.
    async fn call(&self) -> Result<(u16, Option<String>), CallError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = self.load.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.load.headers.clone();
        let response = self.client.request(request).await?;
        let status = response.status().as_u16();
        let label = self.load.by.as_ref().map(|by| label(&response, by));
        read_to_end(status, response.into_body()).await?;
        Ok((status, label))
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("{}", cause_chain(.0))]
    Request(#[from] hyper_util::client::legacy::Error),
    #[error("{status}, then {}", cause_chain(.error))]
    Body { status: u16, error: hyper::Error },
    #[error("{status}, then more than {MAX_ANSWER_BYTES} bytes")]
    TooLong { status: u16 },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

fn label(response: &Response<Incoming>, by: &HeaderName) -> String {
    let value = response.headers().get(by).map(HeaderValue::as_bytes);
    value.map_or_else(|| tally::NONE.to_owned(), |value| String::from_utf8_lossy(value).into_owned())
}

/// Reads the rest of an answer: only then can its connection carry the next call.
async fn read_to_end(status: u16, mut body: Incoming) -> Result<(), CallError> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CallError::Body { status, error })?;
        length += frame.data_ref().map_or(0, |data| data.len() as u64);
        if length.max(body.size_hint().lower()) > MAX_ANSWER_BYTES {
            return Err(CallError::TooLong { status });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::arithmetic::{Arithmetic, serve};
    use crate::samples::server::{Fault, FaultSpec, Faults, Instance, Limits, Options, Version};

    fn load(address: SocketAddr) -> Load {
        Load {
            address,
            path: "/api/v1/execute/?l=1&r=2".to_owned(),
            method: Method::GET,
            headers: HeaderMap::new(),
            count: 20,
            connections: 4,
            rate: None,
            timeout: Duration::from_secs(5),
            duration: None,
            by: Some(HeaderName::from_static("x-instance")),
        }
    }

    /// An add-svc for as long as the sender lives.
    async fn service(fault: Option<FaultSpec>) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            instance: Some(Instance::parse("one").unwrap()),
            version: Version::parse("v1").unwrap(),
            faults: Some(Faults::new(fault.map(|spec| Fault::try_from(spec).unwrap()))),
            print: Box::new(move |lines: &[u8]| {
                let _ = say.send(String::from_utf8(lines.to_vec()).unwrap());
                Ok(true)
            }),
            limits: Limits::default(),
        };
        tokio::spawn(serve(Arithmetic::Add, options, async { drop(stopped.await) }));
        let first = said.recv().await.unwrap();
        let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
        (first["address"].as_str().unwrap().parse().unwrap(), stop)
    }

    #[tokio::test]
    async fn every_call_is_counted_once() {
        let (address, _stop) = service(None).await;
        let tally = load(address).run().await.unwrap();
        assert_eq!((tally.calls(), tally.ok()), (20, 20));
        assert_eq!(tally.by()["one"], Calls { calls: 20, failed: 0 });
        let one = Load { count: 3, connections: 8, ..load(address) }.run().await.unwrap();
        assert_eq!(one.calls(), 3);
    }

    #[tokio::test]
    async fn failures_are_counted_by_status_and_error() {
        let (address, _stop) = service(Some(FaultSpec { status: Some(503), ..FaultSpec::default() })).await;
        let tally = load(address).run().await.unwrap();
        assert_eq!((tally.calls(), tally.ok(), tally.statuses()[&503]), (20, 0, 20));
        assert_eq!(tally.by()["one"], Calls { calls: 20, failed: 20 });
        // No process listens on port 1.
        let refused = load("127.0.0.1:1".parse().unwrap()).run().await.unwrap();
        let errors: Vec<_> = refused.errors().collect();
        assert!(matches!(errors[..], [(error, 20)] if error.contains("refused")), "{errors:?}");
        assert_eq!((refused.ok(), refused.by().len()), (0, 0));
    }

    #[tokio::test]
    async fn a_call_has_a_timeout_and_a_load_a_rate_and_an_end() {
        let (address, _stop) =
            service(Some(FaultSpec { delay_ms: Some(5000), ..FaultSpec::default() })).await;
        let late = Load { count: 2, timeout: Duration::from_millis(50), ..load(address) };
        let tally = late.run().await.unwrap();
        assert_eq!(tally.errors().collect::<Vec<_>>(), [("no answer within 50ms", 2)]);

        let (address, _stop) = service(None).await;
        let paced = Load { count: 11, rate: Some(50), ..load(address) }.run().await.unwrap();
        assert!(paced.took >= Duration::from_millis(200), "{:?}", paced.took);
        let ended = Load { rate: Some(100), duration: Some(Duration::from_millis(95)), ..load(address) };
        assert_eq!(ended.run().await.unwrap().calls(), 10);
    }

    #[test]
    fn a_load_has_bounds() {
        let good = || load("127.0.0.1:1".parse().unwrap());
        good().check().unwrap();
        let wrong = [
            Load { count: 0, ..good() },
            Load { count: MAX_CALLS + 1, ..good() },
            Load { connections: 257, ..good() },
            Load { rate: Some(0), ..good() },
            Load { timeout: Duration::from_secs(61), ..good() },
            Load { duration: Some(Duration::ZERO), ..good() },
            Load { path: "no path".to_owned(), ..good() },
        ];
        insta::assert_snapshot!(wrong.map(|load| load.check().unwrap_err().to_string()).join("\n"), @r#"
        expected calls from 1 to 100000, found 0
        expected calls from 1 to 100000, found 100001
        expected connections from 1 to 256, found 257
        expected a rate from 1 to 10000, found 0
        expected a timeout from 1ms to 1m, found 1m 1s
        expected a duration from 1ms to 10m, found 0s
        "no path": path does not start with slash
        "#);
    }
}
