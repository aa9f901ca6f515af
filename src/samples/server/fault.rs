//! Fault injection: makes a service slow or failing on request, to show how a mesh handles such a service.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};

use super::body::read_body;
use super::reply::{self, Refusal, Reply};

/// The path to read, set and remove the fault.
pub(in crate::samples) const FAULT: &str = "/fault";

const CONTROL: [Method; 4] = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE];

/// The longest delay. A forgotten fault does not block a client for longer.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// A valid fault: a delay, a status, or both, for a share of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FaultSpec")]
pub struct Fault {
    delay_ms: u64,
    status: Option<u16>,
    share: f64,
    health: bool,
}

/// A fault as requested, not yet validated.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// The delay before an answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The status to answer with instead of the service's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The share of requests with the fault. `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Whether health checks have the fault too.
    #[serde(default)]
    pub health: bool,
}

/// Why a fault is invalid.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// The delay is too long.
    #[error("expected delay_ms from 0 to {max}, found {0}", max = MAX_DELAY.as_millis())]
    Delay(u64),
    /// The status is not an error.
    #[error("expected a status from 400 to 599, found {0}")]
    Status(u16),
    /// The share is not a share.
    #[error("expected a share from 0 to 1, found {0}")]
    Share(f64),
    /// It changes nothing.
    #[error("expected delay_ms, status or both: without them nothing fails")]
    Empty,
}

impl TryFrom<FaultSpec> for Fault {
    type Error = FaultError;

    fn try_from(spec: FaultSpec) -> Result<Self, FaultError> {
        let FaultSpec { delay_ms, status, share, health } = spec;
        let share = share.unwrap_or(1.0);
        if let Some(delay) = delay_ms.filter(|delay| u128::from(*delay) > MAX_DELAY.as_millis()) {
            return Err(FaultError::Delay(delay));
        }
        if let Some(status) = status.filter(|status| !(400..=599).contains(status)) {
            return Err(FaultError::Status(status));
        }
        // NaN is in no range.
        if !(0.0..=1.0).contains(&share) {
            return Err(FaultError::Share(share));
        }
        let delay_ms = delay_ms.unwrap_or_default();
        if delay_ms == 0 && status.is_none() {
            return Err(FaultError::Empty);
        }
        Ok(Self { delay_ms, status, share, health })
    }
}

/// The current fault of a service. It can be changed while the service runs.
#[derive(Debug)]
pub struct Faults(RwLock<Option<Fault>>);

impl Faults {
    /// Starts with this fault.
    pub fn new(fault: Option<Fault>) -> Self {
        Self(RwLock::new(fault))
    }

    /// Answers a request to read, set or remove the fault.
    pub(super) async fn control(&self, request: Request<Incoming>) -> Reply {
        self.controlled(request).await.unwrap_or_else(|refusal| *refusal)
    }

    async fn controlled(&self, request: Request<Incoming>) -> Result<Reply, Refusal> {
        #[derive(Serialize)]
        struct Current {
            fault: Option<Fault>,
        }
        reply::only(&CONTROL, request.method())?;
        match *request.method() {
            Method::PUT => {
                let body = read_body(request).await?;
                let fault = serde_json::from_slice(&body).map_err(|error| {
                    reply::refuse(StatusCode::BAD_REQUEST, &format!("invalid fault: {error}"))
                })?;
                self.set(Some(fault));
            }
            Method::DELETE => self.set(None),
            _ => {}
        }
        Ok(reply::json(StatusCode::OK, &Current { fault: self.get() }))
    }

    /// Applies the fault to a request: waits for its delay, and returns its answer, if it has one.
    pub(super) async fn apply(&self, is_health: bool) -> Option<Reply> {
        let fault = self.get().filter(|fault| fault.health || !is_health)?;
        if fastrand::f64() >= fault.share {
            return None;
        }
        if fault.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
        let status = StatusCode::from_u16(fault.status?).ok()?;
        Some(*reply::refuse(status, "injected fault; `meshlab svc fault --clear` removes it"))
    }

    // The value is only copied and replaced, so it is valid even if another thread has panicked.
    fn get(&self) -> Option<Fault> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: Option<Fault>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fault, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fault_has_bounds() {
        let all = Fault { delay_ms: 30_000, status: Some(599), share: 0.5, health: true };
        assert_eq!(read(r#"{"delay_ms":30000,"status":599,"share":0.5,"health":true}"#), Ok(all));
        let least = Fault { delay_ms: 0, status: Some(400), share: 1.0, health: false };
        assert_eq!(read(r#"{"status":400}"#), Ok(least));
        let json = serde_json::to_string(&least).unwrap();
        assert_eq!(json, r#"{"delay_ms":0,"status":400,"share":1.0,"health":false}"#);
        let wrong = [
            "{}",
            r#"{"delay_ms":0,"share":0.5}"#,
            r#"{"delay_ms":30001}"#,
            r#"{"delay_ms":-1}"#,
            r#"{"status":200}"#,
            r#"{"status":600}"#,
            r#"{"status":503,"share":1.1}"#,
            r#"{"status":503,"share":-0.1}"#,
            r#"{"delay":5}"#,
            "",
        ];
        insta::assert_snapshot!(wrong.map(|text| read(text).unwrap_err()).join("\n"), @r"
        expected delay_ms, status or both: without them nothing fails
        expected delay_ms, status or both: without them nothing fails
        expected delay_ms from 0 to 30000, found 30001
        invalid value: integer `-1`, expected u64 at line 1 column 14
        expected a status from 400 to 599, found 200
        expected a status from 400 to 599, found 600
        expected a share from 0 to 1, found 1.1
        expected a share from 0 to 1, found -0.1
        unknown field `delay`, expected one of `delay_ms`, `status`, `share`, `health` at line 1 column 8
        EOF while parsing a value at line 1 column 0
        ");
    }

    #[tokio::test]
    async fn health_checks_have_the_fault_only_on_request() {
        let status = async |fault: &str, is_health| {
            let reply = Faults::new(Some(read(fault).unwrap())).apply(is_health).await;
            reply.map(|reply| reply.status().as_u16())
        };
        assert_eq!(status(r#"{"status":503}"#, false).await, Some(503));
        assert_eq!(status(r#"{"status":503}"#, true).await, None);
        assert_eq!(status(r#"{"status":500,"health":true}"#, true).await, Some(500));
        assert_eq!(status(r#"{"status":500,"share":0}"#, false).await, None);
        assert!(Faults::new(None).apply(false).await.is_none());
    }

    #[tokio::test]
    async fn a_delay_alone_does_not_change_the_answer() {
        let begun = std::time::Instant::now();
        assert!(Faults::new(Some(read(r#"{"delay_ms":40}"#).unwrap())).apply(false).await.is_none());
        assert!(begun.elapsed() >= Duration::from_millis(40));
    }

    #[tokio::test]
    async fn a_share_of_the_requests_has_the_fault() {
        let faults = Faults::new(Some(read(r#"{"status":503,"share":0.3}"#).unwrap()));
        let mut failed = 0;
        for _ in 0..10_000 {
            failed += u32::from(faults.apply(false).await.is_some());
        }
        // Ten times the standard deviation of 46 on either side.
        assert!((2540..=3460).contains(&failed), "{failed}");
    }
}
