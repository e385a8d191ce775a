//! Flags of `plan`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueHint};

use super::args::OUT_DEFAULT;

/// Flags of `plan`.
#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub struct PlanArguments {
    /// Plan file (TOML).
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub plan: PathBuf,
    /// Random seed; the seeds of all runs derive from it (overrides the plan file).
    #[arg(long, env = "TIKETI_SIM_SEED", value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Runs in parallel; doesn't change the result [default: one per core].
    #[arg(long, env = "TIKETI_SIM_THREADS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub threads: Option<u16>,
    /// Create the report folder in this folder, and keep the journal there.
    #[arg(
        long,
        env = "TIKETI_SIM_OUT",
        value_name = "FOLDER",
        value_hint = ValueHint::DirPath,
        default_value = OUT_DEFAULT
    )]
    pub out: PathBuf,
    /// Ignore the journal and repeat every run.
    #[arg(long)]
    pub fresh: bool,
    /// Print the results as JSON instead of a summary.
    #[arg(long)]
    pub json: bool,
    /// Print only errors.
    #[arg(long, short, env = "TIKETI_SIM_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  tiketi-sim plan scenarios/plans/documented-capacity.toml     how many buyers can it serve?
  tiketi-sim plan scenarios/plans/cheapest-fleet.toml          which fleet is the cheapest?
  tiketi-sim plan scenarios/plans/queue-or-cpu.toml --threads 4 --json | jq .answer

All runs are simulated. Finished runs are kept in a journal next to the report, so an interrupted
search resumes where it stopped and a repeated search is instant. Rebuilding the program or changing
the scenario starts fresh.

Exit codes: 0 found an answer · 99 no configuration passed · 104 invalid plan file or scenario ·
105 interrupted";
