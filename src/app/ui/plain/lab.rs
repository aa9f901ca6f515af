//! A lab as a log: commands, output, checks. Explanations are for terminals and for `-v`.

use std::time::{Duration, Instant};

use super::one_line;
use crate::app::ui::look::Look;
use crate::app::ui::pace::Pace;
use crate::app::ui::screen::Screen;
use crate::app::ui::{markdown, text, why, wording};
use crate::core::event::LabEvent;
use crate::core::numbers::words;

/// The time between two lines about a check that does not hold yet.
const BETWEEN_WAITS: Duration = Duration::from_secs(10);

pub(super) struct Lab {
    waits: Pace,
    steps: usize,
}

impl Default for Lab {
    fn default() -> Self {
        Self { waits: Pace::new(BETWEEN_WAITS), steps: 0 }
    }
}

impl Lab {
    pub(super) fn show(&mut self, event: &LabEvent, screen: &mut Screen) {
        let look = screen.look;
        let paint = look.paint;
        match event {
            LabEvent::Started { steps, summary, .. } => {
                self.steps = *steps;
                screen.line(&banner(event));
                explain(summary, &look, screen);
            }
            LabEvent::StepStarted { number, of, title, text, .. } => {
                self.steps = *of;
                screen.line(&paint.strong(&format!("step {number}/{of}: {}", one_line(title))));
                explain(text, &look, screen);
            }
            LabEvent::Command { command, .. } => {
                for (number, line) in text::clean(command).trim_end().lines().enumerate() {
                    screen.line(&format!("  {} {line}", if number == 0 { "$" } else { " " }));
                }
            }
            LabEvent::Output { line, error } => {
                let gutter = if *error { look.symbols.gutter_error } else { look.symbols.gutter };
                screen.line(format!("  {gutter} {}", one_line(line)).trim_end());
            }
            LabEvent::OutputCut { lines } => {
                let gutter = look.symbols.gutter;
                screen.line(&format!("  {gutter} ({} not shown)", words::count(*lines, "more line")));
            }
            LabEvent::CommandFinished { took, service, ready } => {
                if let (Some(service), Some(ready)) = (service, ready) {
                    screen.line(&format!(
                        "  {} is up: {} ({})",
                        one_line(service),
                        one_line(&wording::ready(ready)),
                        words::duration(*took)
                    ));
                }
            }
            // The first two are stages, the third is for reports; only a reader at a terminal is asked.
            LabEvent::Preceding { .. }
            | LabEvent::Trying { .. }
            | LabEvent::OutputBeyond { .. }
            | LabEvent::Task { .. }
            | LabEvent::Hint { .. } => {}
            LabEvent::Tried { .. } | LabEvent::Tested { .. } => show_self_test(event, screen),
            LabEvent::CheckStarted { claim } => self.waits.start(claim, Instant::now()),
            LabEvent::CheckWaiting { claim, observed } => {
                if self.waits.is_due(claim, Instant::now()) {
                    screen.line(&format!("  waiting: {} ({})", one_line(claim), one_line(observed)));
                }
            }
            LabEvent::CheckPassed { claim, evidence, took } => {
                screen.line(&format!(
                    "  {} {} ({})",
                    paint.good("ok:"),
                    one_line(claim),
                    words::duration(*took)
                ));
                screen.lines(evidence.iter().map(|fact| format!("      {}", one_line(fact))));
            }
            LabEvent::CheckFailed { claim, expected, observed, path } => {
                screen.line(&format!("  {} {}", paint.bad("FAILED:"), one_line(claim)));
                screen.line(&format!("      expected: {}", one_line(expected)));
                screen.line(&format!("      observed: {}", one_line(observed)));
                if let Some(way) = path {
                    screen.lines(
                        why::in_short(way, &look, look.prose().saturating_sub(6))
                            .iter()
                            .map(|line| format!("      {line}")),
                    );
                }
            }
            LabEvent::StepFinished { number, passed, took, .. } => {
                let of = self.steps.max(*number);
                screen.line(&format!(
                    "step {number}/{of} {} ({})",
                    verdict(*passed, &look),
                    words::duration(*took)
                ));
            }
            LabEvent::StepSkipped { number, of, title, .. } => {
                let title = one_line(title);
                screen.line(&format!("step {number}/{of} skipped: {title} (--keep leaves the lab running)"));
            }
            LabEvent::Finished { id, steps, of, all, passed, took, .. } => {
                let held = steps.iter().filter(|step| step.passed).count();
                let verdict = verdict(*passed, &look);
                let asked_for = words::count(*of, "step");
                let rest = if of < all { format!(", of {all} in all") } else { String::new() };
                let took = words::duration(*took);
                screen.line(&format!("lab {id} {verdict}: {held} of {asked_for}{rest} ({took})"));
            }
        }
    }
}

/// The trials of `lab test`.
fn show_self_test(event: &LabEvent, screen: &mut Screen) {
    let look = screen.look;
    let paint = look.paint;
    match event {
        LabEvent::Tried { number, of, trial, passed, observed, took, step, .. } => {
            screen.line(&format!(
                "{} step {number}/{of} {step}, {}: {} ({})",
                if *passed { paint.good("ok:") } else { paint.bad("WRONG:") },
                trial.name(),
                one_line(observed),
                words::duration(*took)
            ));
        }
        LabEvent::Tested { id, steps, of, trials, wrong, passed, took } => {
            screen.line(&format!(
                "lab {id} tested, {}: {steps} of {}, {}, {wrong} wrong ({})",
                verdict(*passed, &look),
                words::count(*of, "step"),
                words::count(*trials, "trial"),
                words::duration(*took)
            ));
        }
        _ => {}
    }
}

fn banner(event: &LabEvent) -> String {
    let LabEvent::Started { id, title, runtime, runtime_reason, address, tools, .. } = event else {
        return String::new();
    };
    let tools: Vec<String> = tools.iter().map(|(name, version)| format!(", {name} {version}")).collect();
    let (title, reason) = (one_line(title), one_line(&wording::runtime_reason(*runtime, runtime_reason)));
    format!("lab {id}: {title} ({runtime}: {reason}; {address}{})", tools.concat())
}

fn explain(explanation: &str, look: &Look, screen: &mut Screen) {
    if look.verbose {
        screen.lines(
            markdown::render(explanation, look.prose().saturating_sub(2), look)
                .iter()
                .map(|line| format!("  {line}").trim_end().to_owned()),
        );
    }
}

fn verdict(passed: bool, look: &Look) -> String {
    if passed { look.paint.good("passed") } else { look.paint.bad("FAILED") }
}
