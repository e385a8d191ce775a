//! The command line as the user types it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use super::cost::CostArguments;
use super::data_tier::DataTierArguments;
use super::plan_args::PlanArguments;
use super::prices::PricesArguments;
use tiketi_scenario::duration;
use tiketi_verdict::agreement::Measure;

mod theory;

pub(super) use theory::TheoryArguments;

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
  tiketi-sim compare reports/before reports/after     is the new run worse than the one before?
  tiketi-sim check scenarios/*.toml                   validate without running
  tiketi-sim theory                                   hold the engine against mathematics
  tiketi-sim run my.toml --target http://localhost:3000 --token-secret-file secret.txt
  tiketi-sim completions bash > ~/.local/share/bash-completion/completions/tiketi-sim

Exit codes:
  0 all well · 2 usage · 90 an audit was violated · 91 inconclusive · 92 target refused ·
  93 worse than the baseline · 99 a gate failed, or nothing holds · 101 a bug ·
  104 bad scenario or configuration · 105 interrupted
  Several at once: the first of 104, 92, 105, 91, 90, 99, 93; all are printed.

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
    /// Compare two runs, or live runs with the model.
    Compare(CompareArguments),
    /// Write a service-time profile from a live run.
    Calibrate(CalibrateArguments),
    /// Search the largest crowd or the cheapest set-up, or compare several, with the model.
    Plan(PlanArguments),
    /// Validate scenarios and plan files: every problem with its line, the legal values, and a hint.
    Check(CheckArguments),
    /// Show how many instances scaling policies have of use, minutes after the queue has grown too long.
    Timeline(TimelineArguments),
    /// Price a month of an architecture, line by line, without a run.
    Cost(CostArguments),
    /// Hold the engine against queueing theory: exact and simulated figures side by side.
    Theory(TheoryArguments),
    /// Print the script that completes this command line in a shell.
    Completions(CompletionsArguments),
    /// One process of a load-balancer node (started by `run`).
    #[command(hide = true)]
    AlbNode,
    /// One instance of the reference server (started by `run`).
    #[command(hide = true)]
    Instance,
    /// What ends a server of the data tier with the run (started by `run`).
    #[command(hide = true)]
    Guard,
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
    /// Prices other than those the scenario names.
    #[command(flatten)]
    pub prices: PricesArguments,
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
    /// What keeps the data.
    #[command(flatten)]
    pub data: DataTierArguments,
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
  tiketi-sim run scenarios/az-loss.toml --data-tier servers
  tiketi-sim run scenarios/steady.toml --target http://127.0.0.1:3000 --token-secret-file secret.txt

A target beyond loopback must be named in the scenario's `target.allow` and confirmed with
--i-own-this-target.";

/// Flags of `compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct CompareArguments {
    /// Folders of finished runs: BASE and NEW, or with `--model` any number of live runs.
    #[arg(required = true, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// Play the scenario of each run in the model, and tell how far the model is off.
    #[arg(long)]
    pub model: bool,
    /// Service times for the model, a TOML file as `calibrate` writes it, in place of the run's own.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "model")]
    pub profile: Option<PathBuf>,
    /// Error that is allowed for one kind of figure, in percent, such as `waiting_time=5`; may be given again.
    #[arg(long = "bar", value_name = "KIND=PERCENT", value_parser = parse_bar)]
    pub bars: Vec<(Measure, f64)>,
    /// Folder for agreement.html, agreement.md and agreement.json; without it there is only the table.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  tiketi-sim compare reports/spike-before reports/spike-after
  tiketi-sim compare --model reports/spike-20260101T120000Z
  tiketi-sim compare --model --profile profile.toml --out agreement reports/low reports/high

Bars: throughput=5 waiting_time=5 response_time_p95=15; the other kinds, response_time_p50,
response_time_p99, abandonment, instances and cost, are shown and not judged unless they get one.
Exit code 93 when a figure is worse than the baseline by more than its bar, or when the model is off
by more; 91 when nothing can be told. Too few samples are no pass.";

/// Flags of `calibrate`.
#[derive(Debug, Args)]
#[command(after_help = CALIBRATE_EXAMPLES)]
pub struct CalibrateArguments {
    /// Folder of a finished live run.
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// The profile to begin with, by its name or its file; the run's own if none is given.
    #[arg(long, value_name = "PROFILE")]
    pub base: Option<String>,
    /// File for the profile; also names it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

const CALIBRATE_EXAMPLES: &str = "\
Examples:
  tiketi-sim calibrate reports/mid-20260101T120000Z --out profile.toml
  tiketi-sim simulate scenarios/spike.toml --profile profile.toml

On the testbed, processor times are those of the emulated instances, and what an answer takes beyond
them is fitted with the model in the loop. Of a --target nobody knows the processor: its times are
read off the answers, which is an assumption. What is left of the error is written into the file.";

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

/// Flags of `timeline`.
#[derive(Debug, Args)]
#[command(after_help = TIMELINE_EXAMPLES)]
pub struct TimelineArguments {
    /// A scenario whose policies are followed, in place of those that come with the program.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Seeds to follow each policy with: phases, boots, and delays are drawn anew for each.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub seeds: u32,
    /// When the queue passes the threshold, in scenario time [default: 20m].
    #[arg(long, value_name = "LENGTH", value_parser = parse_duration)]
    pub at: Option<Duration>,
    /// Folder for `report.html`, which has a chart, and `summary.md`.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

const TIMELINE_EXAMPLES: &str = "\
Examples:
  tiketi-sim timeline                                       simple, step, and scheduled scaling
  tiketi-sim timeline --out reports/policies                the same as a page with a chart
  tiketi-sim timeline scenarios/studies/prescale.toml --at 10m

Only the control plane is simulated: no buyer, no server. Exit code 0, or 104.";

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

/// Reads `waiting_time=5`, a kind of figure and a percentage.
fn parse_bar(text: &str) -> Result<(Measure, f64), String> {
    let legal = Measure::ALL.map(Measure::name).join(", ");
    let (name, percent) = text
        .split_once('=')
        .ok_or("has no `=` (expected a kind and a percentage, such as waiting_time=5)")?;
    let measure = Measure::from_name(name)
        .ok_or_else(|| format!("`{name}` is no kind of figure (legal: {legal})"))?;
    match percent.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent.is_finite() => Ok((measure, percent / 100.0)),
        Ok(_) | Err(_) => Err(format!("`{percent}` is no percentage (legal: above 0)")),
    }
}

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
