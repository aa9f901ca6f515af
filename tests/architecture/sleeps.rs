//! Loops that sleep: a wait is a call of `core::until`.

use super::tokens::{Token, tokens};

/// The lines of a file on which a loop calls `sleep`.
pub(super) fn in_loops(text: &str) -> Vec<usize> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    // For each open brace: whether it is the body of a loop, or inside one.
    let mut bodies: Vec<bool> = Vec::new();
    // The depth in parentheses and brackets at which the head of a loop began that has no body yet.
    let (mut depth, mut head) = (0_usize, None);
    let mut found = Vec::new();
    for (at, Token { text, line }) in tokens.iter().enumerate() {
        match text.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "loop" | "while" => head = Some(depth),
            // `impl Trait for Type` and `for<'a>` are no loops.
            "for" if is_loop(&tokens, at) => head = Some(depth),
            "{" => {
                let is_body = head == Some(depth);
                if is_body {
                    head = None;
                }
                bodies.push(is_body || bodies.last().copied().unwrap_or_default());
            }
            "}" => _ = bodies.pop(),
            "sleep" if word(at + 1) == "(" && bodies.last() == Some(&true) => found.push(*line),
            _ => {}
        }
    }
    found
}

/// Whether the `for` at a place has its `in` before the next brace.
fn is_loop(tokens: &[Token], at: usize) -> bool {
    let head = tokens[at..].iter().map(|token| token.text.as_str());
    head.take_while(|text| !matches!(*text, "{" | ";")).any(|text| text == "in")
}

#[test]
fn a_sleep_in_a_loop_is_found_and_others_are_not() {
    let text = "fn a() { sleep(x); }\nimpl A for B { fn b() { sleep(x) } }\n\
        fn c() { loop {\n if x { time::sleep(y).await } } sleep(z) }\n\
        fn d() { for x in f(|| { sleep(y) }) {\n sleep(z); } }\n\
        fn e() { while g() { match h { _ =>\n sleep(i) } } }\n\
        // loop { sleep(x) }\nfn f() where for<'a> G: H<'a> { sleep(j) }";
    assert_eq!(in_loops(text), [4, 6, 8]);
}
