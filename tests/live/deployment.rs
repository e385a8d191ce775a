//! Instance refreshes under load, in both engines: the same sale, live on the testbed and simulated, and the same verdict.

use std::time::Duration;

use crate::both_engines::{live, simulated};
use tiketi_cloud::notice::RefreshOutcome;
use tiketi_verdict::deployment::Deployment;
use tiketi_verdict::targets::Reached;
use tiketi_verdict::{Verdicts, judge};

/// Two instances under a small, steady stream of buyers, refreshed in two steps. Half a minute of real time.
const SALE: &str = r#"# What does a refresh do to a small sale?
name = "refreshed"
seed = 4

[clock]
duration = "5m"
warmup   = "0s"
speed    = 10

[show]
sections = [{ name = "A", rows = 20, seats_per_row = 20, price = 1_000 }]

[[arrivals]]
shape = "poisson"
rate  = 1
until = "4m30s"

[topology.alb]
health_check         = { interval = "10s", timeout = "9s", healthy_count = 2 }
deregistration_delay = "20s"

[scaling]
boot        = "30s"
policies    = []
health_type = "elb"
grace       = "2m"

[[scaling.instance_refreshes]]
at                     = "1m"
min_healthy_percentage = 100
max_healthy_percentage = 200
instance_warmup        = "10s"
checkpoint_percentages = [50, 100]
checkpoint_delay       = "20s"
new_version            = "answers"

[gates]
"tickets_sold" = ["count > 0"]

[self_check]
send_lag_p99_max = "1m"
stall_max        = "1m"
"#;

fn only(verdicts: &Verdicts) -> &Deployment {
    match verdicts.deployments.as_slice() {
        [one] => one,
        other => panic!("one refresh: {other:?}"),
    }
}

fn claim(verdicts: &Verdicts) -> Reached {
    let claim = verdicts.targets.iter().find(|claim| claim.id == "B10");
    claim.expect("it is a claim").verdict
}

#[test]
fn a_refresh_has_the_same_verdict_live_and_simulated() {
    let [live, simulated] = [live(SALE), simulated(SALE)].map(|run| judge(&run));
    let [really, virtually] = [&live, &simulated].map(only);
    for deployment in [really, virtually] {
        assert_eq!(deployment.outcome, Some(RefreshOutcome::Successful));
        assert_eq!((deployment.instances, deployment.replaced), (2, Some(2)));
        let replaced: Vec<_> = deployment
            .checkpoints
            .iter()
            .map(|one| one.replaced)
            .collect();
        assert_eq!(replaced, [1], "{deployment:?}");
        assert_eq!(deployment.drained, 2);
        let longest = deployment.longest_drain.expect("two were drained");
        let delay = Duration::from_secs(20);
        assert!(longest <= delay + Duration::from_secs(5), "{longest:?}");
        assert!(deployment.sockets_cut > 0, "{deployment:?}");
        assert!(deployment.both_versions.is_some());
        // Twenty drained requests would be one in thirty.
        let failed = deployment.failed_share().expect("there were requests");
        assert!(failed < 0.03, "{deployment:?}");
    }
    let apart = really.took.abs_diff(virtually.took);
    assert!(apart < Duration::from_secs(30), "{really:?} {virtually:?}");
    assert_eq!(claim(&live), claim(&simulated));
}

#[test]
fn a_release_that_never_answers_keeps_the_old_instances_live_and_simulated() {
    let broken = SALE.replace("= \"answers\"", "= \"never-answers\"");
    for run in [live(&broken), simulated(&broken)] {
        let verdicts = judge(&run);
        let deployment = only(&verdicts);
        assert_eq!(deployment.outcome, None, "it keeps trying for an hour");
        assert_eq!(deployment.both_versions, None, "no new one gets requests");
        let failed = deployment.failed_share().expect("there were requests");
        assert!(failed < 0.03, "the old instances serve: {deployment:?}");
        assert_eq!(claim(&verdicts), Reached::NotExercised);
    }
}
