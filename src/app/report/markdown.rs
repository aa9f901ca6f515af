//! Renders a lab's Markdown as HTML. HTML in it is escaped, and links are written out as text.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::drawing;
use crate::core::page::escape;

/// Markdown as HTML. `name` is the alternative text of a drawing in it.
pub(super) fn render(markdown: &str, name: &str) -> String {
    let mut page = Vec::new();
    let mut code: Option<String> = None;
    // The targets of the links that the text is in.
    let mut links: Vec<String> = Vec::new();
    let visible = |letter: char| match letter {
        '\n' | '\t' => letter,
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    let markdown: String = markdown.chars().map(visible).collect();
    for event in Parser::new_ext(&markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = Some(String::new()),
            Event::End(TagEnd::CodeBlock) => {
                let text = code.take().unwrap_or_default();
                page.push(Event::Html(block(&text, name).into()));
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => match &mut code {
                Some(code) => code.push_str(&text),
                None => page.push(Event::Text(text)),
            },
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.into_string());
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let target = links.pop().unwrap_or_default();
                let is_shown = matches!(page.last(), Some(Event::Text(text)) if **text == *target);
                if !is_shown {
                    page.push(Event::Html(format!(" (<code>{}</code>)", escape(&target)).into()));
                }
            }
            Event::Start(Tag::HtmlBlock) => page.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => page.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Heading { level, .. }) => {
                let level = heading_level(level);
                page.push(Event::Start(Tag::Heading { level, id: None, classes: vec![], attrs: vec![] }));
            }
            Event::End(TagEnd::Heading(level)) => {
                page.push(Event::End(TagEnd::Heading(heading_level(level))));
            }
            Event::Start(Tag::Table(columns)) => {
                page.push(Event::Html(CowStr::Borrowed("<div class=\"wide\">\n")));
                page.push(Event::Start(Tag::Table(columns)));
            }
            Event::End(TagEnd::Table) => {
                page.push(Event::End(TagEnd::Table));
                page.push(Event::Html(CowStr::Borrowed("</div>\n")));
            }
            other => page.push(other),
        }
    }
    let mut text = String::new();
    html::push_html(&mut text, page.into_iter());
    text
}

/// A drawing as a picture, other code unchanged.
fn block(text: &str, name: &str) -> String {
    match drawing::svg(text, name) {
        Some(svg) => format!("<figure class=\"drawing\">{svg}</figure>\n"),
        None => format!("<pre class=\"code\"><code>{}</code></pre>\n", escape(text)),
    }
}

/// The page itself has headings of level 1 and 2.
fn heading_level(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markdown_as_labs_use_it() {
        let text = "# One\n\nA *b* **c** `d < e`, [there](https://example.org/?a&b) and <https://example.org>.\n\n- x\n- y\n\n\
                    | a | b |\n|---|---|\n| 1 | 2 |\n\n```\nif a < b && c {\n}\n```\n";
        insta::assert_snapshot!(render(text, "x"));
    }

    #[test]
    fn html_in_markdown_is_escaped() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "![a](javascript:alert(1))",
            "[a](javascript:alert(1) \"t\")",
            "<div\nonclick=x>\n\n# <b>c</b>",
            "```<i>\n<u>\n```",
            "| <s> |\n|---|\n| <s> |",
            "[x]\n\n[x]: <a\"b'c>",
        ] {
            let html = render(text, "<name>");
            for forbidden in
                ["<script", "<img", "<div\n", "<b>", "<i>", "<u>", "<s>", "href", "src=\"", "\"b'"]
            {
                assert!(!html.contains(forbidden), "{forbidden}: {html}");
            }
        }
    }

    proptest! {
        #[test]
        fn only_tags_of_markdown_are_written(text in "[-<>/&\"'a-c \n`*_#|\\[\\]()!:=+^]{0,80}") {
            let html = render(&text, &text);
            for tag in html.split('<').skip(1) {
                let name: String = tag.trim_start_matches('/').chars().take_while(|letter| letter.is_alphanumeric()).collect();
                let known = [
                    "p", "em", "strong", "code", "pre", "h3", "h4", "h5", "h6", "ul", "ol", "li", "hr", "br", "blockquote", "div",
                    "table", "thead", "tbody", "tr", "th", "td", "figure", "svg", "title", "desc", "g", "path", "rect", "text", "tspan",
                ];
                prop_assert!(known.contains(&name.as_str()), "{:?}", tag);
                prop_assert!(!tag.split('>').next().unwrap_or_default().contains("href"));
            }
        }
    }
}
