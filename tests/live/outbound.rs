//! Calls out of the VPC in a live run: real payments through the gateways of the testbed, a lost one among them.

use crate::command::Workplace;
use crate::machine;
use tiketi_measure::ending::{Destination, FinalState, Way};
use tiketi_measure::{Measurements, archive};
use tiketi_network::Path;
use tiketi_verdict::audit::{Audit, Finding};
use tiketi_verdict::judge;

const SALE: &str = r#"
# Do payments find their way out of a live testbed?
name = "way-out"
seed = 2
clock = { duration = "5m", warmup = "0s", speed = 10 }
arrivals = [{ shape = "poisson", rate = 2, until = "4m20s" }]
buyers = { browse = "500ms", seat_pick = "1s", payment = "2s", pays = 1 }
cost = { prices = "aws-ap-northeast-2" }
faults = [
  { at = "1m", lasts = "3m", action = "lose-nat-gateway", zone = "a" },
  { at = "2m30s", action = "replace-route", zone = "a", gateway = "b" },
]
gates = { errors = ["rate < 100%"] }
"#;

fn run() -> Measurements {
    let _machine = machine::half();
    let workplace = Workplace::new();
    workplace.write("way-out.toml", SALE);
    let ended = workplace.run(&["run", "way-out.toml"]);
    let reports = std::fs::read_dir(workplace.path("reports"));
    let mut reports = reports.unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    let folder = reports
        .next()
        .expect("a report")
        .expect("is readable")
        .path();
    let packed = std::fs::read(folder.join("measurements.json.gz")).expect("is kept");
    archive::unpack(&packed).expect("is what this program wrote")
}

#[test]
fn payments_leave_through_the_gateways_and_each_order_is_charged_once() {
    let run = run();
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("{:?}", run.ending.state);
    };
    let charges = facts.charges.expect("the provider has a ledger");
    assert!(charges.charges > 100, "{charges:?}");
    let verdicts = judge(&run);
    let mut audits = verdicts.audits.iter();
    let audit = audits.find(|verdict| verdict.audit == Audit::Ledger);
    let finding = &audit.expect("it is always looked at").finding;
    assert!(matches!(finding, Finding::Held { .. }), "{finding:?}");

    let system = run.ending.system.as_ref().expect("the testbed counts");
    let uses = system.outbound.as_ref().expect("calls are counted");
    let any = |zone: u8, way: fn(Way) -> bool| {
        let mut calls = uses.iter().filter(|one| one.to == Destination::Provider);
        calls.any(|one| one.zone.0 == zone && way(one.way))
    };
    let own = |way| {
        matches!(
            way,
            Way::Open(Path::NatGateway {
                is_detour: false,
                ..
            })
        )
    };
    let detour = |way| {
        matches!(
            way,
            Way::Open(Path::NatGateway {
                is_detour: true,
                ..
            })
        )
    };
    assert!(any(0, own) && any(1, own), "{uses:#?}");
    assert!(
        any(0, |way| way == Way::Closed),
        "zone a was cut off: {uses:#?}"
    );
    assert!(
        !any(1, |way| way == Way::Closed),
        "zone b was not: {uses:#?}"
    );
    assert!(any(0, detour) && !any(1, detour), "{uses:#?}");

    let statement = run.ending.statement.as_ref().expect("a built-in book");
    let traffic = statement
        .usage
        .traffic
        .expect("traffic out of the VPC is metered");
    assert!(
        traffic.nat_gb > 0.0 && traffic.detour_gb > 0.0,
        "{traffic:?}"
    );
    assert!(
        traffic.s3_puts > 100 && traffic.s3_nat_gb <= 0.0,
        "{traffic:?}"
    );
    assert_eq!(traffic.redis_cross_zone_gb, None, "not metered");
}
