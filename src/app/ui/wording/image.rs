//! Container images.

use super::Stage;
use crate::core::event::ImageEvent;
use crate::core::model::Slug;

pub(super) fn stage(event: &ImageEvent) -> Stage {
    match event {
        ImageEvent::Loading { images, bytes } => {
            Stage::Working(format!("loading images into Docker ({bytes}): {}", named(images)))
        }
        ImageEvent::Loaded { images, bytes, took } => Stage::Done {
            what: "images loaded".to_owned(),
            details: vec![format!("{} ({bytes})", named(images))],
            took: *took,
        },
        ImageEvent::Exporting { images, bytes } => {
            Stage::Working(format!("writing {} into an archive ({bytes})", counted(images)))
        }
        ImageEvent::Exported { images, bytes, took } => Stage::Done {
            what: format!("{} in one archive ({bytes})", counted(images)),
            details: Vec::new(),
            took: *took,
        },
    }
}

fn named(images: &[Slug]) -> String {
    images.iter().map(Slug::as_str).collect::<Vec<_>>().join(", ")
}

fn counted(images: &[Slug]) -> String {
    match images {
        [one] => format!("image {one}"),
        several => format!("{} images", several.len()),
    }
}
