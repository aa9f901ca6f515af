//! Lists of releases: versions, platforms and digests. The fields are those that hc-install parses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::blob::Lookup;
use super::catalog::Catalog;
use super::releases::Product;
use super::response::Response;
use crate::core::model::{ArtifactName, FileName};

#[derive(Serialize)]
struct ListedProduct<'a> {
    name: &'a str,
    versions: BTreeMap<&'a str, ListedVersion<'a>>,
}

/// Without `shasums_signature`, because there is no signature.
#[derive(Serialize)]
struct ListedVersion<'a> {
    name: &'a str,
    version: &'a str,
    shasums: String,
    builds: Vec<ListedBuild<'a>>,
}

#[derive(Serialize)]
struct ListedBuild<'a> {
    name: &'a str,
    version: &'a str,
    os: &'static str,
    arch: &'static str,
    filename: &'a str,
    url: String,
}

/// The file name of a version's list of digests.
pub(super) fn sums_name(name: &ArtifactName, version: &FileName) -> String {
    format!("{name}_{version}_SHA256SUMS")
}

/// The list of all products: `/index.json`.
pub(super) fn all(catalog: &Catalog, base: &str) -> Response {
    let listed: BTreeMap<&str, ListedProduct<'_>> = catalog
        .releases()
        .products()
        .filter_map(|(name, product)| Some((name.as_str(), product_of(catalog, name, product, base)?)))
        .collect();
    json(&listed)
}

/// The versions of a product: `/consul/index.json`. `None` if no build is available.
pub(super) fn versions(
    catalog: &Catalog,
    name: &ArtifactName,
    product: &Product,
    base: &str,
) -> Option<Response> {
    Some(json(&product_of(catalog, name, product, base)?))
}

/// The builds of a version: `/consul/1.22.7/index.json`. `None` if no build is available.
pub(super) fn builds(
    catalog: &Catalog,
    name: &ArtifactName,
    product: &Product,
    base: &str,
) -> Option<Response> {
    Some(json(&version_of(catalog, name, product, base)?))
}

/// The digests of a version's zip files. Hashes generated zip files the first time.
pub(super) async fn sums(catalog: &Catalog, product: &Product) -> Response {
    let mut text = String::new();
    let mut problem = None;
    for build in product.available(catalog.store()) {
        match build.open(catalog.store()).await {
            Lookup::Blob(blob) => {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}  {}", blob.digest.hex(), build.file);
            }
            Lookup::NotFound => {}
            Lookup::Altered(what) => problem = Some(what),
        }
    }
    let mut response = Response::new(200, text.into_bytes())
        .header("Content-Type", "text/plain; charset=utf-8")
        .header("Cache-Control", "no-cache");
    response.problem = problem;
    response
}

fn product_of<'a>(
    catalog: &'a Catalog,
    name: &'a ArtifactName,
    product: &'a Product,
    base: &str,
) -> Option<ListedProduct<'a>> {
    let version = version_of(catalog, name, product, base)?;
    Some(ListedProduct { name: name.as_str(), versions: [(product.version.as_str(), version)].into() })
}

fn version_of<'a>(
    catalog: &'a Catalog,
    name: &'a ArtifactName,
    product: &'a Product,
    base: &str,
) -> Option<ListedVersion<'a>> {
    let version = &product.version;
    let builds: Vec<ListedBuild<'a>> = product
        .available(catalog.store())
        .map(|build| ListedBuild {
            name: name.as_str(),
            version: version.as_str(),
            os: "linux",
            arch: build.platform.go_arch(),
            filename: build.file.as_str(),
            url: format!("{base}/{name}/{version}/{}", build.file),
        })
        .collect();
    let shasums = sums_name(name, version);
    let listed = ListedVersion { name: name.as_str(), version: version.as_str(), shasums, builds };
    (!listed.builds.is_empty()).then_some(listed)
}

fn json(listed: &impl Serialize) -> Response {
    // Serializing strings cannot fail.
    let text = serde_json::to_string_pretty(listed).unwrap_or_default() + "\n";
    // Without parameters such as charset, which hc-install does not accept.
    Response::new(200, text.into_bytes())
        .header("Content-Type", "application/json")
        .header("Cache-Control", "no-cache")
        .header("X-Content-Type-Options", "nosniff")
}
