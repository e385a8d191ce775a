//! `tiketi-sim run`: the live engine, from the file to the report.

use std::fs;
use std::path::Path;

use tokio::sync::watch;

use super::args::RunArguments;
use super::exit::{Exit, complain};
use super::folder::Folder;
use super::progress::Display;
use super::source;
use super::summary;
use crate::live::conductor::conduct;
use crate::live::credential::Credentials;
use crate::live::sut::{Remote, Sut};
use crate::measure::Measurements;
use crate::report::{self, Document};
use crate::scenario::{Overrides, Plan};
use crate::verdict::judge;

/// Runs a scenario, judges it, writes its report.
pub(super) fn run(flags: &RunArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &RunArguments) -> Result<Exit, Exit> {
    let plan = source::load(&flags.scenario, &overrides(flags))?;
    let folder = Folder::create(&flags.out, &plan.name).map_err(|error| {
        let out = flags.out.display();
        complain(
            format_args!("{out}: no report can be written: {error}"),
            Some("choose another folder with --out"),
        );
        Exit::BadScenario
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| could_not_run(&error))?;
    let measured = runtime.block_on(measure(flags, plan));
    runtime.shutdown_background();
    let run = match measured {
        Ok(run) => run,
        Err(exit) => {
            folder.discard();
            return Err(exit);
        }
    };
    let document = report::document(&run, judge(&run), &run_again(flags, &run));
    folder.write(&document, &run).map_err(|error| {
        complain(
            format_args!("the report could not be written: {error}"),
            None,
        );
        Exit::Inconclusive
    })?;
    if !flags.quiet {
        summary::print(&document, folder.path());
    }
    Ok(exit_of(&document))
}

async fn measure(flags: &RunArguments, plan: Plan) -> Result<Measurements, Exit> {
    let sut = sut(flags, &plan).await?;
    let executable = std::env::current_exe().map_err(|error| could_not_run(&error))?;
    let mut display = Display::new(flags.quiet, &plan);
    let measured = conduct(plan, sut, &executable, interrupts(), &mut display).await;
    display.finish();
    measured.map_err(|error| {
        complain(&error, error.hint());
        Exit::Inconclusive
    })
}

/// The system under test: the testbed, or what `--target` names if the guard admits it.
async fn sut(flags: &RunArguments, plan: &Plan) -> Result<Sut, Exit> {
    let Some(url) = &flags.target else {
        return Ok(Sut::Testbed);
    };
    let credentials = credentials(flags)?;
    Remote::admit(url, plan, credentials, flags.i_own_this_target)
        .await
        .map(Sut::Remote)
        .map_err(|refusal| {
            complain(refusal, None);
            Exit::TargetRefused
        })
}

fn credentials(flags: &RunArguments) -> Result<Credentials, Exit> {
    let lines = |path: &Path| {
        let text = fs::read_to_string(path).map_err(|error| {
            complain(
                format_args!("{}: cannot be read: {error}", path.display()),
                None,
            );
            Exit::BadScenario
        })?;
        let lines: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if lines.is_empty() {
            complain(format_args!("{}: is empty", path.display()), None);
            return Err(Exit::BadScenario);
        }
        Ok(lines)
    };
    match (&flags.token_secret_file, &flags.tokens) {
        (Some(path), _) => Ok(Credentials::Minted {
            secret: lines(path)?.remove(0),
        }),
        (None, Some(path)) => Ok(Credentials::Given {
            tokens: lines(path)?,
        }),
        (None, None) => {
            complain(
                "a target needs to know its buyers",
                Some(
                    "give --token-secret-file FILE (tokens are minted) or --tokens FILE (one a line)",
                ),
            );
            Err(Exit::BadScenario)
        }
    }
}

/// What the flags change about the file; a target runs in its own time.
fn overrides(flags: &RunArguments) -> Overrides {
    Overrides {
        seed: flags.seed,
        buyers: flags.buyers,
        duration: flags.duration,
        speed: flags.target.is_some().then_some(1.0),
    }
}

/// Turns to `true` at the first Ctrl-C or SIGTERM; a second one ends the program at once.
fn interrupts() -> watch::Receiver<bool> {
    let (interrupt_tx, interrupt_rx) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_end().await;
        // Nobody listens any more if the run is over already.
        let _over = interrupt_tx.send(true);
        asked_to_end().await;
        #[expect(
            clippy::exit,
            reason = "the second Ctrl-C means: now; children end with their standard input"
        )]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    interrupt_rx
}

async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// The command line that repeats the run.
fn run_again(flags: &RunArguments, run: &Measurements) -> String {
    let mut command = format!(
        "tiketi-sim run {} --seed {}",
        flags.scenario.display(),
        run.plan.seed
    );
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {value}"));
        }
    };
    let path = |path: &std::path::PathBuf| path.display().to_string();
    add("--buyers", flags.buyers.map(|buyers| buyers.to_string()));
    add(
        "--duration",
        flags
            .duration
            .map(|length| format!("{}s", length.as_secs_f64())),
    );
    add("--target", flags.target.clone());
    add(
        "--token-secret-file",
        flags.token_secret_file.as_ref().map(path),
    );
    add("--tokens", flags.tokens.as_ref().map(path));
    if flags.i_own_this_target {
        command.push_str(" --i-own-this-target");
    }
    command
}

fn exit_of(document: &Document) -> Exit {
    document
        .verdicts
        .troubles()
        .first()
        .copied()
        .map_or(Exit::Success, Exit::from)
}

fn could_not_run(error: &std::io::Error) -> Exit {
    complain(error, None);
    Exit::Inconclusive
}
