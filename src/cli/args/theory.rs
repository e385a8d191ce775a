//! Flags of `theory`: one subcommand per case, built from the case's list of parameters.

use clap::builder::FalseyValueParser;
use clap::error::{Error, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use tiketi_theory::{self as theory, CASES, Case, Parameter};

/// Flags of `theory`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, subcommand_value_name = "CASE", subcommand_help_heading = "Cases")]
pub struct TheoryArguments {
    /// A single case; without it, the whole suite runs.
    #[command(subcommand)]
    pub case: Option<CaseArguments>,
    /// Random seed.
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Independent replications per case; fewer give wider confidence intervals.
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(5..=1_000))]
    pub replications: u32,
    /// Print JSON instead of a table.
    #[arg(long, global = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tiketi-sim theory                                             the whole suite
  tiketi-sim theory mmc                                         one case
  tiketi-sim theory mmc --arrival-rate 8 --service-rate 1 --servers 10
  tiketi-sim theory tandem --arrival-rate 5 --service-rates 6,7,8 --json
  tiketi-sim theory erlang-a --help                             the parameters of a case

A metric passes if the exact value is inside the confidence interval (99 % for all metrics together)
and the interval is narrow enough: half its width is at most 1 % of the value, 2 % for tails. Runs
are extended, up to a limit, until it is.

Exit codes: 0 all metrics pass · 90 some don't · 104 a parameter is out of range, or the queue has
no steady state";

/// A case, and the parameters given on the command line.
#[derive(Clone, Debug)]
pub struct CaseArguments {
    /// The case.
    pub case: &'static Case,
    given: Vec<(&'static str, Vec<f64>)>,
}

impl CaseArguments {
    /// Returns the values given for a parameter, or `None` if it keeps its default.
    pub fn given(&self, name: &str) -> Option<Vec<f64>> {
        let given = self.given.iter().find(|(of, _)| *of == name);
        given.map(|(_, values)| values.clone())
    }
}

impl Subcommand for CaseArguments {
    fn augment_subcommands(command: Command) -> Command {
        let commands = CASES.into_iter().map(|case| {
            Command::new(case.name)
                .about(case.title)
                .args(case.parameters.iter().map(argument))
        });
        command.subcommands(commands)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        theory::named(name).is_some()
    }
}

impl FromArgMatches for CaseArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let found = matches
            .subcommand()
            .and_then(|(name, matches)| Some((theory::named(name)?, matches)));
        let (case, matches) = found.ok_or_else(|| Error::new(ErrorKind::InvalidSubcommand))?;
        let given = case.parameters.iter().filter_map(|parameter| {
            let values = matches.get_many::<f64>(parameter.name)?;
            Some((parameter.name, values.copied().collect()))
        });
        Ok(Self {
            case,
            given: given.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Returns the flag of a parameter. It accepts any number; the case itself checks the range.
fn argument(parameter: &Parameter) -> Arg {
    let defaults: Vec<_> = parameter.default.iter().map(f64::to_string).collect();
    let help = format!(
        "{} [default: {}] [expected: {}]",
        parameter.help,
        defaults.join(","),
        parameter.range
    );
    let argument = Arg::new(parameter.name)
        .long(parameter.name)
        .help(help)
        .value_parser(clap::value_parser!(f64))
        .allow_negative_numbers(true);
    if parameter.is_list {
        argument
            .value_name("NUMBERS")
            .value_delimiter(',')
            .action(ArgAction::Append)
    } else {
        argument.value_name("NUMBER")
    }
}
