//! The check `spread`: which instances answer many calls, evenly or in configured shares.
//!
//! Envoy picks the instance of each call at random, so the share of each instance is compared with an exact binomial
//! interval. [`ERROR`] is the probability that a probe finds a share outside its interval although the configuration is
//! right. It is divided among the shares of a probe. A lab needs enough calls for disjoint intervals: 1000 calls
//! distinguish 10 % (56 to 151) from 0 % and from 50 % (421 to 579).
//!
//! A probe with another result is repeated, since a configuration takes some time to reach every sidecar. The intervals
//! double, so that a wrong share has few chances to pass: seven in 30 s.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::binomial::accepted;
use super::counter::{Answers, Counter, Growth};
use super::parsed::{Headers, Parsed};
use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::model::{Bounded, HttpStatus, Port};
use crate::core::numbers::figure;
use crate::samples::load::{Load, MAX_CONNECTIONS, MAX_TIMEOUT, Tally};

/// The probability that one probe rejects a right configuration.
const ERROR: f64 = 1e-6;

/// The limit of `calls`.
const MAX_CALLS: i64 = 10_000;

/// The default of `timeout_ms`.
const DEFAULT_TIMEOUT_MILLIS: u64 = 10_000;

const MAX_TIMEOUT_MILLIS: i64 = 1000 * MAX_TIMEOUT.as_secs().cast_signed();

/// Many calls get the expected answers from the expected instances.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Raw")]
pub(super) struct Spread {
    raw: Raw,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    port: Port,
    path: String,
    method: Option<Parsed<Method>>,
    #[serde(default)]
    headers: Headers,
    calls: Bounded<u32, 1, MAX_CALLS>,
    connections: Option<Bounded<u16, 1, { MAX_CONNECTIONS as i64 }>>,
    /// The timeout of one call.
    timeout_ms: Option<Bounded<u64, 1, MAX_TIMEOUT_MILLIS>>,
    /// The response header by which answers are counted.
    by: Option<Parsed<HeaderName>>,
    /// The number of different values of `by`.
    instances: Option<Bounded<u32, 1, MAX_CALLS>>,
    /// How far the number of answers of each instance may be from the mean: 0.1 is 10 %.
    even_within: Option<f64>,
    /// The share of answers for each value of `by`. There are no other values.
    share: Option<Shares>,
    /// The maximum number of failed calls.
    #[serde(default)]
    failures: u32,
    /// The minimum number of answers by status.
    #[serde(default)]
    answers: BTreeMap<HttpStatus, u32>,
    /// The maximum latency.
    slowest_ms: Option<u64>,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Answers>>,
}

/// Shares from 0 to 1 with a sum of 1.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>")]
struct Shares(BTreeMap<String, f64>);

/// Why shares are invalid.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
enum SharesError {
    #[error("expected shares with a sum of 1, found a sum of {0}")]
    Sum(f64),
    #[error("expected a share from 0 to 1, found {0}")]
    Share(f64),
}

impl TryFrom<BTreeMap<String, f64>> for Shares {
    type Error = SharesError;

    fn try_from(shares: BTreeMap<String, f64>) -> Result<Self, SharesError> {
        let sum: f64 = shares.values().sum();
        if (sum - 1.0).abs() > 1e-9 {
            return Err(SharesError::Sum(sum));
        }
        match shares.values().find(|share| !(0.0..=1.0).contains(*share)) {
            Some(share) => Err(SharesError::Share(*share)),
            None => Ok(Self(shares)),
        }
    }
}

impl TryFrom<Raw> for Spread {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, &'static str> {
        let needs_by = raw.instances.is_some() || raw.share.is_some();
        if needs_by != raw.by.is_some() {
            return Err("expected by = \"a header\" together with instances or share");
        }
        if raw.by.is_none() && raw.counters.iter().any(Counter::needs_answers) {
            return Err("expected by = \"a header\", which answered needs");
        }
        if raw.even_within.is_some() && raw.instances.is_none() {
            return Err("expected instances = ..., which even_within needs");
        }
        Ok(Self { raw })
    }
}

impl CheckKind for Spread {
    fn expected(&self) -> String {
        let Raw { port, path, calls, failures, .. } = &self.raw;
        let headers: String = self.raw.headers.0.iter().map(header).collect();
        let connections = self.connections();
        let at_once = if connections > 1 { format!(", {connections} at once") } else { String::new() };
        let mut parts = vec![match failures {
            0 => "no failure".to_owned(),
            most => format!("at most {most} failures"),
        }];
        let by = self.raw.by.as_ref().map_or("", |by| by.0.as_str());
        if let Some(share) = &self.raw.share {
            let shares = share.0.iter().map(|(name, share)| {
                let range = self.interval(*share);
                format!("{name} {} % ({} to {})", percent(*share), range.start(), range.end())
            });
            parts.push(format!("by {by} {}", shares.collect::<Vec<_>>().join(", ")));
        }
        if let Some(instances) = self.raw.instances {
            parts.push(format!("by {by} {}", self.even_in_words(instances.get())));
        }
        parts.extend(
            self.raw.answers.iter().map(|(status, least)| format!("{status} at least {least} times")),
        );
        parts.extend(self.raw.slowest_ms.map(|slowest| format!("none slower than {slowest} ms")));
        format!("{calls} calls {} :{port}{path}{headers}{at_once}: {}", self.method(), parts.join("; "))
    }

    fn is_random(&self) -> bool {
        self.raw.share.is_some() || self.raw.even_within.is_some()
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let growth = Growth::before(&self.raw.counters, context).await?;
            let tally = self.load(context).run().await.map_err(|error| error.to_string())?;
            let mut evidence = self.judge(&tally)?;
            evidence.extend(growth.after_load(&tally).await?);
            Ok(evidence)
        })
    }
}

impl Spread {
    fn method(&self) -> &Method {
        self.raw.method.as_ref().map_or(&Method::GET, |method| &method.0)
    }

    fn connections(&self) -> u16 {
        self.raw.connections.map_or(1, Bounded::get)
    }

    fn load(&self, context: CheckContext<'_>) -> Load {
        Load {
            address: context.at(self.raw.port),
            path: self.raw.path.clone(),
            method: self.method().clone(),
            headers: self.raw.headers.0.clone(),
            count: self.raw.calls.get(),
            connections: self.connections(),
            rate: None,
            timeout: Duration::from_millis(self.raw.timeout_ms.map_or(DEFAULT_TIMEOUT_MILLIS, Bounded::get)),
            duration: None,
            by: self.raw.by.as_ref().map(|by| by.0.clone()),
        }
    }

    /// The accepted number of answers for a share.
    fn interval(&self, share: f64) -> RangeInclusive<u32> {
        let shares = self.raw.share.as_ref().map_or(1, |share| share.0.len());
        accepted(self.raw.calls.get(), share, ERROR / f64::from(u32::try_from(shares).unwrap_or(u32::MAX)))
    }

    /// Compares the answers with what is expected.
    fn judge(&self, tally: &Tally) -> ProbeResult {
        let mut evidence = vec![figures(tally)];
        if tally.failures() > self.raw.failures {
            return Err(format!("{} ({})", evidence.join(""), tally.failures_in_words()).into());
        }
        for (status, least) in &self.raw.answers {
            let found = tally.statuses().get(&status.get()).copied().unwrap_or_default();
            let line = format!("{found} answers with status {status}, expected at least {least}");
            if found < *least {
                return Err(format!("{}; {line}", figures(tally)).into());
            }
            evidence.push(line);
        }
        if let Some(slowest) = self.raw.slowest_ms {
            let found = tally.latencies().max().unwrap_or_default();
            if found > slowest.saturating_mul(1000) {
                return Err(format!("{}; expected none slower than {slowest} ms", figures(tally)).into());
            }
        }
        if let Some(share) = &self.raw.share {
            evidence.extend(self.shares(tally, &share.0)?);
        }
        if let Some(instances) = self.raw.instances {
            evidence.push(self.instances(tally, instances.get())?);
        }
        Ok(evidence)
    }

    fn shares(&self, tally: &Tally, shares: &BTreeMap<String, f64>) -> ProbeResult {
        let found = |name: &str| tally.by().get(name).map_or(0, |calls| calls.calls);
        let line = |name: &str, share: f64| {
            let (calls, range) = (found(name), self.interval(share));
            let line = format!(
                "{name}: {calls} of {} calls, configured {} %: {} to {} are accepted",
                tally.calls(),
                percent(share),
                range.start(),
                range.end()
            );
            (range.contains(&calls), line)
        };
        let lines: Vec<_> = shares.iter().map(|(name, share)| line(name, *share)).collect();
        let unexpected: Vec<_> = tally.by().keys().filter(|name| !shares.contains_key(*name)).collect();
        if unexpected.is_empty() && lines.iter().all(|(holds, _)| *holds) {
            if shares.values().all(|share| *share <= 0.0 || *share >= 1.0) {
                // All shares are 0 or 1: not random.
                let all = shares.keys().filter(|name| found(name) > 0);
                return Ok(all.map(|name| format!("{name}: all {} calls", found(name))).collect());
            }
            let error = format!(
                "(a right configuration is outside these intervals with a probability of at most {ERROR:e})"
            );
            return Ok(lines.into_iter().map(|(_, line)| line).chain([error]).collect());
        }
        let mut seen: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        seen.extend(
            unexpected.into_iter().map(|name| format!("{name}: {} calls, not configured", found(name))),
        );
        Err(seen.join("; ").into())
    }

    fn even_in_words(&self, instances: u32) -> String {
        match self.raw.even_within {
            Some(within) => {
                format!("{instances} different values, each within {} % of the mean", percent(within))
            }
            None => format!("{instances} different values"),
        }
    }

    fn instances(&self, tally: &Tally, instances: u32) -> Result<String, Mismatch> {
        let seen: Vec<String> =
            tally.by().iter().map(|(name, calls)| format!("{name}: {}", calls.calls)).collect();
        let mut line = seen.join(", ");
        let mean = f64::from(tally.calls()) / f64::from(instances);
        let within = self.raw.even_within;
        if let Some(within) = within {
            line = format!("{line} (mean: {mean:.0}, accepted: {} % more or less)", percent(within));
        }
        let is_even =
            |calls: u32| within.is_none_or(|within| (f64::from(calls) - mean).abs() <= within * mean + 1e-9);
        let as_many = u32::try_from(tally.by().len()) == Ok(instances);
        if as_many && tally.by().values().all(|calls| is_even(calls.calls)) {
            return Ok(line);
        }
        Err(format!("{line}; expected {}", self.even_in_words(instances)).into())
    }
}

/// A request header in words.
fn header((name, value): (&HeaderName, &HeaderValue)) -> String {
    format!(" with {name}: {}", value.to_str().unwrap_or_default())
}

fn figures(tally: &Tally) -> String {
    let latencies = tally.latencies();
    let time =
        |micros: Option<u64>| figure::micros(crate::core::numbers::histogram::as_float(micros.unwrap_or(0)));
    format!(
        "{} calls, {} failed, p50 {}, p99 {}, slowest {}",
        tally.calls(),
        tally.failures(),
        time(latencies.percentile(50.0)),
        time(latencies.percentile(99.0)),
        time(latencies.max())
    )
}

/// A share in percent, rounded to four digits.
fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<Spread, String> {
        let text = format!("port = 1\npath = \"/\"\n{more}");
        toml::from_str(&text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    fn tally<const A: usize>(answers: [(&str, u16, u32); A]) -> Tally {
        Tally::of(answers, [], Duration::from_millis(9))
    }

    #[test]
    fn contradicting_keys_are_rejected() {
        let wrong = [
            "calls = 0",
            "calls = 10001",
            "calls = 1\nshare = { a = 1.0 }",
            "calls = 1\nby = \"x-instance\"",
            "calls = 1\nby = \"x-instance\"\nshare = { a = 0.5, b = 0.4 }",
            "calls = 1\nby = \"x-instance\"\nshare = { a = 1.5, b = -0.5 }",
            "calls = 1\nby = \"x-instance\"\ninstances = 0",
            "calls = 1\nby = \"x-instance\"\nshare = { a = 1.0 }\neven_within = 0.1",
            "calls = 1\nby = \"x instance\"\ninstances = 1",
            "calls = 1\nheaders = { \"a b\" = \"c\" }",
            "calls = 1\nanswers = { fine = 1 }",
            "calls = 1\nmethod = \"\"",
            "calls = 1\ncount = 1",
        ];
        insta::assert_snapshot!(wrong.map(|more| read(more).unwrap_err()).join("\n"));
    }

    #[test]
    fn shares_are_compared_with_the_configured_ones() {
        let tenth = read("calls = 1000\nby = \"x-version\"\nshare = { v1 = 0.9, v2 = 0.1 }").unwrap();
        let tallies = [
            tally([("v1", 200, 897), ("v2", 200, 103)]),
            tally([("v1", 200, 1000)]),
            tally([("v1", 200, 840), ("v2", 200, 160)]),
            tally([("v1", 200, 900), ("v2", 200, 99), ("(none)", 200, 1)]),
            tally([("v1", 200, 900), ("v2", 200, 99), ("v2", 503, 1)]),
        ];
        let results = tallies.map(|tally| match tenth.judge(&tally) {
            Ok(evidence) => evidence.join("\n"),
            Err(observed) => format!("fails: {observed}"),
        });
        insta::assert_snapshot!(format!("{}\n{}", tenth.expected(), results.join("\n")));
    }

    #[test]
    fn instances_are_counted_and_compared() {
        let even = read("calls = 300\nby = \"x-instance\"\ninstances = 3\neven_within = 0.1").unwrap();
        let tallies = [
            tally([("a", 200, 90), ("b", 200, 110), ("c", 200, 100)]),
            tally([("a", 200, 89), ("b", 200, 111), ("c", 200, 100)]),
            tally([("a", 200, 150), ("b", 200, 150)]),
        ];
        let results = tallies.map(|tally| match even.judge(&tally) {
            Ok(evidence) => evidence.join("\n"),
            Err(observed) => format!("fails: {observed}"),
        });
        insta::assert_snapshot!(format!("{}\n{}", even.expected(), results.join("\n")));
    }

    #[test]
    fn failures_may_be_expected() {
        let busy =
            read("calls = 9\nconnections = 3\nfailures = 9\nanswers = { 503 = 2 }\nslowest_ms = 4").unwrap();
        let judged = |tally| busy.judge(&tally).map(|evidence| evidence.join("\n"));
        assert!(judged(tally([("a", 200, 7), ("(none)", 503, 2)])).is_ok());
        let few = judged(tally([("a", 200, 8), ("(none)", 503, 1)])).unwrap_err();
        assert!(few.to_string().contains("1 answers with status 503, expected at least 2"), "{few}");
        let slow = Spread { raw: Raw { slowest_ms: Some(3), ..busy.raw.clone() } };
        assert!(
            slow.judge(&tally([("(none)", 503, 9)]))
                .unwrap_err()
                .to_string()
                .contains("none slower than 3 ms")
        );
    }
}
