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
fn a_lab_is_found_by_a_unique_prefix() {
    let catalog = catalog(&["1-tcp-echo", "2-calculator", "10-tcp-more"]);
    for (typed, meant) in
        [("1", "1-tcp-echo"), ("tcp-e", "1-tcp-echo"), ("2-c", "2-calculator"), ("10", "10-tcp-more")]
    {
        assert_eq!(catalog.entry(typed).unwrap().id.as_str(), meant, "{typed}");
    }
    for (typed, message) in [("tcp", "ambiguous"), ("", "no lab"), ("9", "no lab")] {
        let failure = catalog.entry(typed).unwrap_err();
        assert!(failure.message().contains(message), "{failure}");
    }
    assert!(catalog.entry("calcluator").unwrap_err().hint_text().unwrap().contains("meshlab lab list"));
}

#[test]
fn every_built_in_lab_is_valid() {
    let catalog = Catalog::find(Utf8Path::new("/nonexistent")).unwrap();
    let ids: Vec<&str> = catalog.ids().map(LabId::as_str).collect();
    let all =
        ["1-tcp-echo", "2-calculator", "3-native-sidecars", "4-zero-trust", "5-traffic", "6-mixed-languages"];
    assert_eq!(ids, all);
    for id in ids {
        let lab = catalog.lab(id, LabAddress::DEFAULT).unwrap();
        assert!(!lab.steps.is_empty() && lab.learned.len() == 3, "{id}");
    }
}

/// Lab 6 claims it: other services in the same mesh.
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
    assert_eq!(missing.message(), "labs/2-own/lab.toml: base = \"1-tcp-echo\": no such lab");
}

#[test]
fn a_file_may_be_a_link_and_errors_name_the_reason() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("labs/1-own");
    std::fs::create_dir_all(&folder).unwrap();
    let text = BUILT_IN.get_file("1-tcp-echo/lab.toml").unwrap().contents_utf8().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("../../text.toml", text.as_bytes());
    std::os::unix::fs::symlink("../../text.toml", folder.join("lab.toml")).unwrap();
    let outcome = || {
        let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
        catalog.lab("1", LabAddress::DEFAULT).map(drop).map_err(|failure| failure.message().to_owned())
    };
    assert!(outcome().unwrap_err().ends_with("no file services.hcl in the lab's folder"));
    write("services.hcl", &[0xff]);
    assert!(outcome().unwrap_err().ends_with("file services.hcl is not UTF-8 text"));
    write("services.hcl", &vec![b' '; 1024 * 1024 + 1]);
    assert!(outcome().unwrap_err().ends_with("file services.hcl is larger than 1 MiB"));
    write("services.hcl", b"");
    assert_eq!(outcome(), Ok(()));
}

#[test]
fn other_files_may_be_binary() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("labs/1-own");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("lab.toml"), "title = 1").unwrap();
    std::fs::write(folder.join(".lab.toml.swp"), [0xff, 0xfe]).unwrap();
    let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
    let failure = catalog.lab("1", LabAddress::DEFAULT).unwrap_err();
    assert!(failure.message().contains("lab.toml:1:9"), "{failure}");
}

#[test]
fn a_labs_folder_without_labs_is_ignored() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temporary.path().join("labs/photographs")).unwrap();
    // A killed `lab new` leaves this.
    std::fs::create_dir_all(temporary.path().join("labs/.meshlab-x")).unwrap();
    std::fs::write(temporary.path().join("labs/.meshlab-x/lab.toml"), "").unwrap();
    let catalog = Catalog::find(Utf8Path::from_path(temporary.path()).unwrap()).unwrap();
    assert!(catalog.ids().any(|id| id.as_str() == "1-tcp-echo"));
}

#[test]
fn a_folder_with_an_invalid_name_is_reported_and_skipped() {
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
    let failure = catalog.lab("Bad Name", LabAddress::DEFAULT).unwrap_err();
    let reason = "invalid lab id: expected lower-case letters, digits and single dashes, found \"Bad Name\"";
    assert_eq!(failure.message(), format!("{}/Bad Name: {reason}", labs.display()));
    assert!(failure.hint_text().unwrap().contains("rename the folder"));
}

/// The built-in labs, and the template of a new lab.
fn definitions() -> Vec<(String, Vec<(String, String)>)> {
    let new = ["lab.toml", "greeting.txt"].map(|name| (name, crate::core::assets::lab_file(name).unwrap()));
    let new = new.map(|(name, text)| (name.to_owned(), text.replace("{name}", "9-new")));
    let built_in = built_in().into_iter().map(|entry| (entry.id.to_string(), entry.files));
    built_in.chain([("9-new".to_owned(), new.into())]).collect()
}

/// The indexes of lines with a key and its whole value.
fn lines_of_keys(text: &str) -> Vec<usize> {
    let mut inside = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let ends = line.matches("\"\"\"").count();
        let is_whole = !inside && ends == 0 && !line.ends_with('[');
        inside ^= ends % 2 == 1;
        if is_whole && line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains(" = ") {
            found.push(number);
        }
    }
    found
}

proptest! {
    #[test]
    fn an_error_points_to_its_line(lab in any::<Index>(), line in any::<Index>()) {
        let labs = definitions();
        let (id, files) = lab.get(&labs);
        let text = &files.iter().find(|(name, _)| name == "lab.toml").unwrap().1;
        let number = *line.get(&lines_of_keys(text));
        let line = text.lines().nth(number).unwrap();
        let read_with = |changed: &str| {
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
        prop_assert!(read_with(line).is_ok());
        // An unknown key before this one in the same table.
        let failure = read_with(&format!("colour = 1\n{line}")).unwrap_err();
        let place = format!("/lab.toml:{}:1: unknown field `colour`", number + 1);
        prop_assert!(failure.message().starts_with(&place), "{failure}");
        // A value of a wrong type. Only a request's body may be anything.
        let (key, _) = line.split_once(" = ").unwrap();
        if key != "body" {
            let failure = read_with(&format!("{key} = [[[2000-01-01]]]")).unwrap_err();
            let mut place = failure.message().split(':').skip(1).map(|part| part.parse().unwrap_or(0));
            prop_assert_eq!(place.next(), Some(number + 1), "{}", failure);
            // The position of the value, or of the first wrong part of it.
            prop_assert!(place.next() > Some(key.len() + 3), "{failure}");
        }
    }
}
