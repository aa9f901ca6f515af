//! Parses the block of lines that `assets/bench/compute.lua` prints at the end of a wrk run.
//!
//! Invariant: any text gives a value or an error, never a panic.

use std::time::Duration;

use serde::Serialize;

use crate::core::numbers::histogram::Distribution;

const FIRST_LINE: &str = "meshlab-bench 1";
const LAST_LINE: &str = "end";

/// The limit of latency lines. The script prints at most 20,000.
const MAX_ROWS: usize = 50_000;

/// The limit of a latency and of the duration: one day.
const MAX_MICROS: u64 = 24 * 3600 * 1_000_000;

/// The result of one wrk run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement {
    /// How long requests were sent.
    pub duration: Duration,
    /// The number of answers, right or wrong.
    pub requests: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Errors by kind.
    pub errors: Errors,
    /// The first wrong answer.
    pub first_wrong: Option<WrongAnswer>,
    /// Time from sending a request to reading its answer. wrk adds latencies for the requests that it could not send
    /// while it waited for a slow answer (coordinated omission), so there can be more latencies than requests.
    pub latencies: Distribution,
    /// Whether `latencies` has every value. If not, it has a few hundred quantiles.
    pub exact: bool,
}

/// The number of errors by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Connections that could not be opened.
    pub connect: u64,
    /// Connections that failed while reading.
    pub read: u64,
    /// Connections that failed while writing.
    pub write: u64,
    /// Answers after the timeout of 10 s.
    pub timeout: u64,
    /// Answers with a status other than 200.
    pub status: u64,
    /// Answers with status 200 and a wrong body.
    pub wrong: u64,
}

impl Errors {
    /// Number and name of each kind.
    pub fn kinds(&self) -> [(u64, &'static str); 6] {
        [
            (self.connect, "not connected"),
            (self.read, "broken while reading"),
            (self.write, "broken while writing"),
            (self.timeout, "too late"),
            (self.status, "not status 200"),
            (self.wrong, "wrong body"),
        ]
    }

    /// The sum of all kinds.
    pub fn total(&self) -> u64 {
        self.kinds().iter().fold(0, |sum, (number, _)| sum.saturating_add(*number))
    }

    /// The sum of the errors of two runs.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self {
            connect: self.connect.saturating_add(other.connect),
            read: self.read.saturating_add(other.read),
            write: self.write.saturating_add(other.write),
            timeout: self.timeout.saturating_add(other.timeout),
            status: self.status.saturating_add(other.status),
            wrong: self.wrong.saturating_add(other.wrong),
        }
    }
}

/// An answer with a wrong status or body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongAnswer {
    /// HTTP status.
    pub status: u16,
    /// The first characters of the body.
    pub body: String,
}

impl Measurement {
    /// The number of right answers.
    pub fn right(&self) -> u64 {
        self.requests.saturating_sub(self.errors.status).saturating_sub(self.errors.wrong)
    }

    /// Right answers per second.
    pub fn rate(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        if seconds > 0.0 { crate::core::numbers::histogram::as_float(self.right()) / seconds } else { 0.0 }
    }

    /// How many latencies wrk added for requests that it could not send while it waited.
    pub fn filled_in(&self) -> u64 {
        self.latencies.count().saturating_sub(self.requests)
    }

    /// The measurement of two rounds together.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self {
            duration: self.duration.saturating_add(other.duration),
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.merged(&other.errors),
            first_wrong: self.first_wrong.clone().or_else(|| other.first_wrong.clone()),
            latencies: self.latencies.merged(&other.latencies),
            exact: self.exact && other.exact,
        }
    }
}

/// Why wrk's output cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// A line is missing: the script stopped early.
    #[error("line {0:?} is missing")]
    Missing(&'static str),
    /// A line that the script never prints.
    #[error("unexpected line {0:?}")]
    Unexpected(String),
    /// More latencies than the script prints.
    #[error("more than {MAX_ROWS} latencies")]
    TooManyRows,
}

/// Parses the block. Lines before it come from wrk itself and are skipped.
pub fn parse(output: &str) -> Result<Measurement, BlockError> {
    let mut lines = output.lines().map(str::trim_end).skip_while(|line| *line != FIRST_LINE);
    lines.next().ok_or(BlockError::Missing(FIRST_LINE))?;
    let mut measurement = Measurement::default();
    let mut rows = Vec::new();
    let mut values = 0;
    for line in lines {
        if line == LAST_LINE {
            if values != VALUES {
                return Err(BlockError::Missing("duration, requests, ..."));
            }
            measurement.latencies = Distribution::new(rows);
            return Ok(measurement);
        }
        let unexpected = || BlockError::Unexpected(line.chars().take(80).collect());
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let value: u64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(unexpected)?;
        let rest = words.next();
        match (name, rest) {
            ("latency", Some(count)) => {
                let count = count.parse().map_err(|_| unexpected())?;
                if rows.len() >= MAX_ROWS {
                    return Err(BlockError::TooManyRows);
                }
                if value > MAX_MICROS {
                    return Err(unexpected());
                }
                rows.push((value, count));
            }
            ("sample", hex) => {
                let status = u16::try_from(value).map_err(|_| unexpected())?;
                let body = unhex(hex.unwrap_or_default()).ok_or_else(unexpected)?;
                measurement.first_wrong = Some(WrongAnswer { status, body });
            }
            (name, None) => {
                measurement.set(name, value).ok_or_else(unexpected)?;
                values += 1;
            }
            _ => return Err(unexpected()),
        }
    }
    Err(BlockError::Missing(LAST_LINE))
}

/// How many values the block has besides latencies and the wrong answer.
const VALUES: usize = 10;

impl Measurement {
    fn set(&mut self, name: &str, value: u64) -> Option<()> {
        let field = match name {
            "duration" => {
                self.duration = Duration::from_micros(value.min(MAX_MICROS));
                return Some(());
            }
            "exact" => {
                self.exact = value == 1;
                return Some(());
            }
            "requests" => &mut self.requests,
            "bytes" => &mut self.bytes,
            "connect" => &mut self.errors.connect,
            "read" => &mut self.errors.read,
            "write" => &mut self.errors.write,
            "timeout" => &mut self.errors.timeout,
            "status" => &mut self.errors.status,
            "wrong" => &mut self.errors.wrong,
            _ => return None,
        };
        *field = value;
        Some(())
    }
}

fn unhex(text: &str) -> Option<String> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: &str = "Running 2s test @ http://127.0.0.1/\n  2 threads\n\nmeshlab-bench 1\nduration 2067529\nrequests 70\n\
        bytes 3583210\nconnect 1\nread 2\nwrite 3\ntimeout 4\nstatus 5\nwrong 6\nsample 502 6e6f0aff\nexact 1\n\
        latency 812 60\nlatency 990 11\nend\n";

    #[test]
    fn the_output_of_the_script_is_parsed() {
        let read = parse(BLOCK).unwrap();
        assert_eq!(
            read,
            Measurement {
                duration: Duration::from_micros(2_067_529),
                requests: 70,
                bytes: 3_583_210,
                errors: Errors { connect: 1, read: 2, write: 3, timeout: 4, status: 5, wrong: 6 },
                first_wrong: Some(WrongAnswer { status: 502, body: "no\n\u{fffd}".to_owned() }),
                latencies: Distribution::new(vec![(812, 60), (990, 11)]),
                exact: true,
            }
        );
        assert_eq!((read.right(), read.filled_in(), read.errors.total()), (59, 1, 21));
        assert!((read.rate() - 59.0 / 2.067_529).abs() < 1e-9);
        let twice = read.merged(&read);
        assert_eq!((twice.right(), twice.errors.total(), twice.latencies.count()), (118, 42, 142));
    }

    #[test]
    fn errors_name_the_line() {
        let with = |from: &str, to: &str| parse(&BLOCK.replace(from, to)).unwrap_err().to_string();
        insta::assert_snapshot!([
            with("meshlab-bench 1", "something else"),
            with("\nend\n", "\n"),
            with("wrong 6\n", ""),
            with("wrong 6", "wrong six"),
            with("wrong 6", "wrong 6 6"),
            with("wrong", "vrong"),
            with("6e6f0aff", "6e6f0af"),
            with("502", "70000"),
            with("latency 812", "latency 99999999999999"),
        ].join("\n"), @r#"
        line "meshlab-bench 1" is missing
        line "end" is missing
        line "duration, requests, ..." is missing
        unexpected line "wrong six"
        unexpected line "wrong 6 6"
        unexpected line "vrong 6"
        unexpected line "sample 502 6e6f0af"
        unexpected line "sample 70000 6e6f0aff"
        unexpected line "latency 99999999999999 60"
        "#);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in "\\PC*") {
            let _ = parse(&text);
            let _ = parse(&format!("{FIRST_LINE}\n{text}\nend\n"));
        }

        #[test]
        fn damaged_blocks_are_parsed_without_a_panic(at in 0_usize..BLOCK.len(), with in "[\\x00-\\x7f]{0,8}", drop in 0_usize..20) {
            let end = (at + drop).min(BLOCK.len());
            if let Ok(read) = parse(&[&BLOCK[..at], &with, &BLOCK[end..]].concat()) {
                let _ = (read.rate(), read.right(), read.filled_in(), read.merged(&read).latencies.mean_and_deviation());
            }
        }
    }
}
