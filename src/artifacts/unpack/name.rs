//! Names in archives: bytes from outside, until they are a [`RelativePath`].

use crate::core::model::RelativePath;

/// The longest name that is taken, in bytes; no honest archive comes near.
const LONGEST: usize = 1024;
/// The longest part that file systems take.
const LONGEST_PART: usize = 255;
/// The most folders inside of each other.
const DEEPEST: usize = 64;

/// Reads a member's name. `None` is the root of the archive (`./`); a trailing slash is left out, as folders have one.
pub(super) fn parse(name: &[u8]) -> Result<Option<RelativePath>, String> {
    let text = plain_text(name, "name")?;
    if text.starts_with('/') {
        return Err("an absolute name".to_owned());
    }
    let mut rest = text;
    while let Some(after) = rest.strip_prefix("./") {
        rest = after;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() || rest == "." {
        return Ok(None);
    }
    if rest.split('/').any(|part| part == "..") {
        return Err("a name with .., which could lead out of the folder".to_owned());
    }
    if let Some(part) = rest.split('/').find(|part| part.len() > LONGEST_PART) {
        return Err(format!("a name with a part of {} bytes, at most {LONGEST_PART} are taken", part.len()));
    }
    let depth = rest.split('/').count();
    if depth > DEEPEST {
        return Err(format!("a name of {depth} parts, at most {DEEPEST} are taken"));
    }
    rest.parse().map(Some).map_err(|_| "a name with empty or . parts".to_owned())
}

/// Reads a symbolic link's target; where it leads is another question (see `links`).
pub(super) fn parse_target(target: &[u8]) -> Result<&str, String> {
    let text = plain_text(target, "link target")?;
    if text.is_empty() {
        return Err("a link without a target".to_owned());
    }
    Ok(text)
}

fn plain_text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, String> {
    if bytes.len() > LONGEST {
        return Err(format!("a {what} of {} bytes, at most {LONGEST} are taken", bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| format!("a {what} that is not UTF-8"))?;
    if let Some(odd) = text.chars().find(|letter| letter.is_control() || *letter == '\\') {
        return Err(format!("a {what} with the character {odd:?}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_names_are_read_alike() {
        for name in ["bin/x", "./bin/x", "././bin/x", "bin/x/"] {
            assert_eq!(parse(name.as_bytes()).unwrap().unwrap().as_path(), "bin/x", "{name}");
        }
        for root in ["", ".", "./", "././"] {
            assert_eq!(parse(root.as_bytes()), Ok(None), "{root}");
        }
        assert!(parse("näme/…".as_bytes()).unwrap().is_some());
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        let long = "a".repeat(256);
        let longer = "a/".repeat(600);
        let deep = ["a"; 65].join("/");
        let cases: [(&[u8], &str); 14] = [
            (b"/etc/passwd", "absolute"),
            (b"//etc/passwd", "absolute"),
            (b".//etc/passwd", "empty"),
            (b"../x", ".."),
            (b"a/../../x", ".."),
            (b"a/..", ".."),
            (b"a\\..\\x", "'\\\\'"),
            (b"a\0b", "'\\0'"),
            (b"a\nb", "'\\n'"),
            (b"a\x1b[2Jb", "'\\u{1b}'"),
            (b"a\xffb", "UTF-8"),
            (long.as_bytes(), "256 bytes"),
            (longer.as_bytes(), "1200 bytes"),
            (deep.as_bytes(), "65 parts"),
        ];
        for (name, reason) in cases {
            let refused = parse(name).unwrap_err();
            assert!(refused.contains(reason), "{:?}: {refused}", String::from_utf8_lossy(name));
        }
    }
}
