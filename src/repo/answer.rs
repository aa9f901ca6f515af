//! From a request to its answer.

use super::catalog::{Blob, Catalog, Found};
use super::index;
use super::range::{self, Wanted};
use super::request::Request;
use super::response::{Body, Response};
use super::route::Route;

/// What is under a digest never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What is under a name may: ask again, with the tag.
const ASK_AGAIN: &str = "no-cache";

/// Answers a request. Opens files, and reads none of their bytes.
pub(super) fn answer(catalog: &Catalog, request: &Request) -> Response {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::text(405, "this repository is read-only").header("Allow", "GET, HEAD");
    }
    match Route::parse(&request.target) {
        Route::Health => Response::new(200, Body::Bytes(b"ok\n".to_vec()))
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("Cache-Control", "no-store"),
        Route::Index => index::all(catalog, request.wants_json()),
        Route::Package(artifact) => match catalog.package(&artifact) {
            Some(package) => index::one(catalog, &artifact, package, request.wants_json()),
            None => Response::text(404, "deps.lock has no such artifact; /public/pkgs/ lists all"),
        },
        Route::File(artifact, names) => {
            let mut found = Found::Nothing;
            for name in names.decoded.iter().chain(&names.written) {
                if matches!(found, Found::Nothing) {
                    found = catalog.open_file(&artifact, name);
                }
            }
            let nothing = "no such file in deps.lock, or not in the store; `meshlab provision` fetches it";
            found_file(request, found, ASK_AGAIN, nothing)
        }
        Route::Blob(digest) => {
            found_file(request, catalog.open(&digest), FOREVER, "nothing in the store has this digest")
        }
        Route::Moved(to) => Response::text(301, &to).header("Location", to),
        Route::Unknown => Response::text(404, "the repository begins at /public/pkgs/"),
    }
}

fn found_file(request: &Request, found: Found, cache: &'static str, nothing: &str) -> Response {
    match found {
        Found::Blob(blob) => file(request, blob, cache),
        Found::Nothing => Response::text(404, nothing),
        Found::Altered(problem) => {
            Response::text(404, "the file is not what was published; whoever runs this repository is told")
                .problem(problem)
        }
    }
}

fn file(request: &Request, blob: Blob, cache: &'static str) -> Response {
    let Blob { file, size, digest } = blob;
    let etag = format!("\"{digest}\"");
    let with_validators =
        |response: Response| response.header("ETag", etag.as_str()).header("Cache-Control", cache);
    if request.knows(&etag) {
        return with_validators(Response::new(304, Body::None));
    }
    let wanted = request.range_of(&etag).map_or(Wanted::Whole, |header| range::parse(header, size));
    let response = match wanted {
        Wanted::Whole => Response::new(200, Body::File { file, first: 0, length: size }),
        Wanted::Part { first, length } => Response::new(206, Body::File { file, first, length })
            .header("Content-Range", format!("bytes {first}-{}/{size}", first + length - 1)),
        Wanted::Unsatisfiable => {
            return Response::text(416, "the file is shorter")
                .header("Content-Range", format!("bytes */{size}"));
        }
    };
    with_validators(response)
        .header("Content-Type", "application/octet-stream")
        .header("Accept-Ranges", "bytes")
        .header("X-Content-Type-Options", "nosniff")
}
