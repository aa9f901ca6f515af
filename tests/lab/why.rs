//! `meshlab why` on a lab that runs: an open way, one that an intention closes, and one whose Envoy is gone.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Lab, Place, docker, on_both_runtimes};
use crate::support::until;

on_both_runtimes!(why_tells_where_a_call_stops);

fn why_tells_where_a_call_stops(place: Place) {
    let lab = Lab::new(place, 15);
    let nothing = lab.run(&["why", "client", "echo"]).expect(1);
    assert!(nothing.stderr.contains("no lab is running"), "{}", nothing.stderr);
    lab.run(&["lab", "1", "--keep", "-q"]).expect(0);

    let open = lab.run(&["--json", "why", "client", "echo"]).expect(0).json();
    assert_eq!((open["schema"].as_u64(), open["way"]["open"].as_bool()), (Some(1), Some(true)));
    let hops = open["way"]["hops"].as_array().unwrap();
    assert_eq!(hops.len(), 14);
    assert!(hops.iter().all(|hop| hop["state"] == "open"), "{open}");
    let seen = |answer: &Value, hop: &str| {
        let hops = answer["way"]["hops"].as_array().unwrap();
        let found = hops.iter().find(|found| found["hop"] == hop).unwrap();
        found["findings"][0]["seen"].as_str().unwrap().to_owned()
    };
    assert!(seen(&open, "source-certificate").contains("/svc/client in "), "{open}");
    assert!(seen(&open, "public-listener").contains("a client certificate is required"), "{open}");

    let deny = ["shell", "--", "consul", "intention", "create", "-replace", "-deny", "client", "echo"];
    lab.run(&deny).expect(0);
    let denied = lab.run(&["why", "client", "echo"]).expect(3);
    assert!(denied.stdout.contains("its action is \"deny\""), "{}", denied.stdout);
    assert!(denied.stderr.contains("hint: `consul intention create -replace -allow client echo`"));
    // The other direction has no port to begin with.
    let backwards = lab.run(&["--json", "why", "echo", "client"]).expect(3).json();
    assert_eq!(backwards["stops_at"], "upstream");

    lab.run(&["shell", "--", "consul", "intention", "delete", "client", "echo"]).expect(0);
    lab.run(&["why", "client", "echo"]).expect(0);
    end(&lab, "envoy-echo");
    let look = || lab.run(&["--json", "why", "client", "echo"]).json();
    until("the Envoy is gone", || look()["stops_at"] == "destination-envoy");
    let gone = look();
    assert!(seen(&gone, "destination-envoy").contains("refused"), "{gone}");
    let after = gone["way"]["hops"].as_array().unwrap().last().unwrap();
    assert_eq!(after["state"], "unreached");
    lab.run(&["down"]).expect(0);
    lab.nothing_is_left();
}

/// Kills a component from outside.
fn end(lab: &Lab, component: &str) {
    if lab.place == Place::Docker {
        docker(&["kill", &lab.container(component)]);
        return;
    }
    let status = lab.run(&["--json", "status"]).expect(0).json();
    let components = status["labs"][0]["components"].as_array().unwrap();
    let found = components.iter().find(|found| found["name"] == component).unwrap();
    let pid = i32::try_from(found["pid"].as_i64().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}
