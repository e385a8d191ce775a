//! `tiketi-sim simulate`: the model engine, from the file to the report.

use super::again;
use super::args::{ScenarioArguments, SimulateArguments};
use super::data_tier;
use super::exit::Exit;
use super::outcome;
use super::player::Player;
use super::prices;
use super::source;

/// Plays a scenario in virtual time, judges it, writes its report.
pub(super) fn simulate(flags: &SimulateArguments) -> Exit {
    carry_out(&flags.played).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &ScenarioArguments) -> Result<Exit, Exit> {
    let plan = source::played(flags, None, None)?;
    data_tier::admit_modeled(&plan)?;
    let book = prices::asked_for(&flags.prices)?;
    let player = Player::new()?;
    let folder = outcome::folder(flags, &plan)?;
    let mut run = player.play_as_far(&plan, flags.quiet);
    prices::bill_with(book.as_ref(), &mut run);
    let run_again = again::simulate(flags, run.plan.seed);
    Ok(outcome::report(&run, &run_again, &folder, flags.quiet))
}
