//! `meshlab doctor`: what this machine can do, and how to mend what it can't; and who can reach what runs.

mod containers;
mod machine;
mod running;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Context, Output, Run};
use crate::app::ui::{self, Look, Note, Weight};
use crate::artifacts::lockfile::Lock;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Settings;
use crate::labs::Catalog;
use crate::machine::choose::choose;
use crate::machine::ports;
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

/// The word before what mends a finding.
const FIX: &str = "fix";

/// Findings under one title.
struct Section {
    title: String,
    notes: Vec<Note>,
}

/// Looks at the machine and at what runs on it. Every failure comes with its fix; the second value fails the run (exit 6)
/// if there is one.
async fn run(settings: &Settings, lock: &Lock) -> Result<(Output, Result<()>)> {
    let section = |title: &str, notes| Section { title: title.to_owned(), notes };
    let (mut containers, daemon) = containers::docker(settings).await;
    containers.push(containers::bridge_networks(settings, lock, daemon.as_ref()));
    let mut sections = vec![
        section("This machine", machine::machine(settings, lock)),
        section("Containers", containers),
        section("Tools", machine::provisioned(settings, lock)),
        section("Ports", lab_ports(settings).await?),
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
            let noun = if count == 1 { "finding stands" } else { "findings stand" };
            Err(Failure::new(FailureKind::MissingRequirement, format!("{count} {noun} in the way"))
                .hint("each names its fix above"))
        }
    };
    Ok((output(&sections, &Look::of_stdout(settings)), outcome))
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

/// The ports of the labs on the backend that a lab would get now.
async fn lab_ports(settings: &Settings) -> Result<Vec<Note>> {
    // What keeps a lab from getting a backend has its own note.
    let Ok(choice) = choose(settings).await else { return Ok(Vec::new()) };
    let placement = choice.backend.placement();
    let run = RunDir::new(&settings.dirs.state, choice.address);
    if let Some(state) = run.load() {
        let seen = format!("lab {} runs on {} and has them", state.lab, choice.address);
        return Ok(vec![Note::new(Weight::Good, "labs' ports", seen)]);
    }
    let catalog = Catalog::find(&settings.work_dir)?;
    let mut findings = Vec::new();
    for id in catalog.ids() {
        let lab = match catalog.lab(id.as_str(), settings.address) {
            Ok(lab) => lab,
            Err(failure) => {
                findings.push(Note::new(Weight::Warning, format!("ports of {id}"), failure.message()));
                continue;
            }
        };
        let needed = placement.needed_here(&lab.ports);
        let taken = ports::taken(placement.published_on, &needed);
        let subject = format!("ports of {id}");
        if taken.is_empty() {
            findings.push(Note::new(
                Weight::Good,
                subject.clone(),
                format!("all {} free on {}", needed.len(), placement.published_on),
            ));
        }
        for port in taken {
            let seen = format!("{} ({}) is held by {}", port.address, port.purpose, port.reason);
            findings.push(Note::new(Weight::Bad, subject.clone(), seen).advice(
                FIX,
                "stop the holder, or use another address: --address 127.0.0.2 (containers: 10.10.20.150)",
            ));
        }
    }
    Ok(findings)
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
                Note::new(Weight::Warning, "Envoys", "open: 5 of 5 admin pages (127.0.0.1:19000 to 19004) answer anybody, so every user of this machine may stop these Envoys and read how they are configured")
                    .advice(FIX, "none but not sharing the machine while the lab runs: Envoy has no access control there"),
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
