//! `meshlab provision`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::profile::ProfileChoice;
use super::{Context, Output, Run};
use crate::app::ui::{Cell, Look, Table};
use crate::artifacts::lockfile::{Lock, SizeBound};
use crate::artifacts::provision::{
    ArtifactState, PlannedArtifact, ProvisionPlan, ProvisionRequest, Provisioned, Sources, plan, provision,
};
use crate::core::event::SharedReporter;
use crate::core::failure::Result;
use crate::core::model::{ArtifactName, ByteSize};
use crate::core::settings::Settings;

const SCHEMA: u32 = 1;

/// Download, verify and unpack pinned tools
#[derive(Debug, Args)]
pub(crate) struct ProvisionArgs {
    /// Artifacts (tools), as `meshlab deps list` lists them [default: those of the profile]
    #[arg(value_name = "NAME")]
    names: Vec<ArtifactName>,
    /// Set of artifacts [default: core, unless artifacts are named]
    #[arg(long, value_enum, value_name = "PROFILE")]
    profile: Option<ProfileChoice>,
    /// Kinds of source to use
    #[arg(long, value_enum, default_value = "auto", value_name = "SOURCE")]
    source: SourceChoice,
    /// Show what would be done without doing it
    #[arg(long)]
    dry_run: bool,
}

/// The kinds of source that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceChoice {
    /// All, in the order of deps.lock
    Auto,
    /// Only release files of the projects (and MESHLAB_MIRROR)
    Upstream,
    /// Only package managers (and MESHLAB_MIRROR)
    Registry,
}

impl Run for ProvisionArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&run(&self, &context.settings, &context.lock()?, &context.reporter).await?)
    }
}

/// Gets what was asked for into place, or says what would be done.
async fn run(
    args: &ProvisionArgs,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Output> {
    let request = request(args);
    if args.dry_run {
        return Ok(planned(&plan(&request, settings, lock)?, settings));
    }
    Ok(done(&provision(&request, settings, lock, reporter).await?))
}

fn request(args: &ProvisionArgs) -> ProvisionRequest {
    let profiles = ProfileChoice::profiles(args.profile, &args.names);
    let sources = match args.source {
        SourceChoice::Auto => Sources::Any,
        SourceChoice::Upstream => Sources::Upstream,
        SourceChoice::Registry => Sources::Registry,
    };
    ProvisionRequest { names: args.names.clone(), profiles, sources }
}

fn done(provisioned: &Provisioned) -> Output {
    let tools: Vec<_> = provisioned
        .tools()
        .map(|tool| {
            json!({
                "artifact": tool.artifact,
                "version": tool.version,
                "source": tool.source,
                "folder": tool.folder,
                "commands": tool.commands.iter().map(|(name, path)| (name.as_str(), path)).collect::<std::collections::BTreeMap<_, _>>(),
            })
        })
        .collect();
    // For people the summary has been drawn from the events.
    Output { human: String::new(), json: json!({ "schema": SCHEMA, "tools": tools }) }
}

fn planned(plan: &ProvisionPlan<'_>, settings: &Settings) -> Output {
    let mut table = Table::new(["ARTIFACT", "VERSION", "TO DO", "SIZE"]).right(3);
    for planned in &plan.artifacts {
        let (what, size) = to_do(planned);
        let size = size.map_or_else(String::new, |size| size.to_string());
        let name = Cell::strong(planned.artifact.name.to_string());
        table.row([name, planned.artifact.version.clone().into(), what.into(), size.into()]);
    }
    let artifacts: Vec<_> = plan
        .artifacts
        .iter()
        .map(|planned| {
            let (state, source) = match &planned.state {
                ArtifactState::Ready(tool) => ("ready", tool.source.as_str()),
                ArtifactState::Stored(source) => ("stored", source.kind.name()),
                ArtifactState::Missing(source, _) => ("missing", source.kind.name()),
            };
            let missing: Vec<_> = match &planned.state {
                ArtifactState::Missing(_, files) => files
                    .iter()
                    .map(
                        |file| json!({ "name": file.name, "size": file.size.exact(), "digest": file.digest }),
                    )
                    .collect(),
                _ => Vec::new(),
            };
            json!({
                "artifact": planned.artifact.name,
                "version": planned.artifact.version,
                "state": state,
                "source": source,
                "missing": missing,
            })
        })
        .collect();
    Output {
        human: table.render(&Look::of_stdout(settings)),
        json: json!({ "schema": SCHEMA, "platform": plan.platform, "artifacts": artifacts }),
    }
}

/// What is to be done in words, and how much is to be fetched where that is known.
fn to_do(planned: &PlannedArtifact<'_>) -> (String, Option<ByteSize>) {
    match &planned.state {
        ArtifactState::Ready(_) => ("nothing".to_owned(), None),
        ArtifactState::Stored(_) => ("unpack from the cache".to_owned(), None),
        ArtifactState::Missing(source, files) => {
            let verb = if source.kind.name() == "go" { "build with go" } else { "fetch" };
            let from = if verb == "fetch" { format!(" by {}", source.kind.name()) } else { String::new() };
            let sizes: Option<u64> = files
                .iter()
                .map(|file| match file.size {
                    SizeBound::Exact(size) => Some(size.0),
                    SizeBound::AtMost(_) => None,
                })
                .sum();
            (format!("{verb}{from}"), sizes.map(ByteSize))
        }
    }
}
