//! The services add-svc and sub-svc: each has one operation on two integers.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use url::form_urlencoded;

use super::integer::{self, IntegerError};
use super::server::{self, Exchange, GET, Options, Refusal, Reply, Service, Stopped, reply};
use crate::core::failure;

/// The path of the calculation.
pub(super) const EXECUTE: &str = "/api/v1/execute/";

/// The most of an invalid parameter that an error shows, in characters.
const MAX_SHOWN_CHARS: usize = 40;

/// The operation, which determines the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `l + r`
    Add,
    /// `l - r`
    Sub,
}

/// Serves requests until `shutdown`.
pub async fn serve(
    operation: Arithmetic,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> failure::Result<Stopped> {
    server::run(operation, options, shutdown).await
}

impl Arithmetic {
    /// The name of the service in Consul.
    pub fn service_name(self) -> &'static str {
        match self {
            Self::Add => "add-svc",
            Self::Sub => "sub-svc",
        }
    }

    fn execute(self, request: &Request<Incoming>) -> Result<Reply, Refusal> {
        let path = request.uri().path();
        if path != EXECUTE {
            return Err(reply::not_found(path, "GET /api/v1/execute/?l=<int>&r=<int> and GET /health/state"));
        }
        reply::only(&GET, request.method())?;
        let result = self.calculate(request.uri().query().unwrap_or_default());
        let result = result.map_err(|error| reply::refuse(StatusCode::BAD_REQUEST, &error.to_string()))?;
        Ok(reply::text(result.to_string()))
    }

    fn calculate(self, query: &str) -> Result<i64, CalculationError> {
        let Operands { l, r } = Operands::parse(query)?;
        let (sign, result) = match self {
            Self::Add => ('+', l.checked_add(r)),
            Self::Sub => ('-', l.checked_sub(r)),
        };
        result.ok_or(CalculationError::Overflow { l, sign, r })
    }
}

impl Service for Arithmetic {
    fn name(&self) -> &'static str {
        self.service_name()
    }

    async fn answer(&self, request: Request<Incoming>, _: &mut Exchange) -> Reply {
        self.execute(&request).unwrap_or_else(|refusal| *refusal)
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum CalculationError {
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    #[error("the parameter {0} is given twice")]
    Repeated(&'static str),
    #[error("the parameter {name} {error}: {value:?}")]
    Invalid { name: &'static str, value: String, error: IntegerError },
    #[error("{l} {sign} {r} does not fit in 64 bits")]
    Overflow { l: i64, sign: char, r: i64 },
}

struct Operands {
    l: i64,
    r: i64,
}

impl Operands {
    /// Ignores other parameters.
    fn parse(query: &str) -> Result<Self, CalculationError> {
        let (mut l, mut r) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "l" => take(&mut l, "l", &value)?,
                "r" => take(&mut r, "r", &value)?,
                _ => {}
            }
        }
        let missing = CalculationError::Missing;
        Ok(Self { l: l.ok_or(missing("l"))?, r: r.ok_or(missing("r"))? })
    }
}

fn take(operand: &mut Option<i64>, name: &'static str, value: &str) -> Result<(), CalculationError> {
    if operand.is_some() {
        return Err(CalculationError::Repeated(name));
    }
    let parsed = integer::parse(value).map_err(|error| {
        let value = value.chars().take(MAX_SHOWN_CHARS).collect();
        CalculationError::Invalid { name, value, error }
    })?;
    *operand = Some(parsed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_operations_calculate_to_the_ends_of_64_bits() {
        let results = |query| (Arithmetic::Add.calculate(query), Arithmetic::Sub.calculate(query));
        assert_eq!(results("l=1&r=2"), (Ok(3), Ok(-1)));
        assert_eq!(results("r=2&l=%2D1&delay=x"), (Ok(1), Ok(-3)));
        assert_eq!(Arithmetic::Add.calculate("l=9223372036854775806&r=1"), Ok(i64::MAX));
        assert_eq!(Arithmetic::Sub.calculate("l=-9223372036854775807&r=1"), Ok(i64::MIN));
    }

    #[test]
    fn invalid_queries_are_explained() {
        let refused = |query| Arithmetic::Add.calculate(query).unwrap_err().to_string();
        insta::assert_snapshot!(
            ["", "l=1", "r=1", "l=1&r=", "l=1&r=a", "l=+1&r=1", "l=1&r=1&l=1", "l=1&r=99999999999999999999",
             "l=9223372036854775807&r=1", "l=1&r=%1b[2J"].map(refused).join("\n"),
            @r#"
        the parameter l is missing
        the parameter r is missing
        the parameter l is missing
        the parameter r is not an integer: ""
        the parameter r is not an integer: "a"
        the parameter l is not an integer: " 1"
        the parameter l is given twice
        the parameter r does not fit in 64 bits: "99999999999999999999"
        9223372036854775807 + 1 does not fit in 64 bits
        the parameter r is not an integer: "\u{1b}[2J"
        "#
        );
    }
}
