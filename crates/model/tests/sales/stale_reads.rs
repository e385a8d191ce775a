//! What the cache answers although the database has newer data, and what becomes of bodies that outlive their time.

use tiketi_measure::ending::CacheFigures;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{self as scenario, Overrides};

/// Many buyers read the details of the show, and few hold a seat: nobody pays, and a hold ends after 20 s.
const SALE: &str = r#"
# Does the cache answer with what is outdated?
name   = "stale"
preset = "tiketi"
[clock]
duration = "4m"
warmup   = "5s"
[show]
hold = "20s"
[waiting_room]
active_max = 3
[[arrivals]]
shape = "poisson"
rate  = "10/s"
until = "3m50s"
[buyers]
payment = "15s"
pays    = 0.0
[server]
show_list_ttl   = "1h"
show_detail_ttl = "1h"
"#;

fn play(text: &str) -> CacheFigures {
    let plan = scenario::load("stale.toml", text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let run = simulate(&plan, &mut Unwatched);
    let system = run.ending.system.expect("the model counts");
    let cache = system.data_tier.and_then(|figures| figures.cache);
    cache.expect("the model compares versions")
}

#[test]
fn holds_and_their_ends_invalidate_the_cached_details() {
    let cache = play(SALE);
    assert!(cache.reads > 1_000 && cache.changes > 20, "{cache:?}");
    assert_eq!(cache.late, 0, "{cache:?}");
    assert_eq!(cache.expired, 0, "nothing outlives an hour");
}

#[test]
fn a_redis_failover_serves_what_had_been_invalidated() {
    let failover = "[topology.redis]\nlost_window = \"30s\"\nfailover = \"5s\"\n\
         [[faults]]\nat = \"2m\"\nlasts = \"1m\"\naction = \"lose-primary\"\npart = \"redis\"\n";
    let cache = play(&format!("{SALE}{failover}"));
    assert!(cache.late > 0, "{cache:?}");
    assert!(cache.stale_for_max.as_secs() >= 5, "{cache:?}");
}

#[test]
fn a_body_that_outlives_its_time_is_read_again() {
    let cache = play(&SALE.replace("show_list_ttl   = \"1h\"", "show_list_ttl = \"10s\""));
    assert!(cache.expired > 10, "every ten seconds: {cache:?}");
}
