//! `[[step.do.counter]]`: Envoy counters that must grow during a check.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::admin::Admin;
use super::{CheckContext, Mismatch, ProbeResult};
use crate::core::model::LabAddress;
use crate::core::numbers::figure;
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::mesh::api::envoy;
use crate::samples::load::Tally;

/// How long Envoy may take to count what has happened.
const COUNT_GRACE: Duration = Duration::from_secs(3);

/// A counter that must grow during a check. `S` is what the check sends.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Sends")]
pub(super) struct Counter<S> {
    /// A description of the counter, for the evidence.
    who: String,
    /// The Envoy's admin port, or the name of a service for all its Envoys.
    admin: Admin,
    /// The Envoy's address, if it is not the lab's.
    at: Option<LabAddress>,
    /// The counter's name. `*` matches any text. All matching counters are added up.
    name: String,
    /// The minimum growth.
    grows: Amount<S>,
    /// Whether the counter of each Envoy must grow by this amount, not only their sum.
    #[serde(default)]
    each: bool,
}

/// What a check sends, and so which amounts its counters may have: `bytes` of a check that sends none would always pass.
pub(super) trait Sends: fmt::Debug + Clone {
    /// The word for everything that it sends.
    const ALL: Option<&'static str>;
    /// Whether it counts answers by a header.
    const COUNTS_ANSWERS: bool = false;
    /// The allowed values of `grows`, for errors.
    const EXPECTED: &'static str;
}

/// A check that sends nothing that is counted.
#[derive(Debug, Clone)]
pub(super) struct Nothing;

/// A check that sends bytes.
#[derive(Debug, Clone)]
pub(super) struct Bytes;

/// A check that makes calls.
#[derive(Debug, Clone)]
pub(super) struct Calls;

/// A check that makes calls, and may count their answers by a header.
#[derive(Debug, Clone)]
pub(super) struct Answers;

impl Sends for Nothing {
    const ALL: Option<&'static str> = None;
    const EXPECTED: &'static str = "a number";
}

impl Sends for Bytes {
    const ALL: Option<&'static str> = Some("bytes");
    const EXPECTED: &'static str = "a number or \"bytes\"";
}

impl Sends for Calls {
    const ALL: Option<&'static str> = Some("calls");
    const EXPECTED: &'static str = "a number or \"calls\"";
}

impl Sends for Answers {
    const ALL: Option<&'static str> = Some("calls");
    const COUNTS_ANSWERS: bool = true;
    const EXPECTED: &'static str = "a number, \"calls\" or { answered = \"a value\" }";
}

/// The values of one counter, by the address of the Envoy's admin page.
type Values = BTreeMap<SocketAddr, u64>;

#[derive(Debug, Clone)]
enum Amount<S> {
    Number(u64),
    /// The number of bytes or calls that the check sent.
    Sent(PhantomData<S>),
    By(Answered),
}

/// The number of answers with this value of the header `by`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    answered: String,
}

impl<'de, S: Sends> Deserialize<'de> for Amount<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<S>(PhantomData<S>);

        impl<'de, S: Sends> Visitor<'de> for Any<S> {
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
                if S::COUNTS_ANSWERS {
                    Answered::deserialize(MapAccessDeserializer::new(entries)).map(Amount::By)
                } else {
                    Err(A::Error::invalid_type(Unexpected::Map, &self))
                }
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Counters with their values before the check sends anything.
pub(super) struct Growth<'a, S> {
    counters: &'a [Counter<S>],
    context: CheckContext<'a>,
    before: Vec<Values>,
}

impl<'a, S> Growth<'a, S> {
    pub(super) async fn before(
        counters: &'a [Counter<S>],
        context: CheckContext<'a>,
    ) -> Result<Self, Mismatch> {
        let mut before = Vec::with_capacity(counters.len());
        for counter in counters {
            before.push(values(counter, context).await?);
        }
        Ok(Self { counters, context, before })
    }

    /// Waits until every counter has grown, if the check sent `sent`. Returns the evidence.
    pub(super) async fn after(self, sent: u64) -> ProbeResult {
        self.grown(sent, |_| None).await
    }

    /// Waits until every counter has grown by the calls of a load. Returns the evidence.
    pub(super) async fn after_load(self, tally: &Tally) -> ProbeResult {
        let by = |value: &str| tally.by().get(value).map(|calls| calls.calls.into());
        self.grown(tally.calls().into(), by).await
    }

    async fn grown(self, sent: u64, answered: impl Fn(&str) -> Option<u64>) -> ProbeResult {
        let mut evidence = Vec::with_capacity(self.counters.len());
        for (counter, before) in self.counters.iter().zip(&self.before) {
            let least = match &counter.grows {
                Amount::Number(number) => *number,
                Amount::Sent(_) => sent,
                Amount::By(Answered { answered: value }) => answered(value)
                    .ok_or_else(|| format!("{}: no answer came from {value:?}", counter.who))?,
            };
            let outcome = until(COUNT_GRACE, POLL_INTERVAL, async || -> Result<_, Mismatch> {
                let grown = growth(before, &values(counter, self.context).await?);
                let words: Vec<String> =
                    grown.iter().map(|grown| format!("+{}", figure::count(*grown))).collect();
                let words = words.join(", ");
                let is_enough = counter.is_enough(&grown, least);
                Ok(if is_enough { Observed::Ready(words) } else { Observed::Pending(words) })
            });
            let grown = outcome.await?.map_err(|late| {
                let each = if counter.each { " each" } else { "" };
                let (grown, least) = (late.last_seen(), figure::count(least));
                format!("{}: {} grew by {grown}, expected at least {least}{each}", counter.who, counter.name)
            })?;
            evidence.push(format!("{}: {grown} ({})", counter.who, counter.name));
        }
        Ok(evidence)
    }
}

impl<S> Counter<S> {
    /// Whether it depends on the answers by header.
    pub(super) fn needs_answers(&self) -> bool {
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

/// The growth per Envoy. A new Envoy started at 0, and an Envoy that has gone does not count.
fn growth(before: &Values, now: &Values) -> Vec<u64> {
    now.iter().map(|(at, now)| now.saturating_sub(before.get(at).copied().unwrap_or_default())).collect()
}

async fn values<S>(counter: &Counter<S>, context: CheckContext<'_>) -> Result<Values, Mismatch> {
    let mut values = Values::new();
    for at in counter.admin.pages(counter.at, context).await? {
        values.insert(at, envoy::sum(&envoy::text(at, "/stats").await?, &counter.name));
    }
    Ok(values)
}
