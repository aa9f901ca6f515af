use camino::Utf8Path;

use super::Site;
use crate::artifacts::repo::{Limits, PublishedPackage};
use crate::core::model::Digest;

const SERVICE: &[u8] = b"the service";
const MORE: &[u8] = b"more of the tool";

fn publish(folder: &Utf8Path, name: &str, version: &str, file: &str, content: &[u8]) -> PublishedPackage {
    let path = folder.join(format!("{name}-{file}"));
    std::fs::write(&path, content).unwrap();
    PublishedPackage {
        name: name.parse().unwrap(),
        version: version.to_owned(),
        license: "MIT".to_owned(),
        summary: "<i>adds</i>".to_owned(),
        file: file.parse().unwrap(),
        path,
        digest: Digest::sha256_of(content),
        size: content.len() as u64,
    }
}

/// Publishes a new package, a new file of an artifact in the lock, a file whose name that artifact already has, and a
/// file of an artifact that is not stored.
async fn site() -> Site {
    Site::with(Limits::default(), None, &[], |folder| {
        vec![
            publish(folder, "add-svc", "0.1.0", "add-svc-0.1.0.tar", SERVICE),
            publish(folder, "tool", "2.0", "more.tar", MORE),
            publish(folder, "tool", "2.0", "tool_1.0_amd64.zip", b"another"),
            publish(folder, "absent", "2.0", "absent.zip", b"absent"),
        ]
    })
    .await
}

#[tokio::test]
async fn published_files_are_served_by_name_and_by_digest() {
    let site = site().await;
    for (target, content, cache) in [
        ("/public/pkgs/add-svc/add-svc-0.1.0.tar".to_owned(), SERVICE, "no-cache"),
        ("/public/pkgs/tool/more.tar".to_owned(), MORE, "no-cache"),
        ("/public/pkgs/absent/absent.zip".to_owned(), b"absent", "no-cache"),
        (
            format!("/sha256/{}", Digest::sha256_of(SERVICE).hex()),
            SERVICE,
            "public, max-age=31536000, immutable",
        ),
    ] {
        let response = site.get(&target).await;
        assert_eq!((response.status, response.body.as_slice()), (200, content), "{target}");
        assert_eq!(
            response.header("ETag"),
            Some(&*format!("\"{}\"", Digest::sha256_of(content))),
            "{target}"
        );
        assert_eq!(response.header("Cache-Control"), Some(cache), "{target}");
        let head = site.request("HEAD", &target, "").await;
        assert_eq!(head.header("Content-Length"), Some(&*content.len().to_string()), "{target}");
        let rest = site.request("GET", &target, "Range: bytes=4-\r\n").await;
        assert_eq!((rest.status, rest.body.as_slice()), (206, &content[4..]), "{target}");
    }
    // The file of the lock is served under its name.
    assert!(site.get("/public/pkgs/tool/tool_1.0_amd64.zip").await.body == site.content.big);
}

#[tokio::test]
async fn published_files_are_listed_with_those_of_the_lock() {
    let site = site().await;
    let json = site.request("GET", "/public/pkgs/", "Accept: application/json\r\n").await;
    let listing: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    let names: Vec<&str> = listing["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["absent", "add-svc", "tool", "twice"]);
    let service = &listing["artifacts"][1];
    assert_eq!((&service["version"], &service["license"]), (&"0.1.0".into(), &"MIT".into()));
    assert_eq!(service["files"][0]["size"], SERVICE.len());
    assert!(service["files"][0]["platform"].is_null());
    let tool = listing["artifacts"][2]["files"].as_array().unwrap();
    assert_eq!((tool.len(), &listing["artifacts"][2]["version"]), (5, &"1.0".into()));
    assert_eq!((&tool[3]["name"], &tool[3]["version"]), (&"more.tar".into(), &"2.0".into()));
    for artifact in listing["artifacts"].as_array().unwrap() {
        for file in artifact["files"].as_array().unwrap() {
            let response = site.get(file["url"].as_str().unwrap()).await;
            assert_eq!(Digest::sha256_of(&response.body).to_string(), file["digest"].as_str().unwrap());
        }
    }
    let page = site.get("/public/pkgs/add-svc/").await;
    assert!(page.text().contains("href=\"/public/pkgs/add-svc/add-svc-0.1.0.tar\""), "{}", page.text());
    assert!(page.text().contains("&lt;i&gt;adds"), "{}", page.text());
}

#[tokio::test]
async fn a_file_of_another_size_is_not_served() {
    let site = site().await;
    let path = site.root.join("add-svc-add-svc-0.1.0.tar");
    let digest = format!("/sha256/{}", Digest::sha256_of(SERVICE).hex());
    std::fs::write(&path, "the service, and more").unwrap();
    for target in ["/public/pkgs/add-svc/add-svc-0.1.0.tar", &digest] {
        let response = site.get(target).await;
        assert_eq!(response.status, 404, "{target}");
        // The client does not see the path.
        assert!(!response.text().contains(path.as_str()), "{}", response.text());
        let problem = site.problems.lock().unwrap().pop().unwrap();
        let expected = format!(
            "{path} has changed since it was published as add-svc-0.1.0.tar: it has 21 bytes instead of 11"
        );
        assert_eq!(problem, expected);
    }
    assert!(!site.get("/public/pkgs/add-svc/").await.text().contains("add-svc-0.1.0.tar"));
    // A symbolic link is not followed. A missing file is not a problem to log.
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(site.root.join("tool-more.tar"), &path).unwrap();
    assert_eq!(site.get(&digest).await.status, 404);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(site.get(&digest).await.status, 404);
    assert!(site.problems.lock().unwrap().is_empty());
}
