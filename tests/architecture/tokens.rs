//! Rust source as words and signs with their lines, without comments, strings and literals.

/// A word or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// An identifier, or one sign; `::` is one.
    pub(super) text: String,
    /// From 1.
    pub(super) line: usize,
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < letters.len() {
        let end = end_of_token(&letters, at);
        let token: String = letters[at..end].iter().collect();
        if is_word(&token) || is_sign(&token) {
            found.push(Token { text: token.clone(), line });
        }
        line += token.matches('\n').count();
        at = end;
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') && !token.contains('"')
}

fn is_sign(token: &str) -> bool {
    token == "::"
        || (token.chars().count() == 1 && !token.trim().is_empty() && !token.starts_with(char::is_numeric))
}

/// Where the token ends that begins here; it is longer than nothing.
fn end_of_token(letters: &[char], at: usize) -> usize {
    let next = letters.get(at + 1).copied();
    match letters[at] {
        '/' if next == Some('/') => find(letters, at, |letter| letter == '\n'),
        '/' if next == Some('*') => end_of_comment(letters, at),
        '"' => end_of_string(letters, at + 1),
        'r' | 'b' if raw_hashes(letters, at).is_some() => end_of_raw_string(letters, at),
        'b' if next == Some('"') => end_of_string(letters, at + 2),
        '\'' => end_of_quote(letters, at),
        ':' if next == Some(':') => at + 2,
        letter if letter.is_alphanumeric() || letter == '_' => {
            find(letters, at, |letter| !(letter.is_alphanumeric() || letter == '_'))
        }
        _ => at + 1,
    }
}

fn find(letters: &[char], from: usize, is_end: impl Fn(char) -> bool) -> usize {
    letters[from..].iter().position(|letter| is_end(*letter)).map_or(letters.len(), |length| from + length)
}

fn end_of_comment(letters: &[char], at: usize) -> usize {
    let (mut depth, mut next) = (0, at);
    while next + 1 < letters.len() {
        match (letters[next], letters[next + 1]) {
            ('/', '*') => (depth, next) = (depth + 1, next + 2),
            ('*', '/') if depth == 1 => return next + 2,
            ('*', '/') => (depth, next) = (depth - 1, next + 2),
            _ => next += 1,
        }
    }
    letters.len()
}

fn end_of_string(letters: &[char], mut at: usize) -> usize {
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// How many `#` a raw string that begins here has.
fn raw_hashes(letters: &[char], at: usize) -> Option<usize> {
    let start = at + if letters[at] == 'b' { 2 } else { 1 };
    if letters.get(start - 1) != Some(&'r') {
        return None;
    }
    let end = find(letters, start.min(letters.len()), |letter| letter != '#');
    (letters.get(end) == Some(&'"')).then_some(end - start)
}

fn end_of_raw_string(letters: &[char], at: usize) -> usize {
    let hashes = raw_hashes(letters, at).unwrap_or_default();
    let opening = find(letters, at, |letter| letter == '"');
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = letters[opening + 1..].windows(closing.len()).position(|window| window == closing);
    length.map_or(letters.len(), |length| opening + 1 + length + closing.len())
}

/// A character, or a lifetime.
fn end_of_quote(letters: &[char], at: usize) -> usize {
    match (letters.get(at + 1), letters.get(at + 2)) {
        (Some('\\'), _) => find(letters, at + 3, |letter| letter == '\'') + 1,
        (_, Some('\'')) => at + 3,
        _ => find(letters, at + 1, |letter| !(letter.is_alphanumeric() || letter == '_')).max(at + 1),
    }
}

#[test]
fn comments_strings_and_literals_are_left_out() {
    let text = "use a::b; // crate::c\n/* crate::d /* e */ */ let x = \"crate::f\"; r#\"crate::\"g\"# 'h' '\\'' &'i j 0x1";
    let words: Vec<String> = tokens(text).into_iter().map(|token| token.text).collect();
    assert_eq!(words, ["use", "a", "::", "b", ";", "let", "x", "=", ";", "&", "j"]);
    assert_eq!(tokens(text).last().unwrap().line, 2);
}
