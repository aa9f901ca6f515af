//! The report file of `--report FILE`.

use camino::{Utf8Path, Utf8PathBuf};

use crate::core::atomic_file::{self, cannot_write};
use crate::core::failure::{Failure, Result};

/// A report file and its format, checked before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// The path as the user sees it.
    pub path: Utf8PathBuf,
    /// The format, from the file name extension.
    pub format: ReportFormat,
    /// The path at which this process reaches `path`.
    local_path: Utf8PathBuf,
}

/// The formats of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// An HTML page.
    Html,
    /// JSON.
    Json,
    /// `JUnit` XML, for CI systems.
    Xml,
}

impl ReportFormat {
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
    /// Checks the argument of `--report`: the extension must select one of `formats`, and the folder must exist and be
    /// writable. `locate` maps a path of the user to the path at which this process reaches it.
    pub fn new(
        path: &Utf8Path,
        work_dir: &Utf8Path,
        formats: &[ReportFormat],
        locate: impl FnOnce(&Utf8Path) -> Utf8PathBuf,
    ) -> Result<Self> {
        let Some(format) = ReportFormat::of(path).filter(|format| formats.contains(format)) else {
            let examples: Vec<&str> = formats.iter().map(|format| format.example()).collect();
            return Err(Failure::usage(format!(
                "--report {path}: the file name extension selects no report format"
            ))
            .hint(format!("give {}; --report may be given several times", examples.join(" or "))));
        };
        let path = work_dir.join(path);
        let local_path = locate(&path);
        let folder = local_path.parent().unwrap_or(work_dir);
        if !folder.is_dir() {
            return Err(Failure::usage(format!("--report {path}: folder {folder} does not exist"))
                .hint("create it first, or choose another file"));
        }
        if local_path.is_dir() || path.as_str().ends_with('/') {
            return Err(Failure::usage(format!("--report {path} is a folder")).hint("choose a file in it"));
        }
        if rustix::fs::access(folder.as_std_path(), rustix::fs::Access::WRITE_OK).is_err() {
            return Err(Failure::usage(format!("--report {path}: folder {folder} is not writable"))
                .hint("choose another file"));
        }
        Ok(Self { path, format, local_path })
    }

    /// Writes the report atomically.
    pub fn write(&self, text: &str) -> Result<()> {
        atomic_file::write(&self.local_path, text).map_err(|error| cannot_write(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[ReportFormat] = &[ReportFormat::Html, ReportFormat::Json, ReportFormat::Xml];

    #[test]
    fn a_report_argument_needs_a_known_extension_and_a_writable_folder() {
        let folder = tempfile::tempdir().unwrap();
        let work_dir = Utf8Path::from_path(folder.path()).unwrap();
        let format_of = |path: &str| {
            ReportFile::new(Utf8Path::new(path), work_dir, ALL, Utf8Path::to_owned).map(|file| file.format)
        };
        assert_eq!(format_of("a.html").unwrap(), ReportFormat::Html);
        assert_eq!(format_of("a.HTM").unwrap(), ReportFormat::Html);
        assert_eq!(format_of("a.b.json").unwrap(), ReportFormat::Json);
        assert_eq!(format_of("junit.xml").unwrap(), ReportFormat::Xml);
        for bad in ["a.pdf", "a", "", "nowhere/a.html"] {
            assert!(format_of(bad).unwrap_err().hint_text().is_some(), "{bad}");
        }
        std::fs::create_dir(work_dir.join("x.html")).unwrap();
        assert!(format_of("x.html").is_err() && format_of("y.html/").is_err());
        let unwanted = ReportFile::new(
            "a.xml".into(),
            work_dir,
            &[ReportFormat::Html, ReportFormat::Json],
            Utf8Path::to_owned,
        )
        .unwrap_err();
        assert_eq!(
            unwanted.hint_text(),
            Some("give FILE.html or FILE.json; --report may be given several times")
        );
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
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
