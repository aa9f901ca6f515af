//! The HTTP client for downloads, created at first use, and the list of hosts that do not respond.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy};
use url::Url;

use crate::core::failure::{Failure, Result, cause_chain};
use crate::core::settings::Environment;

/// The timeouts of HTTP requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// The time to connect.
    pub connect: Duration,
    /// The longest wait for the response head, redirects included, and between two chunks of the body.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), idle: Duration::from_secs(5) }
    }
}

/// The HTTP client that all downloads of a run share.
pub(crate) struct Http {
    environment: Environment,
    pub(super) timeouts: Timeouts,
    client: OnceLock<Result<Client>>,
    dead: Mutex<BTreeMap<String, String>>,
}

impl Http {
    pub(crate) fn new(environment: &Environment, timeouts: Timeouts) -> Self {
        Self {
            environment: environment.clone(),
            timeouts,
            client: OnceLock::new(),
            dead: Mutex::new(BTreeMap::new()),
        }
    }

    /// The client. The first call reads the system's certificates, so a run without downloads does not.
    pub(crate) fn client(&self) -> Result<Client> {
        self.client.get_or_init(|| build(&self.environment, self.timeouts)).clone()
    }

    /// Why the host of `url` is considered dead, if it is.
    pub(super) fn dead(&self, url: &Url) -> Option<String> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).get(&host_of(url)).cloned()
    }

    /// Records that the host of `url` does not respond.
    pub(super) fn mark_dead(&self, url: &Url, why: &str) {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).insert(host_of(url), why.to_owned());
    }
}

/// Scheme, host and port. Another port of a dead host may respond.
pub(super) fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The URL without user name and password, for messages.
pub(crate) fn shown(url: &Url) -> String {
    let mut plain = url.clone();
    // Both fail only for URLs that cannot have either.
    let _ = plain.set_password(None);
    let _ = plain.set_username("");
    plain.to_string()
}

fn build(environment: &Environment, timeouts: Timeouts) -> Result<Client> {
    // Fails if a provider is already installed, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || -> Result<_> {
        let mut builder = Client::builder()
            .user_agent(concat!("meshlab/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts.connect)
            .no_proxy();
        for proxy in proxies(environment)? {
            builder = builder.proxy(proxy);
        }
        Ok(builder)
    };
    // Without system certificates, as in a minimal container, a mirror over plain HTTP still works.
    builder()?
        .build()
        .or_else(|_| builder()?.tls_certs_only([]).build().map_err(|error| client_failure(&error)))
}

fn client_failure(error: &reqwest::Error) -> Failure {
    Failure::failed("cannot create the HTTP client").seen_text(cause_chain(error))
}

/// The proxies in the environment variables, with the names that curl uses. Loopback addresses use no proxy.
fn proxies(environment: &Environment) -> Result<Vec<Proxy>> {
    let either = |upper: &str, lower: &str| {
        environment.var(lower).or_else(|| environment.var(upper)).map(str::to_owned)
    };
    let exempt = either("NO_PROXY", "no_proxy").unwrap_or_default();
    let exempt = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{exempt}"));
    let all = either("ALL_PROXY", "all_proxy");
    let choices = [
        ("HTTPS_PROXY", either("HTTPS_PROXY", "https_proxy").or_else(|| all.clone()), true),
        ("HTTP_PROXY", either("HTTP_PROXY", "http_proxy").or(all), false),
    ];
    let mut proxies = Vec::new();
    for (variable, value, tls) in choices {
        let Some(value) = value else { continue };
        let proxy = if tls { Proxy::https(&value) } else { Proxy::http(&value) };
        // Without the value, which may contain a password.
        let proxy = proxy.map_err(|_| {
            Failure::usage(format!("{variable} is not a proxy URL"))
                .hint(format!("set {variable} to something like http://proxy:3128, or unset it"))
        })?;
        proxies.push(proxy.no_proxy(exempt.clone()));
    }
    Ok(proxies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_removed_from_urls() {
        let url = Url::parse("https://user:secret@mirror.test/x?y=1").unwrap();
        assert_eq!(shown(&url), "https://mirror.test/x?y=1");
    }

    #[test]
    fn proxies_are_read_from_the_environment() {
        let count = |pairs: &[(&str, &str)]| {
            proxies(&Environment::from_pairs(pairs.iter().copied())).map(|found| found.len())
        };
        assert_eq!(count(&[]).unwrap(), 0);
        assert_eq!(count(&[("https_proxy", "http://p:1")]).unwrap(), 1);
        assert_eq!(count(&[("ALL_PROXY", "http://p:1")]).unwrap(), 2);
        let failure = count(&[("HTTPS_PROXY", "http://:secret@")]).unwrap_err();
        assert!(!format!("{failure:?}").contains("secret"));
    }

    #[test]
    fn a_host_is_dead_for_one_port_only() {
        let http = Http::new(&Environment::default(), Timeouts::default());
        let url = |text: &str| Url::parse(text).unwrap();
        http.mark_dead(&url("http://a.test/x"), "why");
        assert_eq!(http.dead(&url("http://a.test/y")).as_deref(), Some("why"));
        assert_eq!(http.dead(&url("http://a.test:81/y")), None);
    }
}
