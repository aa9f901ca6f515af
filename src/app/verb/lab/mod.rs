//! `meshlab lab`: run, practise, test and write labs.

mod check;
mod child;
mod hint;
mod list;
mod new;
mod practised;
mod reset;
mod run;
mod show;
mod solve;
mod test;

use clap::{Args, Subcommand};

use super::Runnable;

/// Run a lab, or work on one of its steps
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    verb: Option<LabVerb>,
    #[command(flatten)]
    run: run::LabRunArgs,
}

#[derive(Debug, Subcommand)]
enum LabVerb {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Check(check::CheckArgs),
    Hint(hint::HintArgs),
    Solve(solve::SolveArgs),
    Reset(reset::ResetArgs),
    Test(test::TestArgs),
    New(new::NewArgs),
}

impl LabArgs {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self.verb {
            None => Box::new(self.run),
            Some(LabVerb::List(args)) => Box::new(args),
            Some(LabVerb::Show(args)) => Box::new(args),
            Some(LabVerb::Check(args)) => Box::new(args),
            Some(LabVerb::Hint(args)) => Box::new(args),
            Some(LabVerb::Solve(args)) => Box::new(args),
            Some(LabVerb::Reset(args)) => Box::new(args),
            Some(LabVerb::Test(args)) => Box::new(args),
            Some(LabVerb::New(args)) => Box::new(args),
        }
    }
}
