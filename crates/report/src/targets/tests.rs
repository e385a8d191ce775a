use super::*;

fn summary(engine: &str, exit_code: u8, claims: &[(&str, &str, &str)]) -> RunSummary {
    let targets: Vec<_> = claims
        .iter()
        .map(|(id, verdict, measured)| {
            serde_json::json!({ "id": id, "verdict": verdict, "measured": measured })
        })
        .collect();
    let run = serde_json::json!({ "scenario": "s", "engine": engine });
    let text = serde_json::json!({ "run": run, "exit_code": exit_code, "targets": targets });
    RunSummary::read(&text.to_string()).expect("it is a summary")
}

fn run(name: &str, summary: RunSummary) -> (String, Source) {
    let described = Described::Documented {
        architecture: targets::architecture::Architecture::Tiketi,
    };
    let sale = Box::new(Sale::of(&tiketi_measure::example::plan()));
    let source = Source::Run {
        summary,
        described,
        sale,
    };
    (name.to_owned(), source)
}

fn of<'t>(table: &'t ClaimTable, id: &str) -> &'t ClaimRow {
    let mut rows = table.claims.iter();
    rows.find(|row| row.id == id).expect("it is a claim")
}

#[test]
fn there_is_a_row_for_each_claim_even_without_runs() {
    let table = claim_table(&[], Vec::new(), "again");
    assert_eq!(table.claims.len(), 38);
    assert!(
        table
            .claims
            .iter()
            .all(|row| row.verdict == ClaimVerdict::NotShown && row.missing.is_some())
    );
}

#[test]
fn a_refutation_counts_before_agreement_and_a_complete_agreement_before_a_part() {
    let sources = [
        run(
            "one",
            summary(
                "live",
                0,
                &[
                    ("A4", "met", "even"),
                    (
                        "A8",
                        "partly_met",
                        "jobs; not measured: failover, replication lag",
                    ),
                    ("A12", "partly_met", "lag; not measured: failover"),
                ],
            ),
        ),
        run(
            "two",
            summary(
                "live",
                99,
                &[
                    ("A4", "missed", "uneven"),
                    ("A8", "met", "all"),
                    ("A12", "partly_met", "lag; not measured: failover, more"),
                ],
            ),
        ),
        run("three", summary("model", 0, &[("A8", "missed", "no")])),
    ];
    let table = claim_table(&sources, Vec::new(), "again");
    let shown = |id: &str| {
        let row = of(&table, id);
        let live = row.live.as_ref().expect("it was shown");
        (live.source.as_str(), row.verdict)
    };
    assert_eq!(shown("A4"), ("two", ClaimVerdict::Missed));
    assert_eq!(shown("A12"), ("one", ClaimVerdict::PartlyMet));
    // The simulated run refutes what the live one shows.
    assert_eq!(shown("A8"), ("two", ClaimVerdict::Missed));
}

#[test]
fn what_is_not_valid_or_not_the_architecture_shows_nothing() {
    let claims = [("A4", "met", "even"), ("B5", "met", "in time")];
    let (name, mut other) = run("other", summary("live", 0, &claims));
    if let Source::Run { described, .. } = &mut other {
        *described = Described::Target;
    }
    let sources = [run("invalid", summary("live", 91, &claims)), (name, other)];
    let table = claim_table(&sources, Vec::new(), "again");
    assert_eq!(of(&table, "A4").verdict, ClaimVerdict::NotShown);
    let left_out: Vec<_> = table
        .left_out
        .iter()
        .map(|one| one.source.as_str())
        .collect();
    assert_eq!(left_out, ["invalid", "other"]);
    // B5 is not about TIKETI, which has no RDS.
    let table = claim_table(
        &[run("valid", summary("live", 0, &claims))],
        Vec::new(),
        "again",
    );
    assert_eq!(of(&table, "A4").verdict, ClaimVerdict::Met);
    assert_eq!(of(&table, "B5").verdict, ClaimVerdict::NotShown);
}

#[test]
fn studies_show_what_no_single_run_can() {
    let capacity = |crowd: u32, month: f64| {
        let text = serde_json::json!({
            "name": "documented-month",
            "findings": { "question": "largest-crowd", "crowd": crowd, "steps": [
                { "crowd": crowd, "means": [{ "measure": "cost_month", "mean": month }] }
            ] },
        });
        let study: PlanStudy = serde_json::from_value(text).expect("it is a plan");
        let source = ("study".to_owned(), Source::Study(Study::Plan(study)));
        let table = claim_table(&[source], Vec::new(), "again");
        of(&table, "A23").verdict
    };
    assert_eq!(capacity(20_000, 150_000.0), ClaimVerdict::Met);
    assert_eq!(capacity(1_585, 150_000.0), ClaimVerdict::Missed);
    assert_eq!(capacity(20_000, 254_000.0), ClaimVerdict::Missed);
    let hour = |total: f64| {
        let text =
            serde_json::json!({ "study": { "hour": { "price_book": "b", "total": total } } });
        let table: CostTable = serde_json::from_value(text).expect("it is a cost table");
        let source = ("study".to_owned(), Source::Study(Study::Cost(table)));
        let table = claim_table(&[source], Vec::new(), "again");
        of(&table, "B9").verdict
    };
    assert_eq!(
        (hour(0.124), hour(0.2)),
        (ClaimVerdict::Met, ClaimVerdict::Missed)
    );
}
