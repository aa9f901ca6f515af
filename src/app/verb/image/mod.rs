//! `meshlab image`: container images made of pinned artifacts.

mod export;
mod list;
mod load;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Runnable;
use crate::artifacts::image::AssembledImage;

const SCHEMA: u32 = 1;

/// List, load or export container images made of pinned artifacts
#[derive(Debug, Subcommand)]
pub(crate) enum ImageVerb {
    List(list::ListArgs),
    Load(load::LoadArgs),
    Export(export::ExportArgs),
}

impl ImageVerb {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::List(args) => Box::new(args),
            Self::Load(args) => Box::new(args),
            Self::Export(args) => Box::new(args),
        }
    }
}

fn layers(image: &AssembledImage) -> Vec<Value> {
    image.layers().map(|(of, digest, size)| json!({ "of": of, "digest": digest, "size": size })).collect()
}
