//! The verbs: each file has the arguments of one verb, what it needs, and its function.
#![allow(clippy::doc_markdown, reason = "the comments of arguments are help texts, which show no backticks")]

mod bench;
mod bundle;
mod clean;
mod click;
mod completions;
mod context;
mod deps;
mod doctor;
mod down;
mod fault;
mod image;
mod jobs;
mod lab;
mod logs;
mod parse;
mod profile;
mod provision;
mod repo;
mod run;
mod shell;
mod status;
mod support;
mod svc;
mod up;
mod why;

use clap::Subcommand;

pub(crate) use context::{Context, Output};
pub(crate) use run::{Execution, Run, Runnable};

/// All verbs, in the order of `meshlab --help`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Provision(provision::ProvisionArgs),
    Up(up::UpArgs),
    Down(down::DownArgs),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Shell(shell::ShellArgs),
    Lab(lab::LabArgs),
    #[command(subcommand)]
    Jobs(jobs::JobsVerb),
    Click(click::ClickArgs),
    Fault(fault::FaultArgs),
    Why(why::WhyArgs),
    Bench(bench::BenchArgs),
    #[command(subcommand)]
    Repo(repo::RepoVerb),
    #[command(subcommand)]
    Deps(deps::DepsVerb),
    #[command(subcommand)]
    Bundle(bundle::BundleVerb),
    #[command(subcommand)]
    Image(image::ImageVerb),
    Doctor(doctor::DoctorArgs),
    Support(support::SupportArgs),
    Clean(clean::CleanArgs),
    Completions(completions::CompletionsArgs),
    #[command(subcommand, hide = true)]
    Svc(svc::SvcVerb),
}

impl Verb {
    /// The verb that was chosen, of whatever group.
    pub(crate) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::Provision(args) => Box::new(args),
            Self::Up(args) => Box::new(args),
            Self::Down(args) => Box::new(args),
            Self::Status(args) => Box::new(args),
            Self::Logs(args) => Box::new(args),
            Self::Shell(args) => Box::new(args),
            Self::Lab(args) => args.into_runnable(),
            Self::Jobs(verb) => verb.into_runnable(),
            Self::Click(args) => Box::new(args),
            Self::Fault(args) => Box::new(args),
            Self::Why(args) => Box::new(args),
            Self::Bench(args) => Box::new(args),
            Self::Repo(verb) => verb.into_runnable(),
            Self::Deps(verb) => verb.into_runnable(),
            Self::Bundle(verb) => verb.into_runnable(),
            Self::Image(verb) => verb.into_runnable(),
            Self::Doctor(args) => Box::new(args),
            Self::Support(args) => Box::new(args),
            Self::Clean(args) => Box::new(args),
            Self::Completions(args) => Box::new(args),
            Self::Svc(verb) => verb.into_runnable(),
        }
    }
}
