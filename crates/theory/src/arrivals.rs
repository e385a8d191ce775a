//! Poisson arrivals with a decaying rate.

use rand::RngExt;

use super::formula::Births;
use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;

/// Draws the next arrival after `now`, by thinning (Lewis and Shedler 1979). The rate never increases, so the current rate
/// is a bound for all later ones.
pub(super) fn next_arrival(births: Births, now: SimTime, stream: &mut Stream) -> SimTime {
    let mut candidate = now;
    let mut rate = births.at(now.as_secs_f64());
    loop {
        let gap = Distribution::Exponential { mean: 1.0 / rate };
        candidate += gap.sample(stream);
        let bound = rate;
        rate = births.at(candidate.as_secs_f64());
        if stream.random::<f64>() * bound < rate {
            return candidate;
        }
    }
}
