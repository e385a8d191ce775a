//! Flags of `map` and `check`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Flags of `map`.
#[derive(Debug, Args)]
#[command(after_help = MAP_EXAMPLES)]
pub struct MapArguments {
    /// Draft it from this browser recording (HAR 1.1 or 1.2) of one visit, from the list of shows to the ticket.
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        required_unless_present = "openapi"
    )]
    pub har: Option<PathBuf>,
    /// Draft it from this OpenAPI 3 document (JSON or YAML).
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with = "har"
    )]
    pub openapi: Option<PathBuf>,
    /// Write the mapping to this file instead of stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Replace the file of `--out` if it exists.
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Print only errors.
    #[arg(long, short)]
    pub quiet: bool,
}

const MAP_EXAMPLES: &str = "\
Examples:
  tiketi-sim map --har visit.har > my-api.toml
  tiketi-sim map --openapi openapi.yaml --out my-api.toml
  tiketi-sim probe --target http://127.0.0.1:3000 --api my-api.toml

Drafts an API mapping: which request has which role, which value of a response a later request
sends, and what responses mean. What the file doesn't show is a placeholder. Lines that begin with
`# ?` are open questions: answer them, then send one buyer with `probe`. The draft contains no
token, cookie or password of the recording.

To record a visit: open the developer tools of the browser, choose Network and \"Preserve log\", buy a
ticket, and export all as HAR \"with sensitive data\". Buy during a queue if you can: only then do the
responses show how a waiting buyer differs from an admitted one.

Exit codes: 0 drafted · 91 the draft could not be printed · 104 the input cannot be used, or the
output file cannot be written";

/// Flags of `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArguments {
    /// Scenarios and plan files (TOML).
    #[arg(required_unless_present = "api", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenarios: Vec<PathBuf>,
    /// Check this API mapping, a file for `--api` of `run` and `probe`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub api: Option<PathBuf>,
    /// Compare API mappings with this OpenAPI 3 document (JSON or YAML) [default: the one that `openapi` in the mapping
    /// names].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub openapi: Option<PathBuf>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  tiketi-sim check scenarios/*.toml scenarios/plans/*.toml
  tiketi-sim check --api my-api.toml --openapi openapi.yaml
  tiketi-sim check my-sale.toml --openapi openapi.yaml

Valid files are listed on stdout, one per line. Errors go to stderr: with source excerpts on a
terminal, as one FILE:LINE:COLUMN line per problem elsewhere.

With an OpenAPI document, paths, methods, parameters, required fields of bodies, statuses, and the
pointers into responses of a mapping are compared with it.

Exit codes: 0 all files are valid · 104 some are not";
