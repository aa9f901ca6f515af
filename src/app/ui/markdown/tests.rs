use proptest::prelude::*;

use super::render;
use crate::app::ui::testing::{look, shown};
use crate::app::ui::text;

const PAGE: &str = "\
# The mesh at work

Two services that **know nothing** of each other's network talk through two *Envoy* proxies. The client speaks to
`127.0.0.1:9191`, and `consul connect envoy -sidecar-for client` does the rest; see
[the documentation](https://developer.hashicorp.com/consul/docs/connect) or <https://www.envoyproxy.io>.

1. Consul hands out *certificates*.
2. Envoy asks for them over xDS:
   - listeners, which is where traffic comes in, with a text long enough that it has to be wrapped somewhere
   - clusters
3. Both sides **verify** each other.

```sh
consul connect envoy -sidecar-for client -admin-bind 127.0.0.1:19001 -- --log-level warning --concurrency 1
nc 127.0.0.1 9191
```

> A denied intention closes the connection.
> It does not time out.

| proxy | port | what comes in |
|---|---:|---|
| `client-sidecar-proxy` | 21000 | nothing in this lab, since nobody calls the client through the mesh |
| `echo-sidecar-proxy` | 21001 | what the client sends |

---

Done.
";

#[test]
fn a_page_at_80_columns_in_colour() {
    insta::assert_snapshot!(shown(&render(PAGE, 80, &look(80).colored()).join("\n")));
}

#[test]
fn a_page_at_80_columns_without_colour() {
    insta::assert_snapshot!(shown(&render(PAGE, 80, &look(80)).join("\n")));
}

#[test]
fn a_page_at_44_columns_in_ascii() {
    insta::assert_snapshot!(shown(&render(PAGE, 44, &look(44).ascii()).join("\n")));
}

/// Inline text, and the words in it.
fn sentence() -> impl Strategy<Value = (String, Vec<String>)> {
    let word = "[a-z]{1,14}";
    let piece = (word, 0..5_u8).prop_map(|(word, kind)| {
        let text = match kind {
            0 => format!("**{word}**"),
            1 => format!("*{word}*"),
            2 => format!("`{word}`"),
            3 => format!("[{word}](https://{word}.example)"),
            _ => word.clone(),
        };
        (text, word)
    });
    prop::collection::vec(piece, 1..12).prop_map(|pieces| {
        let (texts, words): (Vec<String>, Vec<String>) = pieces.into_iter().unzip();
        (texts.join(" "), words)
    })
}

fn block() -> impl Strategy<Value = (String, Vec<String>)> {
    (sentence(), sentence(), 0..6_u8).prop_map(|((one, mut words), (two, more), kind)| {
        words.extend(more);
        let text = match kind {
            0 => format!("# {one}\n\n{two}\n\n"),
            1 => format!("- {one}\n- {two}\n\n"),
            2 => format!("1. {one}\n   - {two}\n\n"),
            3 => format!("> {one}\n>\n> {two}\n\n"),
            4 => format!("| {one} | {two} |\n|---|---|\n| {two} | {one} |\n\n"),
            _ => format!("{one}\n{two}\n\n"),
        };
        (text, words)
    })
}

proptest! {
    #[test]
    fn no_word_is_lost_and_no_line_too_wide(blocks in prop::collection::vec(block(), 1..5), columns in 24..100_usize) {
        let page: String = blocks.iter().map(|(text, _)| text.as_str()).collect();
        for look in [look(80), look(80).colored()] {
            let lines = render(&page, columns, &look);
            let plain = text::clean(&lines.join("\n"));
            for word in blocks.iter().flat_map(|(_, words)| words) {
                prop_assert!(plain.contains(word.as_str()), "{word} is missing from\n{plain}");
            }
            for line in &lines {
                let bare = text::clean(line);
                let words = bare.split(' ').filter(|word| word.chars().any(char::is_alphanumeric)).count();
                // A number and its item's only word may be too wide together.
                let unbreakable = words <= 1 || (words == 2 && bare.trim_start().starts_with("1. "));
                prop_assert!(text::width(line) <= columns || unbreakable, "{columns} < {bare:?}");
            }
        }
    }

    #[test]
    fn nothing_makes_it_panic(page in "(\\PC|[\n\t *_`#>|\\-\\[\\]()<>!~1.\u{1b}]){0,200}", columns in 0..120_usize) {
        for look in [look(80), look(80).colored().ascii()] {
            let lines = render(&page, columns, &look);
            prop_assert!(lines.iter().all(|line| !line.contains('\n')));
        }
    }
}
