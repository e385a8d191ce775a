//! Anyone can edit an archive. It is then rejected with a message, or judged, reported and compared like any other; nothing
//! panics, and the sizes of what is read are bounded.

use std::io::{Read, Write};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use tiketi_measure::{Measurements, archive};
use tiketi_model::{Unwatched, simulate};
use tiketi_report::agreement::{self, Pair, comparison};
use tiketi_report::run::{document, page, timeseries};
use tiketi_report::text::{self, Color};
use tiketi_report::{html, json, markdown};
use tiketi_scenario::{self as scenario, Overrides};
use tiketi_verdict::agreement::{Bars, Question};
use tiketi_verdict::judge;

/// A short sale that loses a zone with both primaries, so that every part of an archive has something in it.
const SALE: &str = r#"
name = "short"
seed = 3
[clock]
duration = "80s"
warmup = "5s"
[show]
sections = [{ name = "A", rows = 10, seats_per_row = 20, price = 1_000 }]
[waiting_room]
active_max = 20
[[arrivals]]
shape = "onsale"
buyers = 150
opens_at = "5s"
decay = "20s"
until = "60s"
[buyers]
browse = "1s"
seat_pick = "2s"
payment = "3s"
[topology.database]
failover = "10s"
[[faults]]
at = "30s"
action = "az-power-interruption"
zone = "a"
lasts = "20s"
"#;

static RUN: LazyLock<Measurements> = LazyLock::new(|| {
    let plan = scenario::load("short.toml", SALE, &Overrides::default());
    simulate(&plan.expect("the scenario is valid"), &mut Unwatched)
});

static ARCHIVED: LazyLock<Value> = LazyLock::new(|| {
    let mut text = String::new();
    let packed = archive::pack(&RUN);
    let read = GzDecoder::new(&packed[..]).read_to_string(&mut text);
    read.expect("an archive is compressed text");
    serde_json::from_str(&text).expect("an archive is JSON")
});

fn packed(archived: &Value) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let written = packed.write_all(archived.to_string().as_bytes());
    written.expect("writing to a Vec cannot fail");
    packed.finish().expect("writing to a Vec cannot fail")
}

/// One change of one value.
#[derive(Clone, Debug)]
struct Edit {
    /// Which child to descend into at each level, modulo their number. The value at the end is changed.
    path: Vec<prop::sample::Index>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    /// A number times a factor; other values become nothing.
    Multiply(i32),
    /// Takes a child away from a list or an object.
    Remove(prop::sample::Index),
    /// Adds an entry of a list once more, at its end.
    Repeat(prop::sample::Index),
    /// Turns a list around.
    Reverse,
}

impl Edit {
    fn apply(&self, archived: &mut Value) {
        let mut value = archived;
        for step in &self.path {
            let children = match value {
                Value::Array(entries) => entries.len(),
                Value::Object(entries) => entries.len(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
            };
            if children == 0 {
                break;
            }
            let child = step.index(children);
            value = match value {
                Value::Array(entries) => &mut entries[child],
                Value::Object(entries) => entries.values_mut().nth(child).expect("it has so many"),
                other => other,
            };
        }
        self.change.apply(value);
    }
}

impl Change {
    fn apply(&self, value: &mut Value) {
        match (self, &mut *value) {
            (Self::Replace(other), _) => *value = other.clone(),
            (Self::Multiply(factor), Value::Number(number)) => {
                let product = number
                    .as_i64()
                    .map(|number| number.wrapping_mul(i64::from(*factor)));
                *value = json!(product);
            }
            (Self::Remove(which), Value::Array(entries)) if !entries.is_empty() => {
                entries.remove(which.index(entries.len()));
            }
            (Self::Remove(which), Value::Object(entries)) if !entries.is_empty() => {
                let key = entries.keys().nth(which.index(entries.len())).cloned();
                entries.remove(&key.expect("it has so many"));
            }
            (Self::Repeat(which), Value::Array(entries)) if !entries.is_empty() => {
                let entry = entries[which.index(entries.len())].clone();
                entries.push(entry);
            }
            (Self::Reverse, Value::Array(entries)) => entries.reverse(),
            (Self::Multiply(_) | Self::Remove(_) | Self::Repeat(_) | Self::Reverse, _) => {
                *value = Value::Null;
            }
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let values = [
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(255),
        json!(u32::MAX),
        json!(1_u64 << 44),
        json!(1_u64 << 60),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(-1e300),
        json!(1e300),
        json!(""),
        json!("\u{1b}[31m"),
        json!([]),
        json!({}),
    ];
    let change = prop_oneof![
        prop::sample::select(values.to_vec()).prop_map(Change::Replace),
        any::<i32>().prop_map(Change::Multiply),
        any::<prop::sample::Index>().prop_map(Change::Remove),
        any::<prop::sample::Index>().prop_map(Change::Repeat),
        Just(Change::Reverse),
    ];
    let path = prop::collection::vec(any::<prop::sample::Index>(), 2..9);
    let edit = (path, change).prop_map(|(path, change)| Edit { path, change });
    prop::collection::vec(edit, 1..3)
}

/// Does with measurements all that the commands do with those of an archive.
fn use_everywhere(run: &Measurements) {
    let report = document(run, judge(run), "tiketi-sim simulate short.toml");
    let page = page(&report, run);
    let shown = text::render(&page, Color::Plain, None) + &json(&report) + &timeseries(run);
    assert!(!shown.contains('\u{1b}'), "an escape sequence is shown");
    assert!(!markdown::render(&page).is_empty() && !html::render(&page).is_empty());
    for runs in [[&*RUN, run], [run, &*RUN]] {
        for question in [Question::Regression, Question::Agreement] {
            let names = ["one", "other"];
            let compared = comparison(&[Pair { names, runs }], question, &Bars::of(question));
            let page = agreement::page(&compared, &[runs], "tiketi-sim compare one other");
            assert!(!html::render(&page).is_empty() && !json(&compared).is_empty());
        }
    }
}

#[test]
fn an_archive_that_nobody_edited_is_read() {
    let read = archive::unpack(&packed(&ARCHIVED)).expect("nothing was edited");
    assert!(read == *RUN, "something changed");
    use_everywhere(&read);
}

/// An operation or an index out of range, sums that would overflow, a series that never ends.
#[test]
fn known_edits_are_rejected_with_a_reason() {
    let tally = "/measurements/tally";
    let rejected = |path: &str, value: Value| {
        let mut archived = ARCHIVED.clone();
        let place = archived.pointer_mut(path);
        *place.unwrap_or_else(|| panic!("nothing is at {path}")) = value;
        let error = archive::unpack(&packed(&archived)).expect_err(path);
        error.to_string()
    };
    for (path, value, reason) in [
        (
            &format!("{tally}/operations")[..],
            json!([]),
            "0 operations (expected 10)",
        ),
        (
            &format!("{tally}/messages"),
            json!(u64::MAX),
            "whole numbers up to",
        ),
        (
            &format!("{tally}/left/0"),
            json!(1_u64 << 50),
            "a count of 1125899906842624 in the tally",
        ),
        (
            &format!("{tally}/waiting_time/counts"),
            json!([[u64::MAX, 1]]),
            "whole numbers up to",
        ),
        (
            &format!("{tally}/waiting_time/counts"),
            json!([[1_u64 << 50, 1]]),
            "µs in a histogram",
        ),
        (&format!("{tally}/waiting_time/min"), json!(0), "contradict"),
        (
            "/measurements/series/width_secs",
            json!(0),
            "a power of two",
        ),
        (
            "/measurements/series/width_secs",
            json!(1_u64 << 59),
            "do not end with the run",
        ),
        (
            "/measurements/series/ticks",
            json!([]),
            "do not end with the run",
        ),
        (
            "/measurements/series/ticks/0/response/counts",
            json!([[65_535, 1]]),
            "contradict",
        ),
        (
            "/measurements/ending/ended_at",
            json!(1_u64 << 59),
            "were planned",
        ),
        (
            "/measurements/ending/system/data_tier/failovers/0/lost_zone",
            json!(200),
            "zone number 200 of 2",
        ),
        (
            "/scenario",
            json!("[clock]\nduration = \"1000000000h\"\n"),
            "not a valid scenario",
        ),
        (
            "/profile",
            json!("name = \"x\"\nquery_ms = -1.0\n"),
            "not a valid scenario",
        ),
    ] {
        let error = rejected(path, value);
        assert!(error.contains(reason), "{path}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn edited_archives_are_rejected_or_used_like_others(edits in edits()) {
        let mut archived = ARCHIVED.clone();
        for edit in &edits {
            edit.apply(&mut archived);
        }
        match archive::unpack(&packed(&archived)) {
            Ok(run) => use_everywhere(&run),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
