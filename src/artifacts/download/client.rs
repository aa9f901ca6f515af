//! The HTTP client: built when the first byte is needed, and the memory of hosts that do not answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy};
use url::Url;

use crate::core::failure::{Failure, Result, cause_chain};
use crate::core::settings::Environment;

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// Until a connection is open.
    pub connect: Duration,
    /// From the request to the first of the answer, redirects included; and between two pieces of the body.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), silence: Duration::from_secs(5) }
    }
}

/// One client per run, shared by all downloads.
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

    /// The client. The first call reads the machine's certificates, which a run without downloads need not pay for.
    pub(crate) fn client(&self) -> Result<Client> {
        self.client.get_or_init(|| build(&self.environment, self.timeouts)).clone()
    }

    /// Why nothing is asked of this address's host any more, if it was found dead.
    pub(super) fn dead(&self, url: &Url) -> Option<String> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).get(&host_of(url)).cloned()
    }

    /// Remembers that this address's host does not answer.
    pub(super) fn mark_dead(&self, url: &Url, why: &str) {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).insert(host_of(url), why.to_owned());
    }
}

/// Scheme, host and port: another port may well be alive.
pub(super) fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The address as it may be shown: a password in it is nobody's business.
pub(crate) fn shown(url: &Url) -> String {
    let mut plain = url.clone();
    // Both fail only for addresses that can't have either.
    let _ = plain.set_password(None);
    let _ = plain.set_username("");
    plain.to_string()
}

fn build(environment: &Environment, timeouts: Timeouts) -> Result<Client> {
    // An error says that a provider is installed already, which is what is wanted.
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
    // A machine without certificates (a bare container) can still use a mirror over plain HTTP.
    builder()?
        .build()
        .or_else(|_| builder()?.tls_certs_only([]).build().map_err(|error| client_failure(&error)))
}

fn client_failure(error: &reqwest::Error) -> Failure {
    Failure::failed("cannot prepare the HTTP client").seen_text(cause_chain(error))
}

/// The proxies that the environment names, as curl reads it; loopback is never asked through one.
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
        // The value may hold a password: it is not repeated.
        let proxy = proxy.map_err(|_| {
            Failure::usage(format!("{variable} is no address of a proxy"))
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
    fn passwords_are_not_shown() {
        let url = Url::parse("https://user:secret@mirror.test/x?y=1").unwrap();
        assert_eq!(shown(&url), "https://mirror.test/x?y=1");
    }

    #[test]
    fn proxies_come_from_the_environment() {
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
    fn a_dead_host_is_remembered_by_port() {
        let http = Http::new(&Environment::default(), Timeouts::default());
        let url = |text: &str| Url::parse(text).unwrap();
        http.mark_dead(&url("http://a.test/x"), "why");
        assert_eq!(http.dead(&url("http://a.test/y")).as_deref(), Some("why"));
        assert_eq!(http.dead(&url("http://a.test:81/y")), None);
    }
}
