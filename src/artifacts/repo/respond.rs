//! Handles requests.

use super::blob::{Blob, Lookup};
use super::catalog::Catalog;
use super::index;
use super::range::{self, RequestedRange};
use super::release_lists;
use super::request::RequestHead;
use super::response::Response;
use super::route::{FileNames, Route};
use crate::core::model::{ArtifactName, FileName};

/// For files by digest, which never change.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// For files by name, which may change. The client revalidates with the `ETag`.
const REVALIDATE: &str = "no-cache";
const OCTET_STREAM: &str = "application/octet-stream";
/// The only type that hc-install accepts for a zip file.
const ZIP: &str = "application/zip";

/// Handles a request. Opens files without reading them, except for generated zip files (see [`super::releases`]).
pub(super) async fn respond(catalog: &Catalog, request: &RequestHead) -> Response {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::text(405, "this repository is read-only").header("Allow", "GET, HEAD");
    }
    match Route::parse(&request.target) {
        Route::Health => Response::new(200, b"ok\n".to_vec())
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("Cache-Control", "no-store"),
        Route::Index => index::all(catalog, request.wants_json()),
        Route::Package(artifact) => match catalog.package(&artifact) {
            Some(package) => index::one(&artifact, package, request.wants_json()),
            None => Response::text(404, "no such package; /public/pkgs/ lists all packages"),
        },
        Route::File(artifact, names) => {
            let not_found =
                "no such file in deps.lock, or it is not in the store; fetch it with `meshlab provision`";
            let served = ServedFile { kind: OCTET_STREAM, cache: REVALIDATE, not_found };
            served.respond(request, open_file(catalog, &artifact, &names))
        }
        Route::Blob(digest) => {
            let not_found = "no file in the store has this digest";
            ServedFile { kind: OCTET_STREAM, cache: IMMUTABLE, not_found }
                .respond(request, catalog.open(&digest))
        }
        Route::Products => release_lists::all(catalog, &request.base()),
        Route::Product(name) => catalog
            .releases()
            .product(&name)
            .and_then(|product| release_lists::versions(catalog, &name, product, &request.base()))
            .unwrap_or_else(|| Response::text(404, "no such product; /index.json lists all products")),
        Route::Release(name, version, file) => release(catalog, request, &name, &version, &file).await,
        Route::Redirect(to) => Response::text(301, &to).header("Location", to),
        Route::Unknown => Response::text(404, "the packages are at /public/pkgs/"),
    }
}

fn open_file(catalog: &Catalog, artifact: &ArtifactName, names: &FileNames) -> Lookup {
    let mut found = Lookup::NotFound;
    for name in names.decoded.iter().chain(&names.raw) {
        if matches!(found, Lookup::NotFound) {
            found = catalog.open_file(artifact, name);
        }
    }
    found
}

async fn release(
    catalog: &Catalog,
    request: &RequestHead,
    name: &ArtifactName,
    version: &FileName,
    file: &FileName,
) -> Response {
    let not_found =
        "no such release in deps.lock, or it is not in the store; fetch it with `meshlab provision`";
    let product = catalog.releases().product(name).filter(|product| product.version == *version);
    let Some(product) = product else { return Response::text(404, not_found) };
    let sums = release_lists::sums_name(name, version);
    if file.as_str() == "index.json" {
        return release_lists::builds(catalog, name, product, &request.base())
            .unwrap_or_else(|| Response::text(404, not_found));
    }
    if let Some(rest) = file.as_str().strip_prefix(&sums) {
        return match rest {
            "" => release_lists::sums(catalog, product).await,
            _ => Response::text(404, "no signature: this repository is not the publisher"),
        };
    }
    let found = match product.builds.iter().find(|build| build.file == *file) {
        Some(build) => build.open(catalog.store()).await,
        None => Lookup::NotFound,
    };
    ServedFile { kind: ZIP, cache: REVALIDATE, not_found }.respond(request, found)
}

/// How a file is served.
struct ServedFile<'a> {
    kind: &'static str,
    cache: &'static str,
    /// The message if the file does not exist.
    not_found: &'a str,
}

impl ServedFile<'_> {
    fn respond(&self, request: &RequestHead, found: Lookup) -> Response {
        match found {
            Lookup::Blob(blob) => self.file(request, blob),
            Lookup::NotFound => Response::text(404, self.not_found),
            Lookup::Altered(problem) => {
                Response::text(404, "the file on the server has changed; the server's log has details")
                    .problem(problem)
            }
        }
    }

    fn file(&self, request: &RequestHead, Blob { content, digest }: Blob) -> Response {
        let size = content.length();
        let etag = format!("\"{digest}\"");
        let with_validators =
            |response: Response| response.header("ETag", etag.as_str()).header("Cache-Control", self.cache);
        if request.has_cached(&etag) {
            return with_validators(Response::not_modified());
        }
        let range =
            request.range_of(&etag).map_or(RequestedRange::Whole, |header| range::parse(header, size));
        let response = match range {
            RequestedRange::Whole => Response::new(200, content),
            RequestedRange::Part { first, length } => Response::new(206, content.part(first, length))
                .header("Content-Range", format!("bytes {first}-{}/{size}", first + length - 1)),
            RequestedRange::Unsatisfiable => {
                return Response::text(416, "the file is shorter")
                    .header("Content-Range", format!("bytes */{size}"));
            }
        };
        with_validators(response)
            .header("Content-Type", self.kind)
            .header("Accept-Ranges", "bytes")
            .header("X-Content-Type-Options", "nosniff")
    }
}
