//! Tests with the requests and requirements of hc-install (internal/releasesjson): lists of exactly `application/json`,
//! zip files of exactly `application/zip`, checksum lines of two fields, and binaries at the root of the zip archive.

use std::io::{Cursor, Read as _};

use super::Site;
use crate::artifacts::repo::Limits;
use crate::core::model::Digest;

const RELEASE: &[u8] = b"the publisher's zip";
const BUILT: &[u8] = b"\x7fELF of consul";

/// A lock with `nomad` (the publisher's zip for two platforms, one of them stored), `consul` (a zip that is not stored,
/// and a stored binary), `vault` (not stored), and `other` (from another host).
fn lock() -> String {
    let artifact = |name: &str, sources: &[String]| {
        format!(
            "[[artifact]]\nname = \"{name}\"\nversion = \"1.2.3\"\nlicense = \"BUSL-1.1\"\nsummary = \"it\"\n\
             commands = {{ {name} = \"{name}\" }}\n{}",
            sources.concat()
        )
    };
    let zip = |name: &str, arch: &str, host: &str, content: &[u8]| {
        format!(
            "[[artifact.source]]\nkind = \"url\"\nplatform = \"linux-{}\"\n[[artifact.source.file]]\n\
             url = \"https://{host}/{name}/1.2.3/{name}_1.2.3_linux_{arch}.zip\"\nsha256 = \"{}\"\n\
             size_limit = 100\narchive = \"zip\"\nunpacked_limit = 100\nunpack = {{ \"{name}\" = \"{name}\" }}\n",
            if arch == "amd64" { "x86_64" } else { arch },
            Digest::sha256_of(content).hex()
        )
    };
    let built = format!(
        "[[artifact.source]]\nkind = \"go\"\nplatform = \"linux-x86_64\"\nwrapper = \"consul\"\n\
         inputs = \"sha256:{0}\"\ntoolchain = \"go\"\n[[artifact.source.file]]\nname = \"consul-1.2.3-linux-amd64\"\n\
         package = \"example.org/consul\"\nsha256 = \"{1}\"\nsize = {2}\ninstall = \"consul\"\n",
        "0".repeat(64),
        Digest::sha256_of(BUILT).hex(),
        BUILT.len()
    );
    let (there, absent, host) = (RELEASE, b"absent", "releases.hashicorp.com");
    [
        "version = 1\n".to_owned(),
        artifact("consul", &[zip("consul", "amd64", host, absent), built]),
        artifact("go", &[zip("go", "amd64", "example.org", absent)]),
        artifact("nomad", &[zip("nomad", "amd64", host, there), zip("nomad", "arm64", host, absent)]),
        artifact("other", &[zip("other", "amd64", "example.org", there)]),
        artifact("vault", &[zip("vault", "amd64", host, absent)]),
    ]
    .concat()
}

async fn site() -> Site {
    Site::with(Limits::default(), Some(lock()), &[RELEASE, BUILT], |_| Vec::new()).await
}

async fn json(site: &Site, target: &str) -> serde_json::Value {
    let response = site.get(target).await;
    assert_eq!(
        (response.status, response.header("Content-Type")),
        (200, Some("application/json")),
        "{target}"
    );
    serde_json::from_slice(&response.body).unwrap()
}

#[tokio::test]
async fn lists_have_the_fields_that_hc_install_parses() {
    let site = site().await;
    let consul = serde_json::json!({
        "name": "consul",
        "version": "1.2.3",
        "shasums": "consul_1.2.3_SHA256SUMS",
        "builds": [{
            "name": "consul", "version": "1.2.3", "os": "linux", "arch": "amd64",
            "filename": "consul_1.2.3_linux_amd64.zip",
            "url": "http://x/consul/1.2.3/consul_1.2.3_linux_amd64.zip",
        }],
    });
    assert_eq!(json(&site, "/consul/1.2.3/index.json").await, consul);
    let versions = json(&site, "/consul/index.json").await;
    assert_eq!(versions, serde_json::json!({"name": "consul", "versions": {"1.2.3": consul}}));
    let all = json(&site, "/index.json").await;
    // vault is not stored, and the other artifacts are not products.
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["consul", "nomad"]);
    assert_eq!(all["consul"], versions);
    assert_eq!(all["nomad"]["versions"]["1.2.3"]["builds"].as_array().unwrap().len(), 1);
    // An invalid Host header is not used in URLs.
    let request = "GET /consul/1.2.3/index.json HTTP/1.0\r\nHost: a\"/b\r\n\r\n";
    assert!(site.raw(request.as_bytes()).await.text().contains("\"url\": \"/consul/1.2.3/"));
}

#[tokio::test]
async fn the_publishers_file_is_served_if_it_is_stored() {
    let site = site().await;
    let response = site.get("/nomad/1.2.3/nomad_1.2.3_linux_amd64.zip").await;
    assert_eq!((response.status, response.body.as_slice()), (200, RELEASE));
    assert_eq!(response.header("Content-Type"), Some("application/zip"));
    assert_eq!(response.header("ETag"), Some(&*format!("\"{}\"", Digest::sha256_of(RELEASE))));
    let sums = site.get("/nomad/1.2.3/nomad_1.2.3_SHA256SUMS").await;
    assert_eq!(sums.text(), format!("{}  nomad_1.2.3_linux_amd64.zip\n", Digest::sha256_of(RELEASE).hex()));
}

#[tokio::test]
async fn a_binary_is_served_in_a_generated_zip() {
    let site = site().await;
    let target = "/consul/1.2.3/consul_1.2.3_linux_amd64.zip";
    let head = site.request("HEAD", target, "").await;
    let response = site.get(target).await;
    assert_eq!((response.status, response.header("Content-Type")), (200, Some("application/zip")));
    for name in ["Content-Length", "ETag", "Accept-Ranges"] {
        assert_eq!(head.header(name), response.header(name));
    }
    assert_eq!(head.header("Content-Length"), Some(&*response.body.len().to_string()));
    let digest = Digest::sha256_of(&response.body);
    assert_eq!(response.header("ETag"), Some(&*format!("\"{digest}\"")));
    let sums = site.get("/consul/1.2.3/consul_1.2.3_SHA256SUMS").await;
    assert_eq!(sums.text(), format!("{}  consul_1.2.3_linux_amd64.zip\n", digest.hex()));

    let mut zip = zip::ZipArchive::new(Cursor::new(&response.body)).unwrap();
    let mut binary = Vec::new();
    zip.by_name("consul").unwrap().read_to_end(&mut binary).unwrap();
    assert_eq!(binary, BUILT);

    // Ranges within each piece and across pieces. The log has the number of bytes sent.
    for (first, last) in [(0, 3), (0, 40), (30, 60), (38, 40), (45, 123), (100, 100)] {
        let part = site.request("GET", target, &format!("Range: bytes={first}-{last}\r\n")).await;
        assert_eq!(
            (part.status, part.body.as_slice()),
            (206, &response.body[first..=last]),
            "{first}-{last}"
        );
    }
    assert_eq!(site.log.lock().unwrap().last().unwrap().2, 1);
    let known = site.request("GET", target, &format!("If-None-Match: \"{digest}\"\r\n")).await;
    assert_eq!(known.status, 304);
}

/// The repository vouches for the digest of a generated zip, so the binary must be the locked one.
#[tokio::test]
async fn a_changed_binary_is_not_served() {
    let site = site().await;
    let target = "/consul/1.2.3/consul_1.2.3_linux_amd64.zip";
    assert_eq!(site.get(target).await.status, 200);
    let path = site.root.join("cache/sha256").join(Digest::sha256_of(BUILT).hex());
    std::fs::write(&path, b"\x7fELF of worm!!").unwrap();
    assert_eq!(site.get(target).await.status, 404);
    assert!(site.problems.lock().unwrap().pop().unwrap().contains(" has the digest sha256:"));
    let sums = site.get("/consul/1.2.3/consul_1.2.3_SHA256SUMS").await;
    assert_eq!((sums.status, sums.text()), (200, ""));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(site.get(target).await.status, 404);
    assert_eq!(site.get("/consul/index.json").await.status, 404);
    std::fs::write(&path, BUILT).unwrap();
    assert_eq!(site.get(target).await.status, 200);
}

#[tokio::test]
async fn unknown_releases_and_signatures_are_not_found() {
    let site = site().await;
    for target in [
        "/vault/index.json",
        "/vault/1.2.3/index.json",
        "/vault/1.2.3/vault_1.2.3_linux_amd64.zip",
        "/other/index.json",
        "/consul/1.2.4/index.json",
        "/consul/1.2.3/consul_1.2.3_linux_arm64.zip",
        "/consul/1.2.3/consul-1.2.3-linux-amd64",
        "/nomad/1.2.3/nomad_1.2.3_linux_arm64.zip",
    ] {
        assert_eq!(site.get(target).await.status, 404, "{target}");
    }
    for name in ["SHA256SUMS.sig", "SHA256SUMS.72D7468F.sig"] {
        let response = site.get(&format!("/consul/1.2.3/consul_1.2.3_{name}")).await;
        assert_eq!(response.status, 404);
        assert!(response.text().contains("no signature"), "{}", response.text());
    }
}
