//! Colours and symbols, by their meaning.
//!
//! Only the sixteen colours of the terminal's theme, which work on dark and light backgrounds.
//! Invariant: colour is never the only sign; a symbol or a word says the same.

use console::Style;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Ordinary text.
    Text,
    /// Important text.
    Strong,
    /// Emphasised text.
    Emphasis,
    /// Less important text.
    Dim,
    /// A title.
    Title,
    /// Something to type or a name to recognise.
    Code,
    /// An address one can open.
    Link,
    /// Success.
    Good,
    /// Failure.
    Bad,
    /// A warning.
    Warn,
}

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    pub(super) fn new(on: bool) -> Self {
        Self { on }
    }

    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// The text in its role's colour.
    pub(super) fn apply(self, role: Role, text: &str) -> String {
        if !self.on || text.is_empty() || role == Role::Text {
            return text.to_owned();
        }
        let plain = Style::new().force_styling(true);
        let style = match role {
            Role::Text => plain,
            Role::Strong => plain.bold(),
            Role::Emphasis => plain.italic(),
            Role::Dim => plain.dim(),
            Role::Title => plain.cyan().bold(),
            Role::Code => plain.cyan(),
            Role::Link => plain.underlined(),
            Role::Good => plain.green().bold(),
            Role::Bad => plain.red().bold(),
            Role::Warn => plain.yellow().bold(),
        };
        style.apply_to(text).to_string()
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.apply(Role::Strong, text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.apply(Role::Dim, text)
    }

    pub(super) fn title(self, text: &str) -> String {
        self.apply(Role::Title, text)
    }

    pub(super) fn code(self, text: &str) -> String {
        self.apply(Role::Code, text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.apply(Role::Good, text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.apply(Role::Bad, text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.apply(Role::Warn, text)
    }
}

/// The characters that carry meaning or draw lines. Each is one column wide.
#[derive(Debug)]
pub(super) struct Symbols {
    pub(super) pass: &'static str,
    pub(super) fail: &'static str,
    pub(super) warn: &'static str,
    pub(super) up: &'static str,
    pub(super) skipped: &'static str,
    pub(super) bullet: &'static str,
    pub(super) branch: &'static str,
    pub(super) arrow: &'static str,
    pub(super) gutter: &'static str,
    pub(super) gutter_error: &'static str,
    pub(super) rule: &'static str,
    pub(super) heavy_rule: &'static str,
    pub(super) ellipsis: &'static str,
    pub(super) bar_done: &'static str,
    pub(super) bar_edge: &'static str,
    pub(super) bar_left: &'static str,
    /// From one eighth of a cell to all of it, or as fine as the characters allow.
    pub(super) cells: &'static [&'static str],
    pub(super) spinner: &'static [&'static str],
}

impl Symbols {
    pub(super) const UNICODE: Self = Self {
        pass: "✔",
        fail: "✘",
        warn: "▲",
        up: "●",
        skipped: "↷",
        bullet: "•",
        branch: "└",
        arrow: "→",
        gutter: "│",
        gutter_error: "┊",
        rule: "─",
        heavy_rule: "━",
        ellipsis: "…",
        bar_done: "━",
        bar_edge: "╸",
        bar_left: "─",
        cells: &["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
        spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    };

    pub(super) const ASCII: Self = Self {
        pass: "+",
        fail: "x",
        warn: "!",
        up: "*",
        skipped: "-",
        bullet: "*",
        branch: "`",
        arrow: ">",
        gutter: "|",
        gutter_error: ":",
        rule: "-",
        heavy_rule: "=",
        ellipsis: "~",
        bar_done: "#",
        bar_edge: ">",
        bar_left: ".",
        cells: &["#"],
        spinner: &["|", "/", "-", "\\"],
    };
}
