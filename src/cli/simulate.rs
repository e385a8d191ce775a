//! `tiketi-sim simulate`: simulates a scenario in virtual time and writes its report.

use super::again;
use super::args::{ScenarioArguments, SimulateArguments};
use super::data_tier;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::outcome;
use super::prices;
use super::progress::line;
use super::simulator::Simulator;
use super::source;
use tiketi_scenario::objective::GateMetric;

/// Simulates a scenario, evaluates it and writes its report.
pub(super) fn simulate(flags: &SimulateArguments) -> Exit {
    carry_out(&flags.common).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &ScenarioArguments) -> Result<Exit, Exit> {
    let plan = source::scenario(flags, None, None, None)?;
    data_tier::admit_modeled(&plan)?;
    let book = prices::asked_for(&flags.prices)?;
    let interrupt = Interrupt::listen()?;
    let simulator = Simulator::new(&interrupt);
    let folder = outcome::folder(flags, &plan)?;
    if !flags.quiet
        && plan
            .gates
            .iter()
            .any(|gate| gate.metric == GateMetric::SendLag)
    {
        line(format_args!(
            "The gates on `send_lag` are left out: a simulated run has no load generator."
        ));
    }
    let mut run = simulator.simulate_until_interrupted(&plan, flags.quiet);
    prices::bill_with(book.as_ref(), &mut run);
    let kept = outcome::keep_prices(flags, book.as_ref(), &folder);
    let run_again = again::simulate(flags, run.plan.seed, kept);
    Ok(outcome::report(&run, &run_again, &folder, flags.quiet))
}
