//! One call before a load test: does the target give the right answer?

use std::time::Duration;

use super::plan::Target;
use crate::core::failure::{Failure, Result};
use crate::core::http::{self, HttpRequest};

const DEADLINE: Duration = Duration::from_secs(5);

/// Makes the call once. Fails if the answer is not the right one, with the answer.
pub async fn probe(target: &Target) -> Result<()> {
    let body = target.body.clone().unwrap_or_default().into_bytes();
    let json = [("content-type", "application/json")];
    let headers = if body.is_empty() { &[][..] } else { &json[..] };
    let path = target.path();
    let call = HttpRequest { method: target.method.clone(), path: &path, headers, body, deadline: DEADLINE };
    let answer = http::send(target.address()?, call).await;
    let answer = answer.map_err(|error| {
        Failure::failed(format!("{} does not answer", target.url)).seen(&error).hint(
            "`meshlab status` shows what is not ready; `meshlab jobs start` starts the calculator's jobs",
        )
    })?;
    let text = answer.text();
    if answer.status.as_u16() == 200 && target.is_right(&text) {
        return Ok(());
    }
    Err(Failure::failed(format!("{} gives a wrong answer", target.url))
        .detail("expected", format!("200 {}", target.answer))
        .observed(answer_line(answer.status.as_u16(), &text))
        .hint("`meshlab status` shows what is not ready, `meshlab logs` what the components wrote"))
}

/// Status and body of an answer on one line, at most 200 characters of the body.
pub fn answer_line(status: u16, body: &str) -> String {
    const SHOWN: usize = 200;
    let visible = body.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    format!("{status} {}", visible.take(SHOWN).collect::<String>()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_line_is_short() {
        assert_eq!(answer_line(502, "bad\n\u{1b}[31mgateway\n"), "502 bad  [31mgateway");
        assert_eq!(answer_line(204, ""), "204");
        assert_eq!(answer_line(200, &"x".repeat(999)).len(), 204);
    }
}
