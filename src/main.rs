//! The `meshlab` command: settings resolved, one verb carried out, one exit code.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use camino::Utf8Path;
use clap::{CommandFactory as _, Parser as _};
use meshlab::app::cli::resolve;
use meshlab::app::cli::{
    BundleCommand, Cli, Command, DepsCommand, ImageCommand, LabArgs, LabVerb, RepoCommand, StepArgs,
    SvcCommand, arguments,
};
use meshlab::app::ui::{self, Console};
use meshlab::app::verb::{self as command, Output};
use meshlab::artifacts::lockfile::{EMBEDDED, Lock};
use meshlab::core::event::SharedReporter;
use meshlab::core::failure::{Failure, Result};
use meshlab::core::settings::{Environment, Settings};
use meshlab::core::signals::interrupted;
use meshlab::machine::host::apart;
use meshlab::machine::state::RunDir;
use meshlab::samples;
use meshlab::samples::fault::Wish;

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let cli = match Cli::try_parse_from(arguments(std::env::args_os())) {
        Ok(cli) => cli,
        // Help and version are what was asked for, on standard output.
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            let failure = Failure::usage(error.to_string().trim().trim_start_matches("error: "));
            ui::print_early_failure(&failure, true, &environment);
            return failure.kind().exit_code().into();
        }
        Err(error) => error.exit(),
    };
    let environment = match cli.command {
        Command::Svc(_) => environment.with_default_home(),
        _ => environment,
    };
    let settings = match resolve(&cli.global, environment.clone()) {
        Ok(settings) => settings,
        Err(failure) => {
            ui::print_early_failure(&failure, cli.global.json, &environment);
            return failure.kind().exit_code().into();
        }
    };
    let console = Arc::new(Console::new(&settings));
    if let Err(failure) = move_where_it_runs(&cli.command, &settings) {
        console.failure(&failure);
        return failure.kind().exit_code().into();
    }
    match carry_out(cli.command, &settings, &console) {
        Ok(code) => code,
        Err(failure) => {
            console.failure(&failure);
            failure.kind().exit_code().into()
        }
    }
}

/// What works on a running lab that has a network of its own works in there.
fn move_where_it_runs(command: &Command, settings: &Settings) -> Result<()> {
    let works_inside = match command {
        Command::Lab(args) => {
            matches!(&args.verb, None | Some(LabVerb::Check(_) | LabVerb::Solve(_) | LabVerb::Reset(_)))
        }
        Command::Up(_) | Command::Jobs(_) | Command::Shell(_) | Command::Bench(_) | Command::Why(_) => true,
        _ => false,
    };
    let state = works_inside.then(|| RunDir::of(settings).load()).flatten();
    let Some(process) = state.as_ref().and_then(apart::door_to) else { return Ok(()) };
    let again = settings.re_exec()?;
    apart::enter(process)?;
    match apart::start_anew(again)? {}
}

fn carry_out(command: Command, settings: &Settings, console: &Arc<Console>) -> Result<ExitCode> {
    if let Command::Completions { shell } = command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "meshlab", &mut script);
        return ui::print_raw(&script).map(|()| ExitCode::SUCCESS);
    }
    // Its exit status is that of the command that it runs.
    if let Command::Svc(SvcCommand::Leash { line }) = &command {
        return meshlab::machine::inside::processes::leash(line).map(ExitCode::from);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("cannot start").seen(&error))?;
    let outcome = runtime.block_on(async {
        match command {
            // Its exit status is that of the command that it runs.
            Command::Shell(args) => {
                let reporter: SharedReporter = Arc::clone(console) as SharedReporter;
                command::shell::run(&args, settings, &lock(settings)?, &reporter).await.map(ExitCode::from)
            }
            command => run(command, settings, console).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // A thread that waits for standard input or a slow disk must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// Hashing and unpacking have threads of their own; these only move bytes.
const WORKERS: usize = 2;

async fn run(command: Command, settings: &Settings, console: &Arc<Console>) -> Result<()> {
    let reporter: SharedReporter = Arc::clone(console) as SharedReporter;
    match command {
        // A lab answers an interruption itself: it has something to take down first.
        Command::Lab(LabArgs { verb: None, run }) => {
            command::lab::run(&run, settings, &lock(settings)?, console).await
        }
        Command::Lab(LabArgs { verb: Some(verb), .. }) => {
            Box::pin(lab(verb, settings, console, &reporter)).await
        }
        Command::Up(args) => command::up::run(&args, settings, &lock(settings)?, &reporter).await,
        Command::Repo(RepoCommand::Serve { listen, packages }) => {
            let shutdown = async { drop(interrupted().await) };
            command::repo::serve(settings, &lock(settings)?, listen, packages.as_deref(), reporter, shutdown)
                .await
        }
        // To end when it is told to is what a service is for.
        Command::Svc(SvcCommand::Hold) => meshlab::machine::inside::processes::hold().await,
        Command::Svc(SvcCommand::Sample(service)) => {
            let shutdown = async { drop(interrupted().await) };
            command::svc::serve(service, Box::new(ui::print_while_read), &reporter, shutdown).await
        }
        other => unless_interrupted(Box::pin(run_until_interrupted(other, settings, reporter))).await,
    }
}

async fn lab(
    verb: LabVerb,
    settings: &Settings,
    console: &Arc<Console>,
    reporter: &SharedReporter,
) -> Result<()> {
    use command::lab;
    let lock = || lock(settings);
    match verb {
        LabVerb::List => print(&lab::list(settings)?, settings),
        LabVerb::Show { name } => print(&lab::show(&name, settings)?, settings),
        LabVerb::Hint(StepArgs { name, step }) => {
            print(&lab::hint(&name, step.as_deref(), settings)?, settings)
        }
        LabVerb::New { name, .. } => print(&lab::new(name.as_deref(), settings)?, settings),
        LabVerb::Check(StepArgs { name, step }) => {
            let lock = lock()?;
            unless_interrupted(Box::pin(lab::check(&name, step.as_deref(), settings, &lock, reporter))).await
        }
        LabVerb::Reset(StepArgs { name, step }) => {
            let lock = lock()?;
            unless_interrupted(Box::pin(lab::reset(&name, step.as_deref(), settings, &lock, reporter))).await
        }
        // These have something to take down first.
        LabVerb::Solve(StepArgs { name, step }) => {
            lab::solve(&name, step.as_deref(), settings, &lock()?, console).await
        }
        LabVerb::Test { names } => lab::test(&names, settings, &lock()?, reporter).await,
    }
}

async fn unless_interrupted(work: Pin<Box<impl Future<Output = Result<()>>>>) -> Result<()> {
    tokio::select! {
        outcome = work => outcome,
        interruption = interrupted() => Err(interruption),
    }
}

async fn run_until_interrupted(
    command: Command,
    settings: &Settings,
    reporter: SharedReporter,
) -> Result<()> {
    match command {
        Command::Provision(args) => {
            let output = command::provision::run(&args, settings, &lock(settings)?, &reporter).await?;
            print(&output, settings)
        }
        Command::Bundle(BundleCommand::Export(args)) => {
            print(&command::bundle::export(&args, settings, &lock(settings)?, &reporter).await?, settings)
        }
        Command::Bundle(BundleCommand::Import { file }) => {
            print(&command::bundle::import(&file, settings, &lock(settings)?, &reporter).await?, settings)
        }
        Command::Image(ImageCommand::List) => {
            print(&command::image::list(settings, &lock(settings)?, &reporter).await?, settings)
        }
        Command::Image(ImageCommand::Load { names }) => {
            print(&command::image::load(&names, settings, &lock(settings)?, &reporter).await?, settings)
        }
        Command::Image(ImageCommand::Export(args)) => {
            let stdout = Box::new(ui::print_while_read);
            match command::image::export(&args, settings, &lock(settings)?, &reporter, stdout).await? {
                Some(output) => print(&output, settings),
                None => Ok(()),
            }
        }
        Command::Deps(DepsCommand::Lock { names, check }) => {
            print(&command::deps_lock::run(&names, check, settings, &reporter).await?, settings)
        }
        Command::Deps(verb) => print(&command::deps::run(&verb, settings, &lock(settings)?).await?, settings),
        Command::Jobs(verb) => print(&command::jobs::run(&verb, settings, &reporter).await?, settings),
        Command::Click(args) => {
            let (output, outcome) = if args.trace {
                command::trace::run(&args, settings).await?
            } else {
                command::click::run(&args, settings).await?
            };
            print(&output, settings)?;
            outcome
        }
        Command::Why(args) => {
            let (output, outcome) = command::why::run(&args, settings).await?;
            print(&output, settings)?;
            outcome
        }
        Command::Fault => print(&command::click::fault(settings).await?, settings),
        Command::Bench(args) => {
            let (output, outcome) = command::bench::run(&args, settings, &lock(settings)?, &reporter).await?;
            print(&output, settings)?;
            outcome
        }
        Command::Down(args) => command::down::run(&args, settings, &reporter).await,
        Command::Status => print(&command::status::run(settings).await?, settings),
        Command::Logs(args) => command::logs::run(&args, settings).await,
        Command::Doctor => {
            let (output, outcome) = command::doctor::run(settings, &lock(settings)?).await?;
            print(&output, settings)?;
            outcome
        }
        Command::Clean(args) => print(&command::clean::run(&args, settings, &reporter).await?, settings),
        Command::Svc(service) => serve(service, settings).await,
        // Carried out before there was a runtime, or by `run`.
        Command::Completions { .. }
        | Command::Lab(_)
        | Command::Up(_)
        | Command::Repo(_)
        | Command::Shell(_) => Ok(()),
    }
}

async fn serve(service: SvcCommand, settings: &Settings) -> Result<()> {
    let line = |text: &str| ui::print_raw(format!("{text}\n").as_bytes());
    match service {
        SvcCommand::Echo { listen } => samples::echo::serve(listen, move |text| drop(line(&text))).await,
        SvcCommand::Nc { host, port } => samples::nc::run((host, port).into()).await,
        SvcCommand::Tls { host, port } => line(&samples::stranger::describe((host, port).into()).await?),
        SvcCommand::Register(args) => line(&samples::register::run(&args).await?.join("\n")),
        SvcCommand::Get { url, only, matching } => line(&samples::get::run(&url, &only, &matching).await?),
        SvcCommand::Load(args) => {
            let (output, outcome) = command::load::run(&args, settings).await?;
            print(&output, settings)?;
            outcome
        }
        SvcCommand::Fault { url, fault, clear } => {
            let wish = match fault.asked() {
                _ if clear => Wish::Clear,
                Some(asked) => Wish::Set(asked),
                None => Wish::Tell,
            };
            line(&samples::fault::run(&url, wish).await?)
        }
        SvcCommand::Doors { of, ready, ports } => {
            meshlab::machine::inside::doors::serve(of, ready, ports).await
        }
        SvcCommand::Clear { folder } => meshlab::machine::inside::processes::clear(&folder).await,
        SvcCommand::End { session } => meshlab::machine::inside::processes::end(session).await,
        SvcCommand::Sweep => meshlab::machine::inside::processes::sweep(&RunDir::of(settings)).await,
        // Carried out by `main` or by `run`.
        SvcCommand::Sample(_) | SvcCommand::Hold | SvcCommand::Leash { .. } => Ok(()),
    }
}

/// The lock that was asked for, else that of the working directory, else the one this program was built with.
fn lock(settings: &Settings) -> Result<Lock> {
    let beside = settings.work_dir.join("deps.lock");
    match &settings.lock {
        Some(path) => read_lock(path),
        None if beside.is_file() => read_lock(&beside),
        None => Lock::parse(EMBEDDED, "built in"),
    }
}

/// In bytes; the one in the source folder has some 25,000.
const LONGEST_LOCK: u64 = 16 << 20;

fn read_lock(path: &Utf8Path) -> Result<Lock> {
    use std::io::Read as _;
    let cannot = || Failure::usage(format!("cannot read the lock {path}"));
    let file = fs_err::File::open(path).map_err(|error| cannot().seen(&error))?;
    let mut text = String::new();
    file.take(LONGEST_LOCK + 1).read_to_string(&mut text).map_err(|error| cannot().seen(&error))?;
    if text.len() as u64 > LONGEST_LOCK {
        return Err(cannot().detail("seen", format!("more than {LONGEST_LOCK} bytes; no lock is that long")));
    }
    Lock::parse(&text, path.as_str())
}

fn print(output: &Output, settings: &Settings) -> Result<()> {
    ui::print_data(&output.human, &output.json, settings)
}
