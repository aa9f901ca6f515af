//! The packages that Nomad's jobs fetch from the lab's own repository, and the variables file for the jobs.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use fs_err as fs;

use super::{LOAD_BALANCER, Secrets};
use crate::artifacts::image;
use crate::artifacts::repo::{PublishedPackage, PublishedPackages};
use crate::artifacts::store::hash_file;
use crate::artifacts::tool::InstalledTool;
use crate::core::failure::{Failure, Result};
use crate::core::model::{Digest, DigestAlgorithm, EnvironmentSpec, FileName, Platform};
use crate::machine::copy_of_this_program;
use crate::machine::state::RunDir;

/// The job variables, in the lab's folder.
pub const VARIABLES: &str = "lab.vars.hcl";

pub(super) const LIST: &str = "packages.json";

/// A file that is published under a name.
#[derive(Debug, Clone)]
pub struct Package {
    /// The package's name.
    pub name: FileName,
    /// Its version.
    pub version: String,
    /// Its licence.
    pub license: String,
    /// What it is.
    pub summary: String,
    /// What kind of file it is.
    pub form: Form,
    /// The file.
    pub path: Utf8PathBuf,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What kind of file a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// An executable file.
    Program,
    /// A tar: Nomad unpacks what is called so.
    Tar,
    /// A file of the lab, under its own name.
    Source(FileName),
}

/// The commands of installed tools as packages: the very files that were verified when they were unpacked. `place` says
/// where a tool's file is for the repository.
pub fn installed_packages<'a>(
    tools: impl IntoIterator<Item = &'a InstalledTool>,
    place: impl Fn(&InstalledTool, Utf8PathBuf) -> Utf8PathBuf,
) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for tool in tools {
        for (command, file) in tool.command_files()? {
            packages.push(Package {
                name: command,
                version: tool.version.clone(),
                license: "see `meshlab deps why`".to_owned(),
                summary: format!("the command of {} {}", tool.artifact, tool.version),
                form: Form::Program,
                path: place(tool, file.path),
                digest: file.digest,
                size: file.size,
            });
        }
    }
    Ok(packages)
}

/// Tools packed whole, each a tar in the lab's folder, once: a lab that goes on has them. Blocks.
pub(crate) fn packed_runtimes(run: &RunDir, tools: &[InstalledTool]) -> Result<Vec<Package>> {
    let folder = run.packages();
    fs::create_dir_all(&folder)?;
    let mut packages = Vec::new();
    for tool in tools {
        let path = folder.join(format!("{}-{}.tar", tool.artifact, tool.version));
        let (digest, size) = if path.exists() {
            (hash_file(&path, DigestAlgorithm::Sha256)?, fs::metadata(&path)?.len())
        } else {
            let beside = Utf8PathBuf::from(format!("{path}.new"));
            let packed = image::pack(tool, &beside)?;
            fs::rename(&beside, &path)?;
            packed
        };
        packages.push(Package {
            name: package_name(tool.artifact.as_str())?,
            version: tool.version.clone(),
            license: "see `meshlab deps why`".to_owned(),
            summary: format!("all of {} {}", tool.artifact, tool.version),
            form: Form::Tar,
            path,
            digest,
            size,
        });
    }
    Ok(packages)
}

/// Files of the lab, as they lie in its folder.
fn sources(run: &RunDir, spec: &EnvironmentSpec) -> Result<Vec<Package>> {
    let sources = spec.sources.iter().map(|(name, file)| {
        let path = run.work().join(file.as_str());
        Ok(Package {
            name: package_name(name.as_str())?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            license: env!("CARGO_PKG_LICENSE").to_owned(),
            summary: "a service of the calculator, as it was written".to_owned(),
            form: Form::Source(file.clone()),
            digest: hash_file(&path, DigestAlgorithm::Sha256)?,
            size: fs::metadata(&path)?.len(),
            path,
        })
    });
    sources.collect()
}

fn package_name(name: &str) -> Result<FileName> {
    name.parse().map_err(|error| Failure::failed(format!("no package can be called {name}")).seen(&error))
}

/// Writes the package list for the repository and the variables for the jobs. A package that is not an installed tool is
/// this binary.
pub(super) fn publish(
    run: &RunDir,
    spec: &EnvironmentSpec,
    tools: &[Package],
    runtimes: &[Package],
) -> Result<()> {
    let own = if spec.packages.iter().all(|name| tools.iter().any(|tool| tool.name == *name)) {
        None
    } else {
        Some(own_program(run)?)
    };
    let mut packages = Vec::new();
    for name in &spec.packages {
        let tool = tools.iter().find(|tool| tool.name == *name).cloned();
        packages.extend(tool.or_else(|| own.clone().map(|own| Package { name: name.clone(), ..own })));
    }
    packages.extend(runtimes.iter().cloned());
    packages.extend(sources(run, spec)?);
    let platform = Platform::current()?;
    let published: Vec<PublishedPackage> =
        packages.into_iter().map(|package| published(package, platform)).collect::<Result<_>>()?;
    fs::write(run.work().join(VARIABLES), variables(run, &published))?;
    let list = PublishedPackages::new(published)
        .map_err(|error| Failure::usage("the lab's packages cannot be published").seen(&error))?;
    fs::write(run.work().join(LIST), list.to_json())?;
    Ok(())
}

/// This program as a package.
fn own_program(run: &RunDir) -> Result<Package> {
    let path = copy_of_this_program(run)?;
    let digest = hash_file(&path, DigestAlgorithm::Sha256)?;
    Ok(Package {
        name: package_name("meshlab")?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        license: env!("CARGO_PKG_LICENSE").to_owned(),
        summary: "a service of the calculator, one static program".to_owned(),
        form: Form::Program,
        size: fs::metadata(&path)?.len(),
        path,
        digest,
    })
}

fn published(package: Package, platform: Platform) -> Result<PublishedPackage> {
    let invalid = |error: crate::core::model::Invalid| {
        Failure::failed(format!("cannot publish {}", package.name)).seen(&error)
    };
    let of_platform = format!("{}-{}-{platform}", package.name, package.version);
    let file = match &package.form {
        Form::Program => of_platform.parse().map_err(invalid)?,
        Form::Tar => format!("{of_platform}.tar").parse().map_err(invalid)?,
        Form::Source(file) => file.clone(),
    };
    Ok(PublishedPackage {
        name: package.name.as_str().parse().map_err(invalid)?,
        file,
        version: package.version,
        license: package.license,
        summary: package.summary,
        path: package.path,
        digest: package.digest,
        size: package.size,
    })
}

/// HCL for `nomad job run -var-file`: what the lab's jobs have to know of this machine.
fn variables(run: &RunDir, packages: &[PublishedPackage]) -> String {
    let address = run.address();
    let base = format!("http://{}/public/pkgs", address.port(LOAD_BALANCER));
    let mut text = String::from("# Written by meshlab, for this lab's jobs.\nlab = {\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  address        = {}", quoted(&address.to_string()));
    let _ = writeln!(text, "  second_address = {}", quoted(&address.second().to_string()));
    let _ = writeln!(text, "  token_file     = {}", quoted(Secrets::services_file(run).as_str()));
    let _ = writeln!(text, "\n  packages = {{");
    for package in packages {
        let _ = writeln!(
            text,
            "    {} = {{\n      source   = {}\n      checksum = {}\n    }}",
            quoted(package.name.as_str()),
            quoted(&format!("{base}/{}/{}", package.name, package.file)),
            quoted(&package.digest.to_string()),
        );
    }
    text.push_str("  }\n}\n");
    text
}

/// A string of HCL in which nothing is interpolated.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_string_is_interpolated() {
        assert_eq!(quoted(r#"/a "b"\c ${x} %{y}"#), r#""/a \"b\"\\c $${x} %%{y}""#);
    }

    #[test]
    fn a_file_of_the_lab_keeps_its_name_and_a_runtime_is_called_a_tar() {
        let folder = tempfile::tempdir().unwrap();
        let state = camino::Utf8Path::from_path(folder.path()).unwrap();
        let run = RunDir::new(state, "127.0.0.7".parse().unwrap());
        run.create().unwrap();
        fs::write(run.work().join("sub_svc.py"), "print(1)").unwrap();
        let spec = EnvironmentSpec {
            sources: [("sub-svc".parse().unwrap(), "sub_svc.py".parse().unwrap())].into(),
            ..EnvironmentSpec::default()
        };
        let source = sources(&run, &spec).unwrap().remove(0);
        assert_eq!((source.digest, source.size), (Digest::sha256_of(b"print(1)"), 8));
        let runtime = Package { name: "python".parse().unwrap(), form: Form::Tar, ..source.clone() };
        publish(&run, &spec, &[], &[runtime]).unwrap();
        let list = PublishedPackages::read(&run.work().join(LIST)).unwrap();
        let names: Vec<String> =
            list.packages().iter().map(|package| format!("{}/{}", package.name, package.file)).collect();
        let tar = format!("python/python-{}-{}.tar", env!("CARGO_PKG_VERSION"), Platform::current().unwrap());
        assert_eq!(names, [tar.as_str(), "sub-svc/sub_svc.py"]);
    }

    #[test]
    fn the_jobs_variables() {
        let run = RunDir::new("/home/u/${state}".into(), "127.0.0.7".parse().unwrap());
        let package = |name: &str, content: &[u8]| Package {
            name: name.parse().unwrap(),
            version: "1.2.3".to_owned(),
            license: "MIT".to_owned(),
            summary: String::new(),
            form: Form::Program,
            path: "/nowhere".into(),
            digest: Digest::sha256_of(content),
            size: 3,
        };
        let platform = "linux-arm64".parse().unwrap();
        let packages = [package("add-svc", b"one"), package("envoy", b"two")];
        let published: Vec<_> =
            packages.into_iter().map(|package| published(package, platform).unwrap()).collect();
        insta::assert_snapshot!(variables(&run, &published));
    }
}
