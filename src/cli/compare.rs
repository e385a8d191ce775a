//! `tiketi-sim compare`: two finished runs, or live runs and what the model makes of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::again::quoted;
use super::args::{Arguments, CompareArguments};
use super::data_tier;
use super::exit::{Exit, complain};
use super::kept::{self, KeptRun};
use super::player::Player;
use super::{source, summary};
use tiketi_measure::Engine;
use tiketi_report::agreement::{self, Pair, RunComparison, comparison};
use tiketi_report::page::Page;
use tiketi_report::{html, json, markdown};
use tiketi_verdict::agreement::{Bars, Question};

/// Compares, prints the table, writes the report.
pub(super) fn compare(flags: &CompareArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &CompareArguments) -> Result<Exit, Exit> {
    let mut bars = Bars::default();
    for &(measure, share) in &flags.bars {
        bars.set(measure, share);
    }
    if flags.model {
        return with_model(flags, &bars);
    }
    let [base, new] = &flags.runs[..] else {
        let message = format!(
            "two runs can be compared, BASE and NEW, not {} (with --model any number of live ones)",
            flags.runs.len()
        );
        Arguments::command()
            .error(ErrorKind::WrongNumberOfValues, message)
            .exit();
    };
    let (base, new) = (kept::read(base)?, kept::read(new)?);
    let pair = Pair {
        names: [&base.name, &new.name],
        runs: [&base.measured, &new.measured],
    };
    Ok(tell(flags, &[pair], Question::Regression, &bars))
}

/// Plays each live run once more, in virtual time.
fn with_model(flags: &CompareArguments, bars: &Bars) -> Result<Exit, Exit> {
    let profile = flags.profile.as_deref().map(source::profile).transpose()?;
    let live = flags.runs.iter().map(|run| live_run(run));
    let live: Vec<_> = live.collect::<Result<_, _>>()?;
    for run in &live {
        data_tier::admit_modeled(&run.measured.plan)?;
    }
    let player = Player::new()?;
    let mut modelled = Vec::new();
    for run in &live {
        let mut plan = run.measured.plan.clone();
        if let Some(profile) = &profile {
            plan.topology.instances.profile = profile.clone();
        }
        modelled.push(player.play(&plan, flags.quiet)?);
    }
    let pairs: Vec<_> = live
        .iter()
        .zip(&modelled)
        .map(|(live, model)| Pair {
            names: [&live.name, "the same plan"],
            runs: [&live.measured, model],
        })
        .collect();
    Ok(tell(flags, &pairs, Question::Agreement, bars))
}

/// Reads a run that has traffic in it.
pub(super) fn live_run(folder: &Path) -> Result<KeptRun, Exit> {
    let run = kept::read(folder)?;
    match run.measured.ending.engine {
        Engine::Live => Ok(run),
        Engine::Model => {
            complain(
                format_args!("{}: is a run of the model", run.name),
                Some("name a live run, one that `run` has made"),
            );
            Err(Exit::BadScenario)
        }
    }
}

fn tell(flags: &CompareArguments, pairs: &[Pair<'_>], question: Question, bars: &Bars) -> Exit {
    let compared = comparison(pairs, question, bars);
    let runs: Vec<_> = pairs.iter().map(|pair| pair.runs).collect();
    let page = agreement::page(&compared, &runs, &command_line(flags));
    let out = flags.out.as_deref();
    let written = out.map_or(Ok(()), |out| write(out, &compared, &page));
    if !flags.quiet {
        summary::print(&page, out.filter(|_| written.is_ok()));
    }
    match (written, out) {
        (Err(error), Some(out)) => {
            let hint = Some("choose another folder with --out");
            complain(format_args!("{}: {error}", out.display()), hint);
            Exit::BadScenario
        }
        (Ok(()), _) | (Err(_), None) => Exit::from(compared.conclusion),
    }
}

fn write(out: &Path, compared: &RunComparison, page: &Page) -> io::Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join("agreement.json"), json(compared))?;
    fs::write(out.join("agreement.md"), markdown::render(page))?;
    fs::write(out.join("agreement.html"), html::render(page))
}

/// The command that compares again.
fn command_line(flags: &CompareArguments) -> String {
    let path = |path: &PathBuf| quoted(&path.display().to_string());
    let mut words = vec!["tiketi-sim compare".to_owned()];
    if flags.model {
        words.push("--model".to_owned());
    }
    if let Some(profile) = &flags.profile {
        words.push(format!("--profile {}", path(profile)));
    }
    let bars = flags.bars.iter();
    words
        .extend(bars.map(|(measure, share)| format!("--bar {}={}", measure.name(), share * 100.0)));
    if let Some(out) = &flags.out {
        words.push(format!("--out {}", path(out)));
    }
    words.extend(flags.runs.iter().map(path));
    words.join(" ")
}
