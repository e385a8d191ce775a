//! Plan files, price books and profiles: each line with a bad value is rejected at that line, with expected values and a hint.

use tiketi_capacity::{ScenarioFile, load as load_plan};
use tiketi_cost::PriceBook;
use tiketi_scenario::{Diagnostics, profile};

use super::stride;

/// Values that hardly any key takes.
const BAD: [&str; 11] = [
    "true",
    "-7.5",
    "nan",
    "1e308",
    "99999999999999999999999",
    "\"\"",
    "\"nonsense \\u001b[31m\"",
    "[[]]",
    "{ no_such_key = 1 }",
    "2026-01-01",
    "[\"no-such-word\"]",
];

const PROFILE: &str = "\
name = \"mine\"
other_ms = 1.5
seat_us = 7.0
receiver_us = 10.0
query_ms = 1.0
source = \"measured\"
[work_ms]
queue_check = 1.7
[work_sigma]
queue_check = 0.3
[latency.seat_list]
median_ms = 2.0
sigma = 0.4
";

const PRICES: &str = "\
name = \"mine\"
currency = \"USD\"
date = \"2026-11\"
source = \"a list\"
by_heading = false
[exchange]
won_per_unit = 1400
basis = \"reported\"
source = \"a bank\"
[[prices]]
item = \"instance\"
class = \"t3.medium\"
amount = 0.05
per = \"unit\"
basis = \"reported\"
source = \"a list\"
[[figures]]
name = \"instances\"
title = \"Two instances\"
amount = 80
by_use = false
[[figures]]
name = \"sum\"
title = \"Sum\"
amount = 80
parts = [\"instances\"]
minus = []
";

const CROWD: &str = "\
question = \"largest-crowd\"
scenario = \"small.toml\"
name = \"mine\"
[crowd]
from = 100
to = 2_000
within = 0.1
[search]
replications = 2
confirm = 20
confidence = 0.9
holds_in = 0.8
seed = 3
[set]
scaling.max = 6
";

const GRID: &str = "\
question = \"cheapest-setup\"
scenario = \"small.toml\"
name = \"mine\"
minimize = \"run\"
explore = \"frontier\"
ascending = [\"scaling.min\"]
[crowd]
buyers = 300
[vary]
scaling.min = [2, 3]
";

const CONTEST: &str = "\
question = \"compare\"
scenario = \"small.toml\"
name = \"mine\"
against = \"more\"
[search]
replications = 5
[[variants]]
name = \"more\"
set = { scaling.min = 3 }
[[variants]]
name = \"less\"
set = { scaling.min = 1 }
";

/// Resolves a text; returns its problems.
type Load = fn(&str) -> Result<(), Diagnostics>;

fn read_profile(text: &str) -> Result<(), Diagnostics> {
    profile::load("mine.toml", text).map(|_| ())
}

fn read_prices(text: &str) -> Result<(), Diagnostics> {
    PriceBook::read("mine.toml", text).map(|_| ())
}

fn read_plan(text: &str) -> Result<(), Diagnostics> {
    let small = |name: &str| {
        Ok(ScenarioFile {
            name: name.to_owned(),
            text: "name = \"small\"\n".to_owned(),
        })
    };
    load_plan("mine.toml", text, small).map(|_| ())
}

/// Calls `load` with each line of `base` changed to each bad value; returns how many texts were rejected, and how many were
/// not.
fn mutated(base: &str, load: Load) -> (usize, usize) {
    load(base).unwrap_or_else(|problems| panic!("{problems}"));
    let lines: Vec<_> = base.lines().collect();
    let (mut rejected, mut accepted) = (0, 0);
    for (index, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        for value in BAD.iter().skip(index % stride()).step_by(stride().min(3)) {
            let changed = format!("{key} = {value}");
            let mut text = lines.clone();
            text[index] = &changed;
            let Err(problems) = load(&text.join("\n")) else {
                accepted += 1;
                continue;
            };
            rejected += 1;
            for problem in problems.problems() {
                let parts = [&problem.message, &problem.expected, &problem.help];
                assert!(
                    parts.iter().all(|part| !part.trim().is_empty()),
                    "{changed}: {problem:?}"
                );
            }
            let mut lines = problems
                .problems()
                .iter()
                .map(|one| problems.position(one).0);
            assert!(lines.any(|line| line == index + 1), "{changed}: {problems}");
        }
    }
    (rejected, accepted)
}

#[test]
fn bad_values_of_other_files_are_rejected_at_their_line() {
    let files: [(&str, Load); 5] = [
        (PROFILE, read_profile),
        (PRICES, read_prices),
        (CROWD, read_plan),
        (GRID, read_plan),
        (CONTEST, read_plan),
    ];
    for (base, load) in files {
        let (rejected, accepted) = mutated(base, load);
        // A key such as `title` takes one of the texts, and a figure may be negative.
        assert!(
            rejected > 10 * accepted,
            "{rejected} rejected, {accepted} accepted: {base}"
        );
    }
}
