//! Which labs there are: those of the working directory, else those built in.

use camino::Utf8Path;
use include_dir::{Dir, include_dir};

use super::Lab;
use crate::failure::{Failure, Result};
use crate::model::{LabAddress, LabId};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/labs");

/// The longest file of a lab that is read, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// The labs that can be run.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: LabId,
    origin: String,
    files: Vec<(String, String)>,
}

impl Catalog {
    /// The labs of `work_dir/labs` if there are any, else the built-in ones; sorted by number.
    pub fn find(work_dir: &Utf8Path) -> Result<Self> {
        let folder = work_dir.join("labs");
        let mut entries = if folder.is_dir() { read_folder(&folder)? } else { Vec::new() };
        // Many a project has a folder of that name for something else.
        if entries.is_empty() {
            entries = built_in();
        }
        entries.sort_by_key(|entry| (number(&entry.id), entry.id.clone()));
        Ok(Self { entries })
    }

    /// The names of all labs, in order.
    pub fn ids(&self) -> impl Iterator<Item = &LabId> {
        self.entries.iter().map(|entry| &entry.id)
    }

    /// Reads a lab as it is on an address. Its name may be shortened to what is unique (`1`, `tcp-echo`).
    pub fn lab(&self, name: &str, address: LabAddress) -> Result<Lab> {
        let entry = self.entry(name)?;
        let origin = format!("{}/lab.toml", entry.origin);
        let text = entry.file("lab.toml").ok_or_else(|| Failure::usage(format!("{origin} is missing")))?;
        let base = match base(text) {
            Some(base) => Some(self.exactly(&base).ok_or_else(|| {
                Failure::usage(format!("{origin}: base = {base:?}: there is no such lab"))
                    .hint("the files of a base are taken from the same `labs` folder")
            })?),
            None => None,
        };
        let find = |wanted: &str| entry.file(wanted).or_else(|| base?.file(wanted));
        Lab::parse(entry.id.clone(), text, &origin, address, find)
    }

    fn exactly(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id.as_str() == id)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        if let Some(exact) = self.exactly(name) {
            return Ok(exact);
        }
        // `1` means lab 1, never lab 10.
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let shortened = |id: &str| {
            let (number, slug) = id.split_once('-').unwrap_or((id, id));
            if is_number {
                number == name
            } else {
                !name.is_empty() && (id.starts_with(name) || slug.starts_with(name))
            }
        };
        let matching: Vec<&Entry> =
            self.entries.iter().filter(|entry| shortened(entry.id.as_str())).collect();
        match matching.as_slice() {
            [one] => Ok(one),
            [] => {
                let near = crate::nearest::nearest(name, self.ids().map(LabId::as_str));
                let failure = Failure::usage(format!("no lab is called {name:?}"));
                Err(match near {
                    Some(near) => failure.hint(format!("did you mean {near}? `meshlab lab list` shows all")),
                    None => failure.hint("`meshlab lab list` shows all labs"),
                })
            }
            several => {
                let names: Vec<&str> = several.iter().map(|entry| entry.id.as_str()).collect();
                Err(Failure::usage(format!("{name:?} may be {}", names.join(" or ")))
                    .hint("type more of the name"))
            }
        }
    }
}

impl Entry {
    fn file(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(file, _)| file == name).map(|(_, text)| text.as_str())
    }
}

/// The lab whose files are used where there is none beside a definition. One that cannot be read has none: it is told
/// when it is read in earnest.
fn base(definition: &str) -> Option<String> {
    let table: toml::Table = definition.parse().ok()?;
    table.get("base")?.as_str().map(str::to_owned)
}

/// `10-x` comes after `2-y`; labs without a number come last.
fn number(id: &LabId) -> u32 {
    id.as_str().split('-').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)
}

fn built_in() -> Vec<Entry> {
    BUILT_IN
        .dirs()
        .filter_map(|folder| {
            let name = folder.path().file_name()?.to_str()?;
            let files = folder.files().filter_map(|file| {
                Some((file.path().file_name()?.to_str()?.to_owned(), file.contents_utf8()?.to_owned()))
            });
            Some(Entry {
                id: name.parse().ok()?,
                origin: format!("labs/{name} (built in)"),
                files: files.collect(),
            })
        })
        .collect()
}

fn read_folder(folder: &Utf8Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for lab in folder.read_dir_utf8()? {
        let lab = lab?;
        if !lab.path().join("lab.toml").is_file() {
            continue;
        }
        let id = lab.file_name().parse().map_err(|invalid: crate::model::Invalid| {
            Failure::usage(format!("{} is no name for a lab: {invalid}", lab.path()))
        })?;
        let mut files = Vec::new();
        for file in lab.path().read_dir_utf8()? {
            let file = file?;
            let metadata = file.metadata()?;
            if metadata.is_file() && metadata.len() <= LONGEST_FILE {
                // An editor's or a compiler's file is none of the lab's: those it names are text.
                if let Ok(text) = String::from_utf8(fs_err::read(file.path())?) {
                    files.push((file.file_name().to_owned(), text));
                }
            }
        }
        entries.push(Entry { id, origin: lab.path().to_string(), files });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(ids: &[&str]) -> Catalog {
        let entry = |id: &&str| Entry { id: id.parse().unwrap(), origin: String::new(), files: Vec::new() };
        Catalog { entries: ids.iter().map(entry).collect() }
    }

    #[test]
    fn names_may_be_shortened_to_what_is_unique() {
        let catalog = catalog(&["1-tcp-echo", "2-calculator", "10-tcp-more"]);
        for (typed, meant) in
            [("1", "1-tcp-echo"), ("tcp-e", "1-tcp-echo"), ("2-c", "2-calculator"), ("10", "10-tcp-more")]
        {
            assert_eq!(catalog.entry(typed).unwrap().id.as_str(), meant, "{typed}");
        }
        for (typed, told) in [("tcp", "may be"), ("", "no lab"), ("9", "no lab")] {
            let refused = catalog.entry(typed).unwrap_err();
            assert!(refused.message().contains(told), "{refused}");
        }
        assert!(catalog.entry("calcluator").unwrap_err().hint_text().unwrap().contains("meshlab lab list"));
    }

    #[test]
    fn every_built_in_lab_is_good() {
        let catalog = Catalog::find(Utf8Path::new("/nonexistent")).unwrap();
        let ids: Vec<&str> = catalog.ids().map(LabId::as_str).collect();
        let all = [
            "1-tcp-echo",
            "2-calculator",
            "3-native-sidecars",
            "4-zero-trust",
            "5-traffic",
            "6-mixed-languages",
        ];
        assert_eq!(ids, all);
        for id in ids {
            let lab = catalog.lab(id, LabAddress::DEFAULT).unwrap();
            assert!(!lab.steps.is_empty() && lab.learned.len() == 3, "{id}");
        }
    }

    /// What lab 6 says of itself: the services are others, the mesh is the same.
    #[test]
    fn the_mesh_of_lab_6_is_that_of_lab_2() {
        let catalog = Catalog::find(Utf8Path::new("/nonexistent")).unwrap();
        let file = |lab: &str, name: &str| {
            let lab = catalog.lab(lab, LabAddress::DEFAULT).unwrap();
            lab.files.into_iter().find(|(file, _)| file.as_str() == name).unwrap().1
        };
        for name in ["mesh.hcl", "sidecar-job.hcl", "envoyJob.hcl", "apiGatewayJob.hcl", "dashboardJob.hcl"] {
            assert_eq!(file("6", name), file("2", name), "{name}");
        }
    }

    #[test]
    fn a_lab_uses_the_files_of_its_base() {
        let built_in = Catalog::find(Utf8Path::new("/nonexistent")).unwrap();
        let text = |id: &str| built_in.exactly(id).unwrap().file("lab.toml").unwrap().to_owned();
        let own = text("1-tcp-echo").replacen("title", "base = \"1-tcp-echo\"\ntitle", 1);
        let entry = |id: &str, files: Vec<(String, String)>| Entry {
            id: id.parse().unwrap(),
            origin: format!("labs/{id}"),
            files,
        };
        let with = |other: Vec<Entry>| {
            let mut entries = vec![entry("2-own", vec![("lab.toml".into(), own.clone())])];
            entries.extend(other);
            Catalog { entries }.lab("2-own", LabAddress::DEFAULT)
        };
        let base = entry("1-tcp-echo", vec![("services.hcl".into(), "of the base".into())]);
        assert_eq!(with(vec![base]).unwrap().files[0].1, "of the base");
        let missing = with(Vec::new()).unwrap_err();
        assert_eq!(missing.message(), "labs/2-own/lab.toml: base = \"1-tcp-echo\": there is no such lab");
    }

    #[test]
    fn a_file_that_is_no_text_breaks_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("labs/1-own");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("lab.toml"), "title = 1").unwrap();
        std::fs::write(folder.join(".lab.toml.swp"), [0xff, 0xfe]).unwrap();
        let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
        let told = catalog.lab("1", LabAddress::DEFAULT).unwrap_err();
        assert!(told.message().contains("lab.toml:1:9"), "{told}");
    }

    #[test]
    fn a_folder_of_that_name_without_labs_hides_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temporary.path().join("labs/photographs")).unwrap();
        let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
        assert!(catalog.ids().any(|id| id.as_str() == "1-tcp-echo"));
    }
}
