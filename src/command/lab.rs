//! `meshlab lab`: run a numbered lab, or look into one.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::artifact::provision::{Request, provision};
use crate::artifact::tool::InstalledTool;
use crate::cli::{LabRunArgs, Settings};
use crate::event::{Event, LabEvent, RuntimeEvent, SharedReporter, Silent, StepSummary};
use crate::failure::{FailureKind, Result};
use crate::image;
use crate::lab::{Catalog, Components, Lab, Place, Session};
use crate::lockfile::Lock;
use crate::model::ArtifactName;
use crate::runtime::{RuntimeKind, docker};
use crate::signals::interrupted;
use crate::state::RunDir;
use crate::ui::{Answer, Cell, Console, Look, Table};
use crate::vm::installed_packages;

use super::Output;
use super::runtime::{self, Chosen, Images};

/// All labs, in order.
pub fn list(settings: &Settings) -> Result<Output> {
    let catalog = Catalog::find(&settings.work_dir)?;
    let mut table = Table::new(["LAB", "STEPS", "NEEDS", "WHAT IT IS ABOUT"]).right(1);
    let mut rows = Vec::new();
    for id in catalog.ids() {
        let name = Cell::strong(id.to_string());
        match catalog.lab(id.as_str(), settings.address) {
            Ok(lab) => {
                let needs: Vec<&str> = lab.tools.iter().map(ArtifactName::as_str).collect();
                table.row([
                    name,
                    lab.steps.len().to_string().into(),
                    needs.join(", ").into(),
                    lab.title.clone().into(),
                ]);
                rows.push(
                    json!({"id": id, "title": lab.title, "steps": lab.steps.len(), "tools": lab.tools}),
                );
            }
            // One that is being written must not hide the others.
            Err(failure) => {
                table.row([name, "".into(), "".into(), Cell::bad(failure.message())]);
                rows.push(json!({"id": id, "error": failure.message()}));
            }
        }
    }
    let human = table.render(&Look::of_stdout(settings));
    Ok(Output { human, json: json!({"schema": 1, "labs": rows}) })
}

/// What a lab teaches, and its steps.
pub fn show(name: &str, settings: &Settings) -> Result<Output> {
    let lab = Catalog::find(&settings.work_dir)?.lab(name, settings.address)?;
    let look = Look::of_stdout(settings);
    let steps: Vec<String> =
        lab.steps.iter().enumerate().map(|(index, step)| format!("{}. {}", index + 1, step.title)).collect();
    let text = format!(
        "# {}\n\n{}\n\n{}\n\n`meshlab lab {}` runs it.\n",
        lab.title,
        lab.summary,
        steps.join("\n"),
        lab.id
    );
    let steps: Vec<_> = lab.steps.iter().map(|step| json!({"id": step.id, "title": step.title})).collect();
    let json = json!({
        "schema": 1, "id": lab.id, "title": lab.title, "summary": lab.summary, "tools": lab.tools,
        "ports": lab.ports.iter().map(|port| json!({"port": port.port, "purpose": port.purpose})).collect::<Vec<_>>(),
        "steps": steps, "learned": lab.learned,
    });
    Ok(Output { human: crate::ui::markdown(&text, &look), json })
}

/// Runs a lab from its first step to its last and, unless it is to be kept, takes everything down again.
pub async fn run(args: &LabRunArgs, settings: &Settings, lock: &Lock, console: &Arc<Console>) -> Result<()> {
    let reporter: &SharedReporter = &(Arc::clone(console) as SharedReporter);
    let name = args.name.as_deref().unwrap_or_default();
    let catalog = Catalog::find(&settings.work_dir)?;
    // Before anything is asked of Docker: a name or a step that does not exist is the first thing to say.
    let shown = shown_steps(&catalog.lab(name, settings.address)?, args)?;
    let chosen = runtime::choose(settings).await?;
    let settings = &chosen.settings;
    let lab = catalog.lab(name, settings.address)?;
    let run = settings.run_dir();
    let run_lock = runtime::clear_leftovers(&run, run.lock()?, settings, reporter).await?;
    let outcome = tokio::select! {
        outcome = work(lab, &run, args.keep, shown, &chosen, lock, console) => outcome,
        interruption = interrupted() => Err(interruption),
    };
    let stopped = matches!(&outcome, Err(failure) if matches!(failure.kind(), FailureKind::Interrupted(_)));
    if args.keep && !stopped && run.exists() {
        return outcome;
    }
    let taken_down = runtime::undo(&run, run_lock, settings, reporter).await;
    // The first thing that went wrong is the one to tell.
    outcome.and(taken_down)
}

/// The steps that are to be seen.
fn shown_steps(lab: &Lab, args: &LabRunArgs) -> Result<Range<usize>> {
    Ok(match (&args.step, &args.from) {
        (Some(step), _) => {
            let index = lab.position(step)?;
            index..index + 1
        }
        (None, Some(step)) => lab.position(step)?..lab.steps.len(),
        (None, None) => 0..lab.steps.len(),
    })
}

async fn work(
    lab: Lab,
    run: &RunDir,
    keep: bool,
    shown: Range<usize>,
    chosen: &Chosen,
    lock: &Lock,
    console: &Arc<Console>,
) -> Result<()> {
    let reporter: &SharedReporter = &(Arc::clone(console) as SharedReporter);
    let settings = &chosen.settings;
    // Before the tools, which may take minutes to get, and again after them.
    runtime::require_free(run, &lab, chosen.daemon.as_ref()).await?;
    let components = components(&lab, chosen, lock, reporter).await?;
    runtime::require_free(run, &lab, chosen.daemon.as_ref()).await?;
    reporter.report(Event::Lab(LabEvent::Started {
        id: lab.id.clone(),
        title: lab.title.clone(),
        summary: lab.summary.clone(),
        runtime: RuntimeKind::of(run.address()).name().to_owned(),
        runtime_reason: chosen.reason.clone(),
        address: run.address(),
        tools: components.tools.clone(),
        steps: lab.steps.len(),
    }));
    let steps = lab.steps.len();
    let mut session = Session::prepare(lab, run, components, &settings.dirs, reporter.clone()).await?;
    let mut summaries: Vec<StepSummary> = Vec::with_capacity(steps);
    let mut outcome = Ok(());
    let started = Instant::now();
    let mut paused = Duration::ZERO;
    // What comes before is needed and was not asked for.
    session.report_to(Arc::new(Silent));
    for index in 0..shown.start {
        reporter.report(Event::Runtime(RuntimeEvent::Working {
            what: format!("doing step {} first", index + 1),
        }));
        session.run_step(index).await.1?;
    }
    session.report_to(reporter.clone());
    for index in shown.clone() {
        let (summary, result) = session.run_step(index).await;
        summaries.push(summary);
        outcome = result;
        if outcome.is_err() {
            break;
        }
        if index + 1 < shown.end {
            let pause = Instant::now();
            let answer = console.pause("Enter for the next step, q and Enter to stop").await;
            paused += pause.elapsed();
            if answer == Answer::Quit {
                reporter.report(Event::Note { text: format!("stopped after step {} of {steps}", index + 1) });
                break;
            }
        }
    }
    if keep {
        session.keep()?;
    }
    let lab = session.lab();
    let completed = summaries.len() == shown.len() && shown.end == steps;
    reporter.report(Event::Lab(LabEvent::Finished {
        id: lab.id.clone(),
        steps: summaries,
        of: shown.len(),
        passed: outcome.is_ok(),
        // Who stopped early has not seen it yet.
        learned: if completed { lab.learned.clone() } else { Vec::new() },
        kept: keep,
        took: started.elapsed().saturating_sub(paused),
    }));
    outcome
}

/// What a lab needs, provisioned, and where it is to run.
pub(super) async fn components(
    lab: &Lab,
    chosen: &Chosen,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Components> {
    let images = chosen.daemon.as_ref().map(|_| Images::of(lab, lock)).transpose()?;
    let mut names = lab.tools.clone();
    if let Some(images) = &images {
        names.extend(images.artifacts(lock)?);
        names.sort();
        names.dedup();
    }
    let request = Request { names, ..Request::default() };
    let provisioned = provision(&request, &chosen.settings, lock, reporter).await?;
    let mut components = Components::default();
    if lab.environment.is_some() {
        let place = |tool: &InstalledTool, path| match images {
            Some(_) => image::path_inside(tool, path),
            None => path,
        };
        components.packages = installed_packages(provisioned.tools(), place)?;
    }
    for name in &lab.tools {
        let tool = provisioned.tool(name.as_str())?;
        components.path.push(tool.bin_dir());
        components.tools.push((name.to_string(), tool.version.clone()));
    }
    if let (Some(daemon), Some(images)) = (&chosen.daemon, images) {
        let plan = images.plan(lab, daemon, &chosen.settings, lock, reporter).await?;
        components.place = Place::Docker { daemon: Box::new(daemon.clone()), plan: Box::new(plan) };
        // Inside, the tools are those of the images.
        components.path = vec![docker::COMMANDS.into()];
    }
    Ok(components)
}
