//! Markdown for a terminal: headings, paragraphs, lists, code, quotes and tables, wrapped to a width.

mod inline;
mod table;
#[cfg(test)]
mod tests;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use self::inline::Inline;
use self::table::Grid;
use super::look::Look;
use super::paint::Role;
use super::text;

/// Renders Markdown as lines of at most `columns`. Code blocks and long words can be wider.
pub(super) fn render(markdown: &str, columns: usize, look: &Look) -> Vec<String> {
    let mut page = Page::new(columns, look);
    for event in Parser::new_ext(&text::clean(markdown), Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.flush();
    page.lines
}

/// The left margin of a block: a bullet before its first line and spaces before the others, or a quote's bar.
struct Margin {
    first: Option<String>,
    rest: String,
}

struct Page<'a> {
    look: &'a Look,
    columns: usize,
    lines: Vec<String>,
    margins: Vec<Margin>,
    /// Whether a blank line goes before the next line.
    gap: bool,
    inline: Inline,
    /// Innermost last; what is not listed is ordinary text.
    roles: Vec<Role>,
    /// The next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// The links that are open.
    links: Vec<Link>,
    code_block: Option<String>,
    grid: Option<Grid>,
}

struct Link {
    target: String,
    text: String,
}

impl<'a> Page<'a> {
    fn new(columns: usize, look: &'a Look) -> Self {
        Self {
            look,
            columns,
            lines: Vec::new(),
            margins: Vec::new(),
            gap: false,
            inline: Inline::default(),
            roles: Vec::new(),
            lists: Vec::new(),
            links: Vec::new(),
            code_block: None,
            grid: None,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            // HTML is shown as source.
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => self.code(&code),
            Event::SoftBreak => self.inline.space(),
            Event::HardBreak => self.inline.end_line(),
            Event::Rule => {
                let rule = self.look.symbols.rule.repeat(self.room());
                self.gap = true;
                self.line(&self.look.paint.dim(&rule));
                self.gap = true;
            }
            // Extensions that are not enabled.
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.flush(),
            Tag::Heading { .. } => {
                self.gap = true;
                self.roles.push(Role::Title);
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.fill_gap();
                let bar = format!("{} ", self.look.symbols.gutter);
                self.margins.push(Margin { first: None, rest: self.look.paint.dim(&bar) });
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.code_block = Some(String::new());
            }
            Tag::List(start) => {
                self.flush();
                self.lists.push(start);
            }
            Tag::Item => self.start_item(),
            Tag::Table(_) => self.grid = Some(Grid::default()),
            Tag::TableHead => {
                self.roles.push(Role::Strong);
                self.start_row();
            }
            Tag::TableRow => self.start_row(),
            Tag::Emphasis => self.roles.push(Role::Emphasis),
            Tag::Strong => self.roles.push(Role::Strong),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.roles.push(Role::Link);
                self.links.push(Link { target: dest_url.into_string(), text: String::new() });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => {
                self.flush();
                self.gap = true;
            }
            TagEnd::Heading(_) => self.end_heading(),
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.margins.pop();
                self.gap = true;
            }
            TagEnd::CodeBlock => self.end_code_block(),
            TagEnd::List(_) => {
                self.lists.pop();
                self.gap |= self.lists.is_empty();
            }
            TagEnd::Item => {
                self.flush();
                self.margins.pop();
            }
            TagEnd::Table => {
                let room = self.room();
                for line in self.grid.take().map(|grid| grid.lines(room, self.look)).unwrap_or_default() {
                    self.line(&line);
                }
                self.gap = true;
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(grid) = &mut self.grid {
                    grid.add_cell(cell);
                }
            }
            TagEnd::TableHead | TagEnd::Emphasis | TagEnd::Strong => {
                self.roles.pop();
            }
            TagEnd::Link | TagEnd::Image => self.end_link(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code_block {
            code.push_str(text);
            return;
        }
        if let Some(link) = self.links.last_mut() {
            link.text.push_str(text);
        }
        self.inline.push(self.role(), text);
    }

    /// Without colour the backticks stay, to mark code.
    fn code(&mut self, code: &str) {
        if self.look.paint.is_on() {
            let role = if self.roles.contains(&Role::Title) { Role::Title } else { Role::Code };
            self.inline.push(role, code);
        } else {
            self.inline.push(Role::Text, &format!("`{code}`"));
        }
    }

    fn role(&self) -> Role {
        // Emphasis within a title keeps the title's role.
        let title = self.roles.contains(&Role::Title).then_some(Role::Title);
        title.or(self.roles.last().copied()).unwrap_or(Role::Text)
    }

    fn start_item(&mut self) {
        let bullet = match self.lists.last_mut() {
            Some(Some(number)) => {
                let bullet = format!("{number}. ");
                *number = number.saturating_add(1);
                bullet
            }
            _ => format!("{} ", self.look.symbols.bullet),
        };
        let rest = " ".repeat(text::width(&bullet));
        self.margins.push(Margin { first: Some(self.look.paint.dim(&bullet)), rest });
    }

    fn start_row(&mut self) {
        if let Some(grid) = &mut self.grid {
            grid.start_row();
        }
    }

    /// Without colour, headings are underlined.
    fn end_heading(&mut self) {
        let wide = self.inline.columns().min(self.room());
        self.flush();
        self.roles.pop();
        if !self.look.paint.is_on() {
            self.line(&self.look.symbols.rule.repeat(wide));
        }
        self.gap = true;
    }

    fn end_code_block(&mut self) {
        let code = self.code_block.take().unwrap_or_default();
        // Between paragraphs only, not between list items.
        self.gap |= self.margins.is_empty();
        for line in code.trim_end().lines() {
            let painted = self.look.paint.code(line);
            self.line(&format!("  {painted}"));
        }
        self.gap = true;
    }

    /// Adds a link's target, unless the text is the target.
    fn end_link(&mut self) {
        self.roles.pop();
        if let Some(link) = self.links.pop()
            && !link.target.is_empty()
            && link.target != link.text
        {
            self.inline.space();
            self.inline.push(Role::Dim, &format!("({})", link.target));
        }
    }

    /// The columns between the margins.
    fn room(&self) -> usize {
        let taken: usize = self.margins.iter().map(|margin| text::width(&margin.rest)).sum();
        self.columns.saturating_sub(taken).max(1)
    }

    /// Writes the paragraph collected so far.
    fn flush(&mut self) {
        let inline = std::mem::take(&mut self.inline);
        if inline.is_empty() {
            return;
        }
        for line in inline.lines(self.room(), self.look.paint) {
            self.line(&line);
        }
    }

    /// Writes the blank line that is due.
    fn fill_gap(&mut self) {
        if std::mem::take(&mut self.gap) && !self.lines.is_empty() {
            let margin: String = self.margins.iter().map(|margin| margin.rest.as_str()).collect();
            self.lines.push(margin.trim_end().to_owned());
        }
    }

    fn line(&mut self, content: &str) {
        self.fill_gap();
        let margin: String = self
            .margins
            .iter_mut()
            .map(|margin| margin.first.take().unwrap_or_else(|| margin.rest.clone()))
            .collect();
        self.lines.push(format!("{margin}{content}").trim_end().to_owned());
    }
}
