//! The flags of `plan` as the user types them.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueHint};

use super::args::OUT_DEFAULT;

/// Flags of `plan`.
#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub struct PlanArguments {
    /// The question, a TOML file.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub plan: PathBuf,
    /// Seed from which the seeds of all runs are drawn, in place of the file's.
    #[arg(long, env = "TIKETI_SIM_SEED", value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Runs that are played at the same time; the answer does not hang on it [default: one a core].
    #[arg(long, env = "TIKETI_SIM_THREADS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Folder in which the report's own folder is made, and the journal kept.
    #[arg(
        long,
        env = "TIKETI_SIM_OUT",
        value_name = "FOLDER",
        value_hint = ValueHint::DirPath,
        default_value = OUT_DEFAULT
    )]
    pub out: PathBuf,
    /// Play every run again, whatever the journal has.
    #[arg(long)]
    pub fresh: bool,
    /// Print the findings as JSON in place of the summary.
    #[arg(long)]
    pub json: bool,
    /// Say nothing but errors; the exit code and the report tell the rest.
    #[arg(long, short, env = "TIKETI_SIM_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  tiketi-sim plan scenarios/plans/documented-capacity.toml     how large a crowd does it hold?
  tiketi-sim plan scenarios/plans/cheapest-fleet.toml          what is the cheapest that holds it?
  tiketi-sim plan scenarios/plans/queue-or-cpu.toml --threads 4 --json | jq .answer

Every run that was played is kept in a journal beside the report: the same command goes on where it was
stopped, and searches again in no time. A program that was built anew, or another scenario, has runs of its own.

Exit code 0 if there is an answer, 99 if nothing holds, 104 for a bad plan file or scenario, 105 if interrupted.";
