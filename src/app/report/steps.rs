//! The part of the page that tells of one step: why, what was typed, what came of it, and the proof.

use std::time::Duration;

use super::markdown;
use super::record::{Act, Check, Command, Hop, Line, Proof, Step, Verdict};
use super::sign::{Sign, add, duration};
use crate::core::model::call_path::HopState;
use crate::core::page::escape;

pub(super) fn section(step: &Step) -> String {
    let sign = Sign::of(step.verdict);
    let number = step.number;
    let told = format!("{} in {}", sign.word, duration(step.took));
    let mut html = format!(
        "<section class=\"step\" id=\"step-{number}\">\n<h2><span class=\"number\">{number}</span> {} <span class=\"verdict {}\">{} {told}</span></h2>\n",
        escape(&step.title),
        sign.class,
        sign.symbol,
    );
    html.push_str(&markdown::render(&step.text, &format!("Drawing of step {number}")));
    for act in &step.acts {
        html.push_str(&match act {
            Act::Command(one) => command(one, step.verdict),
            Act::Check(one) => check(one, step.verdict),
            Act::Task { text } => said("task", "Your turn", text),
            Act::Hint { text } => said("hint", "Hint", text),
        });
    }
    html.push_str("</section>\n");
    html
}

fn command(command: &Command, verdict: Verdict) -> String {
    let took = command.took.filter(|_| command.service.is_none()).map(time);
    let mut html = format!(
        "<div class=\"command\">\n<div class=\"line\"><pre class=\"typed\"><code>{}</code></pre>{}</div>\n",
        escape(command.command.trim_end()),
        took.unwrap_or_default()
    );
    let (shown, beyond): (Vec<&Line>, Vec<&Line>) = command.output.iter().partition(|line| line.shown);
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
            let said = format!("<b>{}</b> is up{}", escape(service), ready.unwrap_or_default());
            let sign = "<span class=\"sign good\" aria-hidden=\"true\">●</span>";
            add(&mut html, &format!("<p class=\"fact\">{sign} <span>{said}</span> {}</p>", time(took)));
        }
        (None, Some(_)) => {}
        (_, None) => {
            let sign = Sign::of(verdict);
            let said = match (&command.service, verdict) {
                (_, Verdict::Interrupted) => "interrupted".to_owned(),
                (Some(service), _) => format!("{} did not get ready", escape(service)),
                (None, _) => "it did not end well".to_owned(),
            };
            add(&mut html, &format!("<p class=\"fact\">{} <span>{said}</span></p>", sign.html()));
        }
    }
    html.push_str("</div>\n");
    html
}

fn said(class: &str, label: &str, text: &str) -> String {
    format!("<div class=\"said {class}\"><b>{label}</b>{}</div>\n", markdown::render(text, label))
}

fn time(took: Duration) -> String {
    format!("<span class=\"time\">{}</span>", duration(took))
}

/// What went to standard error is marked.
fn output(lines: &[&Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    // A browser leaves out the first line's end.
    let mut html = "<pre class=\"output\">\n".to_owned();
    for line in lines {
        let text = escape(&line.text);
        add(&mut html, &if line.error { format!("<span class=\"err\">{text}</span>") } else { text });
    }
    html.push_str("</pre>\n");
    html
}

fn check(check: &Check, verdict: Verdict) -> String {
    let sign = match check.proof {
        Proof::Passed { .. } => Sign::of(Verdict::Passed),
        Proof::Failed { .. } => Sign::of(Verdict::Failed),
        Proof::Unfinished { .. } => Sign::of(verdict),
    };
    let mut html = format!(
        "<div class=\"check {}\">\n<p class=\"fact\">{} <span>{}</span> {}</p>\n",
        sign.class,
        sign.html(),
        escape(&check.claim),
        time(check.took)
    );
    match &check.proof {
        Proof::Passed { evidence } => html.push_str(&listed(evidence)),
        Proof::Failed { expected, observed, path } => {
            let facts = [("expected", expected), ("observed", observed)];
            html.push_str("<dl class=\"facts\">\n");
            for (label, fact) in facts {
                add(&mut html, &format!("<dt>{label}</dt><dd>{}</dd>", escape(fact.trim_end())));
            }
            html.push_str("</dl>\n");
            html.push_str(&way(path));
        }
        Proof::Unfinished { observed: Some(observed) } => {
            let observed = escape(observed.trim_end());
            add(&mut html, &format!("<dl class=\"facts\"><dt>observed last</dt><dd>{observed}</dd></dl>"));
        }
        Proof::Unfinished { observed: None } => {}
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

/// The way of a call, hop by hop.
fn way(hops: &[Hop]) -> String {
    if hops.is_empty() {
        return String::new();
    }
    let mut html = "<ol class=\"way\">\n".to_owned();
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
