//! Envoy's own counters as witnesses: they must grow by what was sent.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::admin::Admin;
use super::{Look, Mismatch, Place};
use crate::core::model::LabAddress;
use crate::core::numbers::figure;
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::mesh::api::envoy;
use crate::samples::load::Tally;

/// How long Envoy may take to count what has already happened.
const COUNT_GRACE: Duration = Duration::from_secs(3);

/// A counter that has to grow while a check acts, by what the check does.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Does")]
pub(super) struct Counter<S> {
    /// Who counts what, for the evidence.
    who: String,
    /// The Envoy's admin port, or the name of a service all of whose Envoys are asked.
    admin: Admin,
    /// The Envoy's address, where it is not the lab's.
    at: Option<LabAddress>,
    /// The counter's name; `*` stands for anything. Several that match are added up.
    name: String,
    /// By how much, at least.
    grows: Amount<S>,
    /// Whether each Envoy's counter has to grow by that much, rather than all of them together.
    #[serde(default)]
    each: bool,
}

/// What a check does that counters may grow by: without it, a counter that asks for it would hold whatever happens.
pub(super) trait Does: fmt::Debug + Clone {
    /// What stands for all that it sends.
    const ALL: Option<&'static str>;
    /// Whether its answers can be told apart.
    const TELLS_APART: bool = false;
    /// What there may be, in words.
    const EXPECTED: &'static str;
}

/// It sends nothing that is counted.
#[derive(Debug, Clone)]
pub(super) struct Nothing;

/// It sends bytes.
#[derive(Debug, Clone)]
pub(super) struct Bytes;

/// It makes calls.
#[derive(Debug, Clone)]
pub(super) struct Calls;

/// It makes calls, and may tell their answers apart.
#[derive(Debug, Clone)]
pub(super) struct Answers;

impl Does for Nothing {
    const ALL: Option<&'static str> = None;
    const EXPECTED: &'static str = "a number";
}

impl Does for Bytes {
    const ALL: Option<&'static str> = Some("bytes");
    const EXPECTED: &'static str = "a number or \"bytes\"";
}

impl Does for Calls {
    const ALL: Option<&'static str> = Some("calls");
    const EXPECTED: &'static str = "a number or \"calls\"";
}

impl Does for Answers {
    const ALL: Option<&'static str> = Some("calls");
    const TELLS_APART: bool = true;
    const EXPECTED: &'static str = "a number, \"calls\" or { answered = \"a value\" }";
}

/// What the Envoys of one counter say, by their admin pages.
type Values = BTreeMap<SocketAddr, u64>;

#[derive(Debug, Clone)]
enum Amount<S> {
    Number(u64),
    /// By the number of bytes that were sent or of calls that were made.
    Sent(PhantomData<S>),
    By(Answered),
}

/// By the number of calls that were answered with this value of the header that tells answers apart.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    answered: String,
}

impl<'de, S: Does> Deserialize<'de> for Amount<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<S>(PhantomData<S>);

        impl<'de, S: Does> Visitor<'de> for Any<S> {
            type Value = Amount<S>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(S::EXPECTED)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Amount<S>, E> {
                let unexpected = |_| E::invalid_value(Unexpected::Signed(number), &self);
                number.try_into().map(Amount::Number).map_err(unexpected)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Amount<S>, E> {
                if S::ALL == Some(word) {
                    Ok(Amount::Sent(PhantomData))
                } else {
                    Err(E::invalid_value(Unexpected::Str(word), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Amount<S>, A::Error> {
                if S::TELLS_APART {
                    Answered::deserialize(MapAccessDeserializer::new(entries)).map(Amount::By)
                } else {
                    Err(A::Error::invalid_type(Unexpected::Map, &self))
                }
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// What counters said before the act.
pub(super) struct Growth<'a, S> {
    counters: &'a [Counter<S>],
    place: Place<'a>,
    before: Vec<Values>,
}

impl<'a, S> Growth<'a, S> {
    pub(super) async fn before(counters: &'a [Counter<S>], place: Place<'a>) -> Result<Self, Mismatch> {
        let mut before = Vec::with_capacity(counters.len());
        for counter in counters {
            before.push(values(counter, place).await?);
        }
        Ok(Self { counters, place, before })
    }

    /// The evidence, once every counter has grown by what was sent.
    pub(super) async fn after(self, sent: u64) -> Look {
        self.grown(sent, |_| None).await
    }

    /// The evidence, once every counter has grown by the calls that were made.
    pub(super) async fn after_load(self, tally: &Tally) -> Look {
        let by = |value: &str| tally.by().get(value).map(|calls| calls.calls.into());
        self.grown(tally.calls().into(), by).await
    }

    async fn grown(self, sent: u64, answered: impl Fn(&str) -> Option<u64>) -> Look {
        let mut evidence = Vec::with_capacity(self.counters.len());
        for (counter, before) in self.counters.iter().zip(&self.before) {
            let least = match &counter.grows {
                Amount::Number(number) => *number,
                Amount::Sent(_) => sent,
                Amount::By(Answered { answered: value }) => answered(value)
                    .ok_or_else(|| format!("{}: no call was answered by {value:?}", counter.who))?,
            };
            let outcome = until(COUNT_GRACE, POLL_INTERVAL, async || -> Result<_, Mismatch> {
                let grown = growth(before, &values(counter, self.place).await?);
                let words: Vec<String> =
                    grown.iter().map(|grown| format!("+{}", figure::count(*grown))).collect();
                let words = words.join(", ");
                let is_enough = counter.is_enough(&grown, least);
                Ok(if is_enough { Observed::Ready(words) } else { Observed::Pending(words) })
            });
            let grown = outcome.await?.map_err(|late| {
                let each = if counter.each { " each" } else { "" };
                let (grown, least) = (late.last_seen(), figure::count(least));
                format!("{}: {} grew by {grown}, not by {least}{each}", counter.who, counter.name)
            })?;
            evidence.push(format!("{}: {grown} ({})", counter.who, counter.name));
        }
        Ok(evidence)
    }
}

impl<S> Counter<S> {
    /// Whether it is about answers that are told apart.
    pub(super) fn tells_answers_apart(&self) -> bool {
        matches!(self.grows, Amount::By(_))
    }

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

async fn values<S>(counter: &Counter<S>, place: Place<'_>) -> Result<Values, Mismatch> {
    let mut values = Values::new();
    for at in counter.admin.pages(counter.at, place).await? {
        values.insert(at, envoy::sum(&envoy::text(at, "/stats").await?, &counter.name));
    }
    Ok(values)
}
