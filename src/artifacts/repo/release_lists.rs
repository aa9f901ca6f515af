//! What a tool reads before it fetches a release: which versions there are, for which platforms, with which digests.
//! Fields and names are those that hc-install parses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::blob::Found;
use super::catalog::Catalog;
use super::releases::Product;
use super::response::Response;
use crate::core::model::{ArtifactName, FileName};

#[derive(Serialize)]
struct ListedProduct<'a> {
    name: &'a str,
    versions: BTreeMap<&'a str, ListedVersion<'a>>,
}

/// Without `shasums_signature`: there is none.
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

/// The name of a version's list of digests.
pub(super) fn sums_name(name: &ArtifactName, version: &FileName) -> String {
    format!("{name}_{version}_SHA256SUMS")
}

/// All products: `/index.json`.
pub(super) fn all(catalog: &Catalog, base: &str) -> Response {
    let listed: BTreeMap<&str, ListedProduct<'_>> = catalog
        .releases()
        .products()
        .filter_map(|(name, product)| Some((name.as_str(), product_of(catalog, name, product, base)?)))
        .collect();
    json(&listed)
}

/// The versions of a product: `/consul/index.json`. None where nothing of it is in the store.
pub(super) fn versions(
    catalog: &Catalog,
    name: &ArtifactName,
    product: &Product,
    base: &str,
) -> Option<Response> {
    Some(json(&product_of(catalog, name, product, base)?))
}

/// The builds of a version: `/consul/1.22.7/index.json`. None where nothing of it is in the store.
pub(super) fn builds(
    catalog: &Catalog,
    name: &ArtifactName,
    product: &Product,
    base: &str,
) -> Option<Response> {
    Some(json(&version_of(catalog, name, product, base)?))
}

/// The digests of a version's zips. The first time, zips that are made here are hashed.
pub(super) async fn sums(catalog: &Catalog, product: &Product) -> Response {
    let mut text = String::new();
    let mut problem = None;
    for build in product.stored(catalog.store()) {
        match build.open(catalog.store()).await {
            Found::Blob(blob) => {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}  {}", blob.digest.hex(), build.file);
            }
            Found::Nothing => {}
            Found::Altered(what) => problem = Some(what),
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
        .stored(catalog.store())
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
    // Strings always serialise.
    let text = serde_json::to_string_pretty(listed).unwrap_or_default() + "\n";
    // The type as it stands here: hc-install takes no parameters.
    Response::new(200, text.into_bytes())
        .header("Content-Type", "application/json")
        .header("Cache-Control", "no-cache")
        .header("X-Content-Type-Options", "nosniff")
}
