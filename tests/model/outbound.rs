//! Calls out of the VPC in simulated sales: what a lost gateway, S3 and the payment provider break, and that nobody is charged
//! without a ticket.

use tiketi_buyer::observation::Stage;
use tiketi_cost::Traffic;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{ChargeFacts, Destination, FinalState, Use, Way};
use tiketi_model::{Unwatched, simulate};
use tiketi_network::Path;
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides, Plan};
use tiketi_verdict::audit::{Audit, Finding};
use tiketi_verdict::targets::Reached;
use tiketi_verdict::{Verdicts, judge};

/// A steady sale, in which somebody pays every few seconds.
const SALE: &str = r#"
# Do payments find their way out?
name   = "outbound"
preset = "tiketi"
seed   = 4
[clock]
duration = "8m"
warmup   = "5s"
[[arrivals]]
shape = "poisson"
rate  = "4/s"
until = "7m"
[buyers]
payment = { distribution = "lognormal", median = "10s", sigma = 0.6 }
[cost]
prices = "aws-ap-northeast-2"
[gates]
"errors" = ["rate < 100%"]
"#;

fn plan(more: &str) -> Plan {
    let text = format!("{SALE}{more}");
    scenario::load("outbound.toml", &text, &Overrides::default()).expect("the scenario is valid")
}

fn play(more: &str) -> Measurements {
    simulate(&plan(more), &mut Unwatched)
}

fn fault(keys: &str) -> String {
    format!("[[faults]]\nat = \"2m\"\n{keys}\n")
}

fn paid(run: &Measurements) -> u64 {
    run.tally.reached(Stage::Paid)
}

fn failed_payments(run: &Measurements) -> u64 {
    let payments = run.tally.operation(Some(Operation::PaymentProcess));
    payments.failures()
}

fn charges(run: &Measurements) -> ChargeFacts {
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("a simulation always has a final state");
    };
    facts.charges.expect("the model has a provider")
}

fn uses(run: &Measurements) -> &[Use] {
    let system = run.ending.system.as_ref().expect("the model counts");
    system.outbound.as_ref().expect("calls are counted")
}

fn traffic(run: &Measurements) -> Traffic {
    let statement = run.ending.statement.as_ref().expect("the book is built in");
    statement.usage.traffic.expect("the model meters traffic")
}

fn assert_each_order_is_charged_once(run: &Measurements) -> Verdicts {
    let verdicts = judge(run);
    let mut audits = verdicts.audits.iter();
    let audit = audits.find(|verdict| verdict.audit == Audit::Ledger);
    let finding = &audit.expect("it is always looked at").finding;
    assert!(matches!(finding, Finding::Held { .. }), "{finding:?}");
    verdicts
}

fn claim(verdicts: &Verdicts, id: &str) -> (Reached, String) {
    let mut targets = verdicts.targets.iter();
    let target = targets.find(|target| target.id == id).expect("is listed");
    (target.verdict, target.measured.clone())
}

#[test]
fn each_paid_order_is_charged_once_and_has_a_receipt_in_s3() {
    let run = play("");
    assert!(paid(&run) > 500, "{} paid", paid(&run));
    assert_each_order_is_charged_once(&run);
    assert_eq!(charges(&run).charges, paid_orders(&run));
    let traffic = traffic(&run);
    assert_eq!(traffic.s3_puts, paid_orders(&run));
    assert!(traffic.s3_gb > 0.0 && traffic.nat_gb > 0.0);
    assert!(
        traffic.s3_nat_gb <= 0.0 && traffic.detour_gb <= 0.0,
        "{traffic:?}"
    );
}

fn paid_orders(run: &Measurements) -> u64 {
    match &run.ending.state {
        FinalState::Read(facts) => facts.paid_orders,
        FinalState::Unread { reason } => panic!("{reason}"),
    }
}

#[test]
fn a_lost_nat_gateway_fails_the_payments_of_its_zone_only() {
    let calm = play("");
    let run = play(&fault(
        "action = \"lose-nat-gateway\"\nzone = \"a\"\nlasts = \"2m\"",
    ));
    assert_eq!(failed_payments(&calm), 0);
    assert!(failed_payments(&run) > 10, "{}", failed_payments(&run));
    let closed: Vec<_> = uses(&run)
        .iter()
        .filter(|one| one.way == Way::Closed)
        .collect();
    assert!(closed.iter().all(|one| one.zone.0 == 0), "{closed:?}");
    let verdicts = assert_each_order_is_charged_once(&run);
    let (reached, measured) = claim(&verdicts, "A18");
    assert_eq!(reached, Reached::Missed, "{measured}");
    assert!(
        measured.contains("the other gateway was never used"),
        "{measured}"
    );
    let (reached, measured) = claim(&verdicts, "B3");
    assert_eq!(reached, Reached::Met, "{measured}");
    assert!(measured.contains("had no way out"), "{measured}");
}

#[test]
fn a_changed_route_brings_payments_back_over_the_other_gateway() {
    let lost = fault("action = \"lose-nat-gateway\"\nzone = \"a\"\nlasts = \"5m\"");
    let change =
        "[[faults]]\nat = \"150s\"\naction = \"replace-route\"\nzone = \"a\"\ngateway = \"b\"\n";
    let (left, repaired) = (play(&lost), play(&format!("{lost}{change}")));
    assert!(failed_payments(&repaired) < failed_payments(&left) / 2);
    let detour = uses(&repaired).iter().find(|one| {
        let by_b = |path| {
            matches!(
                path,
                Path::NatGateway {
                    is_detour: true,
                    ..
                }
            )
        };
        matches!(one.way, Way::Open(path) if by_b(path))
    });
    assert!(
        detour.is_some_and(|one| one.zone.0 == 0),
        "{:?}",
        uses(&repaired)
    );
    assert!(traffic(&repaired).detour_gb > 0.0);
    let verdicts = assert_each_order_is_charged_once(&repaired);
    let (reached, measured) = claim(&verdicts, "A18");
    assert_eq!(reached, Reached::Met, "{measured}");
    assert_eq!(
        verdicts.recoveries.len(),
        1,
        "nothing recovers from a remedy"
    );
}

#[test]
fn a_provider_that_is_down_or_too_slow_stops_payments() {
    let calm = play("");
    let down = play(&fault("action = \"provider-down\"\nlasts = \"2m\""));
    let slow = play(&fault(
        "action = \"provider-slow\"\ndelay = \"20s\"\nlasts = \"2m\"",
    ));
    for run in [&down, &slow] {
        assert!(failed_payments(run) > 30, "{}", failed_payments(run));
        assert_each_order_is_charged_once(run);
    }
    let bearable = play(&fault(
        "action = \"provider-slow\"\ndelay = \"2s\"\nlasts = \"2m\"",
    ));
    assert_eq!(failed_payments(&bearable), 0, "within the timeout");
    let p95 = |run: &Measurements| {
        let payments = run.tally.operation(Some(Operation::PaymentProcess));
        payments.response_time.percentile(95.0)
    };
    assert!(p95(&bearable) > p95(&calm));
}

#[test]
fn without_s3_receipts_are_lost_and_payments_go_on() {
    let calm = play("");
    let run = play(&fault("action = \"s3-unavailable\"\nlasts = \"2m\""));
    assert_eq!((paid(&run), failed_payments(&run)), (paid(&calm), 0));
    assert!(traffic(&run).s3_puts < traffic(&calm).s3_puts);
    let mut closed = uses(&run).iter().filter(|one| one.way == Way::Closed);
    assert!(closed.all(|one| one.to == Destination::S3));
}

#[test]
fn without_its_endpoint_s3_is_paid_for_as_nat_traffic() {
    let calm = play("");
    let run = play(&fault("action = \"lose-s3-endpoint\"\nlasts = \"2m\""));
    assert_eq!(traffic(&run).s3_puts, traffic(&calm).s3_puts);
    assert!(traffic(&run).s3_nat_gb > 0.0);
    let (reached, measured) = claim(&judge(&run), "A17");
    assert_eq!(reached, Reached::Missed, "{measured}");
    assert!(
        measured.contains("through NAT instead of the endpoint"),
        "{measured}"
    );
}

#[test]
fn declined_cards_are_not_charged_and_failed_calls_are_repeated() {
    let declined = play("[provider]\ndeclined = \"30%\"\n");
    assert!(charges(&declined).declined > 100);
    assert_eq!(failed_payments(&declined), 0, "a refusal is an answer");
    assert_each_order_is_charged_once(&declined);
    let flaky = play("[provider]\nerrors = \"30%\"\nattempts = 4\n");
    let hopeless = play("[provider]\nerrors = \"30%\"\nattempts = 1\n");
    assert!(failed_payments(&flaky) < failed_payments(&hopeless) / 4);
    assert_each_order_is_charged_once(&flaky);
}

#[test]
fn what_an_instance_could_not_charge_is_settled() {
    // While the provider is down, orders whose payment was authorized before are committed and cannot be charged.
    let run = play(&fault("action = \"provider-down\"\nlasts = \"2m\""));
    assert!(charges(&run).settled > 0, "{:?}", charges(&run));
    assert_each_order_is_charged_once(&run);
}
