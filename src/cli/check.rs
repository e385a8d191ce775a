//! `tiketi-sim check`: validates scenarios without running them.

use std::io::Write;

use super::args::CheckArguments;
use super::exit::Exit;
use super::source;
use crate::scenario::Overrides;
use crate::scenario::arrival::arrival_times;
use crate::scenario::duration::Written;

/// Validates every file and prints every problem of each.
pub(super) fn check(flags: &CheckArguments) -> Exit {
    let mut worst = Exit::Success;
    for path in &flags.scenarios {
        match source::load(path, &Overrides::default()) {
            Ok(plan) => {
                // A reader that closes the pipe early has seen enough.
                let _closed = writeln!(
                    std::io::stdout().lock(),
                    "{}: ok ({} buyers, {} seats, {} at speed {})",
                    path.display(),
                    arrival_times(&plan).len(),
                    plan.show.seats_total(),
                    Written(plan.clock.duration),
                    plan.clock.speed,
                );
            }
            Err(exit) => worst = worst.max(exit),
        }
    }
    worst
}
