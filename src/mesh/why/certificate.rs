//! The certificates that the Envoys show, and how long they hold.

use std::time::{Duration, SystemTime};

use super::envoy::nobody;
use super::facts::{Facts, Side};
use crate::core::model::call_path::Finding;
use crate::mesh::api::envoy::{Certificate, certificates};

/// One finding for each sidecar's Envoy that says anything.
pub(super) fn of(side: &Side, facts: &Facts) -> Vec<Finding> {
    if side.sidecars.is_empty() {
        return vec![nobody(side)];
    }
    let finding = |sidecar| match side.pages(sidecar) {
        None => unknown(&sidecar.instance.id),
        Some(pages) => judge(&sidecar.instance.id, &side.name, &certificates(&pages.certificates), facts.now),
    };
    side.sidecars.iter().map(finding).collect()
}

/// Its Envoy says nothing, which another hop tells.
pub(super) fn unknown(id: &str) -> Finding {
    Finding::doubtful(id, "its Envoy does not say", "see the Envoy's own hop above")
}

fn judge(id: &str, service: &str, shown: &[Certificate], now: SystemTime) -> Finding {
    let own = shown.iter().find(|certificate| certificate.is_of(service));
    let expected = format!("a valid certificate of spiffe://.../svc/{service}");
    let Some(own) = own else {
        let shown: Vec<&str> = shown.iter().map(|certificate| certificate.id.as_str()).collect();
        let seen = if shown.is_empty() { "no certificate".to_owned() } else { shown.join(", ") };
        let hint = "Consul's certificate authority gives it one as soon as the Envoy is connected: `meshlab logs consul`";
        return Finding::broken(id, expected, seen, hint);
    };
    let left = humantime::parse_rfc3339(&own.expires).ok().and_then(|end| end.duration_since(now).ok());
    match left {
        Some(left) => Finding::holds(
            id,
            format!("{}, serial {}, valid for {} more", name(&own.id), own.serial, in_words(left)),
        ),
        None => Finding::broken(
            id,
            expected,
            format!("{}, serial {}, expired at {}", name(&own.id), own.serial, own.expires),
            "Consul renews certificates of Envoys that are connected to it: look at the Envoy's hop, and at the clock",
        ),
    }
}

/// A SPIFFE id in two parts: a line has no room for it whole.
fn name(id: &str) -> String {
    let whole = id.strip_prefix("spiffe://").and_then(|id| id.split_once('/'));
    whole.map_or_else(|| id.to_owned(), |(domain, path)| format!("SPIFFE id /{path} in {domain}"))
}

fn in_words(left: Duration) -> String {
    const HOUR: u64 = 3600;
    let seconds = left.as_secs();
    match seconds / HOUR {
        0 => format!("{} min", seconds / 60),
        hours @ 1..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}
