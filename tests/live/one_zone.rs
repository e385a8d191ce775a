//! A single zone that fails, in both engines: nothing is served until it is back, and then the sale goes on.

use crate::both_engines::{live, simulated};
use tiketi_cloud::notice::What;
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;
use tiketi_verdict::judge;
use tiketi_verdict::targets::{Reached, TargetVerdict};

/// One zone without a replica and a standby, which is away from 1:00 to 2:00. Half a minute of real time.
const SALE: &str = r#"# Does a sale in one zone come back after it was lost?
name = "one-zone"
seed = 6

[clock]
duration = "6m"
warmup   = "0s"
speed    = 10

[show]
sections = [{ name = "A", rows = 20, seats_per_row = 30, price = 1_000 }]

[[arrivals]]
shape = "poisson"
rate  = 2
until = "5m30s"

[[faults]]
at     = "1m"
action = "az-power-interruption"
zone   = "a"
lasts  = "1m"

[availability]
faults = [{ action = "az-power-interruption", per_year = 1, lasts = "4h" }]

[topology]
zones = ["a"]

[topology.alb]
health_check = { interval = "10s", timeout = "9s", healthy_count = 2 }

[scaling]
boot = "30s"

[gates]
"tickets_sold" = ["count > 0"]

[self_check]
send_lag_p99_max = "1m"
stall_max        = "1m"
"#;

fn claim(run: &Measurements, id: &str) -> TargetVerdict {
    let targets = judge(run).targets;
    let found = targets.into_iter().find(|claim| claim.id == id);
    found.expect("it is a claim")
}

/// Successful requests in a part of the run, in seconds.
fn useful(run: &Measurements, seconds: std::ops::Range<usize>) -> u64 {
    let ticks = run.series.ticks()[seconds].iter();
    ticks.map(|tick| tick.calls_useful()).sum()
}

#[test]
fn a_zone_without_another_stops_the_sale_until_it_is_back_live_and_simulated() {
    for run in [live(SALE), simulated(SALE)] {
        let engine = run.ending.engine;
        assert_eq!(run.ending.failure, None, "{engine:?}");
        assert!(
            useful(&run, 20..60) > 40,
            "{engine:?}: the sale works before"
        );
        assert_eq!(useful(&run, 65..120), 0, "{engine:?}: nothing is served");
        assert!(
            useful(&run, 260..330) > 60,
            "{engine:?}: and again after it"
        );
        let promoted = run.timeline.iter();
        let promoted = promoted.filter(|notice| matches!(notice.what, What::Promoted { .. }));
        let at: Vec<_> = promoted.map(|notice| notice.at.as_secs()).collect();
        assert_eq!(
            at.len(),
            2,
            "{engine:?}: Redis and the database start again: {at:?}"
        );
        assert!(at.iter().all(|at| *at >= 120), "{engine:?}: {at:?}");
        let facts = match &run.ending.state {
            FinalState::Read(facts) => facts,
            FinalState::Unread { reason } => panic!("{engine:?}: {reason}"),
        };
        assert_eq!(
            facts.lost_orders.count, 0,
            "{engine:?}: storage outlives the zone"
        );

        let stops = claim(&run, "B11");
        assert_eq!(
            stops.verdict,
            Reached::PartlyMet,
            "{engine:?}: {}",
            stops.measured
        );
        assert!(stops.measured.contains("the same fault in two zones"));
        assert_eq!(claim(&run, "A5").verdict, Reached::NotExercised);
        let year = judge(&run).availability.year.expect("a zone was lost");
        let hours = year.faults[0].each().as_secs() / 3_600;
        assert_eq!((hours, year.is_whole), (4, true), "{engine:?}: {year:?}");
    }
}
