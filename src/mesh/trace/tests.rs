use super::samples;
use super::{Call, Hop, Leg};

#[test]
fn hops_are_put_in_order_however_they_are_found() {
    let whole = samples::trace();
    assert_eq!(whole.missing, Vec::<String>::new());
    let names: Vec<&str> = whole.way_in.iter().map(|hop| hop.name.as_str()).collect();
    assert_eq!(names, ["lb", "gateway", "sub-svc-ref-proxy", "frontend"]);
    let legs: Vec<Vec<&str>> =
        whole.legs.iter().map(|leg| leg.hops.iter().map(|hop| hop.name.as_str()).collect()).collect();
    let add = vec!["add-svc-ref-proxy", "add-svc-proxy", "add-svc"];
    assert_eq!(legs, [add.clone(), add, vec!["sub-svc-ref-proxy", "sub-svc-proxy", "sub-svc"]]);
    let mut backwards: Vec<Hop> = whole.hops().cloned().collect();
    backwards.reverse();
    assert_eq!(samples::empty().with(backwards), whole);
}

#[test]
fn the_clock_of_a_service_may_be_off() {
    let whole = samples::trace();
    // All its calls seem to begin after their Envoys had them, or before the call that they are a part of got in.
    for off in [50_000, -50_000] {
        let mut hops: Vec<Hop> = whole.hops().cloned().collect();
        for call in hops.iter_mut().filter_map(Hop::calls_mut).flatten() {
            call.began = call.began.saturating_add_signed(off);
        }
        let trace = samples::empty().with(hops);
        assert_eq!(trace.missing, Vec::<String>::new(), "{off}");
        assert_eq!(trace.way_in.len(), whole.way_in.len());
        assert!(trace.legs.iter().zip(&whole.legs).all(|(found, leg)| found.hops == leg.hops), "{off}");
    }
}

#[test]
fn each_hop_is_missed() {
    let all: Vec<Hop> = samples::trace().hops().cloned().collect();
    for left_out in 0..all.len() {
        let mut hops = all.clone();
        let gone = hops.remove(left_out);
        let trace = samples::empty().with(hops);
        // Without the first service, nobody knows of any calls.
        assert!(!trace.missing.is_empty(), "{} was not missed", gone.name);
    }
    assert_eq!(samples::empty().with(Vec::new()).missing, ["the load balancer's line"]);
    // Several at once: what is left of the calls behind them must not pass for the way in.
    let late = |hop: &Hop| !["gateway", "frontend", "sub-svc-ref-proxy"].contains(&hop.name.as_str());
    let trace = samples::empty().with(all.iter().filter(|hop| late(hop)).cloned().collect());
    assert!(!trace.missing.is_empty(), "{trace:?}");
}

#[test]
fn nobody_is_expected_behind_one_that_refuses() {
    let trace = samples::denied();
    assert_eq!(trace.missing, Vec::<String>::new());
    assert_eq!(trace.legs.iter().map(|leg| leg.hops.len()).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_parts_make_up_the_whole() {
    let trace = samples::trace();
    let shares = trace.shares();
    assert_eq!(shares.iter().map(|share| share.micros).sum::<u64>(), trace.micros);
    let envoys: u64 = trace.legs.iter().map(Leg::envoys).sum();
    let named = |name: &str| shares.iter().find(|share| share.what == name).unwrap();
    assert_eq!(
        envoys,
        [
            "add-svc-ref-proxy (Envoy)",
            "add-svc-proxy (Envoy)",
            "sub-svc-ref-proxy (Envoy)",
            "sub-svc-proxy (Envoy)"
        ]
        .iter()
        .map(|name| named(name).micros)
        .sum::<u64>()
    );
    assert_eq!((named("add-svc").hops, named("sub-svc").hops), (2, 1));
}

#[test]
fn calls_read_as_what_they_are() {
    let call = |upstream: &str, path: &str| {
        let (upstream, path) = (upstream.to_owned(), path.to_owned());
        Call { upstream, path, began: 0, micros: 0, status: None, error: None }.what()
    };
    assert_eq!(call("add-svc", "/api/v1/execute/?l=-1&r=2"), "-1+2");
    assert_eq!(call("sub-svc", "/api/v1/execute/?l=1&r=-2"), "1-(-2)");
    assert_eq!(call("mul-svc", "/x?l=1&r=2"), "/x?l=1&r=2");
    assert_eq!(call("add-svc", "/api/v1/no/such/path"), "/api/v1/no/such/path");
}
