//! The paths that a file names, and the names that it brings into scope.

use super::tokens::{Token, tokens};

/// A path as it is written, from inside which inline modules, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    /// The name under which a `use` brings it into scope; `*` for all names.
    pub(super) name: Option<String>,
    /// How many inline modules (`mod tests { ... }`) it stands in.
    pub(super) depth: usize,
    pub(super) line: usize,
}

/// What a file names.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Every path that begins with `crate`, `super` or `self`, and every `use`.
    pub(super) named: Vec<Path>,
    /// The items that the file itself defines.
    pub(super) defined: Vec<String>,
}

const ITEMS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];

/// Reads a file.
pub(super) fn paths(text: &str) -> Paths {
    let tokens = tokens(text);
    let mut found = Paths::default();
    // The brace depth at which each open inline module began.
    let (mut braces, mut modules) = (0, Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let word = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text.as_str());
        match token.text.as_str() {
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if modules.last() == Some(&braces) {
                    modules.pop();
                }
            }
            "mod" if word(2) == "{" => modules.push(braces),
            "use" => {
                at = use_tree(&tokens, at + 1, &[], modules.len(), &mut found.named);
                continue;
            }
            start @ ("crate" | "super" | "self")
                if word(1) == "::" && (at == 0 || tokens[at - 1].text != "::") =>
            {
                let mut segments = vec![start.to_owned()];
                let line = token.line;
                while tokens.get(at + 1).is_some_and(|next| next.text == "::")
                    && tokens.get(at + 2).is_some_and(|next| is_word(&next.text))
                {
                    segments.push(tokens[at + 2].text.clone());
                    at += 2;
                }
                // `pub(in crate::x)` names no item.
                found.named.push(Path { segments, name: None, depth: modules.len(), line });
            }
            item if ITEMS.contains(&item) && modules.is_empty() => {
                let name = if word(1) == "!" { word(2) } else { word(1) };
                found.defined.push(name.to_owned());
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// Reads the tree of a `use` from `at` on, below `prefix`, and returns where it ends.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    depth: usize,
    found: &mut Vec<Path>,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut name = None;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = use_tree(tokens, at, &segments, depth, found);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "*" => {
                found.push(Path { segments, name: Some("*".to_owned()), depth, line });
                return at + 1;
            }
            "as" => {
                name = tokens.get(at + 1).map(|token| token.text.clone());
                at += 2;
            }
            "," | "}" | ";" => break,
            "::" => at += 1,
            "self" if !segments.is_empty() => at += 1,
            word => {
                segments.push(word.to_owned());
                at += 1;
            }
        }
    }
    let name = name.or_else(|| segments.last().cloned());
    found.push(Path { segments, name, depth, line });
    at
}

#[test]
fn uses_and_inline_paths_are_found_with_their_modules() {
    let text = "use crate::a::{self, B as C, d::*};\nmod x {\n  fn f() { super::g::h(); }\n}\nfn k() { crate::l(); }";
    let found = paths(text);
    let shown: Vec<String> = found
        .named
        .iter()
        .map(|path| {
            let name = path.name.as_deref().unwrap_or("-");
            format!("{} {name} {} {}", path.segments.join("::"), path.depth, path.line)
        })
        .collect();
    let expected =
        ["crate::a a 0 1", "crate::a::B C 0 1", "crate::a::d * 0 1", "super::g::h - 1 3", "crate::l - 0 5"];
    assert_eq!(shown, expected);
    assert_eq!(found.defined, ["k"]);
}
