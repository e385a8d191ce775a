//! Files: scenarios, plan files, price books, service-time profiles, archives of runs.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;

use tiketi_api_draft::{Document, Recording, from_document, from_recording};
use tiketi_capacity::ScenarioFile;
use tiketi_cost::PriceBook;
use tiketi_measure::{Measurements, archive as archives};
use tiketi_report::agreement::{self, Pair};
use tiketi_report::targets::{self, RunSummary, Source, Study};
use tiketi_report::text::Color;
use tiketi_report::{html, markdown, run, text};
use tiketi_scenario::{self as scenarios, Diagnostics, Overrides, Rendering, profile as profiles};
use tiketi_verdict::agreement::{Bars, Question};
use tiketi_verdict::judge;
use tiketi_verdict::targets::architecture::{Architecture, Described};
use tiketi_verdict::targets::pair::Sale;

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Scenario that every plan file gets, whatever name it asks for.
const SCENARIO: &str = include_str!("../../scenarios/smoke.toml");

/// Reads a scenario.
///
/// # Panics
///
/// If a rejection has no reason, or if an accepted scenario means something else after it was written.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match scenarios::load("fuzz.toml", text, &Overrides::default()) {
        Err(problems) => explain(&problems),
        Ok(plan) => {
            let written = plan.to_toml();
            let again = scenarios::load("written.toml", &written, &Overrides::default());
            let again = again.unwrap_or_else(|problems| {
                let reasons = problems.render(Rendering::Lines);
                panic!("an accepted scenario was rejected as written:\n{reasons}\n{written}")
            });
            // The text is compared, not the plan: a number that is not equal to itself would differ from its copy.
            assert_eq!(
                written,
                again.to_toml(),
                "a scenario changes when it is read again"
            );
        }
    }
}

/// Reads an API mapping.
///
/// # Panics
///
/// If a rejection has no reason, or if an accepted mapping means something else after it was written.
pub fn mapping(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match scenarios::load_api("fuzz.toml", text) {
        Err(problems) => explain(&problems),
        Ok(tree) => {
            let target = format!("name = \"x\"\n[target]\napi = {}\n", tree.to_inline());
            let again = scenarios::load("written.toml", &target, &Overrides::default());
            let again = again.unwrap_or_else(|problems| {
                let reasons = problems.render(Rendering::Lines);
                panic!("an accepted mapping was rejected as written:\n{reasons}\n{target}")
            });
            assert_eq!(
                again.target.api,
                Some(tree),
                "it changes when it is read again"
            );
        }
    }
}

/// Reads a browser recording, and drafts an API mapping from it.
///
/// # Panics
///
/// If a rejection has no reason, or if a draft does not compile.
pub fn recording(bytes: &[u8]) {
    match Recording::read(bytes) {
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
        Ok(recording) => accept(&from_recording(recording, "fuzz").toml),
    }
}

/// Reads an OpenAPI document, drafts an API mapping from it, and compares both.
///
/// # Panics
///
/// If a rejection has no reason, or if a draft does not compile.
pub fn openapi(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Document::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
        Ok(document) => {
            let draft = from_document(&document, "fuzz").toml;
            accept(&draft);
            let tree = scenarios::load_api("draft.toml", &draft).expect("it was accepted");
            let _differences = document.compare(&tree);
        }
    }
}

fn accept(draft: &str) {
    if let Err(problems) = scenarios::load_api("draft.toml", draft) {
        let reasons = problems.render(Rendering::Lines);
        panic!("a draft does not compile:\n{reasons}\n{draft}");
    }
}

/// Reads a plan file.
///
/// # Panics
///
/// If a rejection has no reason.
pub fn plan_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let read = |name: &str| {
        Ok(ScenarioFile {
            name: name.to_owned(),
            text: SCENARIO.to_owned(),
        })
    };
    if let Err(problems) = tiketi_capacity::load("fuzz.toml", text, read) {
        explain(&problems);
    }
}

/// Reads a price book.
///
/// # Panics
///
/// If a rejection has no reason.
pub fn price_book(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match PriceBook::read("fuzz.toml", text) {
        Err(problems) => explain(&problems),
        Ok(book) => {
            for price in &book.prices {
                let amount = price.for_one();
                assert!(amount.is_finite() && amount >= 0.0, "a price of {amount}");
            }
        }
    }
}

/// Reads a service-time profile.
///
/// # Panics
///
/// If a rejection has no reason, or if an accepted profile means something else after it was written.
pub fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match profiles::load("fuzz.toml", text) {
        Err(problems) => explain(&problems),
        Ok(profile) => {
            let written = profiles::to_toml(&profile);
            let again = profiles::load("written.toml", &written);
            let again = again.expect("an accepted profile is accepted as written");
            assert_eq!(written, profiles::to_toml(&again));
        }
    }
}

/// Reads the archive of a run, judges it, compares it with itself and renders every page. Bytes that are not gzip are taken
/// for the JSON inside an archive.
pub fn archive(bytes: &[u8]) {
    let unpacked = if bytes.starts_with(&GZIP) {
        archives::unpack(bytes)
    } else {
        archives::unpack(&packed(bytes))
    };
    if let Ok(measured) = unpacked {
        report_on(&measured);
    }
}

/// The sale of a scenario that states nothing.
static SALE: LazyLock<Sale> = LazyLock::new(|| {
    let plan = scenarios::load("fuzz.toml", "", &Overrides::default());
    Sale::of(&plan.expect("the preset is valid"))
});

/// Reads the report of a run or a study as the table of claims does, and renders the table.
///
/// # Panics
///
/// If the table lacks a claim.
pub fn claims(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else {
        return;
    };
    let architecture = Architecture::Tiketi;
    let run = RunSummary::read(json).ok().map(|summary| Source::Run {
        summary,
        described: Described::Documented { architecture },
        sale: Box::new(SALE.clone()),
    });
    let plan = serde_json::from_str(json).ok();
    let plan = plan.map(|plan| Source::Study(Study::Plan(plan)));
    let bill = serde_json::from_str(json).ok();
    let bill = bill.map(|bill| Source::Study(Study::Cost(bill)));
    let sources = [run, plan, bill].into_iter().flatten();
    let sources: Vec<_> = sources.map(|source| ("fuzz".to_owned(), source)).collect();
    let table = targets::claim_table(&sources, Vec::new(), "tiketi-sim targets");
    assert_eq!(table.claims.len(), 38, "a claim has no row");
    let page = targets::page(&table);
    let _rendered = (
        markdown::render(&page),
        text::render(&page, Color::Plain, None),
    );
}

fn packed(json: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    packed
        .write_all(json)
        .expect("writing to a Vec cannot fail");
    packed.finish().expect("writing to a Vec cannot fail")
}

fn report_on(measured: &Measurements) {
    let document = run::document(measured, judge(measured), "tiketi-sim run again.toml");
    let report = run::page(&document, measured);
    let pair = Pair {
        names: ["one", "other"],
        runs: [measured, measured],
    };
    let compared = agreement::comparison(
        &[pair],
        Question::Regression,
        &Bars::of(Question::Regression),
    );
    let comparison = agreement::page(&compared, &[[measured, measured]], "tiketi-sim compare");
    for page in [&report, &comparison] {
        let _rendered = (
            html::render(page),
            markdown::render(page),
            text::render(page, Color::Plain, None),
        );
    }
    let _tables = (run::timeseries(measured), tiketi_report::json(&document));
}

/// Checks that a rejection says why, at a place that exists.
fn explain(problems: &Diagnostics) {
    assert!(!problems.problems().is_empty(), "rejected without a reason");
    for rendering in [Rendering::Lines, Rendering::Monochrome] {
        assert!(!problems.render(rendering).trim().is_empty());
    }
}
