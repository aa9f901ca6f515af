//! Reading the bodies of requests.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use super::reply::{Refusal, refuse};

/// The maximum length of a body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The deadline for the whole body.
const DEADLINE: Duration = Duration::from_secs(5);
/// How much more is read of a body that is too long, and for how long. If a connection is closed with unread bytes, it is
/// reset, and the client does not get the answer.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Reads the whole body. `Err` is the answer that refuses it.
pub(in crate::samples) async fn read_body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let expects_continue = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        // A client that expects `100 Continue` has not sent the body.
        if !expects_continue {
            linger(&mut body).await;
        }
        return Err(too_large());
    }
    let whole = Limited::new(&mut body, MAX_BODY_BYTES).collect();
    match timeout(DEADLINE, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            linger(&mut body).await;
            Err(too_large())
        }
        Ok(Err(error)) => Err(refuse(StatusCode::BAD_REQUEST, &format!("the body is incomplete: {error}"))),
        Err(_) => {
            Err(refuse(StatusCode::REQUEST_TIMEOUT, &format!("the body did not arrive within {DEADLINE:?}")))
        }
    }
}

fn too_large() -> Refusal {
    refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body has more than {MAX_BODY_BYTES} bytes"))
}

async fn linger(body: &mut Incoming) {
    let rest = Limited::new(body, LINGER_BYTES);
    let mut rest = std::pin::pin!(rest);
    let taken = async { while let Some(Ok(_)) = rest.frame().await {} };
    // At the deadline, the connection is reset after all.
    let _ = timeout(LINGER, taken).await;
}
