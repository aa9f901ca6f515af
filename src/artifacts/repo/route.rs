//! Parses the path of a request into a route.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::core::model::{ArtifactName, Digest, DigestAlgorithm, FileName};

/// A resource of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/healthz`
    Health,
    /// `/public/pkgs/`
    Index,
    /// `/public/pkgs/<artifact>/`
    Package(ArtifactName),
    /// `/public/pkgs/<artifact>/<file>`
    File(ArtifactName, FileNames),
    /// `/sha256/<hex>`
    Blob(Digest),
    /// `/index.json`
    Products,
    /// `/<product>/index.json`
    Product(ArtifactName),
    /// `/<product>/<version>/<file>`
    Release(ArtifactName, FileName, FileName),
    /// A folder without trailing slash, or the root: a redirect to this path.
    Redirect(String),
    /// Anything else.
    Unknown,
}

/// A file name, percent-decoded and as sent. Some packages have a `%` in their names, and not all clients encode it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileNames {
    pub(super) decoded: Option<FileName>,
    pub(super) raw: Option<FileName>,
}

impl Route {
    /// Parses the target of a request line: `/path?query` or `http://host/path?query`.
    pub(super) fn parse(target: &str) -> Self {
        let Some(path) = path_of(target) else { return Self::Unknown };
        // Split before decoding: an encoded slash would be part of a name, which is invalid.
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            ["" | "public"] | ["public", "" | "pkgs"] => Self::Redirect("/public/pkgs/".to_owned()),
            ["healthz"] => Self::Health,
            ["public", "pkgs", ""] => Self::Index,
            ["public", "pkgs", artifact] => match decoded(artifact).parse::<ArtifactName>() {
                Ok(artifact) => Self::Redirect(format!("/public/pkgs/{artifact}/")),
                Err(_) => Self::Unknown,
            },
            ["public", "pkgs", artifact, ""] => {
                decoded(artifact).parse().map_or(Self::Unknown, Self::Package)
            }
            ["public", "pkgs", artifact, file] => match decoded(artifact).parse() {
                Ok(artifact) => Self::File(artifact, FileNames::parse(file)),
                Err(_) => Self::Unknown,
            },
            ["sha256", hex] => blob(DigestAlgorithm::Sha256, hex),
            ["sha512", hex] => blob(DigestAlgorithm::Sha512, hex),
            ["index.json"] => Self::Products,
            [product, "index.json"] => decoded(product).parse().map_or(Self::Unknown, Self::Product),
            [product, version, file] => release(product, version, file).unwrap_or(Self::Unknown),
            _ => Self::Unknown,
        }
    }
}

fn release(product: &str, version: &str, file: &str) -> Option<Route> {
    let (product, version) = (decoded(product).parse().ok()?, decoded(version).parse().ok()?);
    Some(Route::Release(product, version, decoded(file).parse().ok()?))
}

impl FileNames {
    fn parse(segment: &str) -> Self {
        Self { decoded: decoded(segment).parse().ok(), raw: segment.parse().ok() }
    }
}

fn blob(algorithm: DigestAlgorithm, hex: &str) -> Route {
    Digest::from_hex(algorithm, hex).map_or(Route::Unknown, Route::Blob)
}

/// The path without the leading slash and the query.
fn path_of(target: &str) -> Option<&str> {
    let path = match target.split_once("://") {
        Some(("http" | "https", rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.strip_prefix('/')
}

fn decoded(segment: &str) -> Cow<'_, str> {
    // Invalid UTF-8 becomes the replacement character, which is not allowed in names.
    percent_decode_str(segment).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parsed_into_names() {
        let consul = || "consul".parse::<ArtifactName>().unwrap();
        let hex = "ab".repeat(32);
        let blob = Route::Blob(Digest::from_hex(DigestAlgorithm::Sha256, &hex).unwrap());
        let file = |text: &str| {
            Route::File(consul(), FileNames { decoded: text.parse().ok(), raw: text.parse().ok() })
        };
        let cases = [
            ("/healthz", Route::Health),
            ("/healthz?x=1", Route::Health),
            ("/public/pkgs/", Route::Index),
            ("http://localhost:8090/public/pkgs/", Route::Index),
            ("/", Route::Redirect("/public/pkgs/".to_owned())),
            ("http://localhost:8090", Route::Redirect("/public/pkgs/".to_owned())),
            ("/public/pkgs", Route::Redirect("/public/pkgs/".to_owned())),
            ("/public/pkgs/consul", Route::Redirect("/public/pkgs/consul/".to_owned())),
            ("/public/pkgs/consul/", Route::Package(consul())),
            ("/public/pkgs/cons%75l/", Route::Package(consul())),
            ("/public/pkgs/consul/consul_1.zip", file("consul_1.zip")),
            (&format!("/sha256/{hex}"), blob),
            ("/index.json", Route::Products),
            ("/consul/index.json", Route::Product(consul())),
            (
                "/consul/1.22.7/index.json",
                Route::Release(consul(), "1.22.7".parse().unwrap(), "index.json".parse().unwrap()),
            ),
        ];
        for (target, route) in cases {
            assert_eq!(Route::parse(target), route, "{target}");
        }
    }

    #[test]
    fn a_percent_sign_in_a_file_name_may_be_encoded_or_not() {
        let Route::File(_, names) = Route::parse("/public/pkgs/p/x_1%253a2.deb") else { panic!("a file") };
        assert_eq!(names.decoded.unwrap().as_str(), "x_1%3a2.deb");
        let Route::File(_, names) = Route::parse("/public/pkgs/p/x_1%3a2.deb") else { panic!("a file") };
        assert_eq!((names.decoded, names.raw.unwrap().as_str()), (None, "x_1%3a2.deb"));
    }

    #[test]
    fn other_paths_are_unknown() {
        let long = format!("/sha256/{}", "a".repeat(9000));
        for target in [
            "",
            "*",
            "//etc/passwd",
            "/etc/passwd",
            "/sha256/",
            "/sha256/../../etc/passwd",
            "/sha256/..%2f..%2fetc%2fpasswd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/public/pkgs/../../etc/passwd",
            "/public/pkgs/%2e%2e/",
            "/public/pkgs/..",
            "/public/pkgs/consul/../../x",
            "/public/pkgs//x",
            "/../index.json",
            "/Consul/index.json",
            "/consul/../index.json",
            "/consul/%2e%2e/x.zip",
            "/consul/1.0/%2e%2e%2fx.zip",
            "/consul/1.0/x/y.zip",
            "file:///etc/passwd",
            "http://localhost/etc/passwd",
            "http://localhost/sha256/../../etc/passwd",
            &long,
        ] {
            assert_eq!(Route::parse(target), Route::Unknown, "{target}");
        }
        for name in ["..", "%2e%2e", "%2e%2e%2fpasswd", "%00", ".hidden", "a%5cb"] {
            let Route::File(_, names) = Route::parse(&format!("/public/pkgs/consul/{name}")) else {
                panic!("a file: {name}")
            };
            assert_eq!(names.decoded, None, "{name}");
        }
    }
}
