//! The result of a step and of a lab, what was learned, and the next commands.

use std::time::Duration;

use super::MARGIN;
use super::lines::{page, rule};
use crate::app::ui::look::Look;
use crate::app::ui::screen::Screen;
use crate::app::ui::text;
use crate::core::event::{LabEvent, StepSummary};
use crate::core::model::{LabAddress, LabId};
use crate::core::numbers::words;

/// One line with the verdict and the time: `✔ step 2 of 7 passed`.
pub(super) fn verdict(passed: bool, what: &str, took: Duration, screen: &mut Screen) {
    let sentence = format!("{what} {}", if passed { "passed" } else { "failed" });
    verdict_line(passed, &sentence, took, screen);
}

fn verdict_line(passed: bool, sentence: &str, took: Duration, screen: &mut Screen) {
    let look = screen.look;
    let verdict = if passed {
        look.paint.good(&format!("{} {sentence}", look.symbols.pass))
    } else {
        look.paint.bad(&format!("{} {sentence}", look.symbols.fail))
    };
    screen.blank();
    screen.line(&text::spread(
        &format!("{MARGIN}{verdict}"),
        &look.paint.dim(&words::duration(took)),
        look.prose(),
    ));
}

/// The end of a lab, with the step that was skipped if one was.
pub(super) fn draw(
    event: &LabEvent,
    skipped: Option<&LabEvent>,
    address: Option<LabAddress>,
    screen: &mut Screen,
) {
    let LabEvent::Finished { id, steps, of, all, passed, learned, kept, took } = event else { return };
    let look = screen.look;
    screen.blank();
    screen.line(&rule("Summary", &look));
    screen.blank();
    screen.lines(steps.iter().map(|step| step_line(step, &look)));
    if let Some(LabEvent::StepSkipped { number, title, .. }) = skipped {
        let symbol = look.paint.dim(look.symbols.skipped);
        let number = text::pad_left(&number.to_string(), 2);
        let title = text::clean(title);
        let line = format!("{number}  {title}: skipped, --keep leaves the lab running");
        screen.line(&format!("{MARGIN}{symbol} {}", look.paint.dim(&line)));
    }
    let held = steps.iter().filter(|step| step.passed).count();
    let asked_for = words::count(*of, "step");
    let sentence = if *passed && steps.len() < *of {
        format!("lab {id} stopped: {held} of {asked_for} passed")
    } else if !*passed {
        format!("lab {id} failed: {held} of {asked_for} passed")
    } else if of < all {
        format!("{held} of the {all} steps of lab {id} passed")
    } else {
        format!("lab {id} passed: {held} of {asked_for}")
    };
    verdict_line(*passed, &sentence, *took, screen);
    if *passed && !learned.is_empty() {
        heading("What you have seen", screen);
        let list = text::ended(learned.iter().map(|item| format!("- {}", item.trim().replace('\n', "\n  "))));
        screen.lines(page(&list, &look));
    }
    heading("What next", screen);
    let commands = next(id, *passed, *kept, address);
    let widest = commands.iter().map(|(command, _)| text::width(command)).max().unwrap_or(0);
    for (command, what) in &commands {
        let room = look.prose().saturating_sub(widest + 4).max(16);
        for (number, line) in text::wrap(what, Some(room)).iter().enumerate() {
            let command = if number == 0 { command.as_str() } else { "" };
            screen.line(&format!("{MARGIN}{}  {line}", look.paint.code(&text::pad(command, widest))));
        }
    }
}

fn heading(title: &str, screen: &mut Screen) {
    screen.blank();
    screen.line(&format!("{MARGIN}{}", screen.look.paint.strong(title)));
    screen.blank();
}

fn step_line(step: &StepSummary, look: &Look) -> String {
    let symbol =
        if step.passed { look.paint.good(look.symbols.pass) } else { look.paint.bad(look.symbols.fail) };
    let checks = if step.checks == 0 { String::new() } else { words::count(step.checks, "check") };
    let right = look.paint.dim(&format!("{checks}  {}", text::pad_left(&words::duration(step.took), 9)));
    let room = look.prose().saturating_sub(text::width(&right) + 11);
    let title = text::clip(&text::clean(&step.title), room, look.symbols.ellipsis);
    let number = look.paint.dim(&text::pad_left(&step.number.to_string(), 2));
    text::spread(&format!("{MARGIN}{symbol} {number}  {title}"), &right, look.prose())
}

/// The next commands, and what each does.
fn next(id: &LabId, passed: bool, kept: bool, address: Option<LabAddress>) -> Vec<(String, &'static str)> {
    let elsewhere = match address {
        Some(address) if address != LabAddress::DEFAULT => format!(" --address {address}"),
        _ => String::new(),
    };
    let meshlab = |command: &str| format!("meshlab {command}{elsewhere}");
    if kept {
        return vec![
            (meshlab("shell"), "look around: the lab's PATH, addresses and tokens"),
            (meshlab("status"), "what runs, and where"),
            (meshlab("logs -f"), "what the components write"),
            (meshlab("down"), "take it all down"),
        ];
    }
    let again = meshlab(&format!("lab {id} --keep"));
    if passed {
        vec![
            (again, "run it and leave it up, to try things"),
            ("meshlab lab list".to_owned(), "the other labs"),
        ]
    } else {
        vec![
            (again, "run it and leave it up, to look into it"),
            ("meshlab doctor".to_owned(), "what this machine can do"),
        ]
    }
}
