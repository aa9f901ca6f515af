//! `meshlab image list`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{SCHEMA, layers};
use crate::app::ui::{Cell, Look, Table};
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::image::{AssembledImage, ImageIdentity, assemble, reference};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::Tools;
use crate::artifacts::work::blocking;
use crate::core::event::{Event, Note, SharedReporter};
use crate::core::failure::{FailureKind, Result};
use crate::core::model::{ByteSize, Platform};
use crate::core::settings::Settings;
use crate::machine::choose::docker_host;
use crate::machine::docker::images::{Presence, presence};
use crate::machine::docker::{self, Found};

/// List every image: name, id, size, and whether Docker has it
#[derive(Debug, Args)]
pub(crate) struct ListArgs;

impl Run for ListArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&list(&context.settings, &context.lock()?, &context.reporter).await?)
    }
}

/// Every image of the lock, and whether Docker has it. Fetches nothing, and does without Docker.
async fn list(settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<Output> {
    let platform = Platform::current()?;
    let daemon = match docker::find(docker_host(settings)).await {
        Ok(Found::Usable(daemon)) => Some(daemon),
        Ok(Found::Absent(_)) => None,
        Err(failure) => {
            reporter.report(Event::Note(Note::DockerNotAsked { failure }));
            None
        }
    };
    let mut table = Table::new(["NAME", "REFERENCE", "ID", "LAYERS", "SIZE", "DOCKER"]).right(3).right(4);
    let mut images = Vec::new();
    for image in &lock.images {
        let (lock_now, name) = (lock.clone(), image.name.clone());
        let tools = Tools::new(&settings.dirs.data);
        let assembled = match blocking(move || assemble(&lock_now, platform, &tools, &[name])).await {
            Ok(assembled) => assembled.into_iter().next(),
            Err(failure) if failure.kind() == FailureKind::NotCached => None,
            Err(failure) => return Err(failure),
        };
        let identity = match &assembled {
            Some(assembled) => Some(assembled.identity.clone()),
            None => ImageIdentity::pinned(lock, image, platform)?,
        };
        let presence = match (&daemon, &identity) {
            (Some(daemon), Some(identity)) => Some(presence(daemon, identity).await?),
            _ => None,
        };
        let size = assembled.as_ref().map(AssembledImage::size);
        table.row([
            Cell::strong(image.name.as_str()),
            reference(lock, image)?.into(),
            identity.as_ref().map_or_else(|| Cell::dim("not pinned"), |known| known.id.short().into()),
            (image.contents.len() + 1).to_string().into(),
            size.map_or_else(|| Cell::dim("not installed"), |size| ByteSize(size).to_string().into()),
            match presence {
                Some(Presence::Loaded) => Cell::good("loaded"),
                Some(Presence::Other) => Cell::warn("another image"),
                Some(Presence::Absent) => "absent".into(),
                None => Cell::dim("not asked"),
            },
        ]);
        images.push(json!({
            "name": image.name,
            "summary": image.summary,
            "reference": reference(lock, image)?,
            "contents": image.contents,
            "platform": platform,
            "id": identity.as_ref().map(|known| known.id),
            "manifest": identity.as_ref().map(|known| known.manifest_id),
            "size": size,
            "layers": assembled.as_ref().map(layers),
            "docker": presence,
        }));
    }
    let json = json!({ "schema": SCHEMA, "images": images });
    Ok(Output { human: table.render(&Look::of_stdout(settings)), json })
}
