//! What people read: the page and the printed text state the same answer, exit code and counts as `summary.json`.

use super::{Files, Findings, count, list, word};

/// Words for numbers that are none.
const NO_NUMBERS: [&str; 4] = ["NaN", "inf", "Infinity", "undefined"];

pub(super) fn check(files: &Files, stdout: Option<&str>, found: &mut Findings) {
    shown("report.html", &files.page, files, found);
    let Some(stdout) = stdout else { return };
    shown("the output", stdout, files, found);
    let code = count(&files.summary, "/exit_code");
    found.must(stdout.contains(&format!("(exit code {code})")), || {
        format!("the output does not state the exit code {code}")
    });
    found.must(!stdout.contains('\u{1b}'), || {
        "the output has escape sequences".to_owned()
    });
    for row in list(&files.summary, "/calls") {
        printed(row, stdout, found);
    }
}

/// Both show the answer, and no number that is none.
fn shown(place: &str, text: &str, files: &Files, found: &mut Findings) {
    let answer = word(&files.summary, "/answer").replace('`', "");
    let first = answer.split(". ").next().unwrap_or_default();
    found.must(text.contains(first), || {
        format!("{place} does not state the answer: {first}")
    });
    let words = text.split(|one: char| !one.is_alphanumeric() && one != '-' && one != '_');
    for word in words.filter(|word| NO_NUMBERS.contains(word)) {
        found.add(format!("{place} shows {word}"));
    }
}

/// A row of the printed table of operations has the counts of the summary.
fn printed(row: &serde_json::Value, stdout: &str, found: &mut Findings) {
    let name = match word(row, "/operation") {
        "all" => "All operations",
        name => name,
    };
    let rows = stdout.lines().map(str::trim_start);
    // Names of operations begin rows of other tables too; this one has at least eight columns.
    let cells = rows
        .filter_map(|line| line.strip_prefix(name))
        .map(|rest| rest.split_whitespace().collect::<Vec<_>>());
    let Some(cells) = cells.into_iter().find(|cells| cells.len() == 8) else {
        found.add(format!("the output has no row with eight cells for {name}"));
        return;
    };
    for (cell, key) in cells.iter().zip(["/calls", "/failed"]) {
        let stated = count(row, key).to_string();
        found.must(cell.replace(',', "") == stated, || {
            format!("{key} of {name} is {stated}, but {cell} in the output")
        });
    }
}

/// The text of an HTML page: without style sheets, tags and the escapes of special characters.
pub(super) fn without_markup(page: &str) -> String {
    let mut text = String::new();
    let body = page.split_once("</style>").map_or(page, |(_, body)| body);
    for part in body.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
        // Elements in the middle of a sentence have no space around them; others do not need one.
    }
    for (escape, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(escape, character);
    }
    text
}
