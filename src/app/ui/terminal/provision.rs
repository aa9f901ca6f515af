//! Provisioning: a live line per task, a permanent line per tool, and a summary.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::MARGIN;
use super::task::{self, Doing};
use crate::app::ui::screen::{LiveLine, Screen};
use crate::app::ui::wording::provision as wording;
use crate::app::ui::{provisioned, text};
use crate::core::event::ProvisionEvent;
use crate::core::model::{ArtifactName, ByteSize, FileName};
use crate::core::numbers::words;

/// Terminal rows that live lines leave free.
const FREE_ROWS: usize = 4;

#[derive(Default)]
pub(super) struct Provision {
    /// The width of the column of names.
    names: usize,
    wanted: usize,
    /// In order of their start; those beyond the terminal's height have no line yet.
    tasks: Vec<Task>,
    fetched: HashMap<ArtifactName, u64>,
    footer: Option<Footer>,
}

struct Task {
    artifact: ArtifactName,
    /// `None`: the task is about the whole artifact.
    file: Option<FileName>,
    doing: Arc<Mutex<Doing>>,
    began: Instant,
    done: u64,
    total: Option<u64>,
    line: Option<LiveLine>,
}

/// The number of finished artifacts, below all tasks.
struct Footer {
    line: LiveLine,
    facts: Arc<Mutex<FooterFacts>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct FooterFacts {
    over: usize,
    wanted: usize,
    hidden: usize,
}

impl Provision {
    pub(super) fn show(&mut self, event: &ProvisionEvent, screen: &mut Screen) {
        match event {
            ProvisionEvent::Planned { ready, wanted, .. } => self.plan(*ready, wanted, screen),
            ProvisionEvent::FetchStarted { artifact, file, from, size, resumed } => {
                self.remove(artifact, Some(file));
                let doing = Doing::Fetching { from: from.clone() };
                let task = self.task(artifact, Some(file), doing);
                task.start(resumed.0, size.map(|size| size.0));
            }
            ProvisionEvent::FetchProgress { artifact, file, done } => {
                if let Some(task) = self.find(artifact, Some(file)) {
                    task.advance(done.0, task.total);
                }
            }
            ProvisionEvent::FetchFinished { artifact, file, size } => {
                *self.fetched.entry(artifact.clone()).or_default() += size.0;
                self.remove(artifact, Some(file));
            }
            ProvisionEvent::BuildProgress { artifact, build } => {
                let last = text::clean(&wording::build(build));
                let task = self.task(artifact, None, Doing::Building { last });
                let (done, of) = wording::packages(build).unwrap_or((0, 0));
                task.advance(done, Some(of));
            }
            ProvisionEvent::Waiting { artifact, claim, pid } => {
                let words = text::clean(&wording::waiting(artifact, claim, *pid));
                self.task(artifact, None, Doing::Busy { words });
            }
            ProvisionEvent::Unpacking { artifact } => {
                self.task(artifact, None, Doing::Busy { words: "unpacking".to_owned() });
            }
            ProvisionEvent::SourceFailed { artifact, from, failure } => {
                self.remove(artifact, None);
                self.skipped(artifact, &wording::source_failed(from, failure), screen);
            }
            ProvisionEvent::Installed { artifact, version, from, took }
            | ProvisionEvent::Stored { artifact, version, from, took } => {
                self.remove(artifact, None);
                self.installed(artifact, version, from, *took, screen);
            }
            ProvisionEvent::Failed { artifact, failure } => {
                self.remove(artifact, None);
                self.failed(artifact, &failure.one_line(), screen);
            }
            ProvisionEvent::Finished { rows, took } => {
                self.suspend();
                screen.lines(provisioned::summary(rows, *took, MARGIN, &screen.look));
                *self = Self::default();
                return;
            }
        }
        self.fill(screen);
    }

    /// Removes all live lines.
    pub(super) fn suspend(&mut self) {
        self.tasks.clear();
        self.footer = None;
    }

    fn plan(&mut self, ready: usize, wanted: &[ArtifactName], screen: &mut Screen) {
        self.names = wanted.iter().map(|name| text::width(name.as_str())).max().unwrap_or(0);
        self.wanted = wanted.len();
        if wanted.is_empty() {
            return;
        }
        let look = screen.look;
        let there = if ready == 0 { String::new() } else { format!(", {ready} in place") };
        screen.blank();
        screen.line(&format!(
            "{MARGIN}{}{}",
            look.paint.title(&format!("Getting {}", words::count(wanted.len(), "tool"))),
            look.paint.dim(&there),
        ));
        screen.blank();
        let facts = Arc::new(Mutex::new(FooterFacts { wanted: wanted.len(), ..FooterFacts::default() }));
        let shared = Arc::clone(&facts);
        let line = screen.live(move |progress| {
            let facts = *shared.lock().unwrap_or_else(PoisonError::into_inner);
            let hidden =
                if facts.hidden == 0 { String::new() } else { format!(", {} more at work", facts.hidden) };
            let said =
                format!("{} of {} done{hidden}  {}", facts.over, facts.wanted, text::clock(progress.elapsed));
            format!("{MARGIN}  {}", look.paint.dim(&said))
        });
        // A single tool needs no footer.
        self.footer = (wanted.len() > 1).then_some(Footer { line, facts });
    }

    fn find(&mut self, artifact: &ArtifactName, file: Option<&FileName>) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.artifact == *artifact && task.file.as_ref() == file)
    }

    /// Returns the task, created if necessary, with what it does now.
    fn task(&mut self, artifact: &ArtifactName, file: Option<&FileName>, doing: Doing) -> &mut Task {
        let known =
            self.tasks.iter().position(|task| task.artifact == *artifact && task.file.as_ref() == file);
        let index = known.unwrap_or_else(|| {
            self.tasks.push(Task {
                artifact: artifact.clone(),
                file: file.cloned(),
                doing: Arc::new(Mutex::new(doing.clone())),
                began: Instant::now(),
                done: 0,
                total: None,
                line: None,
            });
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[index];
        *task.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
        task
    }

    /// Ends the file's task; without a file, every task of the artifact.
    fn remove(&mut self, artifact: &ArtifactName, file: Option<&FileName>) {
        self.tasks
            .retain(|task| task.artifact != *artifact || (file.is_some() && task.file.as_ref() != file));
    }

    /// Gives lines to as many tasks as the terminal has room for.
    fn fill(&mut self, screen: &Screen) {
        let room = screen.look.rows().saturating_sub(FREE_ROWS).max(1);
        let mut shown = self.tasks.iter().filter(|task| task.line.is_some()).count();
        let names = self.names;
        for task in self.tasks.iter_mut().filter(|task| task.line.is_none()) {
            if shown >= room {
                break;
            }
            task.appear(names, self.footer.as_ref().map(|footer| &footer.line), screen);
            shown += 1;
        }
        if let Some(footer) = &self.footer {
            footer.facts.lock().unwrap_or_else(PoisonError::into_inner).hidden = self.tasks.len() - shown;
        }
    }

    fn skipped(&self, artifact: &ArtifactName, said: &str, screen: &mut Screen) {
        let look = screen.look;
        let start =
            format!("{MARGIN}{} {}  ", look.symbols.skipped, text::pad(artifact.as_str(), self.names));
        let said = text::clean(said);
        screen.lines(text::hanging(&start, &said, look.columns()).iter().map(|line| look.paint.dim(line)));
    }

    fn installed(
        &mut self,
        artifact: &ArtifactName,
        version: &str,
        from: &str,
        took: Duration,
        screen: &mut Screen,
    ) {
        let look = screen.look;
        let size = self.fetched.get(artifact).map(|bytes| ByteSize(*bytes).to_string()).unwrap_or_default();
        screen.line(&format!(
            "{MARGIN}{} {}  {}  {}  {}  {}",
            look.paint.good(look.symbols.pass),
            look.paint.strong(&text::pad(artifact.as_str(), self.names)),
            text::pad(&text::clean(version), 9),
            look.paint.dim(&text::pad(from, 6)),
            look.paint.dim(&text::pad_left(&size, 8)),
            look.paint.dim(&text::pad_left(&words::duration(took), 9)),
        ));
        self.count_over();
    }

    fn failed(&self, artifact: &ArtifactName, reason: &str, screen: &mut Screen) {
        let look = screen.look;
        let name = look.paint.strong(&text::pad(artifact.as_str(), self.names));
        let start = format!("{MARGIN}{} {name}  ", look.paint.bad(look.symbols.fail));
        screen.lines(text::hanging(&start, &format!("failed: {}", text::clean(reason)), look.columns()));
        self.count_over();
    }

    fn count_over(&self) {
        if let Some(footer) = &self.footer {
            footer.facts.lock().unwrap_or_else(PoisonError::into_inner).over += 1;
        }
    }
}

impl Task {
    fn start(&mut self, from: u64, total: Option<u64>) {
        (self.done, self.total) = (from, total);
        if let Some(line) = &self.line {
            line.count_from(from, total);
        }
    }

    fn advance(&mut self, done: u64, total: Option<u64>) {
        (self.done, self.total) = (done, total);
        if let Some(line) = &self.line {
            line.advance(done, total);
        }
    }

    fn appear(&mut self, names: usize, above: Option<&LiveLine>, screen: &Screen) {
        let (name, doing, look) = (self.artifact.to_string(), Arc::clone(&self.doing), screen.look);
        let draw = move |progress: &_| {
            let doing = doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
            task::draw(&name, names, &doing, progress, &look)
        };
        let line = match above {
            Some(footer) => screen.live_above(footer, draw),
            None => screen.live(draw),
        };
        // The rate counts from the first line on.
        line.count_from(self.done, self.total);
        line.has_run_for(self.began.elapsed());
        self.line = Some(line);
    }
}
