//! A small load generator: a bounded number of calls to one URL, and how they went.
//!
//! It keeps its connections, as clients of services do. Each call counts once: one that was sent and failed has failed.
//! Only a call that could not be sent at all, because the other side had just closed a kept connection, goes out again
//! on another one.

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

/// The most calls of one load.
pub const MOST_CALLS: u32 = 100_000;
/// The most calls at once.
pub const MOST_CONNECTIONS: u16 = 256;
/// The most calls in a second.
pub const HIGHEST_RATE: u32 = 10_000;
/// The longest time for one call.
pub const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);
/// The longest time for all of them.
pub const LONGEST_DURATION: Duration = Duration::from_mins(10);

/// The longest answer that is taken, in bytes.
const LONGEST_ANSWER: u64 = 16 * 1024 * 1024;

/// What is called, and how often.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where.
    pub address: SocketAddr,
    /// What is asked for: begins with `/` and may carry a query.
    pub path: String,
    /// GET, POST ...
    pub method: Method,
    /// Sent with every call.
    pub headers: HeaderMap,
    /// How many calls at most.
    pub count: u32,
    /// How many of them at once.
    pub connections: u16,
    /// How many begin in each second; as many as can be if nothing is said.
    pub rate: Option<u32>,
    /// For one call, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// After this long no call begins any more.
    pub duration: Option<Duration>,
    /// The header by which answers are told apart.
    pub by: Option<HeaderName>,
}

impl Load {
    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), String> {
        within("calls", 1, MOST_CALLS, self.count)?;
        within("connections", 1, MOST_CONNECTIONS, self.connections)?;
        self.rate.map_or(Ok(()), |rate| within("a rate", 1, HIGHEST_RATE, rate))?;
        within("a timeout", Millis(1), Millis::of(LONGEST_TIMEOUT), Millis::of(self.timeout))?;
        self.duration.map_or(Ok(()), |duration| {
            within("a duration", Millis(1), Millis::of(LONGEST_DURATION), Millis::of(duration))
        })?;
        self.uri().map(drop)
    }

    fn uri(&self) -> Result<Uri, String> {
        let uri = Uri::builder().scheme("http").authority(self.address.to_string());
        uri.path_and_query(&self.path).build().map_err(|error| format!("{:?}: {error}", self.path))
    }

    /// Makes the calls. Whoever drops this future ends them.
    pub async fn run(&self) -> Result<Tally, String> {
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

fn within<T: PartialOrd + Display + Copy>(what: &str, least: T, most: T, found: T) -> Result<(), String> {
    if least <= found && found <= most {
        return Ok(());
    }
    Err(format!("expected {what} from {least} to {most}, found {found}"))
}

/// Whole milliseconds, as people write them.
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

/// A load under way.
struct Run<'a> {
    load: &'a Load,
    uri: Uri,
    client: Pool,
    begun: Instant,
    next: AtomicU32,
}

impl Run<'_> {
    /// One call after the other, as long as there are any left.
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
                Ok(Err(error)) => tally.failed(&error, took),
                Err(_) => tally.failed(&format!("no answer within {:?}", self.load.timeout), took),
            }
        }
    }

    /// The status, and what told the answer apart.
    async fn call(&self) -> Result<(u16, Option<String>), String> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = self.load.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.load.headers.clone();
        let response = self.client.request(request).await.map_err(|error| cause_chain(&error))?;
        let status = response.status().as_u16();
        let label = self.load.by.as_ref().map(|by| label(&response, by));
        finish(response.into_body()).await.map_err(|error| format!("{status}, and then {error}"))?;
        Ok((status, label))
    }
}

fn label(response: &Response<Incoming>, by: &HeaderName) -> String {
    let value = response.headers().get(by).map(HeaderValue::as_bytes);
    value.map_or_else(|| tally::NONE.to_owned(), |value| String::from_utf8_lossy(value).into_owned())
}

/// Takes the rest of an answer: only then can its connection carry the next call.
async fn finish(mut body: Incoming) -> Result<(), String> {
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| cause_chain(&error))?;
        taken += frame.data_ref().map_or(0, |data| data.len() as u64);
        if taken.max(body.size_hint().lower()) > LONGEST_ANSWER {
            return Err(format!("more than {LONGEST_ANSWER} bytes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::arithmetic::{Arithmetic, serve};
    use crate::samples::server::{Asked, Fault, Faults, Instance, Limits, Options, Version};

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
    async fn service(fault: Option<Asked>) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            instance: Some(Instance::parse("one").unwrap()),
            version: Version::parse("v1").unwrap(),
            faults: Some(Faults::new(fault.map(|asked| Fault::try_from(asked).unwrap()))),
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
    async fn failures_are_told_by_what_they_were() {
        let (address, _stop) = service(Some(Asked { status: Some(503), ..Asked::default() })).await;
        let tally = load(address).run().await.unwrap();
        assert_eq!((tally.calls(), tally.ok(), tally.statuses()[&503]), (20, 0, 20));
        assert_eq!(tally.by()["one"], Calls { calls: 20, failed: 20 });
        // Nobody listens at port 1.
        let nobody = load("127.0.0.1:1".parse().unwrap()).run().await.unwrap();
        let errors: Vec<_> = nobody.errors().collect();
        assert!(matches!(errors[..], [(error, 20)] if error.contains("refused")), "{errors:?}");
        assert_eq!((nobody.ok(), nobody.by().len()), (0, 0));
    }

    #[tokio::test]
    async fn a_call_has_a_timeout_and_a_load_a_rate_and_an_end() {
        let (address, _stop) = service(Some(Asked { delay_ms: Some(5000), ..Asked::default() })).await;
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
        assert_eq!(good().check(), Ok(()));
        let wrong = [
            Load { count: 0, ..good() },
            Load { count: MOST_CALLS + 1, ..good() },
            Load { connections: 257, ..good() },
            Load { rate: Some(0), ..good() },
            Load { timeout: Duration::from_secs(61), ..good() },
            Load { duration: Some(Duration::ZERO), ..good() },
            Load { path: "no path".to_owned(), ..good() },
        ];
        insta::assert_snapshot!(wrong.map(|load| load.check().unwrap_err()).join("\n"), @r#"
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
