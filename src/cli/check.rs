//! `tiketi-sim check`: validates scenarios without running them.

use std::io::Write;

use super::args::CheckArguments;
use super::exit::Exit;
use super::source;
use crate::scenario::Overrides;
use crate::scenario::arrival::arrival_times;

/// Validates every file and prints every problem of each.
pub(super) fn check(flags: &CheckArguments) -> Exit {
    let mut worst = Exit::Success;
    for path in &flags.scenarios {
        match source::load(path, &Overrides::default()) {
            Ok(plan) => {
                // A reader that closes the pipe early has seen enough.
                let _closed = writeln!(
                    std::io::stdout().lock(),
                    "{}: ok ({} buyers, {} seats, {} s at speed {})",
                    path.display(),
                    arrival_times(&plan).len(),
                    plan.show.seats_total(),
                    plan.clock.duration.as_secs(),
                    plan.clock.speed,
                );
            }
            Err(exit) => worst = exit,
        }
    }
    worst
}
