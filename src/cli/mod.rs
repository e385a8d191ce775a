//! The command line: one file per command, plus progress, exit codes and the report folder.

mod again;
mod allow_exec;
mod args;
mod calibrate;
mod check;
mod commands;
mod compare;
mod completions;
mod connection;
mod cost;
mod data_tier;
mod draft;
mod exit;
mod finished_run;
mod folder;
mod input;
mod interrupt;
mod journal;
mod map;
mod model_display;
mod notice_line;
mod outcome;
mod output;
mod plan;
mod plan_args;
mod prices;
mod probe;
mod progress;
mod reading;
mod run;
mod search_progress;
mod simulate;
mod simulator;
mod source;
mod summary;
mod target;
mod targets;
mod terminal;
mod theory;
mod timeline;
mod users;

use std::io::BufReader;
use std::str::FromStr;

use nix::sys::signal::{SigSet, Signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};

pub use args::{Arguments, Command};
pub use exit::Exit;

use tiketi_live::worker;
use tiketi_testbed::data_tier as servers;
use tiketi_testbed::{alb, child, instance, keeper};

/// Runs the program.
pub fn main() -> Exit {
    // A write beyond a limit on the size of files must fail, and not end the program without a word. Threads inherit this.
    let _unsupported = SigSet::from_iter([Signal::SIGXFSZ]).thread_block();
    match output::arguments() {
        Ok(arguments) => dispatch(arguments),
        Err(exit) => exit,
    }
}

/// Runs the command that the arguments name.
pub fn dispatch(arguments: Arguments) -> Exit {
    show_log();
    match arguments.command {
        Command::Run(flags) => run::run(&flags),
        Command::Simulate(flags) => simulate::simulate(&flags),
        Command::Probe(flags) => probe::probe(&flags),
        Command::Map(flags) => map::map(&flags),
        Command::Compare(flags) => compare::compare(&flags),
        Command::Calibrate(flags) => calibrate::calibrate(&flags),
        Command::Plan(flags) => plan::plan(&flags),
        Command::Check(flags) => check::check(&flags),
        Command::Timeline(flags) => timeline::timeline(&flags),
        Command::Cost(flags) => cost::cost(&flags),
        Command::Targets(flags) => targets::targets(&flags),
        Command::Theory(flags) => theory::theory(&flags),
        Command::Completions(flags) => completions::completions(&flags),
        Command::AlbNode => exit::of_child("alb-node", alb::process::main()),
        Command::Instance => exit::of_child("instance", instance::main()),
        Command::Keeper => exit::of_child("keeper", keeper::main()),
        Command::Guard => exit::of_child(servers::GUARD_SUBCOMMAND, servers::guard()),
        Command::Worker => exit::of_child("worker", work()),
    }
}

/// Runs a load worker.
fn work() -> Result<(), Box<dyn std::error::Error>> {
    child::die_with_supervisor()?;
    worker::run(BufReader::new(std::io::stdin()), std::io::stdout())?;
    Ok(())
}

/// Sends the log to stderr: errors, or the level that `TIKETI_SIM_LOG` sets.
fn show_log() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::ERROR.into())
        .with_env_var("TIKETI_SIM_LOG")
        .from_env_lossy()
        // Below this level it logs statements, one of which sets a password.
        .add_directive(Directive::from_str("tokio_postgres=info").expect("a valid constant"));
    let shown = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A closed stderr must not end a run.
        .log_internal_errors(false)
        .with_ansi(terminal::shows_color(&std::io::stderr()))
        .try_init();
    // It fails if the caller of this library has installed a subscriber of its own, which then stays.
    drop(shown);
}
