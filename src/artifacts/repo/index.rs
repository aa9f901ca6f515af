//! Lists of all packages, as HTML and as JSON.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::catalog::{AvailableFile, Catalog, CatalogPackage, Origin};
use super::response::Response;
use crate::core::model::{ArtifactName, ByteSize, Platform};

/// The characters that need no encoding in URLs.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Serialize)]
struct PackageList<'a> {
    schema: u32,
    artifacts: Vec<ListedArtifact<'a>>,
}

#[derive(Serialize)]
struct ListedArtifact<'a> {
    name: &'a str,
    version: &'a str,
    license: &'a str,
    summary: &'a str,
    files: Vec<ListedFile<'a>>,
}

#[derive(Serialize)]
struct ListedFile<'a> {
    name: &'a str,
    /// The platform of a file in the lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    /// The version of a published file.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    size: u64,
    digest: String,
    url: String,
}

/// All artifacts with their files.
pub(super) fn all(catalog: &Catalog, json: bool) -> Response {
    let listed = catalog.packages().map(|(name, package)| listed(name, package)).collect();
    list("/public/pkgs/", listed, json)
}

/// One artifact with its files.
pub(super) fn one(name: &ArtifactName, package: &CatalogPackage, json: bool) -> Response {
    list(&format!("/public/pkgs/{name}/"), vec![listed(name, package)], json)
}

fn listed<'a>(name: &'a ArtifactName, package: &'a CatalogPackage) -> ListedArtifact<'a> {
    ListedArtifact {
        name: name.as_str(),
        version: &package.version,
        license: &package.license,
        summary: &package.summary,
        files: package.available().iter().map(|file| listed_file(name, file)).collect(),
    }
}

fn listed_file<'a>(artifact: &ArtifactName, available: &AvailableFile<'a>) -> ListedFile<'a> {
    let AvailableFile { file, size, by_name } = available;
    let digest = &file.digest;
    let url = if *by_name {
        format!("/public/pkgs/{artifact}/{}", utf8_percent_encode(file.name.as_str(), UNRESERVED))
    } else {
        format!("/{}/{}", digest.algorithm().name(), digest.hex())
    };
    ListedFile {
        name: file.name.as_str(),
        platform: file.origin.platform().map(Platform::name),
        version: match &file.origin {
            Origin::Lock(_) => None,
            Origin::Published { version, .. } => Some(version),
        },
        size: *size,
        digest: digest.to_string(),
        url,
    }
}

fn list(path: &str, artifacts: Vec<ListedArtifact<'_>>, json: bool) -> Response {
    let (kind, body) = if json {
        // Serializing strings and numbers cannot fail.
        let text = serde_json::to_string_pretty(&PackageList { schema: 1, artifacts }).unwrap_or_default();
        ("application/json", text + "\n")
    } else {
        ("text/html; charset=utf-8", html(path, &artifacts))
    };
    Response::new(200, body.into_bytes())
        .header("Content-Type", kind)
        .header("Cache-Control", "no-cache")
        .header("Vary", "Accept")
        .header("X-Content-Type-Options", "nosniff")
        .header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td{padding:.15rem 1rem .15rem 0}td:nth-child(3){text-align:right}\
    code{font-size:.8rem}.about{color:#666}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}\
    a{color:#8bf}.about{color:#999}}";

fn html(path: &str, artifacts: &[ListedArtifact<'_>]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{path}</title><style>{STYLE}</style>\n\
         <h1>{path}</h1>\n"
    );
    for artifact in artifacts {
        page.push_str(&html_of(artifact));
    }
    page.push_str("</html>\n");
    page
}

fn html_of(artifact: &ListedArtifact<'_>) -> String {
    let mut part = String::new();
    // Writing to a string cannot fail.
    let mut lines = || -> std::fmt::Result {
        let name = artifact.name;
        write!(
            part,
            "<h2><a href=\"/public/pkgs/{name}/\">{name}</a> {}</h2>\n<p class=\"about\">{} ({})",
            escaped(artifact.version),
            escaped(artifact.summary),
            escaped(artifact.license)
        )?;
        if artifact.files.is_empty() {
            return writeln!(
                part,
                "<br>Not in the store: fetch it with <code>meshlab provision {name}</code>.</p>"
            );
        }
        writeln!(part, "</p>\n<table>")?;
        for file in &artifact.files {
            writeln!(
                part,
                "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
                file.url,
                file.name,
                escaped(file.platform.or(file.version).unwrap_or_default()),
                ByteSize(file.size),
                file.digest
            )?;
        }
        writeln!(part, "</table>")
    };
    let _ = lines();
    part
}

/// Escapes free text from the lock (version, license, summary). Names and digests need no escaping.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
