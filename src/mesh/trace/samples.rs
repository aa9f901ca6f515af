//! Traces for tests, from lines as they are logged.

use super::{Hop, Trace};

/// When the sample call began, in microseconds since 1970.
const BEGAN: u64 = 1_795_505_644_700_000;

const ID: &str = "66ba8fb88f80f75a01b0b1820e7e95df";

/// 1+1+2-3, as the caller saw it.
pub(crate) fn empty() -> Trace {
    Trace::new(ID.to_owned(), BEGAN, 12_000, 200)
}

/// 1+1+2-3, whole.
pub(crate) fn trace() -> Trace {
    let (add, sub) = (("add-svc", 9191, 21000, 9090), ("sub-svc", 8181, 21001, 8080));
    let mut lines = vec![
        ("lb", door(12, 11)),
        (
            "gateway",
            envoy(
                800,
                10_200,
                "/frontend/api/v1/compute",
                (2809, "frontend.x.consul", "127.0.0.21:21003"),
                false,
            ),
        ),
        (
            "sub-svc-ref-proxy",
            envoy(1100, 9500, "/frontend/api/v1/compute", (21003, "local_app", "127.0.0.21:7070"), true),
        ),
        (
            "frontend",
            frontend(
                8800,
                &[
                    (2000, 2100, "add-svc", 1, 1),
                    (4200, 1500, "add-svc", 2, 2),
                    (5800, 3100, "sub-svc", 4, 3),
                ],
            ),
        ),
    ];
    lines.extend(leg(add, 2000, 2100, "l=1&r=1"));
    lines.extend(leg(add, 4200, 1500, "l=2&r=2"));
    lines.extend(leg(sub, 5800, 3100, "l=4&r=3"));
    empty().with(hops(&lines))
}

/// A call that add-svc's Envoy refuses.
pub(crate) fn denied() -> Trace {
    let path = "/api/v1/execute/?l=1&r=1";
    let refused = envoy(2300, 210, path, (21000, "null", "null"), true)
        .replace("\"null\"", "null")
        .replace(":200,", ":403,");
    let lines = [
        ("lb", door(9, 8).replace("\"status\":200", "\"status\":500")),
        (
            "gateway",
            envoy(
                800,
                7000,
                "/frontend/api/v1/compute",
                (2809, "frontend.x.consul", "127.0.0.21:21002"),
                false,
            )
            .replace(":200,", ":500,"),
        ),
        (
            "add-svc-ref-proxy",
            envoy(1100, 6500, "/frontend/api/v1/compute", (21002, "local_app", "127.0.0.21:7070"), true)
                .replace(":200,", ":500,"),
        ),
        (
            "frontend",
            frontend(5000, &[(2000, 900, "add-svc", 1, 1)]).replace(
                "\"status\":200",
                "\"status\":403,\"error\":\"answered 403 Forbidden: RBAC: access denied\"",
            ),
        ),
        (
            "add-svc-ref-proxy",
            envoy(2100, 700, path, (9191, "add-svc.x.consul", "127.0.0.21:21000"), false)
                .replace(":200,", ":403,"),
        ),
        ("add-svc-proxy", refused),
    ];
    Trace::new(ID.to_owned(), BEGAN, 9000, 500).with(hops(&lines))
}

fn hops(lines: &[(&'static str, String)]) -> Vec<Hop> {
    let hop = |(name, line): &(&str, String)| match Hop::parse(name, None, line) {
        Some(hop) => hop,
        None => panic!("{line}"),
    };
    lines.iter().map(hop).collect()
}

/// An Envoy on either side and the service, each a little inside the one before.
fn leg(
    (service, out, inbound, port): (&str, u16, u16, u16),
    at: u64,
    micros: u64,
    query: &str,
) -> [(&'static str, String); 3] {
    let path = format!("/api/v1/execute/?{query}");
    let names = match service {
        "add-svc" => ["add-svc-ref-proxy", "add-svc-proxy", "add-svc"],
        _ => ["sub-svc-ref-proxy", "sub-svc-proxy", "sub-svc"],
    };
    let time = time(at + 500);
    let line = format!(
        r#"{{"time":"{time}","service":"{service}","instance":"2552f9b9","request_id":"{ID}","method":"GET","path":"{path}","status":200,"bytes":1,"micros":{},"peer":"127.0.0.1:1"}}"#,
        micros - 800
    );
    [
        (
            names[0],
            envoy(
                at + 100,
                micros - 200,
                &path,
                (out, "x.x.consul", &format!("127.0.0.21:{inbound}")),
                false,
            ),
        ),
        (
            names[1],
            envoy(at + 300, micros - 500, &path, (inbound, "local_app", &format!("127.0.0.21:{port}")), true),
        ),
        (names[2], line),
    ]
}

fn door(millis: u64, took: u64) -> String {
    format!(
        r#"{{"ended":1795505644.{},"request_id":"{ID}","method":"POST","path":"/api/v1/compute","status":200,"seconds":0.{took:03},"to":"127.0.0.21:2809"}}"#,
        700 + millis
    )
}

fn envoy(
    at: u64,
    micros: u64,
    path: &str,
    (listener, cluster, to): (u16, &str, &str),
    inbound: bool,
) -> String {
    let from = if inbound { "\"spiffe://x/ns/default/dc/dc1/svc/x\"" } else { "null" };
    let time = time(at);
    format!(
        r#"{{"cluster":"{cluster}","flags":"-","from":{from},"listener":"127.0.0.21:{listener}","method":"GET","micros":{micros},"path":"{path}","request_id":"{ID}","status":200,"time":"{time}","to":"{to}"}}"#
    )
}

fn frontend(micros: u64, calls: &[(u64, u64, &str, i64, i64)]) -> String {
    let calls: Vec<String> = calls
        .iter()
        .map(|(at, micros, upstream, l, r)| {
            format!(
                r#"{{"time":"{}","upstream":"{upstream}","to":"127.0.0.21:1","path":"/api/v1/execute/?l={l}&r={r}","status":200,"micros":{micros}}}"#,
                time(*at)
            )
        })
        .collect();
    format!(
        r#"{{"time":"{}","service":"frontend","instance":"4297c015","request_id":"{ID}","method":"POST","path":"/api/v1/compute","status":200,"bytes":12,"micros":{micros},"calls":[{}]}}"#,
        time(1500),
        calls.join(",")
    )
}

fn time(at: u64) -> String {
    format!("2026-11-24T07:34:04.{:06}Z", 700_000 + at)
}
