//! Which labs there are: those of the working directory, else those built in.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use camino::Utf8Path;
use fs_err as fs;
use include_dir::{Dir, include_dir};

use super::Lab;
use crate::failure::{Failure, Result};
use crate::model::{Invalid, LabAddress, LabId};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/labs");

/// The longest file of a lab that is read, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// The labs that can be run.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    unusable: Vec<Unusable>,
}

/// A folder with a `lab.toml` that cannot be a lab.
#[derive(Debug)]
pub struct Unusable {
    /// Its name.
    pub folder: String,
    /// Why not.
    pub why: Failure,
}

#[derive(Debug)]
struct Entry {
    id: LabId,
    origin: String,
    files: Vec<(String, String)>,
    /// What lies there and cannot be one of its files, and why not.
    unread: Vec<(String, &'static str)>,
}

impl Catalog {
    /// The labs of `work_dir/labs` if there are any, else the built-in ones; sorted by number.
    pub fn find(work_dir: &Utf8Path) -> Result<Self> {
        let folder = work_dir.join("labs");
        let (mut entries, unusable) =
            if folder.is_dir() { read_folder(&folder)? } else { (Vec::new(), Vec::new()) };
        // Many a project has a folder of that name for something else.
        if entries.is_empty() {
            entries = built_in();
        }
        entries.sort_by_key(|entry| (number(&entry.id), entry.id.clone()));
        Ok(Self { entries, unusable })
    }

    /// The folders beside the labs that were to be labs, too. They stand in nobody's way.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// The names of all labs, in order.
    pub fn ids(&self) -> impl Iterator<Item = &LabId> {
        self.entries.iter().map(|entry| &entry.id)
    }

    /// Reads a lab as it is on an address. Its name may be shortened to what is unique (`1`, `tcp-echo`).
    pub fn lab(&self, name: &str, address: LabAddress) -> Result<Lab> {
        let entry = self.entry(name)?;
        let origin = format!("{}/lab.toml", entry.origin);
        let text = entry.file("lab.toml").ok_or_else(|| {
            let why = entry.why_unread("lab.toml").unwrap_or("is missing");
            Failure::usage(format!("{origin} {why}"))
        })?;
        let base = match base(text) {
            Some(base) => Some(self.exactly(&base).ok_or_else(|| {
                Failure::usage(format!("{origin}: base = {base:?}: there is no such lab"))
                    .hint("the files of a base are taken from the same `labs` folder")
            })?),
            None => None,
        };
        let find = |wanted: &str| match (entry.file(wanted), entry.why_unread(wanted)) {
            (Some(text), _) => Ok(text),
            (None, Some(why)) => Err(format!("{wanted} beside it {why}")),
            (None, None) => base
                .and_then(|base| base.file(wanted))
                .ok_or_else(|| format!("there is no {wanted} beside it")),
        };
        Lab::parse(entry.id.clone(), text, &origin, address, find)
    }

    fn exactly(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id.as_str() == id)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        if let Some(exact) = self.exactly(name) {
            return Ok(exact);
        }
        if let Some(unusable) = self.unusable.iter().find(|unusable| unusable.folder == name) {
            return Err(unusable.why.clone());
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

    fn why_unread(&self, name: &str) -> Option<&'static str> {
        self.unread.iter().find(|(file, _)| file == name).map(|(_, why)| *why)
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
                unread: Vec::new(),
            })
        })
        .collect()
}

fn read_folder(folder: &Utf8Path) -> Result<(Vec<Entry>, Vec<Unusable>)> {
    let (mut entries, mut unusable) = (Vec::new(), Vec::new());
    for lab in fs::read_dir(folder)? {
        let path = lab?.path();
        // One that is still being written has a name that is hidden.
        let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        if is_hidden || !path.join("lab.toml").is_file() {
            continue;
        }
        match read_lab(&path) {
            Ok(entry) => entries.push(entry),
            Err(why) => {
                let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                unusable.push(Unusable { folder, why });
            }
        }
    }
    unusable.sort_by(|one, other| one.folder.cmp(&other.folder));
    Ok((entries, unusable))
}

fn read_lab(folder: &Path) -> Result<Entry> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let origin = folder.display().to_string();
    let id = name.parse().map_err(|invalid: Invalid| {
        Failure::usage(format!("{origin} is no name for a lab: {invalid}"))
            .hint("give the folder another name, for instance 7-rate-limits")
    })?;
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for file in fs::read_dir(folder)? {
        let file = file?;
        // An editor's or a compiler's file is none of the lab's: those it names are text, and so are their names.
        let Ok(name) = file.file_name().into_string() else { continue };
        match text_of(&file.path()) {
            Ok(Some(text)) => files.push((name, text)),
            Ok(None) => {}
            Err(why) => unread.push((name, why)),
        }
    }
    Ok(Entry { id, origin, files, unread })
}

/// The text of a file, or of what a link leads to; `None` for a folder and the like. `Err` says why it cannot be read.
fn text_of(path: &Path) -> Result<Option<String>, &'static str> {
    let metadata = fs::metadata(path).map_err(|_| "cannot be read, or is a link that leads nowhere")?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > LONGEST_FILE {
        return Err("is larger than 1 MiB");
    }
    let bytes = fs::read(path).map_err(|_| "cannot be read")?;
    String::from_utf8(bytes).map(Some).map_err(|_| "is not text in UTF-8")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn catalog(ids: &[&str]) -> Catalog {
        let entry = |id: &&str| Entry {
            id: id.parse().unwrap(),
            origin: String::new(),
            files: Vec::new(),
            unread: Vec::new(),
        };
        Catalog { entries: ids.iter().map(entry).collect(), unusable: Vec::new() }
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
            unread: Vec::new(),
        };
        let with = |other: Vec<Entry>| {
            let mut entries = vec![entry("2-own", vec![("lab.toml".into(), own.clone())])];
            entries.extend(other);
            Catalog { entries, unusable: Vec::new() }.lab("2-own", LabAddress::DEFAULT)
        };
        let base = entry("1-tcp-echo", vec![("services.hcl".into(), "of the base".into())]);
        assert_eq!(with(vec![base]).unwrap().files[0].1, "of the base");
        let missing = with(Vec::new()).unwrap_err();
        assert_eq!(missing.message(), "labs/2-own/lab.toml: base = \"1-tcp-echo\": there is no such lab");
    }

    #[test]
    fn a_file_may_be_a_link_and_one_that_cannot_be_used_says_why() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("labs/1-own");
        std::fs::create_dir_all(&folder).unwrap();
        let text = BUILT_IN.get_file("1-tcp-echo/lab.toml").unwrap().contents_utf8().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
        write("../../text.toml", text.as_bytes());
        std::os::unix::fs::symlink("../../text.toml", folder.join("lab.toml")).unwrap();
        let told = || {
            let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
            catalog.lab("1", LabAddress::DEFAULT).map(drop).map_err(|failure| failure.message().to_owned())
        };
        assert!(told().unwrap_err().ends_with("there is no services.hcl beside it"));
        write("services.hcl", &[0xff]);
        assert!(told().unwrap_err().ends_with("services.hcl beside it is not text in UTF-8"));
        write("services.hcl", &vec![b' '; 1024 * 1024 + 1]);
        assert!(told().unwrap_err().ends_with("services.hcl beside it is larger than 1 MiB"));
        write("services.hcl", b"");
        assert_eq!(told(), Ok(()));
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
        // What `lab new` leaves if it is killed in the middle.
        std::fs::create_dir_all(temporary.path().join("labs/.meshlab-x")).unwrap();
        std::fs::write(temporary.path().join("labs/.meshlab-x/lab.toml"), "").unwrap();
        let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
        assert!(catalog.ids().any(|id| id.as_str() == "1-tcp-echo"));
    }

    #[test]
    fn a_folder_that_cannot_be_a_lab_is_told_and_in_nobodys_way() {
        let temporary = tempfile::tempdir().unwrap();
        let labs = temporary.path().join("labs");
        let write = |folder: &OsStr, text: &str| {
            std::fs::create_dir_all(labs.join(folder)).unwrap();
            std::fs::write(labs.join(folder).join("lab.toml"), text).unwrap();
        };
        let good = BUILT_IN.get_file("1-tcp-echo/lab.toml").unwrap().contents_utf8().unwrap();
        write("1-good".as_ref(), &good.replacen("title", "base = \"1-good\"\ntitle", 1));
        std::fs::write(labs.join("1-good/services.hcl"), "").unwrap();
        std::fs::write(labs.join("1-good").join(OsStr::from_bytes(b"\xff")), "").unwrap();
        write("Bad Name".as_ref(), good);
        write(OsStr::from_bytes(b"2-\xff"), good);
        let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
        assert_eq!(catalog.lab("1", LabAddress::DEFAULT).unwrap().id.as_str(), "1-good");
        let folders: Vec<&str> = catalog.unusable().iter().map(|unusable| unusable.folder.as_str()).collect();
        assert_eq!(folders, ["2-\u{fffd}", "Bad Name"]);
        let told = catalog.lab("Bad Name", LabAddress::DEFAULT).unwrap_err();
        let words =
            "is no name for a lab: expected lower-case letters, digits and single dashes, found \"Bad Name\"";
        assert_eq!(told.message(), format!("{}/Bad Name {words}", labs.display()));
        assert!(told.hint_text().unwrap().contains("another name"));
    }

    /// The built-in labs, and the one that a new one begins as.
    fn definitions() -> Vec<(String, Vec<(String, String)>)> {
        let new = ["lab.toml", "greeting.txt"].map(|name| (name, crate::assets::lab_file(name).unwrap()));
        let new = new.map(|(name, text)| (name.to_owned(), text.replace("{name}", "9-new")));
        let built_in = built_in().into_iter().map(|entry| (entry.id.to_string(), entry.files));
        built_in.chain([("9-new".to_owned(), new.into())]).collect()
    }

    /// The lines, from 0, that are a key and its whole value.
    fn lines_of_keys(text: &str) -> Vec<usize> {
        let mut inside = false;
        let mut found = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let ends = line.matches("\"\"\"").count();
            let is_whole = !inside && ends == 0 && !line.ends_with('[');
            inside ^= ends % 2 == 1;
            if is_whole && line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains(" = ")
            {
                found.push(number);
            }
        }
        found
    }

    proptest! {
        #[test]
        fn an_error_points_to_its_line_wherever_it_is(lab in any::<Index>(), line in any::<Index>()) {
            let labs = definitions();
            let (id, files) = lab.get(&labs);
            let text = &files.iter().find(|(name, _)| name == "lab.toml").unwrap().1;
            let number = *line.get(&lines_of_keys(text));
            let line = text.lines().nth(number).unwrap();
            let told = |changed: &str| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines[number] = changed;
                let mut entries = built_in();
                entries.retain(|entry| entry.id.as_str() != id);
                let mut files = files.clone();
                files.retain(|(name, _)| name != "lab.toml");
                files.push(("lab.toml".to_owned(), lines.join("\n")));
                let unread = Vec::new();
                entries.push(Entry { id: id.parse().unwrap(), origin: String::new(), files, unread });
                Catalog { entries, unusable: Vec::new() }.lab(id, LabAddress::DEFAULT).map(drop)
            };
            prop_assert!(told(line).is_ok());
            // A key that nobody knows, before this one in the same table.
            let failure = told(&format!("colour = 1\n{line}")).unwrap_err();
            let place = format!("/lab.toml:{}:1: unknown field `colour`", number + 1);
            prop_assert!(failure.message().starts_with(&place), "{failure}");
            // A value that nothing has, or almost: a request's body may be anything.
            let (key, _) = line.split_once(" = ").unwrap();
            if key != "body" {
                let failure = told(&format!("{key} = [[[2000-01-01]]]")).unwrap_err();
                let mut place = failure.message().split(':').skip(1).map(|part| part.parse().unwrap_or(0));
                prop_assert_eq!(place.next(), Some(number + 1), "{}", failure);
                // At the value, or at the first thing in it that is wrong.
                prop_assert!(place.next() > Some(key.len() + 3), "{failure}");
            }
        }
    }
}
