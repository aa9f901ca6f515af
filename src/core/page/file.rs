//! A file that a report is to be written to.

use camino::{Utf8Path, Utf8PathBuf};

use crate::core::atomic_file::{self, cannot_write};
use crate::core::failure::{Failure, Result};

/// A file for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Where.
    pub path: Utf8PathBuf,
    /// In which form.
    pub form: Form,
    /// Where that is found from here.
    place: Utf8PathBuf,
}

/// The forms a report can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A page for people.
    Html,
    /// Data for programs.
    Json,
    /// The XML of `JUnit`, for whatever shows test results.
    Xml,
}

impl Form {
    fn of(path: &Utf8Path) -> Option<Self> {
        match path.extension()?.to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Html => "FILE.html",
            Self::Json => "FILE.json",
            Self::Xml => "FILE.xml",
        }
    }
}

impl ReportFile {
    /// The form follows from the extension, and must be one of `forms`; the folder must be there and writable.
    /// `locate` gives the path at which this process reaches a path of the user.
    pub fn new(
        path: &Utf8Path,
        work_dir: &Utf8Path,
        forms: &[Form],
        locate: impl FnOnce(&Utf8Path) -> Utf8PathBuf,
    ) -> Result<Self> {
        let Some(form) = Form::of(path).filter(|form| forms.contains(form)) else {
            let examples: Vec<&str> = forms.iter().map(|form| form.example()).collect();
            return Err(Failure::usage(format!("--report {path}: no form of report has this extension"))
                .hint(format!("give {}; --report may be given several times", examples.join(" or "))));
        };
        let path = work_dir.join(path);
        let place = locate(&path);
        let folder = place.parent().unwrap_or(work_dir);
        // Better known now than after an hour.
        if !folder.is_dir() {
            return Err(Failure::usage(format!("--report {path}: there is no folder {folder}"))
                .hint("create it first, or give another file"));
        }
        if place.is_dir() || path.as_str().ends_with('/') {
            return Err(Failure::usage(format!("--report {path} is a folder")).hint("give a file in it"));
        }
        if rustix::fs::access(folder.as_std_path(), rustix::fs::Access::WRITE_OK).is_err() {
            return Err(Failure::usage(format!("--report {path}: {folder} cannot be written"))
                .hint("give another file"));
        }
        Ok(Self { path, form, place })
    }

    /// Writes it; the file has its name once it is complete.
    pub fn write(&self, text: &str) -> Result<()> {
        atomic_file::write(&self.place, text).map_err(|error| cannot_write(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Form] = &[Form::Html, Form::Json, Form::Xml];

    #[test]
    fn reports_are_checked_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let work_dir = Utf8Path::from_path(folder.path()).unwrap();
        let form = |path: &str| {
            ReportFile::new(Utf8Path::new(path), work_dir, ALL, Utf8Path::to_owned).map(|file| file.form)
        };
        assert_eq!(form("a.html").unwrap(), Form::Html);
        assert_eq!(form("a.HTM").unwrap(), Form::Html);
        assert_eq!(form("a.b.json").unwrap(), Form::Json);
        assert_eq!(form("junit.xml").unwrap(), Form::Xml);
        for bad in ["a.pdf", "a", "", "nowhere/a.html"] {
            assert!(form(bad).unwrap_err().hint_text().is_some(), "{bad}");
        }
        std::fs::create_dir(work_dir.join("x.html")).unwrap();
        assert!(form("x.html").is_err() && form("y.html/").is_err());
        let unwanted =
            ReportFile::new("a.xml".into(), work_dir, &[Form::Html, Form::Json], Utf8Path::to_owned)
                .unwrap_err();
        assert_eq!(
            unwanted.hint_text(),
            Some("give FILE.html or FILE.json; --report may be given several times")
        );
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let work_dir = Utf8Path::from_path(folder.path()).unwrap();
        let file = ReportFile::new("a.json".into(), work_dir, ALL, Utf8Path::to_owned).unwrap();
        file.write("{}\n").unwrap();
        file.write("[]\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "[]\n");
        std::fs::remove_file(&file.path).unwrap();
        std::fs::create_dir(&file.path).unwrap();
        assert!(file.write("{}\n").unwrap_err().message().contains("a.json"));
        assert_eq!(work_dir.read_dir_utf8().unwrap().count(), 1);
    }
}
