//! `meshlab logs`: what components and tasks wrote.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use super::{Context, Run};
use crate::app::ui::print_while_read;
use crate::core::failure::{Failure, Result};
use crate::core::nearest::nearest;
use crate::core::settings::Settings;
use crate::machine::state::RunDir;
use crate::mesh::logs::{Listing, Logs, Stream, Writer};

/// Show the logs of components and tasks
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Component or task, as `meshlab status` lists it [default: all]
    service: Option<String>,
    /// Follow the log
    #[arg(short, long)]
    follow: bool,
    /// Number of lines to show from the end of each log
    #[arg(short = 'n', long, default_value_t = 50, value_name = "LINES")]
    lines: usize,
}

impl Run for LogsArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        run(&self, &context.settings).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How often logs that are followed are read.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);

/// How often new tasks are looked for.
const NEW_TASKS_INTERVAL: Duration = Duration::from_secs(1);

/// What is read of a log for its last lines: lines rarely reach this length, in bytes.
const LINE: u64 = 512;

/// The least and the most that is read for them, in bytes.
const TAIL: (u64, u64) = (64 * 1024, 16 * 1024 * 1024);

/// Prints the last lines of one writer or of all, and goes on with new ones if asked to.
async fn run(args: &LogsArgs, settings: &Settings) -> Result<()> {
    let run = RunDir::of(settings);
    let logs = Logs::of(&run)?;
    let chosen = choose(args.service.as_deref(), &logs).await?;
    let mut printer = Printer { logs, width: width(&chosen), streams: Vec::new() };
    printer.streams = chosen.iter().flat_map(Stream::all).collect();
    if !printer.print_tails(args.lines).await? {
        return Ok(());
    }
    let mut looked = Instant::now();
    let mut pace = interval(FOLLOW_INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while args.follow && run.exists() {
        pace.tick().await;
        if !printer.print_new_lines().await? {
            return Ok(());
        }
        if looked.elapsed() >= NEW_TASKS_INTERVAL {
            printer.find_new_tasks(args.service.as_deref()).await;
            looked = Instant::now();
        }
    }
    Ok(())
}

/// The writers that are meant by a name: a component, a task, or a task with its job before it. Without a name, all.
async fn choose(name: Option<&str>, logs: &Logs) -> Result<Vec<Writer>> {
    let components = logs.components();
    if let Some(name) = name
        && let Some(component) = components.iter().find(|writer| writer.name() == name)
    {
        // This must work without Nomad: it may be Nomad's own log that is wanted.
        return Ok(vec![component.clone()]);
    }
    let tasks = match (logs.tasks().await, name) {
        (Ok(tasks), _) => tasks,
        // What is there is shown; that Nomad does not answer is in its own log.
        (Err(_), None) => Vec::new(),
        (Err(failure), Some(name)) => {
            return Err(failure.detail("wanted", format!("the log of {name}, which is no component")));
        }
    };
    let all: Vec<Writer> = components.into_iter().chain(tasks).collect();
    match name {
        None => Ok(all),
        Some(name) => named(name, &all),
    }
}

fn named(name: &str, all: &[Writer]) -> Result<Vec<Writer>> {
    let meant: Vec<Writer> =
        all.iter().filter(|writer| writer.full_name() == name || writer.name() == name).cloned().collect();
    let mut full: Vec<String> = meant.iter().map(Writer::full_name).collect();
    full.sort();
    full.dedup();
    match full.as_slice() {
        [] => {}
        [_] => return Ok(meant),
        several => {
            return Err(Failure::usage(format!("several tasks are called {name}"))
                .hint(format!("one of {}", several.join(", "))));
        }
    }
    let mut known: Vec<String> = all.iter().map(Writer::full_name).collect();
    known.dedup();
    let short: Vec<&str> = all.iter().map(Writer::name).collect();
    let failure = Failure::usage(format!("nothing that runs here is called {name:?}"))
        .detail("there is", known.join(", "));
    Err(match nearest(name, short.iter().copied().chain(known.iter().map(String::as_str))) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint("`meshlab status` shows all of them"),
    })
}

fn width(writers: &[Writer]) -> usize {
    let mut names: Vec<String> = writers.iter().map(Writer::full_name).collect();
    names.sort();
    names.dedup();
    // One writer alone needs no name before its lines.
    if names.len() > 1 { names.iter().map(String::len).max().unwrap_or_default() } else { 0 }
}

struct Printer {
    logs: Logs,
    /// Of the names before the lines; 0 for none.
    width: usize,
    streams: Vec<Stream>,
}

/// Each says whether there is still a reader: without one (`logs -f | head`) there is nothing to go on for.
impl Printer {
    async fn print_tails(&mut self, count: usize) -> Result<bool> {
        let listing = self.logs.list(&self.streams).await.unwrap_or_default();
        let back = LINE.saturating_mul(count as u64).clamp(TAIL.0, TAIL.1);
        for stream in &mut self.streams {
            stream.go_to_end(&self.logs, &listing, back);
            let mut lines = Vec::new();
            loop {
                let more = stream.read_on(&self.logs, &listing).await?;
                if more.is_empty() {
                    break;
                }
                lines.extend(more);
                lines.drain(..lines.len().saturating_sub(count));
            }
            lines.extend(stream.unfinished());
            lines.drain(..lines.len().saturating_sub(count));
            if !print(stream.writer(), self.width, &lines)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn print_new_lines(&mut self) -> Result<bool> {
        // While Nomad does not answer, there is nothing new of its tasks.
        let listing = self.logs.list(&self.streams).await.unwrap_or_else(|_| Listing::default());
        for stream in &mut self.streams {
            let lines = stream.read_on(&self.logs, &listing).await.unwrap_or_default();
            if !print(stream.writer(), self.width, &lines)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn find_new_tasks(&mut self, name: Option<&str>) {
        let Ok(tasks) = self.logs.tasks().await else { return };
        let wanted =
            |writer: &&Writer| name.is_none_or(|name| writer.full_name() == name || writer.name() == name);
        for writer in tasks.iter().filter(wanted) {
            if !self.streams.iter().any(|stream| stream.writer() == writer) {
                self.streams.extend(Stream::all(writer));
            }
        }
    }
}

fn print(writer: &Writer, width: usize, lines: &[String]) -> Result<bool> {
    for line in lines {
        let label = if width == 0 { String::new() } else { format!("{:width$} | ", writer.full_name()) };
        if !print_while_read(format!("{label}{line}\n").as_bytes())? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writers() -> Vec<Writer> {
        let task = |job: &str, task: &str, allocation: &str| Writer::Task {
            job: job.into(),
            task: task.into(),
            allocation: allocation.into(),
        };
        vec![
            Writer::Component("lb".into()),
            task("addsvcJob", "add-svc", "1"),
            task("addsvcJob", "add-svc", "2"),
            task("apiGatewayJob", "packages", "3"),
            task("envoyJob", "packages", "4"),
        ]
    }

    #[test]
    fn a_name_means_one_writer_in_all_its_allocations() {
        let found = |name: &str| named(name, &writers()).map(|found| found.len()).ok();
        assert_eq!(found("lb"), Some(1));
        assert_eq!(found("add-svc"), Some(2));
        assert_eq!(found("addsvcJob/add-svc"), Some(2));
        assert_eq!(found("envoyJob/packages"), Some(1));
    }

    #[test]
    fn a_name_that_is_none_or_several() {
        let several = named("packages", &writers()).unwrap_err();
        assert_eq!(several.hint_text(), Some("one of apiGatewayJob/packages, envoyJob/packages"));
        let none = named("ad-svc", &writers()).unwrap_err();
        assert_eq!(none.hint_text(), Some("did you mean add-svc?"));
        assert!(none.details()[0].text.contains("envoyJob/packages"), "{none:?}");
    }
}
