//! The reports that one run of a lab was asked for.

use std::sync::Arc;

use camino::Utf8PathBuf;

use super::Recorder;
use crate::app::ui::Console;
use crate::core::event::{Event, Note, Reporter as _, SharedReporter, Warning};
use crate::core::failure::Result;
use crate::core::page::{ReportFile, ReportFormat};
use crate::core::settings::Settings;
use crate::labs::Lab;
use crate::machine::host::netns;

const FORMATS: &[ReportFormat] = &[ReportFormat::Html, ReportFormat::Json, ReportFormat::Xml];

/// The files that were asked for, and what is to be written into them.
#[derive(Default)]
pub struct Reports {
    files: Vec<ReportFile>,
    recorder: Option<Arc<Recorder>>,
}

impl Reports {
    /// Nothing is written yet, but what cannot be written is told.
    pub fn new(paths: &[Utf8PathBuf], settings: &Settings) -> Result<Self> {
        let file = |path: &Utf8PathBuf| ReportFile::new(path, &settings.work_dir, FORMATS, netns::outside);
        Ok(Self { files: paths.iter().map(file).collect::<Result<_>>()?, recorder: None })
    }

    /// From here on, what is told to [`Self::reporter`] is kept, if a report was asked for.
    pub fn begin(&mut self, lab: &Lab, settings: &Settings, console: &Arc<Console>) {
        if !self.files.is_empty() {
            let home = settings.environment.var("HOME");
            let to = Arc::clone(console) as SharedReporter;
            self.recorder = Some(Arc::new(Recorder::new(lab, &settings.dirs, home, to)));
        }
    }

    /// Whom to tell: the console, and what comes to stand in the reports.
    pub fn reporter(&self, console: &Arc<Console>) -> SharedReporter {
        match &self.recorder {
            Some(recorder) => Arc::clone(recorder) as SharedReporter,
            None => Arc::clone(console) as SharedReporter,
        }
    }

    /// Only these steps are to be seen.
    pub fn limit_to(&self, steps: &[usize]) {
        if let Some(recorder) = &self.recorder {
            recorder.limit_to(steps);
        }
    }

    /// Writes them, now that the lab is over. Of the outcome and what went wrong here, the first is the one to tell.
    pub fn write(&self, outcome: Result<()>) -> Result<()> {
        // A lab that there is not, or a wrong step: nothing happened.
        let Some(recorder) = &self.recorder else { return outcome };
        let record = recorder.finish(outcome.as_ref().err());
        let mut written = Ok(());
        for file in &self.files {
            let text = match file.format {
                ReportFormat::Html => record.html(),
                ReportFormat::Json => record.json(),
                ReportFormat::Xml => record.junit(),
            };
            let path = &file.path;
            match file.write(&text) {
                Ok(()) => recorder.report(Event::Note(Note::ReportWritten { path: path.clone() })),
                Err(failure) if outcome.is_err() => {
                    recorder.report(Event::Warning(Warning::ReportNotWritten { failure }));
                }
                Err(failure) => written = written.and(Err(failure)),
            }
        }
        outcome.and(written)
    }
}
