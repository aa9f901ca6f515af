//! The list of published packages: files that are not in the lock, such as a lab's sample services. The repository
//! serves them together with the files of the store.
//!
//! The list is written and read with the same types.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Digest, DigestAlgorithm, FileName, Invalid};

const SCHEMA: u32 = 1;
/// The largest list in bytes. A package takes about 300.
const MAX_LIST: u64 = 4 << 20;
/// The most packages in a list.
const MAX_PACKAGES: usize = 4096;
/// The longest version, license or summary, in characters.
const MAX_TEXT: usize = 500;

/// A list of packages. Pairs of name and file are unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedPackages {
    #[serde(deserialize_with = "schema")]
    schema: u32,
    #[serde(deserialize_with = "packages")]
    packages: Vec<PublishedPackage>,
}

/// A published file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedPackage {
    /// The package. If the lock has an artifact with this name, the file is added to it.
    pub name: ArtifactName,
    /// The version.
    #[serde(deserialize_with = "text")]
    pub version: String,
    /// The license.
    #[serde(deserialize_with = "text")]
    pub license: String,
    /// A description in one line.
    #[serde(deserialize_with = "text")]
    pub summary: String,
    /// The file name in URLs.
    pub file: FileName,
    /// The absolute path of the file, which must not be a symbolic link.
    #[serde(deserialize_with = "path")]
    pub path: Utf8PathBuf,
    /// The SHA-256 of the file. The repository does not verify it; the client does.
    #[serde(rename = "sha256", with = "hex")]
    pub digest: Digest,
    /// The size in bytes. A file with another size is not served.
    pub size: u64,
}

impl PublishedPackages {
    /// Creates a list. Fails on invalid or duplicate packages.
    pub fn new(packages: Vec<PublishedPackage>) -> Result<Self, Invalid> {
        let mut seen = BTreeSet::new();
        for package in &packages {
            package.check()?;
            if !seen.insert((&package.name, &package.file)) {
                return Err(duplicate(package));
            }
        }
        if packages.len() > MAX_PACKAGES {
            return Err(Invalid::new("at most 4096 packages", packages.len().to_string()));
        }
        Ok(Self { schema: SCHEMA, packages })
    }

    /// The packages, in the list's order.
    pub fn packages(&self) -> &[PublishedPackage] {
        &self.packages
    }

    /// Reads a list from a file.
    pub fn read(path: &Utf8Path) -> Result<Self> {
        let cannot = || Failure::usage(format!("cannot read the list of packages {path}"));
        let file = fs::File::open(path).map_err(|error| cannot().seen(&error))?;
        let mut text = String::new();
        file.take(MAX_LIST + 1).read_to_string(&mut text).map_err(|error| cannot().seen(&error))?;
        if text.len() as u64 > MAX_LIST {
            return Err(cannot().seen_text(format!("more than {MAX_LIST} bytes")));
        }
        Self::parse(&text, path.as_str())
    }

    /// Parses a list. Errors have `origin`, line, column and the expected value.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message = error.to_string();
            // serde_json has the position at the end; meshlab's errors start with it.
            let what = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
            Failure::usage(format!("{origin}:{line}:{column}: {what}")).hint(
                "the fields of a package are name, version, license, summary, file, path, sha256 and size",
            )
        })
    }

    /// The list as text.
    pub fn to_json(&self) -> String {
        // Serializing strings and numbers cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl PublishedPackage {
    /// Checks what the types of the fields do not guarantee.
    fn check(&self) -> Result<(), Invalid> {
        for text in [&self.version, &self.license, &self.summary] {
            check_text(text)?;
        }
        if self.digest.algorithm() != DigestAlgorithm::Sha256 {
            return Err(Invalid::new("a SHA-256", self.digest.to_string()));
        }
        check_path(&self.path)
    }
}

fn check_text(text: &str) -> Result<(), Invalid> {
    let one_line = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if one_line && text.chars().count() <= MAX_TEXT {
        return Ok(());
    }
    Err(Invalid::new("one line of text, at most 500 characters", text.chars().take(60).collect::<String>()))
}

fn check_path(path: &Utf8Path) -> Result<(), Invalid> {
    if path.is_absolute() && !path.as_str().contains('\0') {
        return Ok(());
    }
    Err(Invalid::new("an absolute path", path.as_str()))
}

fn duplicate(package: &PublishedPackage) -> Invalid {
    Invalid::new("each file of a package once", format!("{}/{}", package.name, package.file))
}

// These functions check each value while it is parsed, so that errors have its position.

fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        SCHEMA => Ok(SCHEMA),
        other => Err(D::Error::custom(format!("expected schema {SCHEMA}, found {other}"))),
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_text(&text).map_err(D::Error::custom)?;
    Ok(text)
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Utf8PathBuf, D::Error> {
    let path = Utf8PathBuf::deserialize(deserializer)?;
    check_path(&path).map_err(D::Error::custom)?;
    Ok(path)
}

fn packages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PublishedPackage>, D::Error> {
    struct PackagesVisitor;

    impl<'de> Visitor<'de> for PackagesVisitor {
        type Value = Vec<PublishedPackage>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of packages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut packages: Vec<PublishedPackage> = Vec::new();
            let mut seen = BTreeSet::new();
            while let Some(package) = list.next_element::<PublishedPackage>()? {
                if packages.len() == MAX_PACKAGES {
                    return Err(A::Error::custom(format!("more than {MAX_PACKAGES} packages")));
                }
                if !seen.insert((package.name.clone(), package.file.clone())) {
                    return Err(A::Error::custom(duplicate(&package)));
                }
                packages.push(package);
            }
            Ok(packages)
        }
    }

    deserializer.deserialize_seq(PackagesVisitor)
}

/// Serializes a SHA-256 as 64 digits, without the algorithm, which is the field's name.
mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::core::model::{Digest, DigestAlgorithm};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Digest::from_hex(DigestAlgorithm::Sha256, &hex).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package(name: &str, file: &str) -> PublishedPackage {
        PublishedPackage {
            name: name.parse().unwrap(),
            version: "0.1.0".to_owned(),
            license: "MIT".to_owned(),
            summary: "adds".to_owned(),
            file: file.parse().unwrap(),
            path: format!("/packages/{file}").into(),
            digest: Digest::sha256_of(b"x"),
            size: 1,
        }
    }

    #[test]
    fn a_list_is_parsed_from_its_own_text() {
        let list =
            PublishedPackages::new(vec![package("add-svc", "a.tar"), package("add-svc", "b.tar")]).unwrap();
        let text = list.to_json();
        assert_eq!(PublishedPackages::parse(&text, "x").unwrap(), list);
        assert!(text.contains(&format!("\"sha256\": \"{}\"", Digest::sha256_of(b"x").hex())), "{text}");
        assert!(text.contains("\"schema\": 1"), "{text}");
    }

    #[test]
    fn an_invalid_list_cannot_be_created() {
        let bad = |change: fn(&mut PublishedPackage)| {
            let mut one = package("add-svc", "a.tar");
            change(&mut one);
            PublishedPackages::new(vec![one]).unwrap_err().to_string()
        };
        assert!(bad(|one| one.path = "relative/a.tar".into()).contains("an absolute path"));
        assert!(bad(|one| one.version = String::new()).contains("one line of text"));
        assert!(bad(|one| one.summary = "two\nlines".to_owned()).contains("one line of text"));
        assert!(bad(|one| one.digest = Digest::Sha512([0; 64])).contains("a SHA-256"));
        let twice = PublishedPackages::new(vec![package("a", "x"), package("a", "x")]).unwrap_err();
        assert_eq!(twice.to_string(), "expected each file of a package once, found \"a/x\"");
    }

    /// Line and column are right after the wrong value, where parsing stopped.
    #[test]
    fn errors_name_line_column_and_expectation() {
        let good = PublishedPackages::new(vec![package("add-svc", "a.tar"), package("add-svc", "b.tar")])
            .unwrap()
            .to_json();
        let digest = Digest::sha256_of(b"x").hex();
        let cases = [
            ("\"schema\": 1", "\"schema\": 2", "list.json:2:13: expected schema 1, found 2"),
            (
                "\"name\": \"add-svc\"",
                "\"name\": \"Add\"",
                "list.json:5:19: expected lower-case letters, digits and single dashes, found \"Add\"",
            ),
            (
                "\"file\": \"a.tar\"",
                "\"file\": \"../a\"",
                "list.json:9:20: expected a file name of letters, digits and . _ - + ~ %, found \"../a\"",
            ),
            (
                "\"path\": \"/packages/a.tar\"",
                "\"path\": \"a.tar\"",
                "list.json:10:21: expected an absolute path, found \"a.tar\"",
            ),
            (
                digest.as_str(),
                "ABC",
                "list.json:11:21: expected 64 lower-case hexadecimal digits (a SHA-256), found \"ABC\"",
            ),
            ("\"size\": 1", "\"size\": -1", "list.json:12:16: invalid value: integer `-1`, expected u64"),
            (
                "\"file\": \"b.tar\"",
                "\"file\": \"a.tar\"",
                "list.json:24:3: expected each file of a package once, found \"add-svc/a.tar\"",
            ),
        ];
        for (from, to, message) in cases {
            let failure = PublishedPackages::parse(&good.replacen(from, to, 1), "list.json").unwrap_err();
            assert_eq!(failure.message(), message);
            assert_eq!(failure.kind().exit_code(), 2);
        }
        let cut = PublishedPackages::parse(&good[..20], "list.json").unwrap_err();
        assert!(cut.message().starts_with("list.json:3:"), "{cut}");
        let more = good.replacen("\"size\": 1", "\"size\": 1, \"more\": 2", 1);
        let failure = PublishedPackages::parse(&more, "list.json").unwrap_err();
        assert!(failure.message().contains("unknown field `more`"), "{failure}");
    }

    proptest! {
        /// Any parsed list can also be created with `new`.
        #[test]
        fn a_parsed_list_is_valid(
            version in ".{0,20}", path in ".{0,20}", file in "[a-z./~%]{0,8}", size in any::<u64>(),
        ) {
            let json = serde_json::json!({"schema": 1, "packages": [{
                "name": "a", "version": version, "license": "MIT", "summary": "s", "file": file, "path": path,
                "sha256": "00".repeat(32), "size": size,
            }]});
            if let Ok(list) = PublishedPackages::parse(&json.to_string(), "x") {
                prop_assert_eq!(PublishedPackages::new(list.packages().to_vec()).unwrap(), list);
            }
        }
    }
}
