//! Names of archive members: untrusted bytes, parsed into a [`RelativePath`].

use crate::core::model::RelativePath;

/// The longest accepted name in bytes.
const MAX_NAME: usize = 1024;
/// The longest accepted path component in bytes, the limit of Linux file systems.
const MAX_PART: usize = 255;
/// The most path components.
const MAX_DEPTH: usize = 64;

/// Why a member's name or a link target is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    #[error("a {what} of {length} bytes; at most {MAX_NAME} are allowed")]
    TooLong { what: &'static str, length: usize },
    #[error("a {0} that is not UTF-8")]
    NotUtf8(&'static str),
    #[error("a {what} with the character {character:?}")]
    BadCharacter { what: &'static str, character: char },
    #[error("an absolute name")]
    Absolute,
    #[error("a name with .., which could leave the folder")]
    ParentFolder,
    #[error("a name with a part of {0} bytes; at most {MAX_PART} are allowed")]
    PartTooLong(usize),
    #[error("a name of {0} parts; at most {MAX_DEPTH} are allowed")]
    TooDeep(usize),
    #[error("a name with empty or . parts")]
    EmptyPart,
    #[error("a link without a target")]
    NoTarget,
}

/// Parses a member's name. `None` is the root of the archive (`./`). A trailing slash, as in folder names, is dropped.
pub(super) fn parse(name: &[u8]) -> Result<Option<RelativePath>, NameError> {
    let text = plain_text(name, "name")?;
    if text.starts_with('/') {
        return Err(NameError::Absolute);
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
        return Err(NameError::ParentFolder);
    }
    if let Some(part) = rest.split('/').find(|part| part.len() > MAX_PART) {
        return Err(NameError::PartTooLong(part.len()));
    }
    let depth = rest.split('/').count();
    if depth > MAX_DEPTH {
        return Err(NameError::TooDeep(depth));
    }
    rest.parse().map(Some).map_err(|_| NameError::EmptyPart)
}

/// Parses the target of a symbolic link. The `links` module checks where it leads.
pub(super) fn parse_target(target: &[u8]) -> Result<&str, NameError> {
    let text = plain_text(target, "link target")?;
    if text.is_empty() {
        return Err(NameError::NoTarget);
    }
    Ok(text)
}

fn plain_text<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, NameError> {
    if bytes.len() > MAX_NAME {
        return Err(NameError::TooLong { what, length: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NameError::NotUtf8(what))?;
    match text.chars().find(|letter| letter.is_control() || *letter == '\\') {
        Some(character) => Err(NameError::BadCharacter { what, character }),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalized() {
        for name in ["bin/x", "./bin/x", "././bin/x", "bin/x/"] {
            assert_eq!(parse(name.as_bytes()).unwrap().unwrap().as_path(), "bin/x", "{name}");
        }
        for root in ["", ".", "./", "././"] {
            assert_eq!(parse(root.as_bytes()), Ok(None), "{root}");
        }
        assert!(parse("näme/…".as_bytes()).unwrap().is_some());
    }

    #[test]
    fn unsafe_names_are_refused_with_the_reason() {
        let long = "a".repeat(256);
        let longer = "a/".repeat(600);
        let deep = ["a"; 65].join("/");
        let cases: [(&[u8], NameError); 14] = [
            (b"/etc/passwd", NameError::Absolute),
            (b"//etc/passwd", NameError::Absolute),
            (b".//etc/passwd", NameError::EmptyPart),
            (b"../x", NameError::ParentFolder),
            (b"a/../../x", NameError::ParentFolder),
            (b"a/..", NameError::ParentFolder),
            (b"a\\..\\x", NameError::BadCharacter { what: "name", character: '\\' }),
            (b"a\0b", NameError::BadCharacter { what: "name", character: '\0' }),
            (b"a\nb", NameError::BadCharacter { what: "name", character: '\n' }),
            (b"a\x1b[2Jb", NameError::BadCharacter { what: "name", character: '\x1b' }),
            (b"a\xffb", NameError::NotUtf8("name")),
            (long.as_bytes(), NameError::PartTooLong(256)),
            (longer.as_bytes(), NameError::TooLong { what: "name", length: 1200 }),
            (deep.as_bytes(), NameError::TooDeep(65)),
        ];
        for (name, expected) in cases {
            assert_eq!(parse(name), Err(expected), "{:?}", String::from_utf8_lossy(name));
        }
    }
}
