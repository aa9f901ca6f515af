//! `meshlab svc load`

use std::time::Duration;

use clap::Args;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::duration;
use crate::core::failure::{Failure, Result};
use crate::samples::load::{HIGHEST_RATE, Load, MOST_CALLS, MOST_CONNECTIONS};
use crate::samples::local_url::{address_of, path_of};

/// How many calls there are if nothing is said.
const CALLS: u32 = 100;

/// `meshlab svc load`
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// What is called: http://address:port/path
    pub url: Url,
    /// How many calls [default: 100, with --duration as many as fit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CALLS)))]
    pub count: Option<u32>,
    /// How many of them at once, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_CONNECTIONS)))]
    pub connections: u16,
    /// How many begin in each second [default: as many as can be]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(HIGHEST_RATE)))]
    pub rate: Option<u32>,
    /// After this long no call begins any more
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// The most that one call may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// GET, POST, ...
    #[arg(long, default_value = "GET")]
    pub method: Method,
    /// Sent with every call: 'name: value'; may be given several times
    #[arg(long, value_name = "HEADER", value_parser = header)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// Tell answers apart by this header, for instance x-instance
    #[arg(long, value_name = "HEADER")]
    pub by: Option<HeaderName>,
    /// Exit with 1 if a call failed
    #[arg(long)]
    pub fail_on_error: bool,
}

impl LoadArgs {
    /// The load that is asked for.
    pub fn load(&self) -> Result<Load> {
        let mut headers = HeaderMap::new();
        headers.extend(self.header.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        let calls = if self.duration.is_some() { MOST_CALLS } else { CALLS };
        let load = Load {
            address: address_of(&self.url)?,
            path: path_of(&self.url),
            method: self.method.clone(),
            headers,
            count: self.count.unwrap_or(calls),
            connections: self.connections,
            rate: self.rate,
            timeout: self.timeout,
            duration: self.duration,
            by: self.by.clone(),
        };
        load.check().map_err(|wrong| {
            Failure::usage("no such load can be made").detail("seen", wrong).hint("`meshlab svc load --help`")
        })?;
        Ok(load)
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'name: value'")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is no header's name"))?;
    let value = value.trim().parse().map_err(|_| format!("{value:?} is no header's value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_a_name_and_a_value() {
        let (name, value) = header("X-Canary:  yes").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-canary", "yes"));
        assert!(header("x-canary").is_err() && header("x y: z").is_err() && header("x: \n").is_ok());
    }
}
