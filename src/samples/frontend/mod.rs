//! The service frontend: evaluates an expression with a call of add-svc or sub-svc for each operator.

mod expression;
mod upstream;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::arithmetic::Arithmetic;
use super::host_port::HostPort;
use super::pool;
use super::server::{self, Exchange, GET, Options, POST, Refusal, Reply, Service, Stopped, read_body, reply};
use crate::core::failure;
use expression::{Expression, Operator};
use upstream::{Upstream, UpstreamError};

const COMPUTE: &str = "/api/v1/compute";
const TEST_FAULT: &str = "/api/v1/test/fault";
const IVT: &str = "/ivt";

/// The deadline of a request, calls included.
const DEADLINE: Duration = Duration::from_secs(10);

/// Serves requests until `shutdown`.
pub async fn serve(
    add: HostPort,
    sub: HostPort,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> failure::Result<Stopped> {
    server::run(Frontend::new(add, sub), options, shutdown).await
}

/// The edge service.
struct Frontend {
    add: Upstream,
    sub: Upstream,
    ivt: AtomicU64,
}

#[derive(Deserialize)]
struct Compute {
    expression: String,
}

#[derive(Serialize)]
struct Computed {
    result: i64,
}

impl Frontend {
    fn new(add: HostPort, sub: HostPort) -> Self {
        let client = pool::new(upstream::CALL_DEADLINE);
        Self {
            add: Upstream::new(Arithmetic::Add.service_name(), add, client.clone()),
            sub: Upstream::new(Arithmetic::Sub.service_name(), sub, client),
            ivt: AtomicU64::new(0),
        }
    }

    /// Evaluates the expression in the request. `Err` is the answer that refuses or fails.
    async fn compute(&self, request: Request<Incoming>, exchange: &mut Exchange) -> Result<Reply, Refusal> {
        let deadline = Instant::from_std(exchange.begun()) + DEADLINE;
        reply::only(&POST, request.method())?;
        let expression = expression_of(&read_body(request).await?)?;
        let result = self.evaluate(&expression, exchange, deadline).await;
        Ok(reply::json(StatusCode::OK, &Computed { result: result.map_err(|error| failed(&error))? }))
    }

    /// Evaluates from left to right, with one call for each operator.
    async fn evaluate(
        &self,
        expression: &Expression,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> Result<i64, UpstreamError> {
        let mut result = expression.first;
        for (operator, operand) in &expression.rest {
            let upstream = match operator {
                Operator::Plus => &self.add,
                Operator::Minus => &self.sub,
            };
            result = upstream.execute(result, *operand, exchange, deadline).await?;
        }
        Ok(result)
    }

    /// Calls a path that add-svc does not have, to show how a failure comes back through the mesh.
    async fn test_fault(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Reply, Refusal> {
        let deadline = Instant::from_std(exchange.begun()) + DEADLINE;
        reply::only(&POST, request.method())?;
        read_body(request).await?;
        Err(failed(&self.add.call_missing_path(exchange, deadline).await))
    }

    fn count(&self, request: &Request<Incoming>) -> Result<Reply, Refusal> {
        reply::only(&GET, request.method())?;
        let count = self.ivt.fetch_add(1, Relaxed) + 1;
        Ok(reply::text(format!("ivt-test: {count}")))
    }
}

impl Service for Frontend {
    fn name(&self) -> &'static str {
        "frontend"
    }

    fn calls_others(&self) -> bool {
        true
    }

    async fn answer(&self, request: Request<Incoming>, exchange: &mut Exchange) -> Reply {
        let answered = match request.uri().path() {
            COMPUTE => self.compute(request, exchange).await,
            TEST_FAULT => self.test_fault(request, exchange).await,
            IVT => self.count(&request),
            other => Err(reply::not_found(
                other,
                "POST /api/v1/compute, POST /api/v1/test/fault, GET /ivt and GET /health/state",
            )),
        };
        answered.unwrap_or_else(|refusal| *refusal)
    }
}

fn expression_of(body: &Bytes) -> Result<Expression, Refusal> {
    let refuse = |reason: &str| reply::refuse(StatusCode::BAD_REQUEST, reason);
    let other = |seen: &str| refuse(&format!("expected the body {{\"expression\": \"1+2-3\"}}: {seen}"));
    // Serde also accepts an array with the values of the fields in order.
    if body.trim_ascii().first() != Some(&b'{') {
        return Err(other("not a JSON object"));
    }
    let compute: Compute = serde_json::from_slice(body).map_err(|error| other(&error.to_string()))?;
    Expression::parse(&compute.expression).map_err(|error| refuse(&error.to_string()))
}

fn failed(error: &UpstreamError) -> Refusal {
    #[derive(Serialize)]
    struct Failed {
        details: String,
    }
    let failed = Failed { details: error.to_string() };
    Box::new(reply::json(StatusCode::INTERNAL_SERVER_ERROR, &failed))
}
