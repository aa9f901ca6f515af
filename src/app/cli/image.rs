//! Verbs about container images.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts, which show no backticks")]

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use crate::core::model::Slug;

/// `meshlab image`
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Every image: its name, id and size, and whether Docker has it
    List,
    /// Load images into Docker; what it has already is left alone, what is missing is fetched first
    Load {
        /// Images; without any, all
        names: Vec<Slug>,
    },
    /// Write images into one archive that `docker load` and `podman load` take; what is missing is fetched first
    Export(ImageExportArgs),
}

/// `meshlab image export`
#[derive(Debug, Args)]
pub struct ImageExportArgs {
    /// The archive, or - for standard output; one that is there is replaced with --yes only
    pub file: Utf8PathBuf,
    /// Images; without any, all
    pub names: Vec<Slug>,
}
