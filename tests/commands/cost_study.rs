//! `tiketi-sim cost`: the reference bill compared with price books, including custom ones.

use crate::command::Workplace;
use crate::snapshot::assert_snapshot;
use tiketi_cost::price_book::{Currency, PriceBook};
use tiketi_cost::study::{Study, documented_use};
use tiketi_report::cost_study::{self, CostStudy};
use tiketi_report::html;
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// A price book that only has a price for NAT gateways.
const MINE: &str = r#"
name     = "mine"
currency = "KRW"
date     = "today"
source   = "our contract"
exchange = { won_per_unit = 1, basis = "documented", source = "in won" }

[[prices]]
item   = "nat-gateway"
amount = 50
per    = "unit"
basis  = "reported"
source = "our contract"
"#;

fn plan() -> Plan {
    let text = "name = \"documented\"";
    scenario::load("documented.toml", text, &Overrides::default()).expect("is a scenario")
}

fn study(books: &[&str]) -> CostStudy {
    let book = |name: &&str| PriceBook::built_in(name).expect("is built in");
    let books: Vec<_> = books.iter().map(book).collect();
    cost_study::document(Study::new(&plan(), &books, None), "tiketi-sim cost")
}

fn finding<'a>(document: &'a CostStudy, start: &str) -> &'a str {
    let mut findings = document.findings.iter();
    findings
        .find(|finding| finding.starts_with(start))
        .unwrap_or_else(|| panic!("nothing begins with {start}: {:#?}", document.findings))
}

#[test]
fn documented_usage_does_not_depend_on_sales_per_month() {
    let mut plan = plan();
    for onsales in [1, 20, 100] {
        plan.cost.onsales_per_month = onsales;
        let used = documented_use(&plan);
        let month = f64::from(onsales);
        assert!((used.hours * month - 20.0).abs() < 1e-9);
        assert!((used.instance_hours * month - 200.0).abs() < 1e-9);
        assert!((used.data_out_gb * month - 500.0).abs() < 1e-9);
        assert!((used.lcu_hours() * month - 500.0).abs() < 1e-9);
        assert_eq!((used.traffic, used.surplus_vcpu_hours), (None, None));
    }
    plan.cost.onsales_per_month = 0;
    assert!(documented_use(&plan).data_out_gb.abs() < f64::EPSILON);
}

#[test]
fn only_the_optimized_total_of_the_documents_is_wrong() {
    let document = study(&["documented-krw"]);
    assert!(!document.ok);
    assert_eq!(
        document.answer,
        "No. The documented \"Optimized\" total is wrong: ₩154,500 stated, its parts sum to ₩194,500."
    );
    assert!(
        finding(&document, "\"Optimized\" does not add up")
            .contains("₩40,000 too low, the amount of ElastiCache Multi-AZ or one instance")
    );
    assert!(finding(&document, "Removing NAT").contains(
        "₩41,500, all of \"Network\", but NAT costs ₩36,500; \"Transfer (500 GB)\" is still needed without NAT"
    ));
    assert!(finding(&document, "The documented peak of ₩9,000").contains("₩8,767"));
}

#[test]
fn list_prices_are_compared_line_by_line() {
    let document = study(&["documented-krw", "aws-ap-northeast-2"]);
    // Two gateways at $0.059 per hour, at 1,340 won per dollar.
    let month: f64 = 2.0 * 0.059 * 730.0 * 1_340.0;
    assert!((month - 115_427.6).abs() < 0.1);
    let nat = finding(&document, "NAT: 2 gateways");
    assert!(
        nat.contains("₩115,428") && nat.contains("₩36,500 pay for 0.632 of one"),
        "{nat}"
    );
    // Without one gateway and its address.
    assert!(nat.contains("would save ₩62,605"), "{nat}");
    let database = finding(&document, "Database: 2 nodes");
    assert!(
        database.contains("the documented ₩60,000 pay for 0.491"),
        "{database}"
    );
    // 40,000 won at $0.059 per gigabyte.
    assert!(finding(&document, "The S3 endpoint").contains("506 GB"));
    assert!(finding(&document, "Exchange rate: $1 = ₩1,340").contains("documented"));
}

#[test]
fn reference_bill_at_list_prices_with_and_without_the_free_tier() {
    let mut book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    let total = |book: &PriceBook| {
        let study = Study::new(&plan(), std::slice::from_ref(book), None);
        study.months[0].statement.month.total.at_least()
    };
    assert!((total(&book) - 490.33).abs() < 0.005, "{}", total(&book));
    let mut plans = book.edge_plans.iter();
    book.edge_plan = plans.find(|plan| plan.name == "free-tier").cloned();
    assert!((total(&book) - 430.33).abs() < 0.005, "{}", total(&book));
}

#[test]
fn choices_for_the_edge_are_compared() {
    let document = study(&["documented-krw", "aws-ap-northeast-2"]);
    let edge = finding(&document, "CloudFront: 500 GB");
    for told in [
        "at least ₩80,400 with pay-as-you-go",
        "at least ₩0 with free-tier",
        // A flat-rate plan charges nothing for requests, however many there are.
        ", ₩0 with flat-free (400 GB beyond its allowance)",
        ", ₩20,100 with flat-pro",
        " ₩1,340,000 with flat-premium",
    ] {
        assert!(edge.contains(told), "{told} is not in: {edge}");
    }
}

#[test]
fn findings_depend_on_the_prices() {
    let mut book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    book.exchange.won_per_unit = 1.0;
    let study = Study::new(&plan(), &[book], None);
    assert_eq!(study.months[0].statement.currency, Currency::Usd);
    let document = cost_study::document(study, "");
    assert!(finding(&document, "NAT: 2 gateways").contains("₩86.1 per month"));
    assert!(document.answer.contains("0.00"), "{}", document.answer);
}

#[test]
fn page_is_self_contained() {
    let study = study(&["documented-krw", "aws-ap-northeast-2"]);
    let page = html::render(&cost_study::page(&study));
    for outside in ["http://", "https://", "<script", "<link", "<img", "url("] {
        assert!(!page.contains(outside), "the page refers to {outside}");
    }
    assert!(page.contains("does not add up"));
}

#[test]
fn command_prints_and_writes_the_study() {
    let workplace = Workplace::new();
    let ended = workplace.run(&["cost", "--out", "study"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let kept = |name: &str| {
        std::fs::read_to_string(workplace.path("study").join(name)).expect("is written")
    };
    assert_snapshot("cost-table.md", &kept("cost-table.md"));
    assert!(kept("cost-table.html").contains("CloudMart"));
    let json: serde_json::Value = serde_json::from_str(&kept("cost-table.json")).expect("is JSON");
    assert_eq!(json["version"], 1);
    let answer = json["answer"].as_str().expect("a text");
    let (first, _) = answer.split_once(" At ").expect("several sentences");
    assert!(
        ended.stdout.contains(&format!("█ {first}\n")),
        "{}",
        ended.stdout
    );
}

#[test]
fn custom_price_book_and_exchange_rate_are_used() {
    let workplace = Workplace::new();
    workplace.write("mine.toml", MINE);
    let ended = workplace.run(&[
        "cost",
        "--prices",
        "mine.toml",
        "--prices",
        "aws-ap-northeast-2",
        "--won-per-dollar",
        "1000",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // Two gateways at 50 won per hour; items without a price are listed.
    let nat = ended.stdout.lines().find(|line| line.starts_with("  NAT "));
    let nat = nat.expect("the reference bill has it");
    assert!(
        nat.contains("₩36,500") && nat.contains("₩73,000"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains(
            "The total is a lower bound. No price in this book: 2 x t3.medium, always on, "
        )
    );
    assert!(
        ended
            .stdout
            .contains("Exchange rate: $1 = ₩1,000 (assumption: set with --won-per-dollar)")
    );
}

#[test]
fn price_book_errors_have_a_position() {
    let workplace = Workplace::new();
    workplace.write("mine.toml", MINE.replace("50", "-50"));
    let ended = workplace.run(&["cost", "--prices", "mine.toml"]);
    assert_eq!(ended.code, Some(104));
    assert!(
        ended.stderr.starts_with(
            "mine.toml:10:10: `prices[0].amount` is -50 (expected a number from 0 to 1000000000)"
        ),
        "{}",
        ended.stderr
    );
    let ended = workplace.run(&["cost", "--prices", "theirs.toml"]);
    assert_eq!(ended.code, Some(104));
    assert!(
        ended
            .stderr
            .contains("(expected one of documented-krw, aws-ap-northeast-2, or a file)"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("hint: "));
    // `run` and `simulate` refuse the book before anything starts.
    workplace.write("rush.toml", "[clock]\nduration = \"90s\"\n");
    for command in ["run", "simulate"] {
        let ended = workplace.run(&[command, "rush.toml", "--prices", "mine.toml"]);
        assert_eq!(ended.code, Some(104), "{}", ended.stderr);
    }
    assert!(!workplace.path("reports").exists());
}

#[test]
fn price_book_of_a_run_is_kept_with_it() {
    let workplace = Workplace::new();
    workplace.write("mine.toml", MINE);
    workplace.write("rush.toml", "[clock]\nduration = \"90s\"\n");
    let first = [
        "simulate",
        "rush.toml",
        "--out",
        "out",
        "--prices",
        "mine.toml",
    ];
    let ended = workplace.run(&first);
    let run_again = |stdout: &str| {
        let line = stdout
            .lines()
            .last()
            .expect("there is a summary")
            .to_owned();
        let (_, command) = line
            .split_once("run again: tiketi-sim ")
            .expect("it ends with the command");
        command.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let command = run_again(&ended.stdout);
    let kept = command.last().expect("the command has words");
    assert!(
        kept.starts_with("out/rush-") && kept.ends_with("/prices.toml"),
        "{command:?}"
    );
    let text = std::fs::read_to_string(workplace.path(kept)).expect("the book is kept");
    assert_eq!(text, MINE);
    // The original may change or vanish.
    std::fs::remove_file(workplace.path("mine.toml")).expect("it was written");
    let words: Vec<_> = command.iter().map(String::as_str).collect();
    let again = workplace.run(&words);
    assert_eq!(again.code, ended.code, "{}", again.stderr);
    let cost = |stdout: &str| {
        let line = stdout
            .lines()
            .find(|line| line.contains("Cost of this sale"));
        line.expect("the card is printed").to_owned()
    };
    assert_eq!(cost(&again.stdout), cost(&ended.stdout));
    assert!(
        cost(&again.stdout).contains("at least ₩"),
        "{}",
        cost(&again.stdout)
    );
}
