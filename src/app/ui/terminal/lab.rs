//! A lab on a terminal: its summary, and for each step the explanation, the commands with their output, and the checks.

use std::time::Duration;

use super::lines::{command_lines, marked, page, rule};
use super::tested::Tested;
use super::{MARGIN, summary};
use crate::app::ui::look::Look;
use crate::app::ui::paint::Role;
use crate::app::ui::screen::{LiveLine, Progress, Screen};
use crate::app::ui::{text, why, wording};
use crate::core::event::{LabEvent, Ready};
use crate::core::model::LabAddress;
use crate::core::numbers::words;

/// Commands that take longer show their time.
const NOTICED: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Lab {
    address: Option<LabAddress>,
    steps: usize,
    /// What the last lines are: a blank line separates different things.
    above: Above,
    /// The spinner's text while a command runs.
    running: Option<String>,
    tested: Tested,
    /// The skipped step, for the summary.
    skipped: Option<LabEvent>,
    /// The spinner of a command, or of a check with its last observation.
    live: Vec<LiveLine>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Above {
    #[default]
    Text,
    Output,
    Check,
}

impl Lab {
    pub(super) fn show(&mut self, event: &LabEvent, screen: &mut Screen) {
        match event {
            LabEvent::Started { address, steps, .. } => {
                self.address = Some(*address);
                self.steps = *steps;
                start(event, screen);
            }
            LabEvent::StepStarted { number, of, title, text, .. } => {
                self.steps = *of;
                self.above = Above::Text;
                self.step(&format!("{number}/{of}  {}", text::clean(title)), text, screen);
            }
            LabEvent::Command { command, service } => self.command(command, service.as_deref(), screen),
            LabEvent::Output { line, error } => output(line, *error, screen),
            // The first two are stages; the third is for reports.
            LabEvent::Preceding { .. } | LabEvent::Trying { .. } | LabEvent::OutputBeyond { .. } => {}
            LabEvent::OutputCut { lines } => {
                let said = format!(
                    "{} {} not shown",
                    screen.look.symbols.ellipsis,
                    words::count(*lines, "more line")
                );
                let gutter = screen.look.paint.dim(screen.look.symbols.gutter);
                screen.line(&format!("{MARGIN}{gutter} {}", screen.look.paint.dim(&said)));
            }
            LabEvent::CommandFinished { took, service, ready } => {
                self.finished(*took, service.as_deref().zip(ready.as_ref()), screen);
            }
            LabEvent::Task { task, shell } => {
                let place = format!(
                    "Run `{shell}` in another terminal: it has the lab's PATH, addresses and tokens."
                );
                self.aside("Your turn", &format!("{task}\n\n{place}"), screen);
            }
            LabEvent::Hint { number, of, text } => {
                self.aside(&format!("Hint {number} of {of}"), text, screen);
            }
            LabEvent::Tried { .. } | LabEvent::Tested { .. } => {
                self.suspend();
                self.tested.show(event, screen);
            }
            LabEvent::CheckStarted { claim } => {
                self.start_of_check(screen);
                self.live = vec![spinner(text::clean(claim), screen)];
            }
            LabEvent::CheckWaiting { claim, observed } => self.waiting(claim, observed, screen),
            LabEvent::CheckPassed { claim, evidence, took } => {
                self.start_of_check(screen);
                passed(claim, evidence, *took, screen);
            }
            LabEvent::CheckFailed { claim, expected, observed, path } => {
                self.start_of_check(screen);
                failed(claim, expected, observed, screen);
                if let Some(way) = path {
                    let room = screen.look.prose().saturating_sub(MARGIN.len() + 2);
                    let lines = why::in_short(way, &screen.look, room);
                    screen.lines(lines.iter().map(|line| format!("{MARGIN}  {line}")));
                }
            }
            LabEvent::StepFinished { number, passed, took, .. } => {
                self.suspend();
                let of = self.steps.max(*number);
                summary::verdict(*passed, &format!("step {number} of {of}"), *took, screen);
            }
            LabEvent::StepSkipped { .. } => self.skipped = Some(event.clone()),
            LabEvent::Finished { .. } => {
                self.suspend();
                summary::draw(event, self.skipped.take().as_ref(), self.address, screen);
            }
        }
    }

    /// Removes the spinner.
    pub(super) fn suspend(&mut self) {
        self.live.clear();
    }

    /// Draws the spinner again.
    pub(super) fn resume(&mut self, screen: &Screen) {
        if let Some(doing) = &self.running {
            self.live = vec![spinner(doing.clone(), screen)];
        }
    }

    fn step(&mut self, title: &str, explanation: &str, screen: &mut Screen) {
        self.suspend();
        let look = screen.look;
        screen.blank();
        screen.line(&rule(title, &look));
        if !explanation.is_empty() {
            screen.blank();
            screen.lines(page(explanation, &look));
        }
    }

    /// Prints a text for the reader between commands.
    fn aside(&mut self, title: &str, markdown: &str, screen: &mut Screen) {
        self.suspend();
        self.running = None;
        self.above = Above::Text;
        let look = screen.look;
        screen.blank();
        screen.line(&format!("{MARGIN}{}", look.paint.strong(title)));
        screen.lines(page(markdown, &look));
    }

    fn command(&mut self, command: &str, service: Option<&str>, screen: &mut Screen) {
        self.suspend();
        let look = screen.look;
        screen.blank();
        screen.lines(command_lines(&text::clean(command), &look));
        self.above = Above::Output;
        self.running = Some(
            service.map_or_else(|| "running".to_owned(), |name| format!("starting {}", text::clean(name))),
        );
        self.resume(screen);
    }

    fn finished(&mut self, took: Duration, up: Option<(&str, &Ready)>, screen: &mut Screen) {
        self.suspend();
        self.running = None;
        let look = screen.look;
        let time = look.paint.dim(&words::duration(took));
        if let Some((service, ready)) = up {
            let said = format!("{} is up: {}", text::clean(service), text::clean(&wording::ready(ready)));
            screen.lines(marked(&look.paint.good(look.symbols.up), &said, &time, &look));
        } else if took >= NOTICED {
            screen.line(&text::spread("", &time, look.prose()));
        }
    }

    /// A blank line goes before the first of several checks.
    fn start_of_check(&mut self, screen: &mut Screen) {
        self.suspend();
        self.running = None;
        if self.above != Above::Check {
            screen.blank();
        }
        self.above = Above::Check;
    }

    fn waiting(&mut self, claim: &str, observed: &str, screen: &Screen) {
        if self.live.is_empty() {
            self.live.push(spinner(text::clean(claim), screen));
        }
        self.live.truncate(1);
        let observed = text::clean(observed).replace('\n', " ");
        let look = screen.look;
        self.live
            .push(screen.live(move |_| clip(&format!("{MARGIN}  {}", look.paint.dim(&observed)), &look)));
    }
}

fn start(event: &LabEvent, screen: &mut Screen) {
    let LabEvent::Started { id, title, summary, runtime, runtime_reason, address, tools, .. } = event else {
        return;
    };
    let look = screen.look;
    screen.blank();
    let name = look.paint.dim(&format!("lab {id}"));
    screen.line(&text::spread(
        &format!("{MARGIN}{}", look.paint.title(&text::clean(title))),
        &name,
        look.prose(),
    ));
    screen.line(&look.paint.code(&look.symbols.heavy_rule.repeat(look.prose())));
    screen.blank();
    screen.lines(page(summary, &look));
    screen.blank();
    let tools: Vec<String> = tools.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let facts = [
        (
            "runtime",
            format!("{runtime} ({})", text::clean(&wording::runtime_reason(*runtime, runtime_reason))),
        ),
        ("address", address.to_string()),
        ("tools", tools.join(", ")),
    ];
    for (label, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        let lines = text::wrap(fact, Some(look.prose().saturating_sub(11)));
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { *label } else { "" };
            screen.line(&format!("{MARGIN}{}  {line}", look.paint.dim(&text::pad(label, 7))));
        }
    }
}

fn output(line: &str, error: bool, screen: &mut Screen) {
    let look = screen.look;
    let gutter = if error { look.symbols.gutter_error } else { look.symbols.gutter };
    let gutter = look.paint.apply(if error { Role::Warn } else { Role::Dim }, gutter);
    let room = look.columns().map(|columns| columns.saturating_sub(MARGIN.len() + 2));
    screen.lines(
        text::fold(&text::clean(line), room)
            .iter()
            .map(|part| format!("{MARGIN}{gutter} {part}").trim_end().to_owned()),
    );
}

fn passed(claim: &str, evidence: &[String], took: Duration, screen: &mut Screen) {
    let look = screen.look;
    let time = look.paint.dim(&words::duration(took));
    screen.lines(marked(&look.paint.good(look.symbols.pass), &text::clean(claim), &time, &look));
    for line in
        evidence.iter().flat_map(|fact| text::wrap(&text::clean(fact), Some(look.prose().saturating_sub(4))))
    {
        screen.line(format!("{MARGIN}  {}", look.paint.dim(&line)).trim_end());
    }
}

fn failed(claim: &str, expected: &str, observed: &str, screen: &mut Screen) {
    let look = screen.look;
    screen.lines(marked(&look.paint.bad(look.symbols.fail), &text::clean(claim), "", &look));
    for (label, fact) in [("expected", expected), ("observed", observed)] {
        let lines = text::wrap(text::clean(fact).trim_end(), Some(look.prose().saturating_sub(14)));
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            screen.line(&format!("{MARGIN}  {}  {line}", look.paint.dim(&text::pad(label, 8))));
        }
    }
}

fn spinner(doing: String, screen: &Screen) -> LiveLine {
    let look = screen.look;
    screen.live(move |progress: &Progress| {
        let spinner = look.paint.code(progress.frame(look.symbols.spinner));
        // One column less: some terminals wrap a full line.
        let edge = look.prose().min(look.columns().unwrap_or(usize::MAX).saturating_sub(1));
        let room = edge.saturating_sub(14);
        let doing = text::clip(&doing, room, look.symbols.ellipsis);
        let time = look.paint.dim(&text::clock(progress.elapsed));
        clip(&text::spread(&format!("{MARGIN}{spinner} {doing}"), &time, edge), &look)
    })
}

/// Cuts a live line, which must not wrap.
fn clip(line: &str, look: &Look) -> String {
    text::clip(line, look.columns().unwrap_or(usize::MAX).saturating_sub(1), look.symbols.ellipsis)
}
