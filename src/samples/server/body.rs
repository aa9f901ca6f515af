//! Bodies of requests.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use super::reply::{Refusal, refuse};

/// The longest body that is accepted.
pub(in crate::samples) const LONGEST_BODY: usize = 64 * 1024;
/// For the whole of it to arrive.
const DEADLINE: Duration = Duration::from_secs(5);
/// What is still taken from a client that sends too much, and for how long, so that it gets to read why it is refused:
/// a connection that is closed on unread bytes is reset, answer and all.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// The whole body, or why not.
pub(in crate::samples) async fn read_body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let waits_for_consent = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    if body.size_hint().lower() > LONGEST_BODY as u64 {
        // Who waits to be told to go on has sent nothing that needs taking.
        if !waits_for_consent {
            linger(&mut body).await;
        }
        return Err(too_large());
    }
    let whole = Limited::new(&mut body, LONGEST_BODY).collect();
    match timeout(DEADLINE, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            linger(&mut body).await;
            Err(too_large())
        }
        Ok(Err(error)) => Err(refuse(StatusCode::BAD_REQUEST, &format!("the body broke off: {error}"))),
        Err(_) => {
            Err(refuse(StatusCode::REQUEST_TIMEOUT, &format!("the body did not arrive within {DEADLINE:?}")))
        }
    }
}

fn too_large() -> Refusal {
    refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body has more than {LONGEST_BODY} bytes"))
}

async fn linger(body: &mut Incoming) {
    let rest = Limited::new(body, LINGER_BYTES);
    let mut rest = std::pin::pin!(rest);
    let taken = async { while let Some(Ok(_)) = rest.frame().await {} };
    // What comes after this is not waited for.
    let _ = timeout(LINGER, taken).await;
}
