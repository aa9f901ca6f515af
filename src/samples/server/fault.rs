//! Faults on demand: a service that is slow or fails because somebody asked for it, so that what a mesh does about such a
//! service can be seen.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};

use super::body::read_body;
use super::reply::{self, Refusal, Reply};

/// Where the fault is asked for, looked at and taken back.
pub(in crate::samples) const FAULT: &str = "/fault";

const CONTROL: [Method; 4] = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE];

/// The longest delay: whoever forgets to take a fault back gets an answer all the same.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Asked")]
pub struct Fault {
    delay_ms: u64,
    status: Option<u16>,
    share: f64,
    health: bool,
}

/// A fault as it is asked for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// How long an answer waits, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// What is answered instead of what the service would have said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The share of requests that it strikes, all if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Whether it strikes the health check as well.
    #[serde(default)]
    pub health: bool,
}

impl TryFrom<Asked> for Fault {
    type Error = String;

    fn try_from(asked: Asked) -> Result<Self, String> {
        let Asked { delay_ms, status, share, health } = asked;
        let share = share.unwrap_or(1.0);
        let longest = LONGEST_DELAY.as_millis();
        if let Some(delay) = delay_ms.filter(|delay| u128::from(*delay) > longest) {
            return Err(format!("expected delay_ms from 0 to {longest}, found {delay}"));
        }
        if let Some(status) = status.filter(|status| !(400..=599).contains(status)) {
            return Err(format!("expected a status from 400 to 599, found {status}"));
        }
        // A number that is none is in no range.
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("expected a share from 0 to 1, found {share}"));
        }
        let delay_ms = delay_ms.unwrap_or_default();
        if delay_ms == 0 && status.is_none() {
            return Err("expected delay_ms, status or both: without them nothing goes wrong".to_owned());
        }
        Ok(Self { delay_ms, status, share, health })
    }
}

/// The fault of a service, which can be changed while it answers.
#[derive(Debug)]
pub struct Faults(RwLock<Option<Fault>>);

impl Faults {
    /// A service that begins like this.
    pub fn new(fault: Option<Fault>) -> Self {
        Self(RwLock::new(fault))
    }

    /// Looks at the fault, sets or removes it.
    pub(super) async fn control(&self, request: Request<Incoming>) -> Reply {
        self.controlled(request).await.unwrap_or_else(|refusal| *refusal)
    }

    async fn controlled(&self, request: Request<Incoming>) -> Result<Reply, Refusal> {
        #[derive(Serialize)]
        struct Told {
            fault: Option<Fault>,
        }
        reply::only(&CONTROL, request.method())?;
        match *request.method() {
            Method::PUT => {
                let body = read_body(request).await?;
                let fault = serde_json::from_slice(&body).map_err(|error| {
                    reply::refuse(StatusCode::BAD_REQUEST, &format!("the body is no fault: {error}"))
                })?;
                self.set(Some(fault));
            }
            Method::DELETE => self.set(None),
            _ => {}
        }
        Ok(reply::json(StatusCode::OK, &Told { fault: self.get() }))
    }

    /// Lets the fault strike a request: waits as long as it says, and gives the answer that it says, if any.
    pub(super) async fn strike(&self, is_health: bool) -> Option<Reply> {
        let fault = self.get().filter(|fault| fault.health || !is_health)?;
        if fastrand::f64() >= fault.share {
            return None;
        }
        if fault.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
        let status = StatusCode::from_u16(fault.status?).ok()?;
        Some(*reply::refuse(status, "it fails on demand: somebody asked for this fault"))
    }

    // A value that is only copied and replaced is whole, even if a thread has failed beside it.
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
        let told = serde_json::to_string(&least).unwrap();
        assert_eq!(told, r#"{"delay_ms":0,"status":400,"share":1.0,"health":false}"#);
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
        expected delay_ms, status or both: without them nothing goes wrong
        expected delay_ms, status or both: without them nothing goes wrong
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
    async fn health_is_struck_only_if_asked_for() {
        let struck = async |fault: &str, is_health| {
            let reply = Faults::new(Some(read(fault).unwrap())).strike(is_health).await;
            reply.map(|reply| reply.status().as_u16())
        };
        assert_eq!(struck(r#"{"status":503}"#, false).await, Some(503));
        assert_eq!(struck(r#"{"status":503}"#, true).await, None);
        assert_eq!(struck(r#"{"status":500,"health":true}"#, true).await, Some(500));
        assert_eq!(struck(r#"{"status":500,"share":0}"#, false).await, None);
        assert!(Faults::new(None).strike(false).await.is_none());
    }

    #[tokio::test]
    async fn a_delay_alone_leaves_the_answer_to_the_service() {
        let begun = std::time::Instant::now();
        assert!(Faults::new(Some(read(r#"{"delay_ms":40}"#).unwrap())).strike(false).await.is_none());
        assert!(begun.elapsed() >= Duration::from_millis(40));
    }

    #[tokio::test]
    async fn a_share_is_struck_about_as_often_as_it_says() {
        let faults = Faults::new(Some(read(r#"{"status":503,"share":0.3}"#).unwrap()));
        let mut struck = 0;
        for _ in 0..10_000 {
            struck += u32::from(faults.strike(false).await.is_some());
        }
        // Ten times the standard deviation of 46 on either side.
        assert!((2540..=3460).contains(&struck), "{struck}");
    }
}
