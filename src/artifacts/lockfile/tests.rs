use super::*;
use crate::core::assets;

const GOOD: &str = r#"version = 1

[[artifact]]
name = "tool"
version = "1.0"
license = "MIT"
summary = "a tool"
profiles = ["core"]
commands = { tool = "tool" }

[[artifact.source]]
kind = "url"
platform = "linux-x86_64"

[[artifact.source.file]]
url = "https://example.org/tool-1.0.zip"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
size = 10
archive = "zip"
unpacked_limit = 100
unpack = { "tool" = "tool", "share/" = "./" }
"#;

#[test]
fn a_valid_lock_is_parsed() {
    let lock = Lock::parse(GOOD, "deps.lock").unwrap();
    let source = &lock.artifacts[0].sources[0];
    assert_eq!(source.files[0].name.as_str(), "tool-1.0.zip");
    assert_eq!(source.files[0].size.exact(), Some(10));
    let FileContent::Archive(unpack) = &source.files[0].content else { panic!("an archive") };
    assert_eq!(unpack.rules.len(), 2);
}

#[test]
fn the_built_in_lock_is_valid() {
    let lock = Lock::parse(EMBEDDED, "built in").unwrap();
    for name in ["consul", "envoy", "nomad", "wrk"] {
        assert!(lock.artifact(&name.parse().unwrap()).is_ok(), "{name}");
    }
}

/// The errors of invalid locks, with position and expected value.
#[test]
fn errors_have_line_column_and_expected_value() {
    let cases = [
        ("version = 1", "version = 2"),
        ("version = 1\n", "version = 1\nflavour = 2\n"),
        ("name = \"tool\"", "name = \"Tool\""),
        ("sha256 = \"e3b0", "sha256 = \"e3b"),
        ("size = 10", "size = -1"),
        ("size = 10", ""),
        ("linux-x86_64", "windows"),
        ("https://example.org", "ftp://example.org"),
        ("\"tool\" = \"tool\"", "\"../tool\" = \"tool\""),
        ("\"share/\" = \"./\"", "\"share/\" = \"x\""),
        ("kind = \"url\"", "kind = \"go\""),
        ("kind = \"url\"", "kind = \"ftp\""),
        ("archive = \"zip\"", "archive = \"rar\""),
        ("license = \"MIT\"\n", ""),
        ("\"core\"", "\"score\""),
        ("unpack = {", "unpack = ["),
    ];
    let shown: Vec<String> = cases
        .into_iter()
        .map(|(from, to)| {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            Lock::parse(&text, "deps.lock").unwrap_err().message().to_owned()
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

const IMAGE: &str = r#"
[[image]]
name = "tool"
summary = "the tool"
contents = ["tool"]

[[image.pin]]
platform = "linux-x86_64"
sources = ["url"]
config = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
manifest = "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
layers = [
    "2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "3123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
]
"#;

#[test]
fn images_are_parsed_with_their_pins() {
    let lock = Lock::parse(&format!("{GOOD}{IMAGE}"), "deps.lock").unwrap();
    let image = lock.image(&"tool".parse().unwrap()).unwrap();
    assert_eq!(image.tag, image.contents);
    let pin = image.pin(Platform::LinuxX86_64).unwrap();
    assert_eq!((pin.layers.len(), pin.sources.as_slice()), (2, ["url".to_owned()].as_slice()));
    assert!(image.pin(Platform::LinuxArm64).is_none());
    let failure = lock.image(&"tol".parse().unwrap()).unwrap_err();
    assert!(failure.hint_text().unwrap().contains("did you mean tool?"));
}

/// The errors of invalid images.
#[test]
fn errors_of_images_have_line_column_and_expected_value() {
    let again = &IMAGE[IMAGE.find("[[image.pin]]").unwrap()..];
    let cases = [
        ("name = \"tool\"\nsummary = \"the", "name = \"box\"\nsummary = \"the".to_owned()),
        ("the tool", "the\\u0007tool".to_owned()),
        ("[\"tool\"]", "[]".to_owned()),
        ("[\"tool\"]", "[\"tol\"]".to_owned()),
        ("[\"tool\"]", "[\"tool\", \"tool\"]".to_owned()),
        ("[\"tool\"]", "[\"tool\"]\ntag = [\"other\"]".to_owned()),
        ("[\"url\"]", "[\"go\"]".to_owned()),
        ("[\"url\"]", "[]".to_owned()),
        ("linux-x86_64\"\nsources", "linux-arm64\"\nsources".to_owned()),
        ("\"012", "\"12".to_owned()),
        ("\"112", "\"X12".to_owned()),
        ("    \"2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\n", String::new()),
        ("\"312", "\"12".to_owned()),
        ("[[image.pin]]", format!("{again}\n[[image.pin]]")),
        (
            "[[image]]",
            "[[image]]\nname = \"z\"\nsummary = \"\"\ncontents = [\"tool\"]\ntag = [\"tool\"]\n\n[[image]]"
                .to_owned(),
        ),
    ];
    let shown: Vec<String> = cases
        .into_iter()
        .map(|(from, to)| {
            let text = format!("{GOOD}{}", IMAGE.replacen(from, &to, 1));
            assert_ne!(text, format!("{GOOD}{IMAGE}"), "{from}");
            Lock::parse(&text, "deps.lock").unwrap_err().message().to_owned()
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn the_identity_depends_on_digests_and_rules() {
    let identity = |text: &str| {
        let lock = Lock::parse(text, "x").unwrap();
        lock.artifacts[0].sources[0].identity(&lock.artifacts[0])
    };
    assert_eq!(identity(GOOD), identity(GOOD));
    assert_ne!(identity(GOOD), identity(&GOOD.replace("e3b0c", "f3b0c")));
    assert_ne!(identity(GOOD), identity(&GOOD.replace("\"tool\" = \"tool\"", "\"tool2\" = \"tool\"")));
}

/// With a changed wrapper and an unchanged lock, builds would differ from their pins.
#[test]
fn the_lock_has_the_digests_of_all_embedded_wrappers() {
    let lock = Lock::parse(EMBEDDED, "built in").unwrap();
    let mut named = std::collections::BTreeSet::new();
    for artifact in &lock.artifacts {
        for source in &artifact.sources {
            if let SourceKind::Go(build) = &source.kind {
                let wrapper = assets::go_wrapper(&build.wrapper).expect("an embedded wrapper");
                assert_eq!(wrapper.digest(), build.inputs, "{}", build.wrapper);
                named.insert(build.wrapper.to_string());
            }
        }
    }
    let mut embedded = assets::go_wrappers();
    embedded.sort_unstable();
    assert_eq!(named.into_iter().collect::<Vec<_>>(), embedded);
}
