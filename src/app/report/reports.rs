//! The report files of one lab run (`--report`).

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

/// The report files of a lab run, and the recorder that collects their content.
#[derive(Default)]
pub(crate) struct Reports {
    files: Vec<ReportFile>,
    recorder: Option<Arc<Recorder>>,
}

impl Reports {
    /// Checks that every path has a known format and can be written. Writes nothing.
    pub(crate) fn new(paths: &[Utf8PathBuf], settings: &Settings) -> Result<Self> {
        let file = |path: &Utf8PathBuf| ReportFile::new(path, &settings.work_dir, FORMATS, netns::outside);
        Ok(Self { files: paths.iter().map(file).collect::<Result<_>>()?, recorder: None })
    }

    /// Starts to record what is reported to [`Self::reporter`], if there are report files.
    pub(crate) fn begin(&mut self, lab: &Lab, settings: &Settings, console: &Arc<Console>) {
        if !self.files.is_empty() {
            let home = settings.environment.var("HOME");
            let to = Arc::clone(console) as SharedReporter;
            self.recorder = Some(Arc::new(Recorder::new(lab, &settings.dirs, home, to)));
        }
    }

    /// The reporter for the lab: the console, and the recorder if there are report files.
    pub(crate) fn reporter(&self, console: &Arc<Console>) -> SharedReporter {
        match &self.recorder {
            Some(recorder) => Arc::clone(recorder) as SharedReporter,
            None => Arc::clone(console) as SharedReporter,
        }
    }

    /// Marks all steps but these (indexes from 0) as not part of this run.
    pub(crate) fn limit_to(&self, steps: &[usize]) {
        if let Some(recorder) = &self.recorder {
            recorder.limit_to(steps);
        }
    }

    /// Writes all report files at the end of the lab. Returns the lab's failure, or else the first failure to write.
    pub(crate) fn write(&self, outcome: Result<()>) -> Result<()> {
        // The lab or the step does not exist: nothing ran.
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
