//! The block of lines that `assets/bench/compute.lua` has wrk print at its end, as a typed value.
//!
//! Invariant: whatever the text is, reading it ends with a value or with words that say what is wrong.

use std::time::Duration;

use serde::Serialize;

use crate::core::numbers::histogram::Distribution;

const FIRST_LINE: &str = "meshlab-bench 1";
const LAST_LINE: &str = "end";

/// The script prints at most 20,000.
const MOST_ROWS: usize = 50_000;

/// Latencies are limited by wrk's time-out; a day is beyond anything.
const MOST_MICROS: u64 = 24 * 3600 * 1_000_000;

/// What one run of wrk measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement {
    /// How long requests were sent.
    pub duration: Duration,
    /// Answers that came, right or wrong.
    pub requests: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What went wrong.
    pub errors: Errors,
    /// The first answer that was not right.
    pub sample: Option<Sample>,
    /// From the request sent to the answer read. wrk adds the ones it would have seen, had it not waited for a slow
    /// answer, so that there are more of them than requests.
    pub latencies: Distribution,
    /// Whether `latencies` has every value; otherwise it has a few hundred chosen ones.
    pub exact: bool,
}

/// How often each thing went wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Connections that were not made.
    pub connect: u64,
    /// Connections that broke while an answer was read.
    pub read: u64,
    /// Connections that broke while a request was written.
    pub write: u64,
    /// Answers that came too late to be counted as latencies.
    pub timeout: u64,
    /// Answers with a status other than 200.
    pub status: u64,
    /// Answers with status 200 and another body than the right one.
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

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.kinds().iter().fold(0, |sum, (number, _)| sum.saturating_add(*number))
    }

    /// The errors of two runs together.
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

/// An answer that was not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Its status.
    pub status: u16,
    /// The start of its body.
    pub body: String,
}

impl Measurement {
    /// Answers that were right.
    pub fn right(&self) -> u64 {
        self.requests.saturating_sub(self.errors.status).saturating_sub(self.errors.wrong)
    }

    /// Right answers per second.
    pub fn rate(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        if seconds > 0.0 { crate::core::numbers::histogram::as_float(self.right()) / seconds } else { 0.0 }
    }

    /// How many latencies wrk added for requests it could not send while it waited.
    pub fn filled_in(&self) -> u64 {
        self.latencies.count().saturating_sub(self.requests)
    }

    /// Two rounds as one.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self {
            duration: self.duration.saturating_add(other.duration),
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.merged(&other.errors),
            sample: self.sample.clone().or_else(|| other.sample.clone()),
            latencies: self.latencies.merged(&other.latencies),
            exact: self.exact && other.exact,
        }
    }
}

/// Why wrk's output is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The script did not get to its end.
    #[error("there is no line {0:?} in it")]
    Missing(&'static str),
    /// A line that the script does not print.
    #[error("line {0:?} makes no sense")]
    Line(String),
    /// More rows than the script prints.
    #[error("there are more than {MOST_ROWS} latencies in it")]
    TooLong,
}

/// Reads the block; wrk's own lines before it are skipped.
pub fn parse(output: &str) -> Result<Measurement, BlockError> {
    let mut lines = output.lines().map(str::trim_end).skip_while(|line| *line != FIRST_LINE);
    lines.next().ok_or(BlockError::Missing(FIRST_LINE))?;
    let mut measurement = Measurement::default();
    let mut rows = Vec::new();
    let mut facts = 0;
    for line in lines {
        if line == LAST_LINE {
            if facts != FACTS {
                return Err(BlockError::Missing("duration, requests, ..."));
            }
            measurement.latencies = Distribution::new(rows);
            return Ok(measurement);
        }
        let nonsense = || BlockError::Line(line.chars().take(80).collect());
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let value: u64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(nonsense)?;
        let rest = words.next();
        match (name, rest) {
            ("latency", Some(count)) => {
                let count = count.parse().map_err(|_| nonsense())?;
                if rows.len() >= MOST_ROWS {
                    return Err(BlockError::TooLong);
                }
                if value > MOST_MICROS {
                    return Err(nonsense());
                }
                rows.push((value, count));
            }
            ("sample", hex) => {
                let status = u16::try_from(value).map_err(|_| nonsense())?;
                let body = unhex(hex.unwrap_or_default()).ok_or_else(nonsense)?;
                measurement.sample = Some(Sample { status, body });
            }
            (name, None) => {
                measurement.take(name, value).ok_or_else(nonsense)?;
                facts += 1;
            }
            _ => return Err(nonsense()),
        }
    }
    Err(BlockError::Missing(LAST_LINE))
}

/// How many numbers there must be besides latencies.
const FACTS: usize = 10;

impl Measurement {
    fn take(&mut self, name: &str, value: u64) -> Option<()> {
        let place = match name {
            "duration" => {
                self.duration = Duration::from_micros(value.min(MOST_MICROS));
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
        *place = value;
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
    fn reads_what_the_script_prints() {
        let read = parse(BLOCK).unwrap();
        assert_eq!(
            read,
            Measurement {
                duration: Duration::from_micros(2_067_529),
                requests: 70,
                bytes: 3_583_210,
                errors: Errors { connect: 1, read: 2, write: 3, timeout: 4, status: 5, wrong: 6 },
                sample: Some(Sample { status: 502, body: "no\n\u{fffd}".to_owned() }),
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
    fn says_what_is_wrong() {
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
        there is no line "meshlab-bench 1" in it
        there is no line "end" in it
        there is no line "duration, requests, ..." in it
        line "wrong six" makes no sense
        line "wrong 6 6" makes no sense
        line "vrong 6" makes no sense
        line "sample 502 6e6f0af" makes no sense
        line "sample 70000 6e6f0aff" makes no sense
        line "latency 99999999999999 60" makes no sense
        "#);
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(text in "\\PC*") {
            let _ = parse(&text);
            let _ = parse(&format!("{FIRST_LINE}\n{text}\nend\n"));
        }

        #[test]
        fn damaged_blocks_are_read_without_a_panic(at in 0_usize..BLOCK.len(), with in "[\\x00-\\x7f]{0,8}", drop in 0_usize..20) {
            let end = (at + drop).min(BLOCK.len());
            if let Ok(read) = parse(&[&BLOCK[..at], &with, &BLOCK[end..]].concat()) {
                let _ = (read.rate(), read.right(), read.filled_in(), read.merged(&read).latencies.mean_and_deviation());
            }
        }
    }
}
