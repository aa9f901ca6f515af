//! `meshlab lab check|hint|solve|reset`: a lab in a reader's own hands, one step at a time.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::components;
use super::run::{Wanted, Way, go};
use crate::app::report::Reports;
use crate::app::ui::{Console, Look};
use crate::app::verb::Output;
use crate::app::verb::runtime::{self, Chosen};
use crate::artifacts::lockfile::Lock;
use crate::core::event::{Event, LabEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::core::settings::Settings;
use crate::labs::{Catalog, Lab, PATIENCE_WITH_READERS, Progress, Session, Standing};
use crate::machine::state::{RunDir, RunState};

/// A lab that was named, with what is done of it.
struct Practised {
    lab: Lab,
    run: RunDir,
    standing: Standing,
    chosen: Chosen,
}

impl Practised {
    async fn find(name: &str, settings: &Settings) -> Result<Self> {
        // A name that does not exist is the first thing to say.
        let named = lab(name, settings.address, settings)?;
        let chosen = runtime::choose(settings).await?;
        let settings = &chosen.settings;
        let lab = lab(named.id.as_str(), settings.address, settings)?;
        let run = RunDir::of(settings);
        let standing = Standing::load(&run, Progress::load(&settings.dirs.state, &lab.id));
        Ok(Self { lab, run, standing, chosen })
    }

    fn require_running(&self) -> Result<()> {
        let (id, address) = (&self.lab.id, self.run.address());
        match self.run.load() {
            Some(RunState { lab, .. }) if lab == *id => Ok(()),
            Some(RunState { lab, .. }) => {
                Err(Failure::failed(format!("lab {lab} is running on {address}, not {id}"))
                    .hint(format!("`meshlab down` ends it; then `meshlab lab solve {id}` starts this one")))
            }
            None => Err(Failure::failed(format!("lab {id} is not running on {address}")).hint(format!(
                "`meshlab lab solve {id}` starts it with its first step; `meshlab lab {id} --keep` runs all of it"
            ))),
        }
    }
}

fn lab(name: &str, address: LabAddress, settings: &Settings) -> Result<Lab> {
    Catalog::find(&settings.work_dir)?.lab(name, address)
}

/// The step that was named, else the first that is not done.
fn step(lab: &Lab, current: Option<usize>, named: Option<&str>) -> Result<usize> {
    match named {
        Some(named) => lab.position(named),
        None => current.ok_or_else(|| {
            Failure::usage(format!("all {} steps of lab {} are done", lab.steps.len(), lab.id))
                .hint(format!("name a step, or begin anew: `meshlab lab reset {}`", lab.id))
        }),
    }
}

/// Looks whether a step is done, whoever did it.
pub async fn check(
    name: &str,
    step: Option<&str>,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<()> {
    let mut practised = Practised::find(name, settings).await?;
    practised.require_running()?;
    let index = self::step(&practised.lab, practised.standing.current(&practised.lab), step)?;
    let Practised { lab, run, standing, chosen } = &mut practised;
    let components = components(lab, chosen, lock, reporter).await?;
    let dirs = &chosen.settings.dirs;
    let session = Session::observe(lab.clone(), run, components, dirs, reporter.clone()).await?;
    let checked = &lab.steps[index];
    let (number, of) = (index + 1, lab.steps.len());
    let report = |event: LabEvent| reporter.report(Event::Lab(event));
    let (step, title) = (checked.id.clone(), checked.title.clone());
    report(LabEvent::StepStarted { number, of, step: step.clone(), title, text: String::new() });
    let started = Instant::now();
    let outcome = session.check_step(index, checked.timeout.min(PATIENCE_WITH_READERS)).await;
    // The lab may have gone on meanwhile.
    standing.refresh();
    // A later step may have changed what this one's checks look at, as one that allows what was denied does.
    let still_counts = outcome.is_err() && standing.is_done(&step) && standing.is_any_done(lab, number);
    if !still_counts {
        standing.mark(lab, &step, outcome.is_ok())?;
    }
    report(LabEvent::StepFinished { number, step, passed: outcome.is_ok(), took: started.elapsed() });
    let id = &lab.id;
    let failed = |failure: Failure| {
        let still = "it still counts as done: steps after it are, and may have changed what it looks at";
        failure.hint(match (still_counts, checked.reset.is_empty()) {
            (false, _) => {
                format!("`meshlab lab hint {id} {number}` helps; `meshlab lab solve {id} {number}` does it")
            }
            (true, false) => format!(
                "{still}; `meshlab lab reset {id} {number}`, then `meshlab lab solve {id} {number}` does it again"
            ),
            (true, true) => format!("{still}; `meshlab lab reset {id}` begins anew"),
        })
    };
    outcome.map_err(failed)?;
    let next = match standing.current(lab) {
        Some(next) => format!(
            "next is step {}, {}: `meshlab lab solve {id}` does it, `meshlab lab {id}` goes on from there",
            next + 1,
            lab.steps[next].title
        ),
        None => format!("that was the last one: all {of} steps of lab {id} are done"),
    };
    reporter.report(Event::Note { text: next });
    Ok(())
}

/// Where the lab is running, if it is: on this address rather than on another one.
fn where_it_runs(lab: &Lab, settings: &Settings) -> Result<Option<RunDir>> {
    let mut running = RunDir::all(&settings.dirs.state)?;
    running.retain(|run| run.load().is_some_and(|state| state.lab == lab.id));
    running.sort_by_key(|run| run.address() != settings.address);
    Ok(running.into_iter().next())
}

/// One more hint for a step, below those that were shown before.
pub fn hint(name: &str, named: Option<&str>, settings: &Settings) -> Result<Output> {
    let lab = lab(name, settings.address, settings)?;
    let running = where_it_runs(&lab, settings)?;
    let is_running = running.is_some();
    let run = running.unwrap_or_else(|| RunDir::of(settings));
    let mut standing = Standing::load(&run, Progress::load(&settings.dirs.state, &lab.id));
    // Of the lab that is there; of none, how far its reader has come.
    let open = if is_running { standing.current(&lab) } else { standing.progress().current(&lab) };
    let index = step(&lab, open, named)?;
    let (hinted, number) = (&lab.steps[index], index + 1);
    let of = hinted.hints.len();
    let shown = standing.progress().reveal_hint(&hinted.id, of)?;
    let hints = &hinted.hints[..shown];
    let item =
        |(index, hint): (usize, &String)| format!("{}. {}\n", index + 1, hint.trim().replace('\n', "\n   "));
    let list: String = hints.iter().enumerate().map(item).collect();
    let id = &lab.id;
    let rest = match of - shown {
        0 if of == 0 => format!("There are no hints for it. `meshlab lab solve {id} {number}` does it."),
        0 => format!("That is all. `meshlab lab solve {id} {number}` does it."),
        left => format!("{left} more: `meshlab lab hint {id} {number}` again."),
    };
    let text = format!("**Step {number}, {}**\n\n{list}\n{rest}\n", hinted.title);
    let json = json!({"schema": 1, "lab": id, "step": hinted.id, "hints": hints, "of": of});
    Ok(Output { human: crate::app::ui::markdown(&text, &Look::of_stdout(settings)), json })
}

/// Does a step, and those before it that are not done; starts the lab if it does not run. It is left running.
pub async fn solve(
    name: &str,
    step: Option<&str>,
    settings: &Settings,
    lock: &Lock,
    console: &Arc<Console>,
) -> Result<()> {
    let lab = lab(name, settings.address, settings)?;
    let wanted = match step {
        Some(step) => Wanted::Only(lab.position(step)?),
        None => Wanted::Next,
    };
    let way = Way { wanted, keep: true, with_reader: false };
    go(&lab.id, way, settings, lock, console, &Reports::default()).await
}

/// Undoes a step of the running lab; without a step takes the lab down and forgets all progress.
pub async fn reset(
    name: &str,
    step: Option<&str>,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<()> {
    let mut practised = Practised::find(name, settings).await?;
    let id = practised.lab.id.clone();
    let Some(step) = step else {
        if practised.run.load().is_some_and(|state| state.lab == id) {
            let run_lock = practised.run.lock().await?;
            runtime::take_down(&practised.run, run_lock, &practised.chosen.settings, reporter).await?;
        }
        practised.standing.progress().forget()?;
        reporter.report(Event::Note { text: format!("lab {id} begins anew: `meshlab lab {id}`") });
        return Ok(());
    };
    practised.require_running()?;
    let index = practised.lab.position(step)?;
    let number = index + 1;
    let Practised { lab, run, mut standing, chosen } = practised;
    if lab.steps[index].reset.is_empty() {
        return Err(Failure::usage(format!("step {number} of lab {id} cannot be undone on its own"))
            .hint(format!("`meshlab lab reset {id}` begins the whole lab anew")));
    }
    let _run_lock = run.lock().await?;
    let components = components(&lab, &chosen, lock, reporter).await?;
    let dirs = &chosen.settings.dirs;
    let mut session = Session::resume(lab.clone(), &run, components, dirs, reporter.clone()).await?;
    session.reset_step(index).await?;
    standing.mark(&lab, &lab.steps[index].id, false)?;
    let mut text = format!("step {number} is undone: do it again, then `meshlab lab check {id} {number}`");
    if standing.is_any_done(&lab, number) {
        let _ = write!(
            text,
            "; steps after it still count as done, though they may need it: `meshlab lab reset {id}` begins the whole lab anew"
        );
    }
    reporter.report(Event::Note { text });
    Ok(())
}
