//! A client for the faults of a sample service: reads, sets or removes the fault of one instance.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::local_url::address_of;
use super::server::{FAULT, FaultSpec};
use crate::core::failure::{Failure, Result};
use crate::core::http;

const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// What to do with the fault.
#[derive(Debug, Clone, Copy)]
pub enum FaultAction {
    /// Read it.
    Read,
    /// Replace it.
    Set(FaultSpec),
    /// Remove it.
    Clear,
}

/// Sends the action to the instance at `url`, not through the mesh, and describes the instance's fault in a line.
pub async fn run(url: &Url, action: FaultAction) -> Result<String> {
    let address = address_of(url)?;
    let (method, body) = match action {
        FaultAction::Read => (Method::GET, Vec::new()),
        // Serializing numbers and booleans does not fail.
        FaultAction::Set(spec) => (Method::PUT, serde_json::to_vec(&spec).unwrap_or_default()),
        FaultAction::Clear => (Method::DELETE, Vec::new()),
    };
    let cannot = || {
        Failure::failed(format!("cannot read or set the fault of the instance at {url}"))
            .hint("give the address of an add-svc, sub-svc or frontend; `meshlab status` lists them")
    };
    let answer = http::request(method, address, FAULT, body, REQUEST_DEADLINE)
        .await
        .map_err(|error| cannot().seen(&error))?;
    let reply: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != StatusCode::OK {
        let reason = reply.get("reason").and_then(Value::as_str);
        let reason = reason.map_or_else(|| answer.text().chars().take(200).collect(), str::to_owned);
        return Err(cannot().seen_text(format!("{}: {reason}", answer.status)));
    }
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("?");
    Ok(format!(
        "{address} (instance {}, {}): {}",
        header("x-instance"),
        header("x-version"),
        in_words(reply.get("fault").unwrap_or(&Value::Null))
    ))
}

fn in_words(fault: &Value) -> String {
    if fault.is_null() {
        return "no fault".to_owned();
    }
    let number = |name: &str| fault.get(name).and_then(Value::as_u64).filter(|number| *number > 0);
    let mut parts = Vec::new();
    if let Some(delay) = number("delay_ms") {
        parts.push(format!("after {delay} ms"));
    }
    if let Some(status) = number("status") {
        parts.push(format!("with status {status}"));
    }
    let share = fault.get("share").and_then(Value::as_f64).unwrap_or(1.0);
    let which =
        if share < 1.0 { format!("{} % of its answers", share * 100.0) } else { "every answer".to_owned() };
    let health = match fault.get("health").and_then(Value::as_bool) {
        Some(true) => ", including health checks",
        _ => ", except health checks",
    };
    format!("{which} {}{health}", parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_is_described_in_words() {
        let faults = [
            json!(null),
            json!({"delay_ms": 300, "status": null, "share": 1.0, "health": false}),
            json!({"delay_ms": 0, "status": 503, "share": 0.25, "health": true}),
            json!({"delay_ms": 2000, "status": 500, "share": 1.0, "health": false}),
        ];
        insta::assert_snapshot!(faults.each_ref().map(in_words).join("\n"), @r"
        no fault
        every answer after 300 ms, except health checks
        25 % of its answers with status 503, including health checks
        every answer after 2000 ms with status 500, except health checks
        ");
    }
}
