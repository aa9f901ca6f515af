//! One line of an access log, as a hop: the load balancer's, an Envoy's or a service's.
//!
//! Whatever is not such a line is `None`, never an error: logs hold other things too.

use std::time::UNIX_EPOCH;

use serde::Serialize;
use serde_json::Value;

/// Somebody who took part in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// The component or task whose log it is from.
    pub name: String,
    /// The job of that task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// What it is, with what only such a one notes.
    #[serde(flatten)]
    pub kind: Kind,
    /// The id it saw.
    pub request_id: String,
    /// When it began, in microseconds since 1970.
    pub began: u64,
    /// How long it took; none if it did not note an end.
    pub micros: Option<u64>,
    /// GET, POST ...
    pub method: String,
    /// With its query.
    pub path: String,
    /// Of the answer; none if there was none.
    pub status: Option<u16>,
}

/// What a hop is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// nginx. It notes milliseconds only.
    LoadBalancer {
        /// Where it sent the request.
        to: Option<String>,
    },
    /// A sidecar or a gateway.
    Envoy {
        /// Where it took the request.
        listener: Option<String>,
        /// The identity of the one before it, proved by a certificate.
        from: Option<String>,
        /// Where it sent the request.
        to: Option<String>,
        /// What it calls that place; `local_app` is the service it stands before.
        cluster: Option<String>,
        /// Why it answered itself, in Envoy's two letters.
        flags: Option<String>,
    },
    /// One of the sample services.
    Service {
        /// Its name.
        service: String,
        /// Which one of several.
        instance: Option<String>,
        /// What it asked others, in order; none for a service that asks nobody.
        #[serde(skip)]
        calls: Option<Vec<Call>>,
    },
}

/// A call that a service made, as the service saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The service meant.
    pub upstream: String,
    /// What was asked.
    pub path: String,
    /// When it began, in microseconds since 1970.
    pub began: u64,
    /// How long it took.
    pub micros: u64,
    /// Of the answer; none if there was none.
    pub status: Option<u16>,
    /// What was wrong.
    pub error: Option<String>,
}

impl Hop {
    /// Reads a line that `name`, a task of `job`, wrote.
    pub fn parse(name: &str, job: Option<&str>, line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let (kind, began, micros) = if line.get("cluster").is_some() {
            (envoy(&line), moment(&line)?, number(&line, "micros"))
        } else if let Some(service) = text(&line, "service") {
            (service_kind(&line, service), moment(&line)?, number(&line, "micros"))
        } else {
            let micros = micros_of_seconds(line.get("seconds")?)?;
            let ended = micros_of_seconds(line.get("ended")?)?;
            let kind = Kind::LoadBalancer { to: text(&line, "to") };
            (kind, ended.saturating_sub(micros), Some(micros))
        };
        Some(Self {
            name: name.to_owned(),
            job: job.map(str::to_owned),
            kind,
            request_id: text(&line, "request_id")?,
            began,
            micros,
            method: text(&line, "method").unwrap_or_default(),
            path: text(&line, "path").unwrap_or_default(),
            status: number(&line, "status").and_then(status),
        })
    }

    /// When it ended, in microseconds since 1970, as far as is known.
    pub fn ended(&self) -> u64 {
        self.began.saturating_add(self.micros.unwrap_or_default())
    }

    /// The calls that it made as a service.
    pub fn calls(&self) -> Option<&[Call]> {
        match &self.kind {
            Kind::Service { calls, .. } => calls.as_deref(),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn calls_mut(&mut self) -> Option<&mut Vec<Call>> {
        match &mut self.kind {
            Kind::Service { calls, .. } => calls.as_mut(),
            _ => None,
        }
    }

    /// Whether it is an Envoy.
    pub fn is_envoy(&self) -> bool {
        matches!(self.kind, Kind::Envoy { .. })
    }

    /// Whether it is an Envoy before the service that it stands for.
    pub fn is_inbound(&self) -> bool {
        match &self.kind {
            // One that refuses never gets as far as a cluster, but it knows whom it refused.
            Kind::Envoy { cluster, from, .. } => cluster.as_deref() == Some(LOCAL) || from.is_some(),
            _ => false,
        }
    }

    /// Whether it took the request at this address, as far as its line tells.
    pub fn listens_at(&self, address: &str) -> bool {
        match &self.kind {
            Kind::Envoy { listener: Some(listener), .. } => listener == address,
            _ => true,
        }
    }

    /// Where it sent the request on, if somebody must have got it there.
    pub fn sent_to(&self) -> Option<&str> {
        match &self.kind {
            // Of several, the last one answered.
            Kind::LoadBalancer { to } if !matches!(self.status, Some(502 | 504)) => {
                to.as_deref()?.rsplit([',', ' ']).next()
            }
            Kind::Envoy { to, flags: None, .. } => to.as_deref(),
            _ => None,
        }
    }
}

/// What Consul has every Envoy call the service that it stands before.
const LOCAL: &str = "local_app";

fn envoy(line: &Value) -> Kind {
    let of = |name| text(line, name);
    Kind::Envoy {
        listener: of("listener"),
        from: of("from"),
        to: of("to"),
        cluster: of("cluster"),
        flags: of("flags"),
    }
}

fn service_kind(line: &Value, service: String) -> Kind {
    let calls = line.get("calls").and_then(Value::as_array);
    Kind::Service {
        service,
        instance: text(line, "instance"),
        calls: calls.map(|calls| calls.iter().filter_map(call).collect()),
    }
}

fn call(call: &Value) -> Option<Call> {
    Some(Call {
        upstream: text(call, "upstream")?,
        path: text(call, "path")?,
        began: moment(call)?,
        micros: number(call, "micros")?,
        status: number(call, "status").and_then(status),
        error: text(call, "error"),
    })
}

/// A text that says something: Envoy writes `-` or null where it knows nothing.
fn text(line: &Value, name: &str) -> Option<String> {
    let text = line.get(name)?.as_str()?;
    (!text.is_empty() && text != "-").then(|| text.to_owned())
}

/// A number, also one that was written as text.
fn number(line: &Value, name: &str) -> Option<u64> {
    match line.get(name)? {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

/// Envoy notes 0 where there was no answer.
fn status(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| *status > 0)
}

fn moment(line: &Value) -> Option<u64> {
    let time = humantime::parse_rfc3339(line.get("time")?.as_str()?).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
fn micros_of_seconds(seconds: &Value) -> Option<u64> {
    /// Some thousand years.
    const MOST: f64 = 1e17;
    let micros = (seconds.as_f64()? * 1e6).round();
    (0.0..MOST).contains(&micros).then_some(micros as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NGINX: &str = r#"{"time":"2026-11-24T07:34:04+00:00","ended":1795505644.922,"request_id":"06","method":"POST","path":"/api/v1/compute","status":200,"seconds":0.204,"from":"127.0.0.1:52584","to":"127.0.0.9:2809, 127.0.0.21:2809","upstream_seconds":"0.203","bytes":12}"#;
    const ENVOY: &str = r#"{"cluster":"local_app","flags":"-","from":"spiffe://x/ns/default/dc/dc1/svc/frontend","listener":"127.0.0.21:21000","method":"GET","micros":977,"millis":0,"path":"/api/v1/execute/?l=1&r=9","request_id":"06","status":200,"time":"2026-11-24T07:34:04.895767Z","to":"127.0.0.21:9090"}"#;
    const FRONTEND: &str = r#"{"time":"2026-11-24T07:34:04.730000Z","service":"frontend","instance":"4297c015","request_id":"06","method":"POST","path":"/api/v1/compute","status":200,"bytes":12,"micros":190000,"peer":"127.0.0.1:1","calls":[{"time":"2026-11-24T07:34:04.740000Z","upstream":"add-svc","to":"127.0.0.21:9191","path":"/api/v1/execute/?l=1&r=1","status":200,"micros":900,"instance":"2552f9b9"}]}"#;

    fn parsed(line: &str) -> Hop {
        Hop::parse("x", None, line).unwrap()
    }

    #[test]
    fn the_load_balancers_line() {
        let hop = parsed(NGINX);
        assert_eq!((hop.began, hop.micros), (1_795_505_644_718_000, Some(204_000)));
        assert_eq!(hop.sent_to(), Some("127.0.0.21:2809"));
        let bad_gateway = parsed(&NGINX.replace("\"status\":200", "\"status\":502"));
        assert_eq!(bad_gateway.sent_to(), None);
    }

    #[test]
    fn an_envoys_line() {
        let hop = parsed(ENVOY);
        assert_eq!((hop.began, hop.micros), (1_795_505_644_895_767, Some(977)));
        assert_eq!((hop.is_inbound(), hop.sent_to()), (true, Some("127.0.0.21:9090")));
        // Nobody is expected behind an Envoy that answered itself.
        assert_eq!(parsed(&ENVOY.replace("\"flags\":\"-\"", "\"flags\":\"UF\"")).sent_to(), None);
        assert_eq!(parsed(&ENVOY.replace("\"127.0.0.21:9090\"", "null")).sent_to(), None);
        // Some formats make everything text.
        let texts = ENVOY.replace("977", "\"977\"").replace("200", "\"200\"");
        assert_eq!(parsed(&texts), hop);
        let cut_short = parsed(&ENVOY.replace("977", "null").replace("200", "0"));
        assert_eq!((cut_short.micros, cut_short.status), (None, None));
    }

    #[test]
    fn a_services_line() {
        let hop = parsed(FRONTEND);
        let calls = hop.calls().unwrap();
        assert_eq!((calls.len(), calls[0].began), (1, 1_795_505_644_740_000));
        assert!(matches!(hop.kind, Kind::Service { ref service, .. } if service == "frontend"));
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "{",
            "null",
            "[]",
            "2026/11/24 07:34:04 [notice] 1#1: start",
            r#"{"event":"listening","service":"add-svc","time":"2026-11-24T07:34:04Z","address":"127.0.0.1:9090"}"#,
            r#"{"cluster":null,"time":"2026-11-24T07:34:04Z","request_id":null}"#,
            r#"{"ended":1e300,"seconds":0.1,"request_id":"06"}"#,
            r#"{"ended":-1,"seconds":0.1,"request_id":"06"}"#,
        ] {
            assert_eq!(Hop::parse("x", None, line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(line in ".{0,200}") {
            let _ = Hop::parse("x", None, &line);
        }

        #[test]
        fn damaged_lines_never_panic(
            which in 0..3_usize, at in 0..300_usize, length in 0..20_usize, instead in "[-0-9a-z\",:{}\\[\\]]{0,6}"
        ) {
            let mut line = [NGINX, ENVOY, FRONTEND][which].to_owned();
            let at = at.min(line.len());
            let end = (at + length).min(line.len());
            line.replace_range(at..end, &instead);
            if let Some(hop) = Hop::parse("x", None, &line) {
                let _ = (hop.ended(), hop.sent_to().map(str::len));
            }
        }
    }
}
