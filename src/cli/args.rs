//! The command line as the user types it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use super::plan_args::PlanArguments;
use crate::scenario::duration;

/// Load test and capacity simulator for ticket sales.
///
/// One scenario file says what is sold, who comes, what it runs on and what breaks. `run` sends real traffic to a
/// local testbed, or to your own staging system, and judges what came back; `simulate` plays the same in virtual time.
#[derive(Debug, Parser)]
#[command(name = "tiketi-sim", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tiketi-sim run scenarios/spike.toml                 the main job: a spike, and a zone lost
  tiketi-sim run scenarios/spike.toml --buyers 2000   the same question with a smaller crowd
  tiketi-sim simulate scenarios/spike.toml            the same in virtual time, without any traffic
  tiketi-sim plan scenarios/plans/documented-capacity.toml
                                                      how large a crowd does it hold?
  tiketi-sim check scenarios/*.toml                   validate without running
  tiketi-sim run my.toml --target http://localhost:3000 --token-secret-file secret.txt
  tiketi-sim completions bash > ~/.local/share/bash-completion/completions/tiketi-sim

Exit codes:
  0 all well · 2 usage · 90 an audit was violated · 91 inconclusive · 92 target refused ·
  99 a gate failed, or nothing holds · 101 a bug · 104 bad scenario or configuration · 105 interrupted
  Several at once: the first of 104, 92, 105, 91, 90, 99; all are printed.

Environment:
  TIKETI_SIM_* stand in for flags that are not given;
  TIKETI_SIM_LOG=debug shows the log; NO_COLOR and CI are honored.";

/// One command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario live and judge it.
    Run(RunArguments),
    /// Play a scenario in the model, in virtual time, and judge it.
    Simulate(SimulateArguments),
    /// Search the largest crowd or the cheapest set-up, or compare several, with the model.
    Plan(PlanArguments),
    /// Validate scenarios and plan files: every problem with its line, the legal values, and a hint.
    Check(CheckArguments),
    /// Print the script that completes this command line in a shell.
    Completions(CompletionsArguments),
    /// One process of a load-balancer node (started by `run`).
    #[command(hide = true)]
    AlbNode,
    /// One load process (started by `run`).
    #[command(hide = true)]
    Worker,
}

/// What is played, and where its report goes: flags of `run` and `simulate`.
#[derive(Debug, Args)]
pub struct ScenarioArguments {
    /// The scenario, a TOML file.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: PathBuf,
    /// Seed of every random stream, in place of the scenario's.
    #[arg(
        long,
        env = "TIKETI_SIM_SEED",
        value_name = "NUMBER",
        allow_negative_numbers = true
    )]
    pub seed: Option<u64>,
    /// Number of buyers: every arrival phase is scaled to it.
    #[arg(long, env = "TIKETI_SIM_BUYERS", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub buyers: Option<u32>,
    /// Length of the run in scenario time, such as `90s` or `12m`.
    #[arg(long, env = "TIKETI_SIM_DURATION", value_name = "LENGTH", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Service times of the instances, a TOML file as `calibrate` writes it, in place of the scenario's profile.
    #[arg(
        long,
        env = "TIKETI_SIM_PROFILE",
        value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    pub profile: Option<PathBuf>,
    /// Folder in which the run's own folder is made.
    #[arg(
        long,
        env = "TIKETI_SIM_OUT",
        value_name = "FOLDER",
        value_hint = ValueHint::DirPath,
        default_value = OUT_DEFAULT
    )]
    pub out: PathBuf,
    /// Say nothing but errors; the exit code and the report tell the rest.
    #[arg(long, short, env = "TIKETI_SIM_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

/// Flags of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = SIMULATE_EXAMPLES)]
pub struct SimulateArguments {
    /// What is played.
    #[command(flatten)]
    pub played: ScenarioArguments,
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  tiketi-sim simulate scenarios/spike.toml
  tiketi-sim simulate scenarios/spike.toml --buyers 100000 --duration 30m
  tiketi-sim simulate scenarios/spike.toml --profile profile.toml

The same plan and seed give the same figures on any machine. `clock.speed` does not matter: the
model takes as long as it takes.";

/// Flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// What is played.
    #[command(flatten)]
    pub played: ScenarioArguments,
    /// Drive a system that is already there instead of the testbed: `http://` or `https://` and a host.
    #[arg(long, env = "TIKETI_SIM_TARGET", value_name = "URL", value_hint = ValueHint::Url)]
    pub target: Option<String>,
    /// Mint the buyers' tokens with the secret in this file (with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_TOKEN_SECRET_FILE",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target"
    )]
    pub token_secret_file: Option<PathBuf>,
    /// Take the buyers' tokens from this file, one a line (with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_TOKENS",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target",
        conflicts_with = "token_secret_file"
    )]
    pub tokens: Option<PathBuf>,
    /// Confirm that a target beyond this machine may be put under load by you. Not to be had from the environment.
    #[arg(long, requires = "target")]
    pub i_own_this_target: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  tiketi-sim run scenarios/smoke.toml
  tiketi-sim run scenarios/spike.toml --seed 11 --out /var/tmp/reports
  tiketi-sim run scenarios/steady.toml --target http://127.0.0.1:3000 --token-secret-file secret.txt

A target beyond loopback must be named in the scenario's `target.allow` and confirmed with
--i-own-this-target.";

/// Flags of `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArguments {
    /// The scenarios and plan files, TOML files.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenarios: Vec<PathBuf>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  tiketi-sim check scenarios/*.toml

What is right goes to stdout, a line a file. What is wrong goes to stderr: excerpts on a terminal,
elsewhere a line a problem, FILE:LINE:COLUMN: what is wrong (legal: what would be right).
Exit code 0 if all is right, else 104.";

/// Flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tiketi-sim completions bash > ~/.local/share/bash-completion/completions/tiketi-sim
  tiketi-sim completions zsh > ~/.zfunc/_tiketi-sim
  tiketi-sim completions fish > ~/.config/fish/completions/tiketi-sim.fish";

/// Where reports go unless the user says otherwise.
pub(super) const OUT_DEFAULT: &str = "reports";

/// Reads `90s`, `1m30s`, `500ms`, `2h`; refuses a length of zero.
fn parse_duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => {
            Err("leaves nothing to run (expected a length such as 90s or 12m)".to_owned())
        }
        Ok(length) => Ok(length),
        Err(problem) => Err(format!("{problem} (expected a length such as 90s or 12m)")),
    }
}
