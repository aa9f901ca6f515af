//! The page: one HTML document, with a content security policy that allows no other script, style or source.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use sha2::{Digest as _, Sha256};

use crate::core::assets;
use crate::samples::server::{Reply, reply};

/// The document with its policy.
pub(super) struct Page {
    html: Bytes,
    policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Self {
        let (style, script) = (assets::dashboard("style.css"), assets::dashboard("script.js"));
        let html = assets::dashboard("page.html").replace("/*STYLE*/", style).replace("/*SCRIPT*/", script);
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            source(style),
            source(script)
        );
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { html: html.into(), policy }
    }

    pub(super) fn reply(&self) -> Reply {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        reply::whole(StatusCode::OK, html, self.html.clone())
    }

    pub(super) fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }
}

/// The source expression for inline text: its digest.
fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_other_sites() {
        let page = Page::new();
        let html = std::str::from_utf8(&page.html).unwrap();
        let between = |from: &str, to: &str| html.split(from).nth(1).unwrap().split(to).next().unwrap();
        let policy = page.policy();
        let policy = policy.to_str().unwrap();
        for (name, inline) in
            [("style", between("<style>", "</style>")), ("script", between("<script>", "</script>"))]
        {
            assert!(inline.len() > 1000, "{name}");
            assert!(policy.contains(&format!("{name}-src '{}'", source(inline))), "{policy}");
        }
        // The only URL is SVG's namespace, which browsers do not load.
        assert_eq!(html.matches("//www.w3.org/2000/svg").count(), html.matches("http").count());
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick"]
        {
            assert!(!html.contains(word), "{word}");
        }
    }
}
