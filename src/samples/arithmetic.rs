//! The services add-svc and sub-svc: one operation each, on two integers.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use url::form_urlencoded;

use super::integer;
use super::server::{self, Exchange, GET, Options, Refusal, Reply, Service, Stopped, reply};
use crate::core::failure;

/// The path that calculates.
pub(super) const EXECUTE: &str = "/api/v1/execute/";

/// What a service of this kind does, and so which service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `l + r`
    Add,
    /// `l - r`
    Sub,
}

/// Answers until `shutdown`.
pub async fn serve(
    operation: Arithmetic,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> failure::Result<Stopped> {
    server::run(operation, options, shutdown).await
}

impl Arithmetic {
    /// The name under which it is registered.
    pub fn service_name(self) -> &'static str {
        match self {
            Self::Add => "add-svc",
            Self::Sub => "sub-svc",
        }
    }

    fn execute(self, request: &Request<Incoming>) -> Result<Reply, Refusal> {
        let path = request.uri().path();
        if path != EXECUTE {
            return Err(reply::nothing_at(
                path,
                "GET /api/v1/execute/?l=<int>&r=<int> and GET /health/state",
            ));
        }
        reply::only(&GET, request.method())?;
        let result = self.calculate(request.uri().query().unwrap_or_default());
        let result = result.map_err(|reason| reply::refuse(StatusCode::BAD_REQUEST, &reason))?;
        Ok(reply::text(result.to_string()))
    }

    fn calculate(self, query: &str) -> Result<i64, String> {
        let Operands { l, r } = Operands::parse(query)?;
        let (sign, result) = match self {
            Self::Add => ('+', l.checked_add(r)),
            Self::Sub => ('-', l.checked_sub(r)),
        };
        result.ok_or_else(|| format!("{l} {sign} {r} does not fit in 64 bits"))
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

struct Operands {
    l: i64,
    r: i64,
}

impl Operands {
    /// Other parameters than the two are left to others.
    fn parse(query: &str) -> Result<Self, String> {
        let (mut l, mut r) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "l" => take(&mut l, "l", &value)?,
                "r" => take(&mut r, "r", &value)?,
                _ => {}
            }
        }
        let missing = |name: &str| format!("the parameter {name} is missing");
        Ok(Self { l: l.ok_or_else(|| missing("l"))?, r: r.ok_or_else(|| missing("r"))? })
    }
}

fn take(operand: &mut Option<i64>, name: &str, value: &str) -> Result<(), String> {
    if operand.is_some() {
        return Err(format!("the parameter {name} is there twice"));
    }
    let parsed = integer::parse(value).map_err(|error| {
        let shown: String = value.chars().take(40).collect();
        format!("the parameter {name}, {shown:?}, {error}")
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
    fn what_cannot_be_calculated_has_a_reason() {
        let refused = |query| Arithmetic::Add.calculate(query).unwrap_err();
        insta::assert_snapshot!(
            ["", "l=1", "r=1", "l=1&r=", "l=1&r=a", "l=+1&r=1", "l=1&r=1&l=1", "l=1&r=99999999999999999999",
             "l=9223372036854775807&r=1", "l=1&r=%1b[2J"].map(refused).join("\n"),
            @r#"
        the parameter l is missing
        the parameter r is missing
        the parameter l is missing
        the parameter r, "", is no integer
        the parameter r, "a", is no integer
        the parameter l, " 1", is no integer
        the parameter l is there twice
        the parameter r, "99999999999999999999", does not fit in 64 bits
        9223372036854775807 + 1 does not fit in 64 bits
        the parameter r, "\u{1b}[2J", is no integer
        "#
        );
    }
}
