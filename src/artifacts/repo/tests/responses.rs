use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Site, TestResponse};
use crate::artifacts::repo::{Catalog, Options, Server};
use crate::core::failure::FailureKind;
use crate::core::model::{Digest, Platform};

const SMALL: &str = "/public/pkgs/tool/tool_1%253a1.0_arm64.deb";
const BIG: &str = "/public/pkgs/tool/tool_1.0_amd64.zip";

#[tokio::test]
async fn files_are_served_by_name_and_by_digest() {
    let site = Site::start().await;
    let (small, big) = (Digest::sha256_of(&site.content.small), Digest::sha256_of(&site.content.big));
    for (target, digest, content, cache) in [
        (SMALL.to_owned(), small, &site.content.small, "no-cache"),
        (SMALL.replace("%25", "%"), small, &site.content.small, "no-cache"),
        (BIG.to_owned(), big, &site.content.big, "no-cache"),
        (format!("http://other.example{BIG}?archive=false"), big, &site.content.big, "no-cache"),
        (format!("/sha256/{}", big.hex()), big, &site.content.big, "public, max-age=31536000, immutable"),
    ] {
        let response = site.get(&target).await;
        assert_eq!(response.status, 200, "{target}");
        assert!(response.body == *content, "{target}");
        assert_eq!(response.header("Content-Length"), Some(&*content.len().to_string()));
        assert_eq!(response.header("Content-Type"), Some("application/octet-stream"));
        assert_eq!(response.header("Accept-Ranges"), Some("bytes"));
        assert_eq!(response.header("ETag"), Some(&*format!("\"{digest}\"")));
        assert_eq!(response.header("Cache-Control"), Some(cache));
        assert_eq!(response.header("Last-Modified"), None);
        let head = site.request("HEAD", &target, "").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        for name in ["Content-Length", "Content-Type", "Accept-Ranges", "ETag", "Cache-Control"] {
            assert_eq!(head.header(name), response.header(name), "{target}: {name}");
        }
    }
    let loose = Digest::sha256_of(&site.content.loose);
    assert_eq!(site.get(&format!("/sha256/{}", loose.hex())).await.text(), "loose");
    let empty = site.get("/public/pkgs/tool/empty").await;
    assert_eq!((empty.status, empty.header("Content-Length"), empty.body.len()), (200, Some("0"), 0));
    let log = site.log.lock().unwrap();
    assert_eq!(log[0], (format!("GET {SMALL}"), 200, 10));
    assert_eq!(log[1], (format!("HEAD {SMALL}"), 200, 0));
}

#[tokio::test]
async fn a_name_for_two_platforms_selects_the_file_of_this_machine() {
    let site = Site::start().await;
    let expected = match Platform::current().unwrap() {
        Platform::LinuxX86_64 => &site.content.big,
        Platform::LinuxArm64 => &site.content.small,
    };
    assert!(site.get("/public/pkgs/twice/bin").await.body == *expected);
    // The other file is listed with its digest.
    let listing = site.request("GET", "/public/pkgs/twice/", "Accept: application/json\r\n").await;
    let listing: serde_json::Value = serde_json::from_slice(&listing.body).unwrap();
    let urls: Vec<&str> = listing["artifacts"][0]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["url"].as_str().unwrap())
        .collect();
    assert_eq!(urls[0], "/public/pkgs/twice/bin");
    assert!(urls[1].starts_with("/sha256/"), "{urls:?}");
}

#[tokio::test]
async fn lists_are_html_or_json() {
    let site = Site::start().await;
    let page = site.get("/public/pkgs/").await;
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains(&format!("href=\"{SMALL}\"")), "{}", page.text());
    assert!(page.text().contains("&lt;b&gt;it") && !page.text().contains("<b>"), "{}", page.text());
    assert!(page.text().contains("meshlab provision absent"), "{}", page.text());
    assert!(!page.text().contains("absent.zip"), "{}", page.text());
    let head = site.request("HEAD", "/public/pkgs/", "").await;
    assert_eq!((head.header("Content-Length"), head.body.len()), (page.header("Content-Length"), 0));

    let json = site.request("GET", "/public/pkgs/", "Accept: application/json\r\n").await;
    assert_eq!(json.header("Content-Type"), Some("application/json"));
    let listing: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(listing["schema"], 1);
    assert_eq!(listing["artifacts"][0]["files"].as_array().unwrap().len(), 0);
    let files = listing["artifacts"][1]["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    for file in files {
        let response = site.get(file["url"].as_str().unwrap()).await;
        assert_eq!(Digest::sha256_of(&response.body).to_string(), file["digest"].as_str().unwrap());
        assert_eq!(response.body.len() as u64, file["size"].as_u64().unwrap());
    }
    let one = site.get("/public/pkgs/tool/").await;
    assert!(one.text().contains("tool_1.0_amd64.zip") && !one.text().contains("twice"));
}

#[tokio::test]
async fn health_redirects_and_errors() {
    let site = Site::start().await;
    assert_eq!(site.get("/healthz").await.text(), "ok\n");
    for (target, to) in [
        ("/", "/public/pkgs/"),
        ("/public/pkgs", "/public/pkgs/"),
        ("/public/pkgs/tool", "/public/pkgs/tool/"),
    ] {
        let response = site.get(target).await;
        assert_eq!((response.status, response.header("Location")), (301, Some(to)), "{target}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"] {
        let response = site.request(method, BIG, "").await;
        assert_eq!((response.status, response.header("Allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let unknown = format!("/sha256/{}", "0".repeat(64));
    for target in [
        "/nothing",
        "/public/pkgs/nothing/",
        "/public/pkgs/tool/nothing",
        "/public/pkgs/absent/absent.zip",
        &unknown,
    ] {
        let response = site.get(target).await;
        assert_eq!(response.status, 404, "{target}");
        assert!(response.text().starts_with("404 Not Found: "), "{}", response.text());
    }
}

#[tokio::test]
async fn ranges_of_files_are_served() {
    let site = Site::start().await;
    let etag = format!("\"{}\"", Digest::sha256_of(&site.content.small));
    let cases = [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=0-", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=0-0,2-3", 200, "0123456789", ""),
        ("bytes=9-1", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
    ];
    for (range, status, body, content_range) in cases {
        let response = site.request("GET", SMALL, &format!("Range: {range}\r\n")).await;
        assert_eq!((response.status, response.text()), (status, body), "{range}");
        assert_eq!(response.header("Content-Range").unwrap_or(""), content_range, "{range}");
        assert_eq!(response.header("Content-Length"), Some(&*body.len().to_string()), "{range}");
        assert_eq!(response.header("ETag"), Some(&*etag), "{range}");
        // RFC 9110: ranges apply to GET only.
        assert_eq!(site.request("HEAD", SMALL, &format!("Range: {range}\r\n")).await.status, 200);
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let response = site.request("GET", SMALL, &format!("Range: {range}\r\n")).await;
        assert_eq!((response.status, response.header("Content-Range")), (416, Some("bytes */10")), "{range}");
    }
    let response = site.request("GET", BIG, "Range: bytes=1000000-2999998\r\n").await;
    assert_eq!(response.status, 206);
    assert!(response.body == site.content.big[1_000_000..2_999_999]);
    // With If-Range, only for the version that the client has.
    for (if_range, status) in
        [(etag.as_str(), 206), ("\"other\"", 200), ("Mon, 23 Nov 2026 08:00:00 GMT", 200)]
    {
        let response =
            site.request("GET", SMALL, &format!("Range: bytes=1-1\r\nIf-Range: {if_range}\r\n")).await;
        assert_eq!(response.status, status, "{if_range}");
    }
}

#[tokio::test]
async fn a_cached_file_is_not_sent_again() {
    let site = Site::start().await;
    let etag = format!("\"{}\"", Digest::sha256_of(&site.content.big));
    for (tags, status) in [
        (etag.clone(), 304),
        ("*".to_owned(), 304),
        (format!("\"x\", W/{etag}"), 304),
        ("\"x\"".to_owned(), 200),
    ] {
        let response =
            site.request("GET", BIG, &format!("If-None-Match: {tags}\r\nRange: bytes=0-99\r\n")).await;
        assert_eq!(response.status, if status == 200 { 206 } else { 304 }, "{tags}");
        let response = site.request("GET", BIG, &format!("If-None-Match: {tags}\r\n")).await;
        assert_eq!((response.status, response.header("ETag")), (status, Some(&*etag)), "{tags}");
        assert_eq!(response.body.is_empty(), status == 304, "{tags}");
        assert_eq!(response.header("Content-Length").is_none(), status == 304, "{tags}");
    }
}

#[tokio::test]
async fn nothing_outside_the_store_is_reachable() {
    let site = Site::start().await;
    let long = format!("/public/pkgs/tool/{}", "../".repeat(4000));
    for target in [
        "/../../etc/passwd",
        "/sha256/../secret",
        "/sha256/../../etc/passwd",
        "/sha256/..%2fsecret",
        "/sha256/%2e%2e/secret",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "/public/pkgs/../../secret",
        "/public/pkgs/tool/..",
        "/public/pkgs/tool/../../../secret",
        "/public/pkgs/tool/%2e%2e%2f%2e%2e%2fsecret",
        "/public/pkgs/tool/..%5c..%5csecret",
        "/public/pkgs/tool/%00",
        "/public/pkgs/..%2f..%2f/secret",
        "/secret",
        "/partial/",
        "file:///etc/passwd",
        "http://localhost/etc/passwd",
        "http://localhost/sha256/../secret",
        "http:///etc/passwd",
        "*",
        long.as_str(),
    ] {
        let response = site.get(target).await;
        assert_eq!(response.status, 404, "{target:.80}");
        assert!(!response.text().contains("secret") && !response.text().contains("root:"), "{target:.80}");
    }
    let too_long = format!("/{}", "a".repeat(20_000));
    assert_eq!(site.get(&too_long).await.status, 431);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let site = Site::start().await;
    let mut stream = site.connect().await;
    // All requests at once; the last one closes the connection.
    let one = format!("GET {SMALL} HTTP/1.1\r\nHost: x\r\n\r\n");
    let last = format!("GET {SMALL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(format!("{one}{one}\r\n{one}{last}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 4);
    assert_eq!(text.matches("0123456789").count(), 4);
    assert_eq!(text.matches("Connection: keep-alive").count(), 3);
}

#[tokio::test]
async fn a_request_with_a_body_gets_a_response_and_closes_the_connection() {
    let site = Site::start().await;
    let body = "x".repeat(100_000);
    let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{body}");
    let response = site.raw(request.as_bytes()).await;
    assert_eq!((response.status, response.header("Connection")), (405, Some("close")));
    // A request inside of a body is not handled.
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}");
    let response = site.raw(request.as_bytes()).await;
    assert_eq!(response.text(), "ok\n");
}

#[tokio::test]
async fn many_parallel_clients_get_the_right_bytes() {
    let site = Site::start().await;
    let requests = (0..40_usize).map(|n| {
        let site = &site;
        async move {
            let (from, to) = (n * 50_000, n * 50_000 + 1_000_000);
            let response: TestResponse =
                site.request("GET", BIG, &format!("Range: bytes={from}-{}\r\n", to - 1)).await;
            assert_eq!(response.status, 206);
            assert!(response.body == site.content.big[from..to], "{from}");
        }
    });
    futures_util::future::join_all(requests).await;
}

#[tokio::test]
async fn a_port_conflict_is_reported() {
    let site = Site::start().await;
    let lock = crate::artifacts::lockfile::Lock::parse("version = 1\nartifact = []\n", "test").unwrap();
    let store = crate::artifacts::store::Store::new("/nowhere".into());
    let failure =
        Server::bind(site.address, Catalog::new(&lock, store), Options::default()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Failed);
    assert!(failure.message().contains(&site.address.port().to_string()), "{failure}");
    assert!(failure.hint_text().unwrap().contains("--listen"));
}

/// Small files are cached in memory as long as the file does not change.
#[tokio::test]
async fn a_small_file_that_is_replaced_or_removed_is_not_served_from_the_cache() {
    let site = Site::start().await;
    let digest = Digest::sha256_of(b"0123456789");
    let path = site.root.join("cache/sha256").join(digest.hex());
    // A file is cached once it is older than the resolution of change times.
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    for _ in 0..3 {
        assert_eq!(site.get(SMALL).await.text(), "0123456789");
    }
    // Rewritten with the same length, then replaced by another file.
    std::fs::write(&path, "9876543210").unwrap();
    assert_eq!(site.get(SMALL).await.text(), "9876543210");
    let other = path.with_extension("new");
    std::fs::write(&other, "abcdefghij").unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert_eq!(site.get(SMALL).await.text(), "abcdefghij");
    let part = site.request("GET", SMALL, "Range: bytes=2-3\r\n").await;
    assert_eq!((part.status, part.text()), (206, "cd"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(site.get(SMALL).await.status, 404);
    assert_eq!(site.get(&format!("/sha256/{}", digest.hex())).await.status, 404);
}
