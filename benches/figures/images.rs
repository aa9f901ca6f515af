//! Container images into Docker for the first time: put together and loaded by meshlab, and built by `docker build` from
//! Dockerfiles that copy the same files onto nothing. And what all of them take, beside what they are made of.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::child::{measured, stop_watch};
use crate::provision::meshlab;
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

const DEADLINE: Duration = Duration::from_mins(10);
/// The repository of what `docker build` makes, so that it is never taken for meshlab's.
const BUILT: &str = "meshlab-figures";

pub(crate) fn measure(runs: usize, folder: &Path) -> Result<Vec<Figure>> {
    docker(&["version"]).map_err(|fault| format!("this needs a Docker daemon: {fault}"))?;
    let images = Images::export(folder)?;
    not_in_use(&images.references())?;
    let (mut ours, mut built) = (Collector::default(), Collector::default());
    for run in 0..runs {
        remove(&images.references())?;
        rustix::fs::sync();
        ours.add(load()?);
        images.salt(run)?;
        rustix::fs::sync();
        built.add(images.build()?);
        remove(&images.built())?;
    }
    let mut size = Collector::default();
    let mut parts = Collector::default();
    size.add(images.size);
    parts.add(images.parts);
    let what = format!("all {} of the lock, {:.0} MB, none there", images.of.len(), images.size / 1e6);
    let (ours, built) = (ours.samples()?, built.samples()?);
    let docker_build = "docker build of Dockerfiles FROM scratch that copy the same files, layers shared";
    Ok(vec![
        Figure {
            name: "images",
            what: what.clone(),
            unit: Unit::Seconds,
            meshlab: ours.clone(),
            alternative: None,
            beside: Vec::new(),
            target: Target::Value(15.0),
        },
        Figure {
            name: "images",
            what,
            unit: Unit::Seconds,
            meshlab: ours,
            alternative: Some((docker_build, built)),
            beside: Vec::new(),
            target: Target::Ratio(0.5),
        },
        Figure {
            name: "images",
            what: "one archive of all".to_owned(),
            unit: Unit::Bytes,
            meshlab: size.samples()?,
            alternative: Some(("the files they are made of, each once", parts.samples()?)),
            beside: Vec::new(),
            target: Target::Ratio(1.02),
        },
    ])
}

/// All images of the lock, their layers unpacked, and a folder to build each of them from.
struct Images {
    /// By name: the reference, and what each layer holds.
    of: BTreeMap<String, (String, Vec<String>)>,
    layers: PathBuf,
    contexts: PathBuf,
    size: f64,
    parts: f64,
}

impl Images {
    fn export(folder: &Path) -> Result<Self> {
        let archive = folder.join("images.tar");
        let path = archive.to_str().ok_or("the folder has no plain name")?;
        let output = meshlab(&["--json", "--quiet", "image", "export", path]).output()?;
        let said: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("image export: {}", String::from_utf8_lossy(&output.stderr)))?;
        let (mut of, mut holds) = (BTreeMap::new(), BTreeMap::new());
        for image in said["images"].as_array().ok_or("no images")? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let mut layers = Vec::new();
            for layer in image["layers"].as_array().ok_or("no layers")? {
                layers.push(text(&layer["of"]));
                holds.insert(text(&layer["digest"]).replace("sha256:", "blobs/sha256/"), text(&layer["of"]));
            }
            of.insert(text(&image["name"]), (text(&image["reference"]), layers));
        }
        let (layers, contexts) = (folder.join("layers"), folder.join("contexts"));
        fs::create_dir(&layers)?;
        fs::create_dir(&contexts)?;
        let size = fs::metadata(&archive)?.len();
        let mut images = Self { of, layers, contexts, size: 0.0, parts: 0.0 };
        let parts = images.unpack(&archive, &holds)?;
        // Both are far below what a double can't hold exactly.
        #[allow(clippy::cast_precision_loss, reason = "some hundred megabytes")]
        {
            (images.size, images.parts) = (size as f64, parts as f64);
        }
        fs::remove_file(archive)?;
        images.prepare()?;
        Ok(images)
    }

    /// Unpacks every layer into a folder of its own, and says how long their files are together.
    fn unpack(&self, archive: &Path, holds: &BTreeMap<String, String>) -> Result<u64> {
        let mut parts = 0;
        let mut archive = tar::Archive::new(fs::File::open(archive)?);
        for member in archive.entries()? {
            let mut member = member?;
            let name = member.path()?.to_string_lossy().into_owned();
            let Some(of) = holds.get(&name) else { continue };
            let mut layer = tar::Archive::new(Box::new(&mut member) as Box<dyn Read>);
            let into = self.layers.join(of);
            fs::create_dir(&into)?;
            for entry in layer.entries()? {
                let mut entry = entry?;
                parts += entry.size();
                entry.unpack_in(&into)?;
            }
        }
        Ok(parts)
    }

    /// A folder with a Dockerfile and the layers of one image for each, so that no build is handed more than it needs.
    fn prepare(&self) -> Result<()> {
        for (name, (_, layers)) in &self.of {
            let context = self.contexts.join(name);
            fs::create_dir(&context)?;
            let mut lines = vec!["FROM scratch".to_owned()];
            for layer in layers {
                // Hard links: the files are there once.
                let mut copy = Command::new("cp");
                copy.arg("-al").arg(self.layers.join(layer)).arg(context.join(layer));
                if !copy.status()?.success() {
                    return Err(format!("cannot copy {layer}").into());
                }
                lines.push(format!("COPY {layer}/ /"));
            }
            lines.push("CMD [\"/bin/sh\"]\n".to_owned());
            fs::write(context.join("Dockerfile"), lines.join("\n"))?;
        }
        Ok(())
    }

    /// A small file that no other run has in its lowest layer: nothing is taken from a cache of the run before, and
    /// the images of one run still share what they have in common.
    fn salt(&self, run: usize) -> Result<()> {
        let text = format!("{} {run}\n", std::process::id());
        for name in self.of.keys() {
            fs::write(self.contexts.join(name).join("base/etc/run"), &text)?;
        }
        Ok(())
    }

    /// Builds every image, those with few layers first, because others begin with the same ones.
    fn build(&self) -> Result<f64> {
        let mut names: Vec<(&String, usize)> =
            self.of.iter().map(|(name, (_, layers))| (name, layers.len())).collect();
        names.sort_by_key(|(_, layers)| *layers);
        let mut took = 0.0;
        for (name, _) in names {
            let mut command = stop_watch(DEADLINE, "docker")?;
            if docker(&["buildx", "version"]).is_err() {
                command.env("DOCKER_BUILDKIT", "0");
            }
            command.args(["build", "--quiet", "--tag", &format!("{BUILT}/{name}")]);
            command.arg(self.contexts.join(name));
            took += measured(command)?.wall;
        }
        Ok(took)
    }

    fn references(&self) -> Vec<String> {
        self.of.values().map(|(reference, _)| reference.clone()).collect()
    }

    fn built(&self) -> Vec<String> {
        self.of.keys().map(|name| format!("{BUILT}/{name}")).collect()
    }
}

/// Nothing is taken from a lab that runs.
fn not_in_use(references: &[String]) -> Result<()> {
    for reference in references {
        let filter = format!("ancestor={reference}");
        let output = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output()?;
        if !output.stdout.is_empty() {
            return Err(format!("containers use {reference}: `meshlab down --all` first").into());
        }
    }
    Ok(())
}

/// Removes images, where they are there.
fn remove(references: &[String]) -> Result<()> {
    for reference in references {
        if docker(&["image", "inspect", reference]).is_ok() {
            docker(&["image", "rm", reference])?;
        }
    }
    Ok(())
}

fn load() -> Result<f64> {
    let mut command = stop_watch(DEADLINE, MESHLAB)?;
    command.current_dir("/").args(["--quiet", "image", "load"]);
    Ok(measured(command)?.wall)
}

/// Runs docker to its end; anything but success is a fault.
fn docker(arguments: &[&str]) -> Result<()> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("docker {}: {}", arguments.join(" "), said.trim()).into())
}
