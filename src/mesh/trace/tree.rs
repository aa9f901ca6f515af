//! The hops of one call in their order: the way in, then one leg for each call that the first service made.
//!
//! All clocks are one machine's, and the calls come one after the other: what began between two of them belongs to the first.
//! When a call began, its Envoy knows best. A service's own clock may be off by more than the way to its Envoy takes: that of
//! node.js is late by as long as the process had to wait while it started.

use std::collections::BTreeMap;

use serde::Serialize;

use super::hop::{Call, Hop, Kind};

/// A call and everybody who took part in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The id that everybody saw.
    pub request_id: String,
    /// When the caller began, in microseconds since 1970.
    pub began: u64,
    /// How long it took for the caller.
    pub micros: u64,
    /// Of the answer.
    pub status: u16,
    /// From the load balancer to the first service.
    pub way_in: Vec<Hop>,
    /// The calls of that service.
    pub legs: Vec<Leg>,
    /// Whose lines should be there and are not, in words.
    pub missing: Vec<String>,
}

/// One call of the first service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// As the service saw it.
    pub call: Call,
    /// Who took part, the outermost first.
    pub hops: Vec<Hop>,
}

/// What a part of the way took by itself, without what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The part.
    pub what: String,
    /// How many hops it sums up.
    pub hops: usize,
    /// Their time.
    pub micros: u64,
    /// Whether they are Envoys.
    pub envoy: bool,
}

impl Trace {
    /// A call of which no log has told anything yet.
    pub fn new(request_id: String, began: u64, micros: u64, status: u16) -> Self {
        Self { request_id, began, micros, status, way_in: Vec::new(), legs: Vec::new(), missing: Vec::new() }
    }

    /// The same call with these hops, in whatever order they were found.
    #[must_use]
    pub fn with(&self, mut hops: Vec<Hop>) -> Self {
        // nginx notes milliseconds, so that it may seem to begin after the one behind it.
        let is_door = |hop: &Hop| matches!(hop.kind, Kind::LoadBalancer { .. });
        hops.sort_by_key(|hop| (!is_door(hop), hop.began));
        let calls: Vec<Call> = hops.iter().find_map(Hop::calls).map(<[Call]>::to_vec).unwrap_or_default();
        let begins = begins(&calls, &hops);
        let first = begins.first().copied().unwrap_or(u64::MAX);
        let (way_in, mut rest): (Vec<Hop>, Vec<Hop>) =
            hops.into_iter().partition(|hop| is_door(hop) || hop.calls().is_some() || hop.began < first);
        let mut legs: Vec<Leg> = Vec::new();
        for (call, began) in calls.into_iter().zip(begins).rev() {
            let since = rest.partition_point(|hop| hop.began < began);
            legs.push(Leg { hops: rest.split_off(since), call });
        }
        legs.reverse();
        let mut trace = Self { way_in, legs, missing: Vec::new(), ..self.clone() };
        if let [door, next, ..] = trace.way_in.as_mut_slice() {
            door.began = door.began.min(next.began).max(self.began);
        }
        trace.missing = trace.find_missing();
        trace
    }

    /// All hops, in order of time.
    pub fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.way_in.iter().chain(self.legs.iter().flat_map(|leg| &leg.hops))
    }

    fn find_missing(&self) -> Vec<String> {
        let listeners: BTreeMap<&str, &str> = self
            .hops()
            .filter_map(|hop| match &hop.kind {
                Kind::Envoy { listener: Some(listener), .. } => Some((listener.as_str(), hop.name.as_str())),
                _ => None,
            })
            .collect();
        let mut missing = Vec::new();
        if !self.way_in.iter().any(|hop| matches!(hop.kind, Kind::LoadBalancer { .. })) {
            missing.push("the load balancer's line".to_owned());
        }
        missing.extend(gaps(&self.way_in, &listeners));
        for leg in &self.legs {
            if leg.call.status.is_some()
                && !leg.hops.first().is_some_and(|hop| hop.is_envoy() && !hop.is_inbound())
            {
                missing.push(format!("the outbound Envoy's line of {}", leg.call.what()));
            }
            missing.extend(gaps(&leg.hops, &listeners).map(|gap| format!("{gap}, of {}", leg.call.what())));
        }
        missing
    }

    /// Where the time went; the parts make up the whole, as far as the clocks can tell.
    pub fn shares(&self) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        let mut add =
            |what: &str, micros: u64, envoy: bool| match shares.iter_mut().find(|share| share.what == what) {
                Some(share) => {
                    share.micros = share.micros.saturating_add(micros);
                    share.hops += 1;
                }
                None => shares.push(Share { what: what.to_owned(), hops: 1, micros, envoy }),
            };
        // The load balancer's own clock is too coarse: it gets what the caller measured and nobody else had.
        let behind: Vec<&Hop> =
            self.way_in.iter().filter(|hop| !matches!(hop.kind, Kind::LoadBalancer { .. })).collect();
        if let Some(next) = behind.first() {
            let door = self.way_in.iter().find(|hop| matches!(hop.kind, Kind::LoadBalancer { .. }));
            let name = door.map_or("load balancer", |hop| hop.name.as_str());
            add(&format!("{name}, and the way to it"), self.micros.saturating_sub(took(next)), false);
        }
        for (number, hop) in behind.iter().enumerate() {
            let inner = match behind.get(number + 1) {
                Some(next) => took(next),
                None => self.legs.iter().map(|leg| leg.hops.first().map_or(leg.call.micros, took)).sum(),
            };
            let what = match (hop.is_envoy(), hop.is_inbound()) {
                (true, true) => format!("{} (Envoy, inbound)", hop.name),
                (true, false) => format!("{} (Envoy)", hop.name),
                (false, _) => hop.name.clone(),
            };
            add(&what, took(hop).saturating_sub(inner), hop.is_envoy());
        }
        for leg in &self.legs {
            if leg.hops.is_empty() {
                add("calls that nobody noted", leg.call.micros, false);
            }
            for (number, hop) in leg.hops.iter().enumerate() {
                let inner = leg.hops.get(number + 1).map_or(0, took);
                let what = if hop.is_envoy() { format!("{} (Envoy)", hop.name) } else { hop.name.clone() };
                add(&what, took(hop).saturating_sub(inner), hop.is_envoy());
            }
        }
        shares
    }
}

impl Leg {
    /// The time that its Envoys took by themselves.
    pub fn envoys(&self) -> u64 {
        let own = |(number, hop): (usize, &Hop)| {
            let inner = self.hops.get(number + 1).map_or(0, took);
            if hop.is_envoy() { took(hop).saturating_sub(inner) } else { 0 }
        };
        self.hops.iter().enumerate().map(own).sum()
    }
}

impl Call {
    /// What was asked, in words: an arithmetic call as its expression.
    pub fn what(&self) -> String {
        match self.operation() {
            Some((l, operator, r)) => format!("{l}{operator}{r}"),
            None => self.path.clone(),
        }
    }

    /// Both numbers and the operator of an arithmetic call.
    pub fn operation(&self) -> Option<(i64, char, String)> {
        let query = self.path.split_once('?')?.1;
        let of = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let operator = match self.upstream.as_str() {
            "add-svc" => '+',
            "sub-svc" => '-',
            _ => return None,
        };
        let right: i64 = of("r")?.parse().ok()?;
        let right = if right < 0 { format!("({right})") } else { right.to_string() };
        Some((of("l")?.parse().ok()?, operator, right))
    }
}

/// When each call began: when the calling side's Envoy got it, if that line is there.
fn begins(calls: &[Call], hops: &[Hop]) -> Vec<u64> {
    let mut outbound: Vec<&Hop> = hops.iter().filter(|hop| hop.is_envoy() && !hop.is_inbound()).collect();
    let began = |call: &Call| match outbound.iter().position(|hop| hop.path == call.path) {
        // The same may be asked twice: in their order.
        Some(place) => outbound.remove(place).began,
        None => call.began,
    };
    calls.iter().map(began).collect()
}

fn took(hop: &Hop) -> u64 {
    hop.micros.unwrap_or_default()
}

/// Where a chain of hops breaks off although the request was sent on.
fn gaps(hops: &[Hop], listeners: &BTreeMap<&str, &str>) -> impl Iterator<Item = String> {
    hops.iter().enumerate().filter_map(|(number, hop)| {
        let to = hop.sent_to()?;
        let next = hops.get(number + 1);
        let is_there = next.is_some_and(|next| match (hop.is_envoy(), hop.is_inbound()) {
            (true, true) => !next.is_envoy(),
            // Another Envoy's line of a later call must not stand for one that is late.
            (true, false) => next.is_inbound() && next.listens_at(to),
            (false, _) => next.is_envoy() && !next.is_inbound() && next.listens_at(to),
        });
        let who = listeners.get(to).map(|name| format!(" ({name})")).unwrap_or_default();
        (!is_there).then(|| format!("the line of {to}{who}, where {} sent it", hop.name))
    })
}
