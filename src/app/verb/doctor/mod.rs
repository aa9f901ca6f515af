//! `meshlab doctor`: what this machine lacks, how to fix it, and who can reach a running lab.

mod containers;
mod machine;
mod ports;
mod running;
mod tools;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Context, Output, Run};
use crate::app::ui::{self, Look, Note, Weight};
use crate::artifacts::lockfile::Lock;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Settings;
use crate::machine::choose::choose;
use crate::machine::state::RunDir;

/// Check this machine, and show how to fix what is missing
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs;

impl Run for DoctorArgs {
    /// It reports that HOME is missing.
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (output, outcome) = run(&context.settings, &context.lock()?).await?;
        context.print(&output)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// The label of a fix.
const FIX: &str = "fix";

/// Findings under one title.
struct Section {
    title: String,
    notes: Vec<Note>,
}

/// Checks the machine and what runs on it. The second value fails (exit 6) if there is a problem.
pub(super) async fn run(settings: &Settings, lock: &Lock) -> Result<(Output, Result<()>)> {
    let section = |title: &str, notes| Section { title: title.to_owned(), notes };
    let (mut containers, daemon) = containers::docker(settings).await;
    containers.push(containers::bridge_networks(settings, lock, daemon.as_ref()));
    // What keeps a lab from getting a backend has its own finding.
    let choice = choose(settings).await.ok();
    let in_containers = choice.as_ref().is_some_and(|choice| choice.backend.version().is_some());
    let ports = choice.map_or(Ok(Vec::new()), |choice| ports::lab_ports(settings, &choice))?;
    let mut sections = vec![
        section("This machine", machine::machine(settings)),
        section("Containers", containers),
        section("Tools", tools::tools(settings, lock, in_containers)),
        section("Ports", ports),
    ];
    for run in RunDir::all(&settings.dirs.state)? {
        if let Some(state) = run.load() {
            let title = format!("Lab {} on {}: who can reach it", state.lab, state.address);
            sections.push(Section { title, notes: running::reach(&run, &state).await });
        }
    }
    let bad = sections.iter().flat_map(|section| &section.notes).filter(|note| note.weight == Weight::Bad);
    let outcome = match bad.count() {
        0 => Ok(()),
        count => {
            let noun = if count == 1 { "problem" } else { "problems" };
            Err(Failure::new(FailureKind::MissingRequirement, format!("this machine has {count} {noun}"))
                .hint("see the fix of each problem above"))
        }
    };
    Ok((output(&sections, &Look::of_stdout(settings)), outcome))
}

/// A failure as a finding. `fix` stands for a hint that is missing.
fn problem(subject: &str, failure: &Failure, fix: &str) -> Note {
    let details = failure.details().iter().map(|detail| format!("; {}: {}", detail.label, detail.text));
    let seen = format!("{}{}", failure.message(), details.collect::<String>());
    Note::new(Weight::Bad, subject, seen).advice(FIX, failure.hint_text().unwrap_or(fix))
}

fn output(sections: &[Section], look: &Look) -> Output {
    let texts: Vec<String> = sections
        .iter()
        .filter(|section| !section.notes.is_empty())
        .map(|section| format!("{}\n\n{}", section.title, ui::notes(&section.notes, look)))
        .collect();
    let findings: Vec<Value> = sections
        .iter()
        .flat_map(|section| section.notes.iter().map(|note| as_json(&section.title, note)))
        .collect();
    Output { human: texts.join("\n"), json: json!({"schema": 1, "findings": findings}) }
}

fn as_json(title: &str, note: &Note) -> Value {
    let verdict = match note.weight {
        Weight::Good => "ok",
        Weight::Warning => "note",
        Weight::Bad => "fail",
    };
    let fix = note.advice.as_ref().map(|(_, advice)| advice);
    json!({"section": title, "verdict": verdict, "what": note.subject, "seen": note.seen, "fix": fix})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ui::testing::{look, shown};

    fn sections() -> [Section; 2] {
        let section = |title: &str, notes| Section { title: title.to_owned(), notes };
        [
            section("This machine", vec![
                Note::new(Weight::Good, "memory", "22.2 GB available"),
                Note::new(Weight::Bad, "open files", "256 for each process").advice(FIX, "`ulimit -n 4096` in this shell"),
            ]),
            section("Lab 2-calculator on 127.0.0.1: who can reach it", vec![
                Note::new(Weight::Good, "Nomad", "closed: without a token, GET /v1/jobs gets 403"),
                Note::new(Weight::Warning, "Envoys", "open: 5 of 5 admin pages (127.0.0.1:19000 to 19004) need no token: every user of this machine may stop these Envoys and read their configuration")
                    .advice(FIX, "Envoy has no access control for it: do not run the lab on a machine with users you do not trust"),
            ]),
        ]
    }

    #[test]
    fn findings_at_80_columns() {
        let output = output(&sections(), &look(80));
        assert!(output.human.lines().all(|line| line.chars().count() <= 80), "{}", output.human);
        insta::assert_snapshot!(output.human);
        insta::assert_snapshot!("findings_as_json", serde_json::to_string_pretty(&output.json).unwrap());
    }

    #[test]
    fn findings_in_colour() {
        insta::assert_snapshot!(shown(&output(&sections(), &look(80).colored()).human));
    }
}
