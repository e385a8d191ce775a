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
use super::targets::TargetsArguments;
use tiketi_scenario::duration::{self, Written};
use tiketi_scenario::{BUYERS, DURATION};
use tiketi_verdict::agreement::Measure;

mod connection;
mod map;
mod theory;

pub(super) use connection::ConnectionArguments;
pub(super) use map::{CheckArguments, MapArguments};
pub(super) use theory::TheoryArguments;

/// Load test and capacity simulator for ticket sales.
///
/// One scenario file describes the show, the buyers, the infrastructure and the faults. `run` sends real traffic to a
/// local testbed or to your own system and checks the results; `simulate` does the same in virtual time, without
/// traffic.
#[derive(Debug, Parser)]
#[command(name = "tiketi-sim", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    /// The command to carry out.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tiketi-sim run scenarios/spike.toml                 20,000 buyers, and an availability zone fails
  tiketi-sim run scenarios/spike.toml --buyers 2000   the same with fewer buyers
  tiketi-sim simulate scenarios/spike.toml            simulate it, without traffic
  tiketi-sim plan scenarios/plans/documented-capacity.toml
                                                      how many buyers can it serve?
  tiketi-sim compare reports/before reports/after     is the new run worse than the old one?
  tiketi-sim check scenarios/*.toml                   validate without running
  tiketi-sim theory                                   check the simulator against queueing theory
  tiketi-sim run my.toml --target http://localhost:3000 --token-secret-file secret.txt
                                                      test your own system

Exit codes:
    0  passed
    2  usage error
   90  an audit failed
   91  inconclusive: the measurement is unreliable, or it could not be made, written or printed
   92  target refused
   93  worse than the baseline, or the model is outside its tolerance
   99  a gate failed, or no configuration passed
  101  internal error (a bug)
  104  invalid scenario or configuration
  105  interrupted
  If several apply, all are printed and the exit code is the first of 104, 92, 105, 91, 90, 99, 93.
  A reader that closes the pipe early, such as `head`, is not an error.

Input:
  - stands for standard input wherever a file is read.

Environment:
  TIKETI_SIM_*    default for the flag named in its help; a flag on the command line wins
  TIKETI_SIM_LOG  log level on stderr, such as debug [default: error]
  NO_COLOR        print without colors
  CI              print progress as plain lines";

/// A command of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario with real traffic and report the results.
    Run(Box<RunArguments>),
    /// Simulate a scenario in virtual time and report the results.
    Simulate(SimulateArguments),
    /// Send one buyer to a target and show what is understood.
    Probe(ProbeArguments),
    /// Draft an API mapping from a browser recording or an OpenAPI document.
    Map(MapArguments),
    /// Compare two runs, or live runs with simulated ones.
    Compare(CompareArguments),
    /// Derive a service-time profile from a live run.
    Calibrate(CalibrateArguments),
    /// Find the largest number of buyers or the cheapest configuration, or compare configurations.
    Plan(PlanArguments),
    /// Validate scenarios, plan files and API mappings.
    Check(CheckArguments),
    /// Show how many instances each scaling policy has in service, minute by minute.
    Timeline(TimelineArguments),
    /// Estimate the monthly bill of an architecture.
    Cost(CostArguments),
    /// Show what finished runs say about each architecture claim.
    Targets(TargetsArguments),
    /// Check the simulator against queueing theory.
    Theory(TheoryArguments),
    /// Generate a shell completion script.
    Completions(CompletionsArguments),
    /// One process of a load-balancer node (started by `run`).
    #[command(hide = true)]
    AlbNode,
    /// One instance of the reference server (started by `run`).
    #[command(hide = true)]
    Instance,
    /// Keeps the connections of an instance without power open (started by `run`).
    #[command(hide = true)]
    Keeper,
    /// Runs one data-tier server and stops it when the run ends (started by `run`).
    #[command(hide = true)]
    Guard,
    /// One load worker (started by `run`).
    #[command(hide = true)]
    Worker,
}

/// Flags that `run` and `simulate` share: the scenario, its overrides, and where the report goes.
#[derive(Debug, Args)]
pub struct ScenarioArguments {
    /// Scenario file (TOML).
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: PathBuf,
    /// Random seed (overrides the scenario).
    #[arg(
        long,
        env = "TIKETI_SIM_SEED",
        value_name = "NUMBER",
        allow_negative_numbers = true
    )]
    pub seed: Option<u64>,
    /// Number of buyers; scales every arrival phase (overrides the scenario).
    #[arg(long, env = "TIKETI_SIM_BUYERS", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(BUYERS.max)))]
    pub buyers: Option<u32>,
    /// Length of the run in scenario time, such as `90s` or `12m` (overrides the scenario).
    #[arg(long, env = "TIKETI_SIM_DURATION", value_name = "LENGTH", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Service-time profile of the instances, a TOML file written by `calibrate` (overrides the scenario).
    #[arg(
        long,
        env = "TIKETI_SIM_PROFILE",
        value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    pub profile: Option<PathBuf>,
    /// Create the report folder in this folder.
    #[arg(
        long,
        env = "TIKETI_SIM_OUT",
        value_name = "FOLDER",
        value_hint = ValueHint::DirPath,
        default_value = OUT_DEFAULT
    )]
    pub out: PathBuf,
    /// The price book.
    #[command(flatten)]
    pub prices: PricesArguments,
    /// Print only errors.
    #[arg(long, short, env = "TIKETI_SIM_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

/// Flags of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = SIMULATE_EXAMPLES)]
pub struct SimulateArguments {
    /// The scenario and its overrides.
    #[command(flatten)]
    pub common: ScenarioArguments,
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  tiketi-sim simulate scenarios/spike.toml
  tiketi-sim simulate scenarios/spike.toml --buyers 100000 --duration 30m
  tiketi-sim simulate scenarios/spike.toml --profile profile.toml

Same scenario, same seed, same results on any machine. `clock.speed` is ignored: a simulation runs
as fast as the machine allows.";

/// Flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// The scenario and its overrides.
    #[command(flatten)]
    pub common: ScenarioArguments,
    /// Test the system at this `http://` or `https://` address instead of the local testbed, in real time.
    #[arg(
        long,
        env = "TIKETI_SIM_TARGET",
        hide_env_values = true,
        value_name = "URL",
        value_hint = ValueHint::Url
    )]
    pub target: Option<String>,
    /// The data tier.
    #[command(flatten)]
    pub data: DataTierArguments,
    /// How the target is asked, and who its buyers are.
    #[command(flatten)]
    pub buyers_of_target: TargetArguments,
    /// How it is connected to.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Confirm that you may load-test a target on another machine. Can't be set through the environment.
    #[arg(long, requires = "target")]
    pub i_own_this_target: bool,
    /// Allow the scenario and the API mapping to start programs on this machine. Can't be set through the environment.
    #[arg(long)]
    pub allow_exec: bool,
}

/// Flags that `run` and `probe` share: how a target is asked, and who its buyers are.
#[derive(Debug, Args)]
pub struct TargetArguments {
    /// How the target is asked and what its responses mean: a file with the tables of `[target.api]` (overrides the
    /// scenario; with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_API",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target"
    )]
    pub api: Option<PathBuf>,
    /// Generate the buyers' JWTs with the secret in this file (with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_TOKEN_SECRET_FILE",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target"
    )]
    pub token_secret_file: Option<PathBuf>,
    /// Read the buyers' tokens from this file, one per line (with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_TOKENS",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target",
        conflicts_with = "token_secret_file"
    )]
    pub tokens: Option<PathBuf>,
    /// Read the buyers from this CSV file, one per row: the API mapping names its columns as `{user.COLUMN}` (with
    /// `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_USERS",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target",
        conflicts_with_all = ["token_secret_file", "tokens"]
    )]
    pub users: Option<PathBuf>,
}

/// Flags of `probe`.
#[derive(Debug, Args)]
#[command(after_help = PROBE_EXAMPLES)]
pub struct ProbeArguments {
    /// Scenario file (TOML) with the target's settings, such as `target.allow` and `target.show`.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Send the buyer to the system at this `http://` or `https://` address.
    #[arg(
        long,
        env = "TIKETI_SIM_TARGET",
        hide_env_values = true,
        value_name = "URL",
        value_hint = ValueHint::Url,
        required = true
    )]
    pub target: Option<String>,
    /// How the target is asked, and who its buyers are.
    #[command(flatten)]
    pub buyers_of_target: TargetArguments,
    /// How it is connected to.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Give up after this length of real time, such as `90s` or `2m`.
    #[arg(long, value_name = "LENGTH", default_value = "60s", value_parser = parse_duration)]
    pub limit: Duration,
    /// Confirm that you may test a target on another machine. Can't be set through the environment.
    #[arg(long)]
    pub i_own_this_target: bool,
    /// Allow the API mapping to start programs on this machine. Can't be set through the environment.
    #[arg(long)]
    pub allow_exec: bool,
}

const PROBE_EXAMPLES: &str = "\
Examples:
  tiketi-sim probe --target http://127.0.0.1:3000 --tokens tokens.txt
  tiketi-sim probe --target http://127.0.0.1:3000 --api scenarios/apis/ticketdrop.toml
  tiketi-sim probe my.toml --target http://localhost:8080 --api my-api.toml --users users.csv

Sends one buyer through the queue to a ticket, and prints each request, each response and what was
understood. Tokens, cookies and passwords are shown as ***. The buyer holds a seat and pays for it.
Sockets are not opened: the buyer polls.

Exit codes: 0 the buyer has a ticket · 91 the buyer has none · 92 target refused or unreachable ·
104 invalid scenario, API mapping or credentials";

const RUN_EXAMPLES: &str = "\
Examples:
  tiketi-sim run scenarios/smoke.toml
  tiketi-sim run scenarios/spike.toml --seed 11 --out /var/tmp/reports
  tiketi-sim run scenarios/az-loss.toml --data-tier servers
  tiketi-sim run scenarios/staging.toml --target http://127.0.0.1:3000 --token-secret-file secret.txt
  tiketi-sim run scenarios/staging.toml --target http://127.0.0.1:3000 --api my-api.toml --users users.csv

A target on another machine must be listed in the scenario's `target.allow` and confirmed with
--i-own-this-target.";

/// Flags of `compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct CompareArguments {
    /// Report folders of finished runs: BASE and NEW, or with `--model` any number of live runs.
    #[arg(required = true, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// Simulate the scenario of each live run and report the error of the simulation.
    #[arg(long)]
    pub model: bool,
    /// Service-time profile for the simulation, a TOML file written by `calibrate` [default: the run's own].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "model")]
    pub profile: Option<PathBuf>,
    /// Tolerance for a metric kind, in percent, such as `waiting_time=5`; can be repeated.
    #[arg(long = "tolerance", alias = "bar", value_name = "KIND=PERCENT", value_parser = parse_tolerance)]
    pub tolerances: Vec<(Measure, f64)>,
    /// Also write agreement.html, agreement.md and agreement.json to this folder.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Print only errors.
    #[arg(long, short)]
    pub quiet: bool,
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  tiketi-sim compare reports/spike-before reports/spike-after
  tiketi-sim compare --model reports/spike-20260101T120000Z
  tiketi-sim compare --model --profile profile.toml --out agreement reports/low reports/high

Exit codes, errors, refusals, audits, gates and validity come first; an improvement counts only if
none of them got worse. Response times and throughput are those of successful requests.

Default tolerances: errors=0.1 refusals=1 (percentage points; with --model 1 and 10) throughput=5
waiting_time=5 response_time_p95=15. The other kinds (response_time_p50, response_time_p99,
abandonment, instances, cost) are shown but only checked if you set a tolerance for them. Too few
samples never counts as a pass.

Exit codes: 0 within tolerance · 93 worse than the baseline, or the model is outside its tolerance ·
91 inconclusive · 104 not a usable run · 105 interrupted";

/// Flags of `calibrate`.
#[derive(Debug, Args)]
#[command(after_help = CALIBRATE_EXAMPLES)]
pub struct CalibrateArguments {
    /// Report folder of a finished live run.
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Profile to start from, a name or a file [default: the run's own].
    #[arg(long, value_name = "PROFILE")]
    pub base: Option<String>,
    /// Write the profile to this file; the file name becomes the profile's name.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Print only errors.
    #[arg(long, short)]
    pub quiet: bool,
}

const CALIBRATE_EXAMPLES: &str = "\
Examples:
  tiketi-sim calibrate reports/mid-20260101T120000Z --out profile.toml
  tiketi-sim simulate scenarios/spike.toml --profile profile.toml

On the testbed, CPU time is known because instances are emulated; the response time it doesn't
explain is fitted by simulating the run repeatedly. For a --target, CPU time is unknown and is
inferred from response times, which the profile marks as an assumption. The remaining error is
written into the file.";

/// Flags of `timeline`.
#[derive(Debug, Args)]
#[command(after_help = TIMELINE_EXAMPLES)]
pub struct TimelineArguments {
    /// Scenario whose scaling policies to simulate [default: simple, step and scheduled scaling].
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Number of random replications per policy.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub seeds: u32,
    /// Minute in which the queue crosses the threshold, in scenario time; each replication draws the second [default: 20m].
    #[arg(long, value_name = "LENGTH", value_parser = parse_duration)]
    pub at: Option<Duration>,
    /// Also write `report.html` (with a chart) and `summary.md` to this folder.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

const TIMELINE_EXAMPLES: &str = "\
Examples:
  tiketi-sim timeline                                       simple, step and scheduled scaling
  tiketi-sim timeline --out reports/policies                also write a page with a chart
  tiketi-sim timeline scenarios/studies/prescale.toml --at 10m

Simulates only the control plane: no buyers, no servers.

Exit codes: 0 done · 104 invalid scenario or configuration";

/// Flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArguments {
    /// Shell to generate the script for.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tiketi-sim completions bash > ~/.local/share/bash-completion/completions/tiketi-sim
  tiketi-sim completions zsh > ~/.zfunc/_tiketi-sim
  tiketi-sim completions fish > ~/.config/fish/completions/tiketi-sim.fish";

/// Folder for reports unless `--out` names another.
pub(super) const OUT_DEFAULT: &str = "reports";

/// Largest tolerance, in percent: with a larger one no comparison fails.
const PERCENT_MAX: f64 = 1_000.0;

/// Why a tolerance could not be read.
#[derive(Debug, thiserror::Error)]
enum ToleranceError {
    /// There is no equals sign.
    #[error("missing `=`: write a metric kind and a percentage, such as waiting_time=5")]
    NoEqualsSign,
    /// No metric kind has this name.
    #[error("unknown metric kind `{name}` (expected one of {expected})")]
    UnknownKind { name: String, expected: String },
    /// The number is not a percentage within [`PERCENT_MAX`].
    #[error(
        "invalid percentage `{percent}` (expected a number above 0, at most {})",
        PERCENT_MAX
    )]
    InvalidPercentage { percent: String },
}

/// Reads a metric kind and a percentage, such as `waiting_time=5`; returns the tolerance as a share of 1.
fn parse_tolerance(text: &str) -> Result<(Measure, f64), ToleranceError> {
    let (name, percent) = text.split_once('=').ok_or(ToleranceError::NoEqualsSign)?;
    let measure = Measure::from_name(name).ok_or_else(|| ToleranceError::UnknownKind {
        name: name.to_owned(),
        expected: Measure::ALL.map(Measure::name).join(", "),
    })?;
    match percent.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= PERCENT_MAX => Ok((measure, percent / 100.0)),
        Ok(_) | Err(_) => Err(ToleranceError::InvalidPercentage {
            percent: percent.to_owned(),
        }),
    }
}

/// Why the value of `--duration` or `--at` was rejected.
#[derive(Debug, thiserror::Error)]
enum DurationError {
    /// The length is outside the limits of a run.
    #[error("{} is outside the limits (expected {}, such as 90s or 12m)", Written(*.0), DURATION)]
    Outside(Duration),
    /// The text is not a length of time.
    #[error("{0} (expected a length such as 90s or 12m)")]
    Syntax(duration::LengthError),
}

/// Reads the length of a run, such as `90s`, `1m30s`, `500ms` or `2h`.
fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    match duration::parse(text) {
        Ok(length) if DURATION.permit(length) => Ok(length),
        Ok(length) => Err(DurationError::Outside(length)),
        Err(problem) => Err(DurationError::Syntax(problem)),
    }
}
