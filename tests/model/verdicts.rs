//! Verdicts that must be able to fail: faults planted in small simulated sales, and the table in `docs/verdicts.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tiketi_buyer::observation::Stage;
use tiketi_capacity::Sample;
use tiketi_measure::Measurements;
use tiketi_measure::tally::Dropped;
use tiketi_model::{Unwatched, simulate};
use tiketi_report::run::{document, page};
use tiketi_scenario::objective::GateMetric;
use tiketi_scenario::{self as scenario, Overrides};
use tiketi_verdict::audit::Audit;
use tiketi_verdict::targets::{Reached, TargetVerdict};
use tiketi_verdict::{Trouble, judge};

fn play(text: &str) -> Measurements {
    let plan = scenario::load("planted.toml", text, &Overrides::default());
    simulate(&plan.expect("the scenario is valid"), &mut Unwatched)
}

fn answer(run: &Measurements) -> String {
    let document = document(run, judge(run), "run again");
    page(&document, run).headline.answer
}

const ARRIVALS: &str = r#"
[clock]
duration = "4m"
warmup   = "0s"
[[arrivals]]
shape = "poisson"
rate  = "2/s"
until = "3m"
"#;

fn lost_zone(zone: &str) -> String {
    format!(
        "[[faults]]\nat = \"0s\"\naction = \"az-power-interruption\"\nzone = \"{zone}\"\nlasts = \"4m\"\n"
    )
}

#[test]
fn a_dead_system_is_never_a_success() {
    let dead = format!("{ARRIVALS}{}{}", lost_zone("a"), lost_zone("b"));
    for (gates, trouble, code) in [
        ("", Trouble::GateFailed, 99),
        ("[gates]\n", Trouble::NotMeasured, 91),
        (
            "[gates]\ndouble_sales = [\"count == 0\"]\noversold_seats = [\"count == 0\"]\nlost_orders = [\"count == 0\"]\n",
            Trouble::NotMeasured,
            91,
        ),
    ] {
        let run = play(&format!("{dead}{gates}"));
        let verdicts = judge(&run);
        assert_eq!(run.tally.reached(Stage::Paid), 0);
        assert_eq!(verdicts.troubles().first(), Some(&trouble), "{gates}");
        assert_eq!(verdicts.exit_code(), code, "{gates}");
        let answer = answer(&run);
        assert!(!answer.starts_with("Yes"), "{gates}: {answer}");
    }
}

#[test]
fn without_instances_a_sale_is_no_success_either() {
    let empty = format!(
        "{ARRIVALS}[topology.instances]\ninitial = {{ a = 0, b = 0 }}\n[scaling]\nmin = 0\nmax = 1\npolicies = []\n[gates]\n"
    );
    let run = play(&empty);
    assert_eq!(judge(&run).troubles(), [Trouble::NotMeasured]);
    // A search must not call the empty fleet the cheapest that passes.
    let sample = Sample::of(&run);
    assert!(!sample.passes());
    let missed = sample
        .misses
        .iter()
        .find(|miss| miss.what == "tickets sold");
    assert_eq!(missed.map(|miss| miss.wanted.as_str()), Some("at least 1"));
}

fn claim(run: &Measurements, id: &str) -> TargetVerdict {
    let targets = judge(run).targets;
    let found = targets.into_iter().find(|target| target.id == id);
    found.expect("it is a claim")
}

#[test]
fn messages_of_a_killed_instance_do_not_arrive() {
    // The seat list of a stadium keeps the instances busy, so they have seconds of messages to send.
    let sale = |rows| {
        format!(
            "[clock]\nduration = \"4m\"\nwarmup = \"0s\"\n[show]\nsections = [{{ name = \"R\", rows = {rows}, seats_per_row = 200, price = \
             1000 }}]\n[[arrivals]]\nshape = \"poisson\"\nrate = \"5/s\"\n"
        )
    };
    let kill = |zone: &str| {
        format!(
            "[[faults]]\nat = \"1m30s\"\naction = \"terminate-instances\"\nzone = \"{zone}\"\ncount = 1\n"
        )
    };
    let calm = claim(&play(&sale(5)), "A21");
    assert_eq!(calm.verdict, Reached::Met, "{}", calm.measured);
    let run = play(&format!("{}{}{}", sale(1_000), kill("a"), kill("b")));
    let killed = claim(&run, "A21");
    assert_eq!(killed.verdict, Reached::Missed, "{}", killed.measured);
    // No socket is left after the fault, and new instances take 15 s to boot at least.
    let after = &run.series.ticks()[91..104];
    assert!(after.iter().all(|tick| tick.messages == 0));
}

#[test]
fn buyers_who_bypass_the_waiting_room_are_counted_and_not_admitted() {
    let sale = r#"
[clock]
duration = "5m"
warmup   = "0s"
[waiting_room]
active_max = 20
[[arrivals]]
shape = "poisson"
rate  = "2/s"
until = "4m"
"#;
    let calm = play(sale);
    assert_eq!(calm.tally.dropped, Dropped::default());
    let run = play(&format!(
        "{sale}[topology.redis]\nlost_window = \"1h\"\n[[faults]]\nat = \"2m\"\naction = \"lose-primary\"\npart = \"redis\"\nlasts = \"1m\"\n"
    ));
    let bypassed = run.tally.dropped.entered;
    assert!(bypassed > 50, "only {bypassed} bypassed the waiting room");
    let tiketi_measure::ending::FinalState::Read(facts) = &run.ending.state else {
        panic!("the model always knows its state");
    };
    let ledger = facts.admissions.expect("Redis is up at the end");
    let admitted = run.tally.reached(Stage::Admitted);
    assert!(
        admitted <= ledger.admitted,
        "{admitted} of {}",
        ledger.admitted
    );
    assert!(run.tally.reached(Stage::SeatsSeen) > admitted);
    assert_eq!(judge(&run).exit_code(), 90);
    let document = document(&run, judge(&run), "run again");
    let text = tiketi_report::text::render(
        &page(&document, &run),
        tiketi_report::text::Color::Plain,
        None,
    );
    assert!(text.contains("Bypassed the waiting room"), "{text}");
}

/// The rows of the table: the name of the verdict, and the tests that turn it red.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = read("docs/verdicts.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 6, "{line}");
        assert!(
            cells.iter().all(|cell| !cell.is_empty()),
            "an empty cell: {line}"
        );
        let code = |cell: &str| {
            let parts = cell.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        (code(cells[0]).remove(0), code(cells[5]))
    });
    rows.collect()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of validity checks, from their source: `name: "…"`.
fn validity_checks() -> BTreeSet<String> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crates/verdict/src");
    let mut files = vec![source.join("validity.rs")];
    if let Ok(more) = fs::read_dir(source.join("validity")) {
        files.extend(more.map(|entry| entry.expect("a readable folder").path()));
    }
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let text = read(file);
        let found = text.split("name: \"").skip(1);
        names.extend(found.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    names
}

#[test]
fn every_verdict_has_a_row_in_the_table() {
    let mut expected: BTreeSet<_> = validity_checks();
    assert!(expected.len() > 5, "no validity checks were found");
    expected.extend(GateMetric::ALL.map(|metric| metric.name().to_owned()));
    expected.extend(Audit::ALL.map(|audit| audit.name().to_owned()));
    let run = tiketi_measure::example::run();
    expected.extend(judge(&run).targets.into_iter().map(|target| target.id));
    expected.extend(["sale", "queue"].map(str::to_owned));
    let rows = rows();
    let named: BTreeSet<_> = rows.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(named.len(), rows.len(), "a verdict has two rows");
    let missing: Vec<_> = expected.difference(&named).collect();
    assert!(
        missing.is_empty(),
        "no row in docs/verdicts.md: {missing:?}"
    );
    let unknown: Vec<_> = named.difference(&expected).collect();
    assert!(unknown.is_empty(), "no such verdict: {unknown:?}");
}

#[test]
fn every_test_of_the_table_exists() {
    for (name, tests) in rows() {
        assert!(!tests.is_empty(), "{name} has no test");
        for test in tests {
            let (path, function) = test.rsplit_once("::").expect("path::name");
            let text = read(path);
            let is_there = text.contains(&format!("fn {function}()"));
            assert!(is_there, "{name}: {path} has no test {function}");
        }
    }
}
