//! The section of one step in the HTML report: explanation, commands, output, checks.

use std::time::Duration;

use super::markdown;
use super::record::{
    Act, CheckOutcome, CheckRecord, CommandRecord, HopRecord, OutputLine, StepOutcome, StepRecord,
};
use super::sign::{Sign, add, duration};
use crate::core::model::call_path::HopState;
use crate::core::page::escape;

pub(super) fn section(step: &StepRecord) -> String {
    let sign = Sign::of(step.verdict);
    let number = step.number;
    let outcome = format!("{} in {}", sign.word, duration(step.took));
    let mut html = format!(
        "<section class=\"step\" id=\"step-{number}\">\n<h2><span class=\"number\">{number}</span> {} <span class=\"verdict {}\">{} {outcome}</span></h2>\n",
        escape(&step.title),
        sign.class,
        sign.symbol,
    );
    html.push_str(&markdown::render(&step.text, &format!("Drawing of step {number}")));
    for act in &step.acts {
        html.push_str(&match act {
            Act::Command(one) => command(one, step.verdict),
            Act::Check(one) => check(one, step.verdict),
            Act::Task { text } => callout("task", "Your turn", text),
            Act::Hint { text } => callout("hint", "Hint", text),
        });
    }
    html.push_str("</section>\n");
    html
}

fn command(command: &CommandRecord, verdict: StepOutcome) -> String {
    let took = command.took.filter(|_| command.service.is_none()).map(time);
    let mut html = format!(
        "<div class=\"command\">\n<div class=\"line\"><pre class=\"typed\"><code>{}</code></pre>{}</div>\n",
        escape(command.command.trim_end()),
        took.unwrap_or_default()
    );
    let (shown, beyond): (Vec<&OutputLine>, Vec<&OutputLine>) =
        command.output.iter().partition(|line| line.shown);
    html.push_str(&output(&shown));
    if !beyond.is_empty() {
        let more = lines(beyond.len());
        let more = if shown.is_empty() { format!("{more} of output") } else { format!("{more} more") };
        add(&mut html, &format!("<details><summary>{more}</summary>\n{}</details>", output(&beyond)));
    }
    if command.lines_left_out > 0 {
        let left_out = lines(command.lines_left_out);
        add(&mut html, &format!("<p class=\"note\">{left_out} more are not in this report.</p>"));
    }
    match (&command.service, command.took) {
        (Some(service), Some(took)) => {
            let ready = command.ready.as_ref().map(|ready| format!(": {}", escape(ready)));
            let text = format!("<b>{}</b> is up{}", escape(service), ready.unwrap_or_default());
            let sign = "<span class=\"sign good\" aria-hidden=\"true\">●</span>";
            add(&mut html, &format!("<p class=\"fact\">{sign} <span>{text}</span> {}</p>", time(took)));
        }
        (None, Some(_)) => {}
        (_, None) => {
            let sign = Sign::of(verdict);
            let text = match (&command.service, verdict) {
                (_, StepOutcome::Interrupted) => "interrupted".to_owned(),
                (Some(service), _) => format!("{} did not become ready", escape(service)),
                (None, _) => "failed".to_owned(),
            };
            add(&mut html, &format!("<p class=\"fact\">{} <span>{text}</span></p>", sign.html()));
        }
    }
    html.push_str("</div>\n");
    html
}

fn callout(class: &str, label: &str, text: &str) -> String {
    format!("<div class=\"said {class}\"><b>{label}</b>{}</div>\n", markdown::render(text, label))
}

fn time(took: Duration) -> String {
    format!("<span class=\"time\">{}</span>", duration(took))
}

/// Output lines. Those of standard error are marked.
fn output(lines: &[&OutputLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    // A browser ignores a line break right after <pre>.
    let mut html = "<pre class=\"output\">\n".to_owned();
    for line in lines {
        let text = escape(&line.text);
        add(&mut html, &if line.error { format!("<span class=\"err\">{text}</span>") } else { text });
    }
    html.push_str("</pre>\n");
    html
}

fn check(check: &CheckRecord, verdict: StepOutcome) -> String {
    let sign = match check.outcome {
        CheckOutcome::Passed { .. } => Sign::of(StepOutcome::Passed),
        CheckOutcome::Failed { .. } => Sign::of(StepOutcome::Failed),
        CheckOutcome::Unfinished { .. } => Sign::of(verdict),
    };
    let mut html = format!(
        "<div class=\"check {}\">\n<p class=\"fact\">{} <span>{}</span> {}</p>\n",
        sign.class,
        sign.html(),
        escape(&check.claim),
        time(check.took)
    );
    match &check.outcome {
        CheckOutcome::Passed { evidence } => html.push_str(&listed(evidence)),
        CheckOutcome::Failed { expected, observed, path } => {
            let facts = [("expected", expected), ("observed", observed)];
            html.push_str("<dl class=\"facts\">\n");
            for (label, fact) in facts {
                add(&mut html, &format!("<dt>{label}</dt><dd>{}</dd>", escape(fact.trim_end())));
            }
            html.push_str("</dl>\n");
            html.push_str(&call_path(path));
        }
        CheckOutcome::Unfinished { observed: Some(observed) } => {
            let observed = escape(observed.trim_end());
            add(&mut html, &format!("<dl class=\"facts\"><dt>observed last</dt><dd>{observed}</dd></dl>"));
        }
        CheckOutcome::Unfinished { observed: None } => {}
    }
    html.push_str("</div>\n");
    html
}

fn listed(facts: &[String]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let mut html = "<ul class=\"evidence\">\n".to_owned();
    for fact in facts {
        add(&mut html, &format!("<li>{}</li>", escape(fact)));
    }
    html.push_str("</ul>\n");
    html
}

/// The path of a call, hop by hop.
fn call_path(hops: &[HopRecord]) -> String {
    if hops.is_empty() {
        return String::new();
    }
    let mut html = "<ol class=\"path\">\n".to_owned();
    for hop in hops {
        let (symbol, class) = match hop.state {
            HopState::Open => ("✔", "good"),
            HopState::Doubtful => ("!", "warn"),
            HopState::Stopped => ("✘", "bad"),
            HopState::Unreached => ("–", "quiet"),
        };
        let word = hop.state.word();
        let sign = Sign { symbol, word, class }.html();
        let name = escape(&hop.name);
        add(
            &mut html,
            &format!("<li>{sign} {name} <span class=\"time\">{word}</span>{}</li>", listed(&hop.found)),
        );
    }
    html.push_str("</ol>\n");
    html
}

fn lines(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} line{plural}")
}
