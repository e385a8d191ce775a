//! The documented architecture, for tests of single components.

use std::time::Duration;

use tiketi_scenario::{self as scenario, Overrides, Plan};

/// A duration in seconds.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The documented architecture: two zones, 2 to 10 instances, +2 above 5,000 waiting, -1 below 1,000. Samples are taken
/// 10 s past the minute and instances always boot in 240 s, so that tests can state exact times.
pub(crate) fn documented_plan() -> Plan {
    let text = r#"
        name = "documented"
        seed = 7
        [topology.database]
        failover = "45s"
        [scaling]
        boot    = { distribution = "constant", value = "4m" }
        monitor = { phase = "10s" }
    "#;
    scenario::load("documented.toml", text, &Overrides::default()).expect("is a scenario")
}
