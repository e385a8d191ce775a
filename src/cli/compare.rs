//! `tiketi-sim compare`: two finished runs, or live runs and what the model makes of them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::args::{Arguments, CompareArguments};
use super::data_tier;
use super::exit::{Exit, complain};
use super::kept::{self, KeptRun};
use super::player::Player;
use super::source;
use tiketi_measure::{Engine, Measurements};
use tiketi_report::agreement::{self, Comparison, Pair, comparison};
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
    if !flags.quiet {
        // A reader that closes the pipe early has seen enough.
        let _closed = io::stdout()
            .lock()
            .write_all(agreement::text(&compared).as_bytes());
    }
    let exit = Exit::from(compared.conclusion);
    let Some(out) = &flags.out else { return exit };
    let runs: Vec<_> = pairs.iter().map(|pair| pair.runs).collect();
    match write(out, &compared, &runs) {
        Ok(()) => exit,
        Err(error) => {
            let hint = Some("choose another folder with --out");
            complain(format_args!("{}: {error}", out.display()), hint);
            Exit::BadScenario
        }
    }
}

fn write(out: &Path, compared: &Comparison, runs: &[[&Measurements; 2]]) -> io::Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join("agreement.json"), agreement::json(compared))?;
    fs::write(out.join("agreement.md"), agreement::markdown(compared))?;
    fs::write(out.join("agreement.html"), agreement::html(compared, runs))
}
