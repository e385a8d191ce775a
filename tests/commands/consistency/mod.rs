//! Checks the files of one run against each other: whatever two of them state must agree.
//!
//! The checks know what the numbers mean but not how they were computed: sums, orders, ends, and the same number in
//! another file. They hold for every scenario, so a test can run them on any folder.

mod money;
mod sums;
mod table;
mod text;

use std::path::Path;

use serde_json::Value;
use tiketi_measure::{Measurements, archive};

use table::Series;

/// The files of one run, read.
struct Files {
    summary: Value,
    series: Series,
    measured: Measurements,
    /// The text of the page, without its markup.
    page: String,
}

/// Returns everything on which the files in the report folder of a run disagree with each other, with themselves, or with
/// what the program printed (`stdout`, if it is known). Empty if everything agrees.
pub(crate) fn check_consistency(folder: &Path, stdout: Option<&str>) -> Vec<String> {
    let files = match Files::read(folder) {
        Ok(files) => files,
        Err(unreadable) => return vec![unreadable],
    };
    let mut found = Findings::default();
    sums::check(&files, &mut found);
    table::check(&files, &mut found);
    money::check(&files, &mut found);
    text::check(&files, stdout, &mut found);
    found.0
}

impl Files {
    fn read(folder: &Path) -> Result<Self, String> {
        let bytes = |name: &str| {
            let read = std::fs::read(folder.join(name));
            read.map_err(|error| format!("{name}: {error}"))
        };
        let text = |name: &str| {
            let text = String::from_utf8(bytes(name)?);
            text.map_err(|error| format!("{name}: {error}"))
        };
        // The reader is strict: it rejects NaN and infinity.
        let summary = serde_json::from_str(&text("summary.json")?);
        let measured = archive::unpack(&bytes(archive::FILE_NAME)?);
        Ok(Self {
            summary: summary.map_err(|error| format!("summary.json: {error}"))?,
            series: Series::read(&text("timeseries.csv")?)?,
            measured: measured.map_err(|error| format!("{}: {error}", archive::FILE_NAME))?,
            page: text::without_markup(&text("report.html")?),
        })
    }
}

/// What does not agree.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, what: String) {
        self.0.push(what);
    }

    /// Two places state the same whole number.
    fn same(&mut self, what: &str, one: u64, other: u64) {
        if one != other {
            self.add(format!("{what}: {one} and {other}"));
        }
    }

    /// Two places state the same number, up to the rounding of floating-point arithmetic.
    fn close(&mut self, what: &str, one: f64, other: f64) {
        if (one - other).abs() > 1e-6 * one.abs().max(other.abs()).max(1.0) {
            self.add(format!("{what}: {one} and {other}"));
        }
    }

    /// Something that must be so is not.
    fn must(&mut self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            self.add(otherwise());
        }
    }
}

/// The number at a place in JSON; 0 if there is none.
fn number(value: &Value, at: &str) -> f64 {
    value.pointer(at).and_then(Value::as_f64).unwrap_or(0.0)
}

/// The count at a place in JSON; 0 if there is none.
fn count(value: &Value, at: &str) -> u64 {
    value.pointer(at).and_then(Value::as_u64).unwrap_or(0)
}

/// The entries of a list in JSON; none if there is no list.
fn list<'v>(value: &'v Value, at: &str) -> impl Iterator<Item = &'v Value> {
    value
        .pointer(at)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The text at a place in JSON; empty if there is none.
fn word<'v>(value: &'v Value, at: &str) -> &'v str {
    value.pointer(at).and_then(Value::as_str).unwrap_or("")
}
