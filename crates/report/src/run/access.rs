//! The network that buyers were given.

use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::duration::Written;

use crate::number::Number;

/// The profile and its figures; `None` if buyers were given none.
pub(super) fn network(run: &Measurements) -> Option<String> {
    let access = run.plan.buyers.network;
    if !access.is_applied() {
        return None;
    }
    let mut figures = format!("{}: {}", access.profile.name(), Written(access.delay));
    if !access.jitter.is_zero() {
        figures = format!("{figures} ± {}", Written(access.jitter));
    }
    figures = format!("{figures} each way");
    if access.loss.get() > 0.0 {
        let loss = Number::share(access.loss.get());
        figures = format!("{figures}, {loss} of the packets lost");
    }
    Some(match access.bandwidth {
        Some(megabits) => format!("{figures}, {} Mbit/s", Number::decimal(megabits)),
        None => figures,
    })
}

/// What a reader of the report has to know of it; `None` if buyers were given none.
pub(super) fn sentence(run: &Measurements) -> Option<String> {
    let network = network(run)?;
    let by = match run.ending.engine {
        Engine::Live => {
            "Loopback takes no time, so the load workers delay what buyers send and receive"
        }
        Engine::Model => "What buyers send and receive is delayed",
    };
    Some(format!(
        "Buyers’ network (`buyers.network`, an assumption about them): {network}. {by}."
    ))
}

/// The same for response times.
pub(super) fn in_response_times(run: &Measurements) -> Option<String> {
    let network = network(run)?;
    Some(format!(
        "Both include the network of the buyers ({network})."
    ))
}
