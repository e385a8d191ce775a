//! Faults that commands of the user carry out: on the testbed and on a target alike.
//!
//! ```text
//! Schedule ──start due──▶ one task per fault:  run ─▶ (until `lasts` is over) ─▶ end
//!            ──end due──▶   told by its wish          │ news: started, ended, over
//! Conductor ◀── notices, lines, CommandRun ── Commands ◀┘
//! ```
//!
//! When the run ends, however it ends, every fault that is still in progress is ended before anything else is torn down.

mod output;
mod program;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use program::{Enough, Finished, Program};
use tiketi_api::mask;
use tiketi_cloud::notice::{Notice, What};
use tiketi_core::fault::catalog::{Action, Fault};
use tiketi_core::fault::{Schedule, Strike, StrikeKind};
use tiketi_core::units::SimTime;
use tiketi_measure::command::{CommandOutcome, CommandRun, Purpose};
use tiketi_scenario::Plan;
use tiketi_scenario::command::{label, shown};

/// Real time that the end of a fault may take after the user has interrupted the run. The program is ended one minute after the
/// interrupt; stopping what was started and writing the report need the rest.
const HURRIED: Duration = Duration::from_secs(20);

/// Folder for what the commands write, within that of the run.
const FOLDER: &str = "faults";

/// Characters of a fault's name in the name of its file.
const FILE_NAME_MAX: usize = 40;

/// What the commands are given to know.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Address of the system under test.
    pub(super) target: String,
    /// Folder of the run.
    pub(super) folder: PathBuf,
    /// Seed of the run.
    pub(super) seed: u64,
}

/// The faults of a run that commands carry out.
pub(super) struct Commands {
    schedule: Schedule,
    setting: Setting,
    /// The faults that have started, in that order.
    started: Vec<Started>,
    tasks: JoinSet<()>,
    news_tx: mpsc::UnboundedSender<News>,
    news_rx: mpsc::UnboundedReceiver<News>,
    notices: Vec<Notice>,
    lines: Vec<String>,
    runs: Vec<CommandRun>,
    /// Whether the run is over: faults that end now lasted beyond it.
    is_over: bool,
}

struct Started {
    fault: Fault,
    label: String,
    wish_tx: watch::Sender<Wish>,
}

/// What the task of a fault is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// Nothing new.
    Continue,
    /// End the fault.
    End,
    /// End it within [`HURRIED`].
    EndSoon,
}

/// What the task of a fault reports. There are at most four for each fault.
pub(super) struct News {
    /// Which of the faults that have started.
    index: usize,
    what: Happened,
}

enum Happened {
    /// Its command runs.
    Started,
    /// One of its commands has ended.
    Ended(Purpose, Finished),
    /// One of its commands could not be started, for this reason.
    NotStarted(Purpose, String),
    /// It is over.
    Over,
}

impl Commands {
    /// Plans the faults of `plan` that commands carry out.
    pub(super) fn new(plan: &Plan, setting: Setting) -> Self {
        let is_command = |fault: &&Fault| fault.action.kind().is_command();
        let (news_tx, news_rx) = mpsc::unbounded_channel();
        Self {
            schedule: Schedule::new(plan.faults.iter().filter(is_command)),
            setting,
            started: Vec::new(),
            tasks: JoinSet::new(),
            news_tx,
            news_rx,
            notices: Vec::new(),
            lines: Vec::new(),
            runs: Vec::new(),
            is_over: false,
        }
    }

    /// When [`Self::handle_timeout`] must be called next; `None` if nothing is planned.
    pub(super) fn poll_timeout(&self) -> Option<SimTime> {
        self.schedule.poll_timeout()
    }

    /// Starts and ends the faults that are due.
    pub(super) fn handle_timeout(&mut self, now: SimTime) {
        while let Some(strike) = self.schedule.poll_due(now) {
            match strike.kind {
                StrikeKind::Struck => self.start(strike),
                StrikeKind::Healed => self.end(&strike.fault),
            }
        }
    }

    /// Waits for the next report of a fault; for ever if there is none.
    pub(super) async fn next(&mut self) -> News {
        match self.news_rx.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Notes a report.
    pub(super) fn handle(&mut self, now: SimTime, news: News) {
        let started = &self.started[news.index];
        match news.what {
            Happened::Started => {
                let mut what = What::struck(&started.fault.action);
                if let What::FaultStruck { name, .. } = &mut what {
                    *name = Some(started.label.clone());
                }
                self.notices.push(Notice { at: now, what });
            }
            Happened::Over if self.is_over => {}
            Happened::Over => {
                let mut what = What::healed(&started.fault.action);
                if let What::FaultHealed { name, .. } = &mut what {
                    *name = Some(started.label.clone());
                }
                self.notices.push(Notice { at: now, what });
            }
            Happened::Ended(purpose, finished) => self.note(now, news.index, purpose, &finished),
            Happened::NotStarted(purpose, reason) => {
                let run = self.run(
                    now,
                    news.index,
                    purpose,
                    CommandOutcome::NotStarted { reason },
                );
                self.keep(run);
            }
        }
    }

    /// Returns the next entries of the timeline.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Returns what the user must know at once, as lines.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Begins to end all faults: the run is over. `is_interrupted` leaves less time for it.
    pub(super) fn end_all(&mut self, is_interrupted: bool) {
        self.is_over = true;
        let wish = if is_interrupted {
            Wish::EndSoon
        } else {
            Wish::End
        };
        for started in &self.started {
            started.wish_tx.send_if_modified(|last| {
                let is_new = wish > *last;
                *last = wish.max(*last);
                is_new
            });
        }
    }

    /// Waits until all faults are over. Each of them takes as long as its timeouts allow, and no longer.
    pub(super) async fn join(&mut self, now: SimTime) {
        while self.tasks.join_next().await.is_some() {}
        while let Ok(news) = self.news_rx.try_recv() {
            self.handle(now, news);
        }
    }

    /// Returns how the commands ended.
    pub(super) fn finish(self) -> Vec<CommandRun> {
        self.runs
    }

    /// Whether any fault has started and may not be over.
    pub(super) fn is_busy(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        !self.tasks.is_empty()
    }

    fn start(&mut self, strike: Strike) {
        let fault = strike.fault;
        let label = label(&fault.action).unwrap_or_else(|| fault.action.name().to_owned());
        let (wish_tx, wish_rx) = watch::channel(Wish::Continue);
        let task = Task {
            index: self.started.len(),
            work: Work::of(&fault),
            variables: variables(&self.setting, &label),
            wish_rx,
            news_tx: self.news_tx.clone(),
        };
        self.tasks.spawn(task.carry_out());
        self.started.push(Started {
            fault,
            label,
            wish_tx,
        });
    }

    fn end(&mut self, fault: &Fault) {
        let started = self.started.iter().find(|one| one.fault == *fault);
        if let Some(started) = started {
            started
                .wish_tx
                .send_modify(|wish| *wish = Wish::End.max(*wish));
        }
    }

    fn note(&mut self, now: SimTime, index: usize, purpose: Purpose, finished: &Finished) {
        let mut run = self.run(now, index, purpose, finished.outcome.clone());
        let fault = &self.started[index].fault;
        if let (Action::Fis { .. }, Purpose::Start) = (&fault.action, purpose)
            && run.outcome == (CommandOutcome::Exited { code: 0 })
            && let Err(reason) = experiment_id(finished.stdout.head())
        {
            run.outcome = CommandOutcome::Unusable { reason };
        }
        run.took = finished.took;
        let said = finished.stderr.last_line();
        let said = said.or_else(|| finished.stdout.last_line());
        run.last_line = said.map(|line| mask::body(line.as_bytes(), &[]));
        let file = file_name(index, &run.fault);
        match write(&self.setting.folder, &file, &run, finished) {
            Ok(()) => run.output = Some(file),
            Err(error) => self.lines.push(format!("Cannot write {file}: {error}")),
        }
        self.keep(run);
    }

    fn run(
        &self,
        now: SimTime,
        index: usize,
        purpose: Purpose,
        outcome: CommandOutcome,
    ) -> CommandRun {
        let started = &self.started[index];
        CommandRun {
            action: started.fault.action.kind(),
            fault: started.label.clone(),
            purpose,
            at: now,
            took: Duration::ZERO,
            outcome,
            last_line: None,
            output: None,
        }
    }

    fn keep(&mut self, run: CommandRun) {
        if run.outcome.is_failure() {
            let unknown = match run.purpose {
                Purpose::Start => "it is unknown whether the fault took place",
                Purpose::End => "the fault may still be in progress: check the system",
            };
            self.lines
                .push(format!("⚠ Fault {}; {unknown}", run.in_words()));
        }
        self.runs.push(run);
    }
}

/// The commands of one fault.
struct Work {
    run: Vec<String>,
    end: Ending,
    timeout: Duration,
    /// Whether it lasts until the scenario says, and not until its command exits.
    waits: bool,
}

/// The command that ends a fault.
enum Ending {
    /// These words; none if nothing needs to be undone.
    Words(Vec<String>),
    /// Stops the experiment of AWS FIS that the first command has started.
    Experiment,
}

impl Work {
    fn of(fault: &Fault) -> Self {
        let waits = !fault.lasts.is_zero();
        match &fault.action {
            Action::Exec {
                run, end, timeout, ..
            } => Self {
                run: run.clone(),
                end: Ending::Words(end.clone()),
                timeout: *timeout,
                waits,
            },
            Action::Fis {
                template, timeout, ..
            } => Self {
                run: words(&[
                    "aws",
                    "fis",
                    "start-experiment",
                    "--experiment-template-id",
                    template,
                    "--output",
                    "json",
                ]),
                end: Ending::Experiment,
                timeout: *timeout,
                waits,
            },
            other => unreachable!("`{}` is no command: it is filtered out", other.name()),
        }
    }

    /// The command that ends the fault; `None` if there is none.
    fn end(&self, started: &Finished) -> Option<Vec<String>> {
        match &self.end {
            Ending::Words(words) if words.is_empty() => None,
            Ending::Words(words) => Some(words.clone()),
            Ending::Experiment => {
                let id = experiment_id(started.stdout.head()).ok()?;
                Some(words(&[
                    "aws",
                    "fis",
                    "stop-experiment",
                    "--id",
                    &id,
                    "--output",
                    "json",
                ]))
            }
        }
    }
}

/// The task of one fault.
struct Task {
    index: usize,
    work: Work,
    variables: Vec<(&'static str, OsString)>,
    wish_rx: watch::Receiver<Wish>,
    news_tx: mpsc::UnboundedSender<News>,
}

impl Task {
    async fn carry_out(mut self) {
        let program = match Program::start(&self.work.run, &self.variables) {
            Ok(program) => program,
            Err(reason) => return self.report(Happened::NotStarted(Purpose::Start, reason)),
        };
        self.report(Happened::Started);
        let (timeout, mut wish_rx) = (self.work.timeout, self.wish_rx.clone());
        let started = program
            .finish(async move {
                tokio::select! {
                    () = wished(&mut wish_rx, Wish::End) => Enough::Stop,
                    () = sleep(timeout) => Enough::TimedOut,
                }
            })
            .await;
        let end = self.work.end(&started);
        self.report(Happened::Ended(Purpose::Start, started));
        if self.work.waits {
            wished(&mut self.wish_rx, Wish::End).await;
        }
        if let Some(words) = end {
            self.end(&words).await;
        }
        self.report(Happened::Over);
    }

    async fn end(&mut self, words: &[String]) {
        let program = match Program::start(words, &self.variables) {
            Ok(program) => program,
            Err(reason) => return self.report(Happened::NotStarted(Purpose::End, reason)),
        };
        let (timeout, mut wish_rx) = (self.work.timeout, self.wish_rx.clone());
        let hurry = async move {
            wished(&mut wish_rx, Wish::EndSoon).await;
            sleep(HURRIED).await;
        };
        let ended = program
            .finish(async move {
                tokio::select! {
                    () = hurry => {}
                    () = sleep(timeout) => {}
                }
                Enough::TimedOut
            })
            .await;
        self.report(Happened::Ended(Purpose::End, ended));
    }

    fn report(&self, what: Happened) {
        let index = self.index;
        // Nobody listens any more if the run could not be finished.
        drop(self.news_tx.send(News { index, what }));
    }
}

/// Waits until at least this is asked for; if nobody can ask any more, the run is gone, and the fault must end.
async fn wished(wish_rx: &mut watch::Receiver<Wish>, least: Wish) {
    drop(wish_rx.wait_for(|wish| *wish >= least).await);
}

/// What a command finds in its environment.
fn variables(setting: &Setting, label: &str) -> Vec<(&'static str, OsString)> {
    vec![
        ("TIKETI_SIM_TARGET", setting.target.clone().into()),
        ("TIKETI_SIM_RUN", setting.folder.clone().into()),
        ("TIKETI_SIM_FAULT", label.into()),
        ("TIKETI_SIM_SEED", setting.seed.to_string().into()),
    ]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Returns the id of the experiment that `aws fis start-experiment` has started.
///
/// # Errors
///
/// Why it has none, as a sentence fragment.
pub(crate) fn experiment_id(response: &[u8]) -> Result<String, String> {
    let response: Value = serde_json::from_slice(response).map_err(|error| {
        format!("its output is not JSON ({error}), so the experiment cannot be stopped")
    })?;
    let id = response.pointer("/experiment/id").and_then(Value::as_str);
    // Anything else might be an option of the command-line interface.
    let is_id = |id: &&str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    let id = id.filter(is_id);
    let missing = "its output has no `experiment.id`, so the experiment cannot be stopped";
    id.map(str::to_owned).ok_or_else(|| missing.to_owned())
}

/// The file of a fault: its number, which makes it unique, and its name as far as files can have it.
fn file_name(index: usize, label: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let slug: String = label.chars().map(plain).collect();
    let parts: Vec<_> = slug.split('-').filter(|part| !part.is_empty()).collect();
    let mut slug = parts.join("-");
    slug.truncate(FILE_NAME_MAX);
    let slug = slug.trim_end_matches('-');
    match slug {
        "" => format!("{FOLDER}/{}.txt", index + 1),
        slug => format!("{FOLDER}/{}-{slug}.txt", index + 1),
    }
}

/// Adds what a command wrote to the file of its fault.
fn write(folder: &Path, file: &str, run: &CommandRun, finished: &Finished) -> std::io::Result<()> {
    fs::create_dir_all(folder.join(FOLDER))?;
    let mut options = OpenOptions::new();
    let mut to = options.create(true).append(true).open(folder.join(file))?;
    let text = format!(
        "# {} \"{}\": `{}` at {} {}\n\n## stdout\n{}\n\n## stderr\n{}\n\n",
        run.action,
        shown(std::slice::from_ref(&run.fault)),
        run.purpose.name(),
        run.at,
        run.ended(),
        finished.stdout.text(),
        finished.stderr.text()
    );
    to.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
