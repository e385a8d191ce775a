//! What the report of a run shows in each format.

use std::time::Duration;

use tiketi_buyer::observation::{Failure, Outcome};
use tiketi_cloud::notice::{Notice, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_cost::item::Item;
use tiketi_cost::price_book::PriceBook;
use tiketi_measure::ending::{ChargeFacts, Destination, FinalState, ProviderFigures, Use, Way};
use tiketi_measure::target::TargetFigures;
use tiketi_measure::witness::{Sample, SentRequest};
use tiketi_measure::{Engine, Measurements, example};
use tiketi_network::Path;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::judge;

use super::{Document, document, page};
use crate::testing::{assert_self_contained, assert_snapshot, assert_well_formed, show};
use crate::text::Color;
use crate::{html, json, markdown, text};

const RUN_AGAIN: &str = "tiketi-sim run scenarios/example.toml --seed 7";

fn report(run: &Measurements) -> Document {
    document(run, judge(run), RUN_AGAIN)
}

#[test]
fn terminal_summary_is_as_kept() {
    let run = example::run();
    let page = page(&report(&run), &run);
    assert_snapshot("summary.txt", &text::render(&page, Color::Plain, None));
}

#[test]
fn markdown_is_as_kept() {
    let run = example::run();
    assert_snapshot("summary.md", &markdown::render(&page(&report(&run), &run)));
}

#[test]
fn json_is_as_kept() {
    assert_snapshot("summary.json", &json(&report(&example::run())));
}

#[test]
fn html_page_is_well_formed_and_self_contained() {
    let run = example::run();
    let shown = html::render(&page(&report(&run), &run));
    show("report.html", &shown);
    assert_self_contained(&shown);
    assert_well_formed(&shown);
    assert_eq!(shown.matches("<svg").count(), 6);
}

#[test]
fn a_simulated_run_says_so_and_has_no_load_generator() {
    let mut run = example::run();
    run.ending.engine = Engine::Model;
    run.ending.generator.workers.clear();
    run.ending.wall = Duration::from_millis(500);
    let document = report(&run);
    let page = page(&document, &run);
    let shown = text::render(&page, Color::Plain, None);
    assert!(
        shown.contains("10m00s of scenario time simulated in 500ms (1,200× real time)"),
        "{shown}"
    );
    assert!(!shown.contains("Load worker"), "{shown}");
    assert!(json(&document).contains("\"engine\": \"model\""));
    let shown = html::render(&page);
    assert!(shown.contains("no traffic was sent"));
    assert!(!shown.contains("on loopback addresses"));
    assert_well_formed(&shown);
}

#[test]
fn terminal_summary_ends_with_the_answer_and_how_to_run_again() {
    let run = example::run();
    let page = page(&report(&run), &run);
    let shown = text::render(&page, Color::Plain, Some("reports/example"));
    let end = format!("  report: reports/example\n  run again: {RUN_AGAIN}\n");
    assert!(shown.ends_with(&end), "{shown}");
    let (_, closing) = shown.rsplit_once("█ ").expect("there is an answer");
    assert!(
        closing.starts_with("No. 2.54% of requests failed"),
        "{closing}"
    );
    assert!(!shown.contains('\u{1b}'));
    assert!(text::render(&page, Color::Ansi, None).contains("\u{1b}[31m✗\u{1b}[0m"));
}

/// The example as a run on a target whose server speaks in markup and escape codes.
fn on_target() -> Measurements {
    let mut run = example::run();
    run.ending.system = None;
    run.ending.statement = None;
    run.ending.state = FinalState::Unread {
        reason: "no database access to this target".to_owned(),
    };
    run.timeline.clear();
    let mut target = TargetFigures {
        url: "http://127.0.0.1:3000".to_owned(),
        show: "00000000-0000-4000-8000-000000000001".to_owned(),
        title: Some("<b>One</b> Night".to_owned()),
        mapping: "tiketi 1".to_owned(),
        ..TargetFigures::default()
    };
    target.witness.samples.push(Sample {
        operation: Operation::QueueStatus,
        step: "queue_status".to_owned(),
        is_understood: false,
        outcome: Outcome::Failed(Failure::Status(500)),
        status: Some(500),
        count: 29,
        first_at: SimTime::from_secs(3),
        last_at: SimTime::from_secs(61),
        words: "<script>alert(1)</script> \u{1b}[31m | `x`".to_owned(),
        sent: SentRequest {
            method: "GET".to_owned(),
            path: "/api/queue/status/1".to_owned(),
            ..SentRequest::default()
        },
    });
    run.ending.target = Some(Box::new(target));
    run
}

#[test]
fn a_report_on_a_target_begins_with_its_findings() {
    let run = on_target();
    let page = page(&report(&run), &run);
    let shown = text::render(&page, Color::Plain, None);
    let first =
        "█ Findings\n  1. queue_status failed with 500 29 times. GET /api/queue/status/1: 29 of ";
    assert!(shown.starts_with(first), "{shown}");
    let command = "Repeat it: curl -i 'http://127.0.0.1:3000/api/queue/status/1' -H \"Authorization: Bearer $TOKEN\"";
    assert!(shown.contains(command), "{shown}");
    assert!(
        shown.contains(
            "target http://127.0.0.1:3000 · show “<b>One</b> Night” · API mapping tiketi 1"
        ),
        "{shown}"
    );
    let html = html::render(&page);
    assert_well_formed(&html);
    assert!(
        !html.contains("<script>alert") && !html.contains("<b>One"),
        "{html}"
    );
    for page in [shown, html, markdown::render(&page)] {
        assert!(!page.contains('\u{1b}'), "{page}");
    }
}

#[test]
fn a_report_on_a_target_has_no_word_about_the_testbed() {
    let run = on_target();
    let document = report(&run);
    let page = page(&document, &run);
    let shown = [
        text::render(&page, Color::Plain, None),
        html::render(&page),
        markdown::render(&page),
        json(&document),
    ];
    for page in shown {
        for word in [
            "testbed",
            "VPC",
            "NAT gateway",
            "Architecture claims",
            "Instances",
            "A12",
        ] {
            assert!(!page.contains(word), "{word}: {page}");
        }
    }
}

/// A run in which a NAT gateway was lost until somebody changed the route.
fn run_with_calls() -> Measurements {
    let mut run = example::run();
    let (a, b) = (ZoneId(0), ZoneId(1));
    let nat = |zone, is_detour| Way::Open(Path::NatGateway { zone, is_detour });
    let at = SimTime::from_secs;
    let one = |zone, to, way, calls, (first, last), bytes| Use {
        zone,
        to,
        way,
        calls,
        first: at(first),
        last: at(last),
        bytes_out: bytes,
        bytes_back: 2 * bytes,
    };
    let (provider, s3) = (Destination::Provider, Destination::S3);
    let system = run.ending.system.as_mut().expect("the example has one");
    system.outbound = Some(vec![
        one(a, provider, nat(a, false), 400, (11, 119), 2_000_000),
        one(a, provider, Way::Closed, 38, (121, 177), 0),
        one(a, provider, nat(b, true), 310, (180, 590), 1_500_000),
        one(a, s3, Way::Open(Path::Endpoint), 250, (12, 591), 1_000_000),
        one(b, provider, nat(b, false), 700, (10, 592), 3_500_000),
    ]);
    system.provider = Some(ProviderFigures {
        authorized: 705,
        declined: 3,
        failed: 2,
        charged: 498,
        not_charged: 1,
    });
    let FinalState::Read(facts) = &mut run.ending.state else {
        panic!("the example has a final state");
    };
    facts.charges = Some(ChargeFacts {
        charges: 500,
        settled: 2,
        ..ChargeFacts::default()
    });
    let (zone, part) = (Some(a), None);
    let action = FaultKind::LoseNatGateway;
    for (second, what) in [
        (
            120,
            What::FaultStruck {
                action,
                zone,
                part,
                name: None,
            },
        ),
        (
            178,
            What::FaultStruck {
                action: FaultKind::ReplaceRoute,
                zone,
                part,
                name: None,
            },
        ),
        (
            300,
            What::FaultHealed {
                action,
                zone,
                part,
                name: None,
            },
        ),
    ] {
        let notice = Notice {
            at: at(second),
            what,
        };
        run.timeline.push(notice);
    }
    run.timeline.sort_by_key(|notice| notice.at);
    let book = PriceBook::built_in("aws-ap-northeast-2").expect("it is built in");
    let statement = run.ending.statement.take().expect("there is a bill");
    run.ending.statement = Some(statement.at_prices_of(&run.plan, &book));
    run
}

#[test]
fn calls_out_of_the_vpc_are_shown_by_way_and_result() {
    let run = run_with_calls();
    let document = report(&run);
    let whole = markdown::render(&page(&document, &run));
    let (_, section) = whole.split_once("## Calls out of the VPC").expect("shown");
    let (section, _) = section.split_once("\n## ").expect("others follow");
    assert_snapshot("outbound.md", section.trim_start());
    let json = json(&document);
    assert!(json.contains("\"way\": \"NAT gateway of zone b (detour)\""));
    assert_well_formed(&html::render(&page(&document, &run)));
}

#[test]
fn bytes_without_a_price_have_no_cost() {
    let mut run = run_with_calls();
    let cost = |run: &Measurements| {
        let calls = report(run).outbound.expect("there are calls");
        calls.ways.iter().map(|way| way.cost).collect::<Vec<_>>()
    };
    assert!(cost(&run)[0] > Some(0.0));
    assert_eq!(cost(&run)[1], Some(0.0), "nothing was sent");
    let statement = run.ending.statement.as_mut().expect("there is a bill");
    statement
        .run
        .lines
        .retain(|line| line.item != Item::NatTraffic);
    assert_eq!(cost(&run)[0], None);
    run.ending.statement = None;
    assert_eq!(cost(&run)[1], None);
}
