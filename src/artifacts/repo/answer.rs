//! From a request to its answer.

use super::blob::{Blob, Found};
use super::catalog::Catalog;
use super::index;
use super::range::{self, Wanted};
use super::release_lists;
use super::request::Request;
use super::response::Response;
use super::route::{FileNames, Route};
use crate::core::model::{ArtifactName, FileName};

/// What is under a digest never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What is under a name may: ask again, with the tag.
const ASK_AGAIN: &str = "no-cache";
const ANY_BYTES: &str = "application/octet-stream";
/// hc-install takes nothing else for a zip.
const ZIP: &str = "application/zip";

/// Answers a request. Opens files, and reads none of their bytes; but see [`super::releases`].
pub(super) async fn answer(catalog: &Catalog, request: &Request) -> Response {
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
            None => Response::text(404, "no such artifact in deps.lock; /public/pkgs/ lists all"),
        },
        Route::File(artifact, names) => {
            let nothing = "no such file in deps.lock, or not in the store; `meshlab provision` fetches it";
            let offer = Offer { kind: ANY_BYTES, cache: ASK_AGAIN, nothing };
            offer.answer(request, open_file(catalog, &artifact, &names))
        }
        Route::Blob(digest) => {
            let nothing = "nothing in the store has this digest";
            Offer { kind: ANY_BYTES, cache: FOREVER, nothing }.answer(request, catalog.open(&digest))
        }
        Route::Products => release_lists::all(catalog, &request.base()),
        Route::Product(name) => catalog
            .releases()
            .product(&name)
            .and_then(|product| release_lists::versions(catalog, &name, product, &request.base()))
            .unwrap_or_else(|| Response::text(404, "no such product; /index.json lists all")),
        Route::Release(name, version, file) => release(catalog, request, &name, &version, &file).await,
        Route::Moved(to) => Response::text(301, &to).header("Location", to),
        Route::Unknown => Response::text(404, "the repository begins at /public/pkgs/"),
    }
}

fn open_file(catalog: &Catalog, artifact: &ArtifactName, names: &FileNames) -> Found {
    let mut found = Found::Nothing;
    for name in names.decoded.iter().chain(&names.written) {
        if matches!(found, Found::Nothing) {
            found = catalog.open_file(artifact, name);
        }
    }
    found
}

async fn release(
    catalog: &Catalog,
    request: &Request,
    name: &ArtifactName,
    version: &FileName,
    file: &FileName,
) -> Response {
    let nothing = "no such release in deps.lock, or not in the store; `meshlab provision` fetches it";
    let product = catalog.releases().product(name).filter(|product| product.version == *version);
    let Some(product) = product else { return Response::text(404, nothing) };
    let sums = release_lists::sums_name(name, version);
    if file.as_str() == "index.json" {
        return release_lists::builds(catalog, name, product, &request.base())
            .unwrap_or_else(|| Response::text(404, nothing));
    }
    if let Some(rest) = file.as_str().strip_prefix(&sums) {
        return match rest {
            "" => release_lists::sums(catalog, product).await,
            _ => Response::text(404, "there is no signature: this repository is not the publisher"),
        };
    }
    let found = match product.builds.iter().find(|build| build.file == *file) {
        Some(build) => build.open(catalog.store()).await,
        None => Found::Nothing,
    };
    Offer { kind: ZIP, cache: ASK_AGAIN, nothing }.answer(request, found)
}

/// How a file is given out.
struct Offer<'a> {
    kind: &'static str,
    cache: &'static str,
    /// What is said where there is no such file.
    nothing: &'a str,
}

impl Offer<'_> {
    fn answer(&self, request: &Request, found: Found) -> Response {
        match found {
            Found::Blob(blob) => self.file(request, blob),
            Found::Nothing => Response::text(404, self.nothing),
            Found::Altered(problem) => {
                Response::text(404, "the file is not what it should be; whoever runs this repository is told")
                    .problem(problem)
            }
        }
    }

    fn file(&self, request: &Request, Blob { content, digest }: Blob) -> Response {
        let size = content.length();
        let etag = format!("\"{digest}\"");
        let with_validators =
            |response: Response| response.header("ETag", etag.as_str()).header("Cache-Control", self.cache);
        if request.knows(&etag) {
            return with_validators(Response::not_modified());
        }
        let wanted = request.range_of(&etag).map_or(Wanted::Whole, |header| range::parse(header, size));
        let response = match wanted {
            Wanted::Whole => Response::new(200, content),
            Wanted::Part { first, length } => Response::new(206, content.part(first, length))
                .header("Content-Range", format!("bytes {first}-{}/{size}", first + length - 1)),
            Wanted::Unsatisfiable => {
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
