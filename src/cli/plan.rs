//! `tiketi-sim plan`: answers a question about capacity by simulation.

use std::io::Write;
use std::path::Path;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::watch;

use super::again::quoted;
use super::args::OUT_DEFAULT;
use super::exit::{Exit, complain};
use super::folder::Folder;
use super::interrupt;
use super::journal::Journal;
use super::plan_args::PlanArguments;
use super::search_progress::SearchProgress;
use super::{source, summary};
use tiketi_capacity::{self as capacity, Evaluate, Findings, Question, Sample, SearchState};
use tiketi_model::{Progress, Watcher, Wish, simulate};
use tiketi_report::json;
use tiketi_report::plan::{self as report, PlanDocument};
use tiketi_scenario::Plan;

/// Answers the question of a plan file and writes the report.
pub(super) fn plan(flags: &PlanArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &PlanArguments) -> Result<Exit, Exit> {
    let mut question = source::question(&flags.plan)?;
    question.search.seed = flags.seed.unwrap_or(question.search.seed);
    let folder = Folder::create(&flags.out, &question.name)
        .map_err(|error| cannot_write(&flags.out, &error))?;
    match search(flags, &question) {
        Ok(findings) => Ok(write(flags, findings, &folder)),
        Err(exit) => {
            folder.discard();
            Err(exit)
        }
    }
}

fn search(flags: &PlanArguments, question: &Question) -> Result<Findings, Exit> {
    let program = program().map_err(|error| could_not_search(&error))?;
    let journal = Journal::open(&flags.out, &question.name, &program, flags.fresh)
        .map_err(|error| cannot_write(&flags.out, &error))?;
    let threads = pool(flags).map_err(|error| could_not_search(&error))?;
    // One thread listens for Ctrl-C while the others simulate.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| could_not_search(&error))?;
    let interrupt = {
        let _entered = runtime.enter();
        interrupt::listen().map_err(|error| could_not_search(&error))?
    };
    let bench = Bench {
        journal: &journal,
        interrupt,
        progress: SearchProgress::new(flags.quiet),
    };
    let answer = threads.install(|| capacity::answer(question, &bench));
    bench.progress.finish();
    runtime.shutdown_background();
    answer.map_err(|stopped| {
        let finished = bench.progress.runs_finished();
        let kept = journal.path().display();
        complain(
            format_args!("{stopped} ({finished} runs finished)"),
            Some(&format!(
                "finished runs are kept in {kept}; the same command resumes from there"
            )),
        );
        Exit::Interrupted
    })
}

/// Returns the bytes of this program: another build may give other results, so the journal is keyed by them.
fn program() -> std::io::Result<Vec<u8>> {
    std::fs::read(std::env::current_exe()?)
}

fn pool(flags: &PlanArguments) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
    // For rayon, 0 means one thread per core.
    let threads = flags.threads.map_or(0, usize::from);
    ThreadPoolBuilder::new().num_threads(threads).build()
}

/// Simulates runs that are not in the journal yet.
struct Bench<'a> {
    journal: &'a Journal,
    interrupt: watch::Receiver<bool>,
    progress: SearchProgress,
}

impl Evaluate for Bench<'_> {
    fn evaluate(&self, plan: &Plan) -> Option<Sample> {
        let key = self.journal.key(plan);
        if let Some(sample) = self.journal.find(&key) {
            self.progress.reused();
            return Some(sample.clone());
        }
        let mut listener = Listener(&self.interrupt);
        if listener.wish() == Wish::Stop {
            return None;
        }
        let run = simulate(plan, &mut listener);
        if run.ending.interrupted {
            return None;
        }
        let sample = Sample::of(&run);
        if let Err(error) = self.journal.keep(key, &sample) {
            let journal = self.journal.path().display();
            self.progress
                .tell(&format!("cannot write to {journal}: {error}"));
        }
        self.progress.finished();
        Some(sample)
    }

    fn handle_progress(&self, state: &SearchState) {
        self.progress.hear(state);
    }
}

/// Stops a run at the first Ctrl-C.
struct Listener<'a>(&'a watch::Receiver<bool>);

impl Listener<'_> {
    fn wish(&self) -> Wish {
        if *self.0.borrow() {
            Wish::Stop
        } else {
            Wish::GoOn
        }
    }
}

impl Watcher for Listener<'_> {
    fn show(&mut self, _: &Progress) -> Wish {
        self.wish()
    }
}

/// Writes the report and prints the answer.
fn write(flags: &PlanArguments, findings: Findings, folder: &Folder) -> Exit {
    let run_again = command_line(flags, findings.search.seed);
    let document = report::document(findings, &run_again);
    let written = folder.write_plan(&document);
    if !flags.quiet {
        show(
            &document,
            flags.json,
            written.is_ok().then(|| folder.path()),
        );
    }
    let exit = if document.found {
        Exit::Success
    } else {
        Exit::GateFailed
    };
    match written {
        Ok(()) => exit,
        Err(error) => {
            complain(
                format_args!("cannot write the report: {error}"),
                Some("free disk space or choose another folder with --out; finished runs are kept"),
            );
            exit.max(Exit::Inconclusive)
        }
    }
}

/// Prints the answer on stdout, where pipelines read it.
fn show(document: &PlanDocument, as_json: bool, folder: Option<&Path>) {
    if as_json {
        // A reader may close the pipe early, as `head` does; that is not an error.
        let _closed = std::io::stdout()
            .lock()
            .write_all(json(document).as_bytes());
    } else {
        summary::print(&report::page(document), folder);
    }
}

/// Returns the command that repeats the search.
fn command_line(flags: &PlanArguments, seed: u64) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let mut words = vec![
        "tiketi-sim plan".to_owned(),
        path(&flags.plan),
        format!("--seed {seed}"),
    ];
    if flags.out != Path::new(OUT_DEFAULT) {
        words.push(format!("--out {}", path(&flags.out)));
    }
    words.join(" ")
}

fn cannot_write(out: &Path, error: &std::io::Error) -> Exit {
    complain(
        format_args!("cannot write the report to {}: {error}", out.display()),
        Some("choose another folder with --out"),
    );
    Exit::BadScenario
}

fn could_not_search(error: &dyn std::error::Error) -> Exit {
    complain(error, None);
    Exit::Inconclusive
}
