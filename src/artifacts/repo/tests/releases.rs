//! What hc-install asks for, and what it insists on (its internal/releasesjson): lists of exactly `application/json`, a
//! zip of exactly `application/zip`, sums of two fields a line, and every binary at the zip's root.

use std::io::{Cursor, Read as _};

use super::Site;
use crate::artifacts::repo::Limits;
use crate::core::model::Digest;

const RELEASE: &[u8] = b"the publisher's zip";
const BUILT: &[u8] = b"\x7fELF of consul";

/// `nomad` with the publisher's zip for both platforms, of which one is in the store; `consul` with a zip that is not in
/// the store and a binary that is; `vault` with nothing; `other` from elsewhere.
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
    let answer = site.get(target).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")), "{target}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn lists_are_those_that_hc_install_parses() {
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
    // Of vault nothing is in the store, and the others are none of these products.
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["consul", "nomad"]);
    assert_eq!(all["consul"], versions);
    assert_eq!(all["nomad"]["versions"]["1.2.3"]["builds"].as_array().unwrap().len(), 1);
    // A host that could not be one is not repeated.
    let request = "GET /consul/1.2.3/index.json HTTP/1.0\r\nHost: a\"/b\r\n\r\n";
    assert!(site.raw(request.as_bytes()).await.text().contains("\"url\": \"/consul/1.2.3/"));
}

#[tokio::test]
async fn a_release_is_the_publishers_file_where_there_is_one() {
    let site = site().await;
    let answer = site.get("/nomad/1.2.3/nomad_1.2.3_linux_amd64.zip").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, RELEASE));
    assert_eq!(answer.header("Content-Type"), Some("application/zip"));
    assert_eq!(answer.header("ETag"), Some(&*format!("\"{}\"", Digest::sha256_of(RELEASE))));
    let sums = site.get("/nomad/1.2.3/nomad_1.2.3_SHA256SUMS").await;
    assert_eq!(sums.text(), format!("{}  nomad_1.2.3_linux_amd64.zip\n", Digest::sha256_of(RELEASE).hex()));
}

#[tokio::test]
async fn a_binary_comes_as_a_zip() {
    let site = site().await;
    let target = "/consul/1.2.3/consul_1.2.3_linux_amd64.zip";
    let head = site.ask("HEAD", target, "").await;
    let answer = site.get(target).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/zip")));
    for name in ["Content-Length", "ETag", "Accept-Ranges"] {
        assert_eq!(head.header(name), answer.header(name));
    }
    assert_eq!(head.header("Content-Length"), Some(&*answer.body.len().to_string()));
    let digest = Digest::sha256_of(&answer.body);
    assert_eq!(answer.header("ETag"), Some(&*format!("\"{digest}\"")));
    let sums = site.get("/consul/1.2.3/consul_1.2.3_SHA256SUMS").await;
    assert_eq!(sums.text(), format!("{}  consul_1.2.3_linux_amd64.zip\n", digest.hex()));

    let mut zip = zip::ZipArchive::new(Cursor::new(&answer.body)).unwrap();
    let mut binary = Vec::new();
    zip.by_name("consul").unwrap().read_to_end(&mut binary).unwrap();
    assert_eq!(binary, BUILT);

    // Parts from any piece and across them; the log counts what was sent.
    for (first, last) in [(0, 3), (0, 40), (30, 60), (38, 40), (45, 123), (100, 100)] {
        let part = site.ask("GET", target, &format!("Range: bytes={first}-{last}\r\n")).await;
        assert_eq!((part.status, part.body.as_slice()), (206, &answer.body[first..=last]), "{first}-{last}");
    }
    assert_eq!(site.log.lock().unwrap().last().unwrap().2, 1);
    let known = site.ask("GET", target, &format!("If-None-Match: \"{digest}\"\r\n")).await;
    assert_eq!(known.status, 304);
}

/// The digests of a zip that is made here are this repository's own word: it must not give it for anything else.
#[tokio::test]
async fn a_binary_that_is_not_what_was_locked_is_not_vouched_for() {
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
async fn other_releases_are_not_there() {
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
        let answer = site.get(&format!("/consul/1.2.3/consul_1.2.3_{name}")).await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("no signature"), "{}", answer.text());
    }
}
