//! Page loads, the caches of the edge, and names.

use std::time::Duration;

use tiketi_buyer::observation::Failure;
use tiketi_measure::Measurements;
use tiketi_measure::ending::FrontFigures;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides};

const SALE: &str = r#"
name = "edge"
seed = 4
clock = { duration = "3m", warmup = "0s" }
arrivals = [{ shape = "onsale", buyers = 400, opens_at = "10s", decay = "20s", until = "150s" }]
[show]
sections = [{ name = "R", rows = 10, seats_per_row = 12, price = 110_000 }]
[topology.instances]
initial = { a = 1, b = 1 }
"#;

fn play(edge: &str, faults: &[&str]) -> Measurements {
    let faults = faults.iter().map(|fault| format!("[[faults]]\n{fault}\n"));
    let text = format!(
        "{SALE}[topology.edge]\n{edge}\n{}",
        faults.collect::<String>()
    );
    let plan = scenario::load("edge.toml", &text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

fn front(run: &Measurements) -> FrontFigures {
    let system = run.ending.system.as_ref().expect("the model counts");
    system.edge.expect("the model has an edge")
}

fn slowest(run: &Measurements) -> Duration {
    let loads = run.tally.operation(Some(Operation::PageLoad));
    loads.response_time.max().expect("pages were loaded")
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_warm_cache_answers_in_two_rounds_without_s3() {
    let run = play("latency = \"10ms\"", &[]);
    let files = front(&run).files;
    assert_eq!((files.requests, files.hits), (1_200, 1_200));
    assert_eq!(files.origin_requests, 0);
    assert_eq!(files.bytes, 400 * 111_000);
    let loads = run.tally.operation(Some(Operation::PageLoad));
    assert_eq!(loads.ok, 400);
    // The document, then the other files at once.
    assert!(slowest(&run).abs_diff(20 * MS) < MS, "{:?}", slowest(&run));
}

#[test]
fn an_empty_cache_asks_s3_once_for_each_file_and_location() {
    let run = play(
        "cache = \"empty\"\nlocations = 3\norigin_latency = \"400ms\"",
        &[],
    );
    let files = front(&run).files;
    assert_eq!((files.misses, files.origin_requests), (9, 9));
    assert_eq!(files.origin_bytes, 3 * 111_000);
    assert!(files.collapsed > 50, "{files:?}");
    assert_eq!(files.hits + files.misses + files.collapsed, 1_200);
    // S3 twice, for the document and for the others, and the edge twice.
    let slowest = slowest(&run);
    assert!(slowest.abs_diff(820 * MS) < 2 * MS, "{slowest:?}");
}

#[test]
fn files_that_expire_are_not_sent_again_by_s3() {
    let run = play("ttl = \"20s\"\nlocations = 1", &[]);
    let files = front(&run).files;
    assert!(files.origin_requests > 3);
    assert_eq!(files.origin_unchanged, files.origin_requests);
    assert_eq!(files.origin_bytes, 0);
}

#[test]
fn the_edge_bills_page_loads_and_what_it_passes_on() {
    let run = play("", &[]);
    let front = front(&run);
    let usage = &run.ending.statement.as_ref().expect("it has prices").usage;
    assert_eq!(
        usage.requests,
        Some(front.files.requests + front.passed_requests)
    );
    assert_eq!(usage.origin_requests, Some(0));
    let calls = run.tally.operation(None).ok;
    assert!(front.passed_requests >= calls && calls > 0);
    let without = play("files = []", &[]);
    let usage = &without
        .ending
        .statement
        .as_ref()
        .expect("it has prices")
        .usage;
    let passed = self::front(&without).passed_requests;
    assert_eq!(usage.requests, Some(passed), "no page, no request for it");
}

#[test]
fn names_are_looked_up_once_per_resolver_and_again_when_the_ttl_is_over() {
    let run = play("resolvers = 5\ndns_ttl = \"10s\"", &[]);
    let front = front(&run);
    assert_eq!(front.site.first, 5);
    assert!(front.site.expired > 10, "{front:?}");
    assert_eq!(front.site.uses, 400);
    assert!(front.site.used_after_max < Duration::from_secs(10));
    assert_eq!(front.load_balancer.first, 1);
    assert!(front.load_balancer.used_after_max < Duration::from_secs(60));
}

#[test]
fn a_lost_node_makes_the_edge_look_the_load_balancer_up_again() {
    for fault in ["lose-alb-node", "az-power-interruption"] {
        let fault = format!("at = \"30s\"\nlasts = \"1m\"\naction = \"{fault}\"\nzone = \"a\"");
        let front = front(&play("", &[&fault]));
        assert_eq!(front.load_balancer.failures, 1, "{fault}: {front:?}");
        assert_eq!(front.load_balancer.after_failure, 1, "{fault}: {front:?}");
        assert_eq!(front.site.failures, 0);
    }
}

#[test]
fn slow_names_delay_those_who_look_them_up() {
    let slow = "at = \"0s\"\nlasts = \"2m\"\naction = \"slow-dns\"\ndelay = \"1500ms\"";
    let run = play("dns_ttl = \"10s\"", &[slow]);
    let slowest = slowest(&run);
    assert!(slowest.abs_diff(1_520 * MS) < 2 * MS, "{slowest:?}");
    assert_eq!(run.tally.operation(Some(Operation::PageLoad)).ok, 400);
    // The edge waits for the name of the load balancer, and its requests with it.
    let list = run.tally.operation(Some(Operation::ShowList));
    assert!(list.response_time.max() >= Some(1_400 * MS), "{list:?}");
}

#[test]
fn names_that_are_known_need_no_name_server() {
    let silent =
        "at = \"40s\"\nlasts = \"1m\"\naction = \"slow-dns\"\ndelay = \"0s\"\nunanswered = 1";
    let lasting = play("dns_ttl = \"10m\"", &[silent]);
    assert_eq!(front(&lasting).site.unanswered, 0);
    let short = play("dns_ttl = \"5s\"", &[silent]);
    let loads = short.tally.operation(Some(Operation::PageLoad));
    assert!(front(&short).site.unanswered > 0);
    assert!(loads.failed[&Failure::Dns] > 0, "{loads:?}");
    let calm = play("dns_ttl = \"5s\"", &[]);
    assert!(
        calm.tally
            .operation(Some(Operation::PageLoad))
            .failed
            .is_empty()
    );
}

#[test]
fn a_name_server_that_loses_some_queries_fails_fewer_lookups_than_queries() {
    let lossy =
        "at = \"0s\"\nlasts = \"150s\"\naction = \"slow-dns\"\ndelay = \"0s\"\nunanswered = 0.4";
    let run = play("dns_ttl = \"1s\"\nresolvers = 20", &[lossy]);
    let site = front(&run).site;
    let share = {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let share = site.unanswered as f64 / site.lookups() as f64;
        share
    };
    // Two queries per lookup: 0.4 x 0.4.
    assert!((0.08..0.26).contains(&share), "{share}: {site:?}");
}

#[test]
fn a_page_that_takes_too_long_is_a_timeout() {
    let run = play("cache = \"empty\"\norigin_latency = \"20s\"", &[]);
    let loads = run.tally.operation(Some(Operation::PageLoad));
    assert!(loads.failed[&Failure::Timeout] > 0, "{loads:?}");
}

#[test]
fn a_system_that_is_down_is_down_although_its_page_loads() {
    let dead = ["a", "b"].map(|zone| {
        format!(
            "at = \"0s\"\nlasts = \"3m\"\naction = \"az-power-interruption\"\nzone = \"{zone}\""
        )
    });
    let run = play("", &[&dead[0], &dead[1]]);
    assert!(run.tally.operation(Some(Operation::PageLoad)).ok > 0);
    let (calls, failed) = run.tally.calls();
    assert_eq!(calls, failed);
    assert!(run.series.ticks().iter().all(|tick| tick.calls_ok == 0));
}
