//! Envoy's own counters as witnesses: they must grow by what was sent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::Place;
use super::admin::Admin;
use crate::api::envoy;
use crate::bench::figure;
use crate::model::LabAddress;
use crate::svc::load::Tally;

/// How long Envoy may take to count what has already happened.
const COUNTING: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(10);

/// A counter that has to grow while a check acts.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counter {
    /// Who counts what, for the evidence.
    who: String,
    /// The Envoy's admin port, or the name of a service all of whose Envoys are asked.
    admin: Admin,
    /// The Envoy's address, where it is not the lab's.
    at: Option<LabAddress>,
    /// The counter's name; `*` stands for anything. Several that match are added up.
    name: String,
    /// By how much, at least.
    grows: Amount,
    /// Whether each Envoy's counter has to grow by that much, rather than all of them together.
    #[serde(default)]
    each: bool,
}

/// What the Envoys of one counter say, by their admin pages.
type Values = BTreeMap<SocketAddr, u64>;

#[derive(Debug, Clone)]
enum Amount {
    Number(u64),
    /// By the number of bytes that were sent or of calls that were made.
    Sent,
    By(Answered),
}

/// By the number of calls that were answered with this value of the header that tells answers apart.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    answered: String,
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"bytes\", \"calls\" or { answered = \"a value\" }")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Amount, E> {
                let unexpected = |_| E::invalid_value(Unexpected::Signed(number), &self);
                number.try_into().map(Amount::Number).map_err(unexpected)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Amount, E> {
                match word {
                    "bytes" | "calls" => Ok(Amount::Sent),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Amount, A::Error> {
                Answered::deserialize(MapAccessDeserializer::new(entries)).map(Amount::By)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// What counters said before the act.
pub(super) struct Growth<'a> {
    counters: &'a [Counter],
    place: Place<'a>,
    before: Vec<Values>,
}

impl<'a> Growth<'a> {
    pub(super) async fn before(counters: &'a [Counter], place: Place<'a>) -> Result<Self, String> {
        let mut before = Vec::with_capacity(counters.len());
        for counter in counters {
            before.push(values(counter, place).await?);
        }
        Ok(Self { counters, place, before })
    }

    /// The evidence, once every counter has grown by what was sent.
    pub(super) async fn after(self, sent: u64) -> Result<Vec<String>, String> {
        self.grown(sent, |_| 0).await
    }

    /// The evidence, once every counter has grown by the calls that were made.
    pub(super) async fn after_load(self, tally: &Tally) -> Result<Vec<String>, String> {
        let by = |value: &str| tally.by().get(value).map_or(0, |calls| calls.calls.into());
        self.grown(tally.calls().into(), by).await
    }

    async fn grown(self, sent: u64, answered: impl Fn(&str) -> u64) -> Result<Vec<String>, String> {
        let mut evidence = Vec::with_capacity(self.counters.len());
        for (counter, before) in self.counters.iter().zip(&self.before) {
            let least = match &counter.grows {
                Amount::Number(number) => *number,
                Amount::Sent => sent,
                Amount::By(by) => answered(&by.answered),
            };
            let deadline = Instant::now() + COUNTING;
            loop {
                let grown = growth(before, &values(counter, self.place).await?);
                let told =
                    grown.iter().map(|grown| format!("+{}", figure::count(*grown))).collect::<Vec<_>>();
                let told = told.join(", ");
                if counter.is_enough(&grown, least) {
                    evidence.push(format!("{}: {told} ({})", counter.who, counter.name));
                    break;
                }
                if Instant::now() >= deadline {
                    let each = if counter.each { " each" } else { "" };
                    let least = figure::count(least);
                    return Err(format!(
                        "{}: {} grew by {told}, not by {least}{each}",
                        counter.who, counter.name
                    ));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(evidence)
    }
}

impl Counter {
    fn is_enough(&self, grown: &[u64], least: u64) -> bool {
        if self.each {
            !grown.is_empty() && grown.iter().all(|grown| *grown >= least)
        } else {
            grown.iter().sum::<u64>() >= least
        }
    }
}

/// What each Envoy has counted since. One that came meanwhile began at nothing; one that has gone counts no more.
fn growth(before: &Values, now: &Values) -> Vec<u64> {
    now.iter().map(|(at, now)| now.saturating_sub(before.get(at).copied().unwrap_or_default())).collect()
}

async fn values(counter: &Counter, place: Place<'_>) -> Result<Values, String> {
    let mut values = Values::new();
    for at in counter.admin.pages(counter.at, place).await? {
        values.insert(at, envoy::sum(&envoy::text(at, "/stats").await?, &counter.name));
    }
    Ok(values)
}
