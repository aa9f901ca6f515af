//! The load and the targets of a load test, checked before anything runs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use url::Url;

use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::mesh::vm::LOAD_BALANCER;

/// The expression that the calculator gets in a load test.
pub const EXPRESSION: &str = "1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5";

/// The value of [`EXPRESSION`].
pub(super) const RESULT: u32 = 9;

const ADD_PORT: u16 = 9090;
const ENVOY_PORT: u16 = 9191;

const MAX_CONNECTIONS: u32 = 10_000;
const MAX_DURATION: Duration = Duration::from_hours(1);

/// The load that wrk makes: connections, threads, duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WrkLoad {
    /// In whole seconds, as wrk needs it.
    #[serde(rename = "seconds")]
    pub duration: Seconds,
    /// Open connections, each with one request at a time.
    pub connections: u32,
    /// Threads of wrk that share the connections.
    pub threads: u32,
}

/// A duration in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl Seconds {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Parses `60s`, `5m`, `1h` or `90` (seconds). The range is 1 s to 1 h.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || {
            Failure::usage(format!("invalid duration {text:?}")).hint("use 1s to 1h, for example 60s or 5m")
        };
        let (number, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
            Some(at) => text.split_at(at),
            None => (text, "s"),
        };
        let each: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(invalid()),
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(each));
        seconds.filter(|seconds| (1..=MAX_DURATION.as_secs()).contains(seconds)).map(Self).ok_or_else(invalid)
    }
}

impl WrkLoad {
    /// Checks a load. `threads` is five by default, or the number of connections if that is lower.
    pub fn new(duration: &str, connections: u32, threads: Option<u32>) -> Result<Self> {
        const DEFAULT_THREADS: u32 = 5;
        let duration = Seconds::parse(duration)?;
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            return Err(Failure::usage(format!("invalid number of connections: {connections}"))
                .hint(format!("use 1 to {MAX_CONNECTIONS}")));
        }
        let threads = threads.unwrap_or_else(|| DEFAULT_THREADS.min(connections));
        if !(1..=connections).contains(&threads) {
            return Err(Failure::usage(format!("invalid number of threads: {threads}"))
                .hint(format!("use 1 to {connections}: each thread needs at least one connection")));
        }
        Ok(Self { duration, connections, threads })
    }

    /// How many connections wrk opens: each thread gets the same number.
    pub fn effective_connections(&self) -> u32 {
        self.connections / self.threads * self.threads
    }

    /// The load of one round of a comparison: a sixth of the duration, from 1 s to 10 s.
    #[must_use]
    pub fn round(self) -> Self {
        Self { duration: Seconds((self.duration.0 / 6).clamp(1, 10)), ..self }
    }
}

/// The call that a load test repeats, with its expected answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name in tables.
    pub name: String,
    /// `GET` or `POST`.
    #[serde(serialize_with = "as_text")]
    pub method: Method,
    /// The URL, with an IP address.
    pub url: Url,
    /// The request body, JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The right answer, without whitespace.
    pub answer: String,
}

impl Target {
    /// A target on an address and path.
    pub fn new(
        name: &str,
        method: Method,
        address: SocketAddr,
        path: &str,
        body: Option<String>,
        answer: &str,
    ) -> Result<Self> {
        let text = format!("http://{address}{path}");
        let url =
            Url::parse(&text).map_err(|error| Failure::usage(format!("invalid URL {text}")).seen(&error))?;
        Ok(Self { name: name.to_owned(), method, url, body, answer: answer.to_owned() })
    }

    /// The address and port of the URL.
    pub fn address(&self) -> Result<SocketAddr> {
        let ip = self.url.host_str().and_then(|host| host.parse::<IpAddr>().ok());
        ip.zip(self.url.port_or_known_default())
            .map(SocketAddr::from)
            .ok_or_else(|| Failure::usage(format!("{} has no IP address and port", self.url)))
    }

    /// Path and query.
    pub fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// Whether a body is the right answer. Whitespace is ignored.
    pub fn is_right(&self, body: &str) -> bool {
        body.chars().filter(|letter| !letter.is_ascii_whitespace()).eq(self.answer.chars())
    }
}

/// A call through the whole calculator: load balancer, frontend, both services.
pub fn compute(address: LabAddress) -> Result<Target> {
    let body = serde_json::json!({ "expression": EXPRESSION }).to_string();
    let answer = format!("{{\"result\":{RESULT}}}");
    Target::new("compute", Method::POST, address.port(LOAD_BALANCER), "/api/v1/compute", Some(body), &answer)
}

/// The same call without and with the mesh. The first target is the baseline.
pub fn direct_and_mesh(address: LabAddress) -> Result<Vec<Target>> {
    let call = |name: &str, port: u16| {
        Target::new(name, Method::GET, address.port(port), "/api/v1/execute/?l=1&r=1", None, "2")
    };
    Ok(vec![call("direct", ADD_PORT)?, call("mesh", ENVOY_PORT)?])
}

fn as_text<S: serde::Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_from_a_second_to_an_hour() {
        for (text, seconds) in [("60s", 60), ("5m", 300), ("1h", 3600), ("90", 90), ("1s", 1)] {
            assert_eq!(Seconds::parse(text).unwrap(), Seconds(seconds), "{text}");
        }
        for text in [
            "",
            "s",
            "0s",
            "61m",
            "2h",
            "1.5s",
            "-1s",
            "60 s",
            "99999999999999999999s",
            "99999999999999999m",
            "1d",
            "ÿs",
        ] {
            assert!(Seconds::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loads_are_checked() {
        let load = |connections, threads| WrkLoad::new("60s", connections, threads).map(|load| load.threads);
        assert_eq!(load(5, None).unwrap(), 5);
        assert_eq!(load(2, None).unwrap(), 2);
        assert_eq!(load(10_000, Some(10_000)).unwrap(), 10_000);
        for (connections, threads) in [(0, None), (10_001, None), (5, Some(6)), (5, Some(0))] {
            assert!(load(connections, threads).is_err(), "{connections} {threads:?}");
        }
        assert_eq!(WrkLoad::new("60s", 7, Some(5)).unwrap().effective_connections(), 5);
        let rounds = ["1s", "30s", "1h"].map(|text| WrkLoad::new(text, 5, None).unwrap().round().duration.0);
        assert_eq!(rounds, [1, 5, 10]);
    }

    #[test]
    fn the_expression_has_the_value_result() {
        let mut sum = 0;
        let mut sign = 1;
        for letter in EXPRESSION.chars() {
            match letter {
                '+' => sign = 1,
                '-' => sign = -1,
                digit => sum += sign * i64::from(digit.to_digit(10).unwrap()),
            }
        }
        assert_eq!(sum, i64::from(RESULT));
    }

    #[test]
    fn targets_have_the_documented_ports() {
        let address = "127.0.0.3".parse().unwrap();
        let compute = compute(address).unwrap();
        assert_eq!(compute.url.as_str(), "http://127.0.0.3:8088/api/v1/compute");
        assert_eq!(compute.address().unwrap().to_string(), "127.0.0.3:8088");
        assert!(compute.is_right(" {\"result\": 9}\n") && !compute.is_right("{\"result\":8}"));
        let both = direct_and_mesh(address).unwrap();
        let urls: Vec<&str> = both.iter().map(|target| target.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "http://127.0.0.3:9090/api/v1/execute/?l=1&r=1",
                "http://127.0.0.3:9191/api/v1/execute/?l=1&r=1"
            ]
        );
        assert_eq!(both[1].path(), "/api/v1/execute/?l=1&r=1");
    }
}
