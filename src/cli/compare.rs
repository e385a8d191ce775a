//! `tiketi-sim compare`: compares two finished runs, or live runs with simulations of the same scenarios.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::again::quoted;
use super::args::{Arguments, CompareArguments};
use super::data_tier;
use super::draft::Drafts;
use super::exit::{Exit, complain};
use super::finished_run::{self, FinishedRun};
use super::interrupt::Interrupt;
use super::outcome::{self, UNPRINTED};
use super::simulator::Simulator;
use super::{source, summary};
use tiketi_measure::Engine;
use tiketi_report::agreement::{self, Pair, RunComparison, comparison};
use tiketi_report::page::Page;
use tiketi_report::{html, json, markdown};
use tiketi_verdict::agreement::{Bars, Question};

/// The files that `--out` gets.
const FILES: [&str; 3] = ["agreement.md", "agreement.html", "agreement.json"];

/// Compares the runs, prints the table and writes the report.
pub(super) fn compare(flags: &CompareArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &CompareArguments) -> Result<Exit, Exit> {
    let mut bars = Bars::of(if flags.model {
        Question::Agreement
    } else {
        Question::Regression
    });
    for &(measure, share) in &flags.tolerances {
        bars.set(measure, share);
    }
    if flags.model {
        return with_model(flags, &bars);
    }
    let [base, new] = &flags.runs[..] else {
        let message = format!(
            "expected two runs, BASE and NEW, but got {} (with --model any number of live runs)",
            flags.runs.len()
        );
        Arguments::command()
            .error(ErrorKind::WrongNumberOfValues, message)
            .exit();
    };
    let (base, new) = (finished_run::read(base)?, finished_run::read(new)?);
    let pair = Pair {
        names: [&base.name, &new.name],
        runs: [&base.measured, &new.measured],
    };
    Ok(report(flags, &[pair], Question::Regression, &bars))
}

/// Simulates the scenario of each live run and compares the two.
fn with_model(flags: &CompareArguments, bars: &Bars) -> Result<Exit, Exit> {
    let profile = flags.profile.as_deref().map(source::profile).transpose()?;
    let live = flags.runs.iter().map(|run| live_run(run));
    let live: Vec<_> = live.collect::<Result<_, _>>()?;
    for run in &live {
        data_tier::admit_modeled(&run.measured.plan)?;
    }
    let interrupt = Interrupt::listen()?;
    let simulator = Simulator::new(&interrupt);
    let mut modelled = Vec::new();
    for run in &live {
        let mut plan = run.measured.plan.clone();
        if let Some(profile) = &profile {
            plan.topology.instances.profile = profile.clone();
        }
        modelled.push(simulator.simulate(&plan, flags.quiet)?);
    }
    let pairs: Vec<_> = live
        .iter()
        .zip(&modelled)
        .map(|(live, model)| Pair {
            names: [&live.name, "the same scenario, simulated"],
            runs: [&live.measured, model],
        })
        .collect();
    Ok(report(flags, &pairs, Question::Agreement, bars))
}

/// Reads a live run; rejects a simulated one.
pub(super) fn live_run(folder: &Path) -> Result<FinishedRun, Exit> {
    let run = finished_run::read(folder)?;
    match run.measured.ending.engine {
        Engine::Live => Ok(run),
        Engine::Model => {
            complain(
                format_args!("{} is a simulated run; this needs a live one", run.name),
                Some("name the report folder of a run made with `tiketi-sim run`"),
            );
            Err(Exit::BadScenario)
        }
    }
}

fn report(flags: &CompareArguments, pairs: &[Pair<'_>], question: Question, bars: &Bars) -> Exit {
    let mut compared = comparison(pairs, question, bars);
    let runs: Vec<_> = pairs.iter().map(|pair| pair.runs).collect();
    let mut page = agreement::page(&compared, &runs, &command_line(flags));
    let out = flags.out.as_deref();
    let written = out.map_or(Ok(()), |out| write(out, &compared, &page));
    let found = Exit::from(compared.conclusion);
    let stated = match (&written, out) {
        (Err(error), Some(out)) => {
            let hint = Some("choose another folder with --out");
            complain(
                format_args!("cannot write to {}: {error}", out.display()),
                hint,
            );
            let exit = found.max(Exit::BadScenario);
            outcome::qualify(&mut page, exit, "the report could not be written");
            exit
        }
        (Ok(()), _) | (Err(_), None) => found,
    };
    if flags.quiet {
        return stated;
    }
    let saved = out.filter(|_| written.is_ok());
    let printed = summary::print(&page, saved);
    let exit = stated.max(printed.err().unwrap_or(Exit::Success));
    if let (true, Some(out)) = (exit != stated, saved) {
        outcome::qualify(&mut page, exit, UNPRINTED);
        compared.exit_code = exit.code();
        restate(out, &compared, &page);
    }
    exit
}

/// Writes the files again, which now state another exit code. If that fails, removes them.
fn restate(out: &Path, compared: &RunComparison, page: &Page) {
    if write(out, compared, page).is_err() {
        for name in FILES {
            let _gone = fs::remove_file(out.join(name));
        }
    }
}

fn write(out: &Path, compared: &RunComparison, page: &Page) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let mut drafts = Drafts::default();
    let contents = [markdown::render(page), html::render(page), json(compared)];
    for (name, content) in FILES.into_iter().zip(contents) {
        drafts.add(&out.join(name), content)?;
    }
    drafts.commit()
}

/// Returns the command that repeats the comparison.
fn command_line(flags: &CompareArguments) -> String {
    let path = |path: &PathBuf| quoted(&path.display().to_string());
    let mut words = vec!["tiketi-sim compare".to_owned()];
    if flags.model {
        words.push("--model".to_owned());
    }
    if let Some(profile) = &flags.profile {
        words.push(format!("--profile {}", path(profile)));
    }
    let tolerances = flags.tolerances.iter();
    words.extend(tolerances.map(|(measure, share)| {
        let percent = share * 100.0;
        format!("--tolerance {}={percent}", measure.name())
    }));
    if let Some(out) = &flags.out {
        words.push(format!("--out {}", path(out)));
    }
    words.extend(flags.runs.iter().map(path));
    words.join(" ")
}
