//! The HTML report: one page without scripts, which fetches nothing. Light, dark, screen and print.

use std::time::Duration;

use super::record::{FailureRecord, RunOutcome, RunRecord, StepOutcome, StepRecord};
use super::sign::{Sign, add, duration};
use super::{markdown, steps};
use crate::core::page::{PAGE_STYLE, escape};

const STYLE: &str = include_str!("../../../assets/report/lab.css");

impl RunRecord {
    /// The HTML report, self-contained.
    pub(crate) fn html(&self) -> String {
        [
            head(self),
            navigation(self),
            "<main>\n".to_owned(),
            self.failure.as_ref().map(|failure| failure_section(failure, self.outcome)).unwrap_or_default(),
            summary(self),
            timeline(self),
            self.steps.iter().filter(|step| step.ran()).map(steps::section).collect(),
            learned(self),
            circumstances(self),
            "</main>\n</body>\n</html>\n".to_owned(),
        ]
        .concat()
    }
}

fn head(record: &RunRecord) -> String {
    let sign = Sign::of_outcome(record.outcome);
    let title = escape(&record.title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: {}</title>\n<style>\n{PAGE_STYLE}{STYLE}</style>\n</head>\n<body class=\"lab\">\n<header>\n\
         <p class=\"over\">meshlab lab <b>{}</b></p>\n<h1>{title}</h1>\n<dl class=\"figures\">\n",
        sign.word,
        escape(record.lab.as_str()),
    );
    let (checks_passed, checks) = record
        .steps
        .iter()
        .map(StepRecord::checks)
        .fold((0, 0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
    let passed = record.steps.iter().filter(|step| step.verdict == StepOutcome::Passed).count();
    let outcome = format!("<span class=\"{}\">{} {}</span>", sign.class, sign.symbol, sign.word);
    let runtime = record.location.as_ref().map_or("none", |location| location.runtime.as_str());
    for (name, value) in [
        ("outcome", outcome),
        ("steps passed", format!("{passed} of {}", record.steps.len())),
        ("checks passed", format!("{checks_passed} of {checks}")),
        ("time", duration(record.took)),
        ("runtime", escape(runtime)),
    ] {
        add(&mut html, &format!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    }
    html.push_str("</dl>\n</header>\n");
    html
}

fn navigation(record: &RunRecord) -> String {
    let mut html = "<nav aria-label=\"Steps\">\n<ol>\n".to_owned();
    for step in &record.steps {
        let sign = Sign::of(step.verdict);
        let title =
            format!("{} <span class=\"number\">{}</span> {}", sign.html(), step.number, escape(&step.title));
        let time =
            if step.ran() { duration(step.took) } else { step.not_run.unwrap_or(sign.word).to_owned() };
        let class = sign.class_unless_passed();
        let title = if step.ran() {
            format!("<a href=\"#step-{}\">{title}</a>", step.number)
        } else {
            format!("<span>{title}</span>")
        };
        add(&mut html, &format!("<li class=\"{class}\">{title} <span class=\"time\">{time}</span></li>"));
    }
    html.push_str("</ol>\n</nav>\n");
    html
}

fn failure_section(failure: &FailureRecord, outcome: RunOutcome) -> String {
    let sign = Sign::of_outcome(outcome);
    let mut html = format!(
        "<section class=\"failure {}\">\n<h2>{} {}</h2>\n",
        sign.class,
        sign.symbol,
        escape(&failure.message)
    );
    if !failure.details.is_empty() {
        html.push_str("<dl class=\"facts\">\n");
        for fact in &failure.details {
            let (label, text) = (escape(&fact.label), escape(fact.text.trim_end()));
            add(&mut html, &format!("<dt>{label}</dt><dd>{text}</dd>"));
        }
        html.push_str("</dl>\n");
    }
    if let Some(hint) = &failure.hint {
        add(
            &mut html,
            &format!("<div class=\"said hint\"><b>What to do</b>{}</div>", markdown::render(hint, "hint")),
        );
    }
    html.push_str("</section>\n");
    html
}

fn summary(record: &RunRecord) -> String {
    let drawing = format!("Topology of {}", record.title);
    format!("<section class=\"summary\">\n{}</section>\n", markdown::render(&record.summary, &drawing))
}

/// The steps in a row, each as wide as its share of the time.
fn timeline(record: &RunRecord) -> String {
    let ran: Vec<&StepRecord> = record.steps.iter().filter(|step| step.ran()).collect();
    if ran.is_empty() {
        return String::new();
    }
    let all: Duration = ran.iter().map(|step| step.took).sum();
    let mut html = "<section>\n<h2>Where the time went</h2>\n<ol class=\"timeline\">\n".to_owned();
    for step in ran {
        let sign = Sign::of(step.verdict);
        let (word, class) = (sign.word, sign.class_unless_passed());
        let share = step.took.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE) * 100.0;
        add(
            &mut html,
            &format!(
                "<li class=\"{class}\" style=\"flex-grow:{share:.2}\"><a href=\"#step-{}\" title=\"{}: {word}, {}\">{}</a></li>",
                step.number,
                escape(&step.title),
                duration(step.took),
                step.number
            ),
        );
    }
    html.push_str("</ol>\n</section>\n");
    html
}

fn learned(record: &RunRecord) -> String {
    if record.learned.is_empty() {
        return String::new();
    }
    let mut html = "<section class=\"learned\">\n<h2>What you have seen</h2>\n<ul>\n".to_owned();
    for item in &record.learned {
        add(&mut html, &format!("<li>{}</li>", markdown::render(item, "learned").trim_end()));
    }
    html.push_str("</ul>\n</section>\n");
    html
}

fn circumstances(record: &RunRecord) -> String {
    let tools: Vec<String> =
        record.tools.iter().map(|tool| format!("{} {}", tool.name, tool.version)).collect();
    let mut rows = vec![("started", httpdate::fmt_http_date(record.started_at))];
    if let Some(location) = &record.location {
        rows.push(("runtime", format!("{} ({})", location.runtime, location.reason)));
        rows.push(("address", location.address.to_string()));
    }
    if !tools.is_empty() {
        rows.push(("tools", tools.join(", ")));
    }
    rows.push(("meshlab", format!("{}, {}", record.meshlab, record.platform)));
    if record.kept {
        rows.push(("afterwards", "the components still run (--keep)".to_owned()));
    }
    let mut html = "<section>\n<h2>How it ran</h2>\n<div class=\"wide\"><table>\n<tbody>\n".to_owned();
    for (name, value) in rows {
        add(&mut html, &format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(&value)));
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
    html
}
