//! `meshlab bench`: load on the running calculator, and what came of it.

mod services;

use std::process::ExitCode;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::{Context, Output, Run};
use crate::app::ui::{self, Look};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{ProvisionRequest, provision};
use crate::core::event::{BenchEvent, Event, Note, SharedReporter, Warning, WrongAnswer};
use crate::core::failure::{Failure, Result};
use crate::core::model::ArtifactName;
use crate::core::page::{ReportFile, ReportFormat};
use crate::core::settings::Settings;
use crate::labs::bench::block::Measurement;
use crate::labs::bench::compare::{Comparison, Side};
use crate::labs::bench::machine::MachineInfo;
use crate::labs::bench::plan::{Target, WrkLoad, compute, direct_and_mesh};
use crate::labs::bench::probe::{answer_line, probe};
use crate::labs::bench::report::{BenchReport, LabFacts};
use crate::labs::bench::sampler::Sampler;
use crate::labs::bench::wrk::Wrk;
use crate::machine::docker::COMMANDS;
use crate::machine::host::netns;
use crate::machine::state::{RunDir, RunState, now};

/// Put load on the running calculator, and measure latency, throughput and resources
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Duration of the load, from 1s to 1h
    #[arg(long, default_value = "60s", value_name = "TIME")]
    duration: String,
    /// Number of connections open at once
    #[arg(long, default_value_t = 5, value_name = "N")]
    connections: u32,
    /// Threads of wrk [default: 5, or the number of connections if that is lower]
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Also measure the same call without the mesh, and compare
    #[arg(long, value_enum, value_name = "WITH")]
    compare: Option<CompareChoice>,
    /// Restart and measure each service of the lab on its own, to compare languages
    #[arg(long, conflicts_with_all = ["compare", "reports"])]
    services: bool,
    /// Write a report to FILE.html or FILE.json (repeatable)
    #[arg(long = "report", value_name = "FILE")]
    reports: Vec<Utf8PathBuf>,
}

/// What a call through the mesh is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareChoice {
    /// The service itself, without Envoy
    Direct,
}

impl Run for BenchArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (output, outcome) = run(&self, &context.settings, &context.lock()?, &context.reporter).await?;
        context.print(&output)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// What this process is called among the components.
const OWN_NAME: &str = "meshlab bench";

/// The load generator: an artifact, and its command.
const WRK: &str = "wrk";

/// The forms its report has.
const FORMATS: &[ReportFormat] = &[ReportFormat::Html, ReportFormat::Json];

/// Measures, says what came of it, and writes the reports; the second value fails the run if one could not be
/// written, and the figures are there all the same.
async fn run(
    args: &BenchArgs,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<(Output, Result<()>)> {
    if args.services {
        return Ok((services::run(args, settings, lock, reporter).await?, Ok(())));
    }
    let load = WrkLoad::new(&args.duration, args.connections, args.threads)?;
    let file = |path: &Utf8PathBuf| ReportFile::new(path, &settings.work_dir, FORMATS, netns::outside);
    let files: Vec<ReportFile> = args.reports.iter().map(file).collect::<Result<_>>()?;
    let target = compute(settings.address)?;
    let compared = match args.compare {
        Some(CompareChoice::Direct) => direct_and_mesh(settings.address)?,
        None => Vec::new(),
    };
    let run = RunDir::of(settings);
    let state = run.load().ok_or_else(|| no_lab(settings))?;
    for target in std::iter::once(&target).chain(&compared) {
        probe(target).await.map_err(|failure| with_lab(failure, &state))?;
    }
    let (program, version) = program(settings, lock, reporter).await?;
    let wrk = Wrk::new(program, &run)?;
    if load.effective_connections() != load.connections {
        let (threads, asked, used) = (load.threads, load.connections, load.effective_connections());
        reporter.report(Event::Note(Note::ConnectionsRounded { threads, asked, used }));
    }
    let mut comparison = (!compared.is_empty()).then(|| Comparison::new(load.round(), compared));
    let turns = comparison.as_ref().map(Comparison::turns).unwrap_or_default();
    let mut rounds = Rounds { wrk: &wrk, reporter, done: 0, of: turns.len() + 1 };
    let sampler = Sampler::start(run.clone(), OWN_NAME, load.duration.duration()).await;
    let measurement = rounds.next(&target, &load).await?;
    let resources = sampler.finish();
    if let Some(comparison) = &mut comparison {
        for turn in turns {
            let Some(side) = comparison.sides.get_mut(turn) else { continue };
            let round = rounds.next(&side.target, &comparison.load).await?;
            side.rounds.push(round);
        }
    }
    let report = BenchReport {
        measured_at: now(),
        command: command_line(args, settings),
        machine: MachineInfo::here(),
        lab: lab_facts(&state, version),
        load,
        wrk: Wrk::command_line(&target, &load),
        target,
        measurement,
        resources,
        comparison,
    };
    let mut written: Vec<Utf8PathBuf> = Vec::new();
    let mut outcome = Ok(());
    for file in files {
        match report.write(&file) {
            Ok(()) => written.push(file.path),
            Err(failure) => outcome = outcome.and(Err(failure)),
        }
    }
    warn(&report, reporter);
    let human = ui::load_test(&report, &written, &Look::of_stdout(settings));
    Ok((Output { human, json: report.json() }, outcome))
}

fn no_lab(settings: &Settings) -> Failure {
    let address = settings.address;
    Failure::failed(format!("no lab is running on {address}")).hint(
        "start one: `meshlab lab 2-calculator --keep`, or `meshlab up && meshlab jobs start`; then run this again",
    )
}

/// Another lab may be running than the one that the targets belong to.
fn with_lab(failure: Failure, state: &RunState) -> Failure {
    match state.lab.as_str() {
        "1-tcp-echo" => failure.detail("running", "lab 1-tcp-echo, which has no calculator"),
        _ => failure,
    }
}

/// Where wrk is, and its version.
async fn program(
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<(Utf8PathBuf, String)> {
    let name: ArtifactName = WRK.parse().map_err(|error| Failure::failed("cannot name wrk").seen(&error))?;
    if settings.inside {
        // The machine's image has it.
        return Ok((Utf8PathBuf::from(COMMANDS).join(WRK), lock.artifact(&name)?.version.clone()));
    }
    let request = ProvisionRequest { names: vec![name], ..ProvisionRequest::default() };
    let provisioned = provision(&request, settings, lock, reporter).await?;
    let tool = provisioned.tool(WRK)?;
    let path = tool.commands.iter().find(|(name, _)| name.as_str() == WRK).map(|(_, path)| path.clone());
    let path = path.ok_or_else(|| {
        Failure::failed(format!("the artifact {} has no command wrk", tool.artifact))
            .hint("deps.lock names the commands of each artifact")
    })?;
    Ok((path, tool.version.clone()))
}

/// One run of wrk after another, each with its events.
struct Rounds<'a> {
    wrk: &'a Wrk,
    reporter: &'a SharedReporter,
    done: usize,
    of: usize,
}

impl Rounds<'_> {
    /// The next one. Where not one call was answered as it should be, nothing was measured.
    async fn next(&mut self, target: &Target, load: &WrkLoad) -> Result<Measurement> {
        let measurement = self.press(target, load).await?;
        if measurement.right() == 0 {
            return Err(all_failed(target, &measurement));
        }
        Ok(measurement)
    }

    /// The next one, for its effect: again while nothing at all comes back, as from a service that has just begun on a machine
    /// that does much else.
    async fn warm_up(&mut self, target: &Target, load: &WrkLoad) -> Result<()> {
        const MOST: usize = 10;
        for _ in 1..MOST {
            let measurement = self.press(target, load).await?;
            if measurement.right() > 0 {
                return Ok(());
            }
            if measurement.errors.total() > 0 {
                return Err(all_failed(target, &measurement));
            }
            self.done -= 1;
        }
        self.next(target, load).await.map(drop)
    }

    async fn press(&mut self, target: &Target, load: &WrkLoad) -> Result<Measurement> {
        self.done += 1;
        let (number, of, name) = (self.done, self.of, target.name.clone());
        let lasts: Duration = load.duration.duration();
        let url = target.url.to_string();
        self.reporter.report(Event::Bench(BenchEvent::Pressing {
            target: name.clone(),
            url,
            number,
            of,
            lasts,
        }));
        let measurement = self.wrk.measure(target, load).await?;
        let (rate, errors) = (measurement.rate(), measurement.errors.total());
        self.reporter.report(Event::Bench(BenchEvent::Pressed { target: name, number, of, rate, errors }));
        Ok(measurement)
    }
}

fn all_failed(target: &Target, measurement: &Measurement) -> Failure {
    let kinds = measurement.errors.kinds();
    let kinds =
        kinds.iter().filter(|(number, _)| *number > 0).map(|(number, kind)| format!("{kind}: {number}"));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let mut failure = Failure::failed(format!("all requests to {} failed", target.url))
        .detail("errors", if kinds.is_empty() { "no answer came at all".to_owned() } else { kinds });
    if let Some(wrong) = &measurement.first_wrong {
        failure = failure.detail("first answer", answer_line(wrong.status, &wrong.body));
    }
    failure.hint("`meshlab status` shows what is not ready, `meshlab logs` what the components wrote")
}

/// Warns of wrong answers, which make the figures worth little.
fn warn(report: &BenchReport, reporter: &SharedReporter) {
    let sides = report.comparison.iter().flat_map(|comparison| &comparison.sides);
    let totals = sides.map(|side: &Side| (&side.target, side.total()));
    for (target, measurement) in std::iter::once((&report.target, report.measurement.clone())).chain(totals) {
        let errors = measurement.errors;
        if errors.status + errors.wrong > 0 {
            let first = measurement.first_wrong;
            reporter.report(Event::Warning(Warning::WrongAnswers {
                target: target.name.clone(),
                requests: measurement.requests,
                wrong: errors.status.saturating_add(errors.wrong),
                first: first.map(|answer| WrongAnswer { status: answer.status, body: answer.body }),
            }));
        }
    }
}

fn lab_facts(state: &RunState, wrk_version: String) -> LabFacts {
    let mut tools = state.tools.clone();
    if !tools.iter().any(|(name, _)| name == WRK) {
        tools.push((WRK.to_owned(), wrk_version));
    }
    LabFacts {
        id: state.lab.clone(),
        address: state.address,
        runtime: state.runtime.name().to_owned(),
        tools,
    }
}

/// What was typed, with the defaults that matter and without what only changes the output.
fn command_line(args: &BenchArgs, settings: &Settings) -> String {
    let mut words = format!("meshlab bench --duration {} --connections {}", args.duration, args.connections);
    if let Some(threads) = args.threads {
        words.extend([format!(" --threads {threads}")]);
    }
    if args.compare == Some(CompareChoice::Direct) {
        words.push_str(" --compare direct");
    }
    if settings.address != crate::core::model::LabAddress::DEFAULT {
        words.extend([format!(" --address {}", settings.address)]);
    }
    words
}
