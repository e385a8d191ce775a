//! `tiketi-sim plan`: answers a question about capacity by simulation.

use std::path::Path;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::watch;

use super::again::quoted;
use super::args::OUT_DEFAULT;
use super::exit::{Exit, complain};
use super::folder::{Folder, PLAN_FILES};
use super::interrupt::Interrupt;
use super::journal::Journal;
use super::outcome::{self, UNPRINTED};
use super::plan_args::PlanArguments;
use super::search_progress::SearchProgress;
use super::{output, source, summary};
use tiketi_capacity::{self as capacity, Evaluate, Findings, Question, Sample, SearchState};
use tiketi_model::{Progress, Watcher, Wish, simulate};
use tiketi_report::json;
use tiketi_report::page::Page;
use tiketi_report::plan::{self as report, PlanDocument};
use tiketi_scenario::Plan;

/// Answers the question of a plan file and writes the report.
pub(super) fn plan(flags: &PlanArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &PlanArguments) -> Result<Exit, Exit> {
    let mut question = source::question(&flags.plan)?;
    question.search.seed = flags.seed.unwrap_or(question.search.seed);
    let interrupt = Interrupt::listen()?;
    let folder = Folder::create(&flags.out, &question.name)
        .map_err(|error| cannot_write(&flags.out, &error))?;
    match search(flags, &question, &interrupt) {
        Ok(findings) => Ok(write(flags, findings, &folder)),
        Err(exit) => {
            folder.discard();
            Err(exit)
        }
    }
}

fn search(
    flags: &PlanArguments,
    question: &Question,
    interrupt: &Interrupt,
) -> Result<Findings, Exit> {
    let program = program().map_err(|error| could_not_search(&error))?;
    let journal = Journal::open(&flags.out, &question.name, &program, flags.fresh)
        .map_err(|error| cannot_write(&flags.out, &error))?;
    let threads = pool(flags).map_err(|error| could_not_search(&error))?;
    let bench = Bench {
        journal: &journal,
        interrupt: interrupt.requested(),
        progress: SearchProgress::new(flags.quiet),
    };
    let answer = threads.install(|| capacity::answer(question, &bench));
    bench.progress.finish();
    let lost = journal.lost();
    let kept = journal.path().display();
    if lost > 0 {
        complain(
            format_args!("{lost} finished runs could not be kept in {kept}"),
            Some("free disk space; the same command repeats these runs"),
        );
    }
    answer.map_err(|stopped| {
        let finished = bench.progress.runs_finished();
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
        self.journal.keep(key, &sample);
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

/// Writes the report and prints the answer. Both state the exit code of the process, whatever cannot be written.
fn write(flags: &PlanArguments, findings: Findings, folder: &Folder) -> Exit {
    let run_again = command_line(flags, findings.search.seed);
    let mut document = report::document(findings, &run_again);
    let mut page = report::page(&document);
    let found = if document.found {
        Exit::Success
    } else {
        Exit::GateFailed
    };
    let written = folder.write_plan(&document);
    let saved = written.is_ok().then(|| folder.path());
    let stated = match &written {
        Ok(()) => found,
        Err(error) => outcome::unwritten(&mut page, found, error),
    };
    state(&mut document, &page);
    if flags.quiet {
        return stated;
    }
    let printed = show(&document, &page, flags.json, saved);
    let exit = stated.max(printed.err().unwrap_or(Exit::Success));
    if exit != stated {
        outcome::qualify(&mut page, exit, UNPRINTED);
        state(&mut document, &page);
        let (html, plan) = PLAN_FILES;
        folder.restate((html, &page), (plan, json(&document)));
    }
    exit
}

/// Copies the answer and the exit code of the page.
fn state(document: &mut PlanDocument, page: &Page) {
    document.exit_code = page.exit_code.unwrap_or(document.exit_code);
    document.answer = page.headline.sentences();
}

/// Prints the answer on stdout, where pipelines read it.
fn show(
    document: &PlanDocument,
    page: &Page,
    as_json: bool,
    folder: Option<&Path>,
) -> Result<(), Exit> {
    if as_json {
        output::print(json(document))
    } else {
        summary::print(page, folder)
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
