//! What buyers do that a simulation leaves out.

use tiketi_core::units::Share;
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::plan::{Expired, Temperament};

/// The habits of the scenario that only live runs have; `None` if there are none, or if it is a live run.
pub(super) fn left_out(run: &Measurements) -> Option<String> {
    let left_out: Vec<_> = match run.ending.engine {
        Engine::Live => Vec::new(),
        Engine::Model => live_only(&run.plan.buyers).collect(),
    };
    (!left_out.is_empty()).then(|| {
        format!(
            "Not simulated, because only live runs have it: {}.",
            left_out.join(", ")
        )
    })
}

fn live_only(buyers: &Temperament) -> impl Iterator<Item = &'static str> {
    let login = buyers.login;
    [
        (
            buyers.second_tab != Share::NONE,
            "second tabs (`buyers.second_tab`)",
        ),
        (
            buyers.second_device != Share::NONE,
            "second devices (`buyers.second_device`)",
        ),
        (
            !buyers.checks_admission,
            "pages that do not look who is admitted (`buyers.checks_admission`)",
        ),
        (
            buyers.joins_event_room,
            "the room of the show (`buyers.joins_event_room`)",
        ),
        (
            login.window.is_some(),
            "logins before the opening (`buyers.login.window`)",
        ),
        (
            login.expired != Expired::Retries,
            "what buyers do when a session has ended (`buyers.login.expired`)",
        ),
    ]
    .into_iter()
    .filter_map(|(is_on, what)| is_on.then_some(what))
}
