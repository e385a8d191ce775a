//! Poisson arrivals at a rate that decays.

use rand::RngExt;

use super::formula::Births;
use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;

/// The next arrival after `now`, by thinning (Lewis and Shedler 1979): the rate never rises, so that the rate now bounds
/// all that follow.
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
