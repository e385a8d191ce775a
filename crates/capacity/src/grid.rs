//! The grid of a plan file: every combination of values that gives a valid scenario.

use super::change::{self, Base, Change, Leaf};
use super::question::{Axis, Bill, Explore, Grid, LeftOut, Setup};
use tiketi_scenario::Plan;
use tiketi_scenario::diagnostic::{Diagnostics, Problem};
use tiketi_scenario::document::Section;
use tiketi_scenario::keys::Limits;

/// Limit on the combinations of a grid. Each is resolved before the first one runs, and most run several times.
const SETUPS_MAX: usize = 2_000;

/// Limits on the values of one key.
const VALUES: Limits<usize> = Limits::new(
    1,
    SETUPS_MAX,
    "a key that varies needs values, and a search tries 2,000 combinations at most",
);

/// One key with all its values.
struct Values {
    axis: Axis,
    changes: Vec<Change>,
}

/// One combination of values, and the plan that it gives.
struct Combination {
    places: Vec<usize>,
    plan: Result<Plan, Diagnostics>,
}

/// Reads `vary` and the keys that belong to it. Returns `None` if a problem was reported.
pub(super) fn grid(root: &Section<'_>, base: &Base) -> Option<Grid> {
    let minimize = match root.find("minimize") {
        Some(value) => value.named(),
        None => Some(Bill::Month),
    };
    let explore = match root.find("explore") {
        Some(value) => value.named(),
        None => Some(Explore::Cheapest),
    };
    let values = values(root);
    // Problems of all keys are reported before the first `?` gives up.
    let is_right = mark_ascending(root, values.as_deref());
    let values = values?;
    let combinations = combine(&values, base);
    if !every_value_is_valid(root, base, &values, &combinations)
        || !has_one_price_book(root, &combinations)
    {
        return None;
    }
    is_right?;
    let axes: Vec<_> = values.iter().map(|one| one.axis.clone()).collect();
    let axes = with_ascending(root, axes);
    let (setups, left_out) = sort_out(&axes, combinations);
    Some(Grid {
        axes,
        setups,
        left_out,
        minimize: minimize?,
        explore: explore?,
    })
}

fn values(root: &Section<'_>) -> Option<Vec<Values>> {
    let leaves = change::leaves(&root.section("vary"));
    let values: Vec<_> = leaves.iter().map(values_of).collect();
    let values = values.into_iter().collect::<Option<Vec<_>>>()?;
    let count = values
        .iter()
        .try_fold(1_usize, |count, one| count.checked_mul(one.changes.len()));
    let is_valid = !values.is_empty() && count.is_some_and(|count| count <= SETUPS_MAX);
    if !is_valid {
        let problem = Problem::new(match (values.is_empty(), count) {
            (true, _) => "`vary` is empty".to_owned(),
            (false, Some(count)) => format!("`vary` has {count} combinations"),
            (false, None) => "`vary` has too many combinations".to_owned(),
        });
        let problem = problem.expected(format!("2 to {SETUPS_MAX} combinations"));
        let help = "write keys of the scenario with lists of values under [vary]";
        root.complain(&["vary"], problem.help(help));
        return None;
    }
    Some(values)
}

fn values_of(leaf: &Leaf<'_>) -> Option<Values> {
    let elements = leaf.value.elements(VALUES)?;
    let changes: Vec<_> = elements.iter().map(|value| leaf.change(value)).collect();
    let changes: Vec<_> = changes.into_iter().collect::<Option<_>>()?;
    let axis = Axis {
        key: leaf.key(),
        values: changes
            .iter()
            .map(|change| change.written.clone())
            .collect(),
        is_ascending: false,
    };
    Some(Values { axis, changes })
}

/// Reports keys under `ascending` that do not vary. Returns `None` if there are any.
fn mark_ascending(root: &Section<'_>, values: Option<&[Values]>) -> Option<()> {
    let Some(list) = root.find("ascending") else {
        return Some(());
    };
    let mut is_right = true;
    for named in list.elements(VALUES)? {
        let key = named.text()?;
        let keys = || {
            values
                .unwrap_or_default()
                .iter()
                .map(|one| one.axis.key.as_str())
        };
        if values.is_some() && !keys().any(|known| known == key) {
            let expected = keys().collect::<Vec<_>>().join(", ");
            let problem = named
                .problem(", which does not vary")
                .expected(format!("one of {expected}"));
            named.complain(problem.did_you_mean(key, keys()));
            is_right = false;
        }
    }
    is_right.then_some(())
}

fn with_ascending(root: &Section<'_>, mut axes: Vec<Axis>) -> Vec<Axis> {
    let named = root
        .find("ascending")
        .and_then(|list| list.elements(VALUES));
    let named: Vec<_> = named
        .iter()
        .flatten()
        .filter_map(|key| key.text())
        .collect();
    for axis in &mut axes {
        axis.is_ascending = named.contains(&axis.key.as_str());
    }
    axes
}

/// Resolves every combination of the values.
fn combine(values: &[Values], base: &Base) -> Vec<Combination> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for one in values {
        let longer = all.iter().flat_map(|places| {
            (0..one.changes.len()).map(move |place| [places.as_slice(), &[place]].concat())
        });
        all = longer.collect();
    }
    let resolved = all.into_iter().map(|places| {
        let changes: Vec<_> = values
            .iter()
            .zip(&places)
            .map(|(one, place)| one.changes[*place].clone())
            .collect();
        let plan = base.clone().changed(&changes).plan();
        Combination { places, plan }
    });
    resolved.collect()
}

/// Reports values that are not valid in any combination, and returns whether there are none.
///
/// A single invalid combination is expected in a grid: a minimum of 5 instances does not go with a maximum of 4, and is
/// left out. A value that goes with no other is a mistake.
fn every_value_is_valid(
    root: &Section<'_>,
    base: &Base,
    values: &[Values],
    combinations: &[Combination],
) -> bool {
    let mut is_valid = true;
    for (axis, one) in values.iter().enumerate() {
        let with = |place: usize| {
            let all = combinations.iter();
            all.filter(move |combination| combination.places[axis] == place)
        };
        let is_wrong = |place: usize| with(place).all(|combination| combination.plan.is_err());
        let wrong: Vec<_> = (0..one.changes.len())
            .filter(|place| is_wrong(*place))
            .collect();
        // If none of its values is valid, the key is wrong, and one report at the key says so.
        let is_key_wrong = wrong.len() == one.changes.len();
        for place in wrong {
            is_valid = false;
            let change = &one.changes[place];
            // Without the other changes the problem is easier to understand, if it still occurs.
            let alone = base.clone().changed(std::slice::from_ref(change)).plan();
            let together = || with(place).find_map(|one| one.plan.as_ref().err().cloned());
            let Some(diagnostics) = alone.err().or_else(together) else {
                continue;
            };
            let problems = diagnostics.problems().iter();
            for problem in problems.take(1) {
                let span = if is_key_wrong {
                    &change.key_span
                } else {
                    &change.value_span
                };
                root.report(problem.clone().at(span.clone()));
            }
            if is_key_wrong {
                break;
            }
        }
    }
    is_valid
}

/// Returns whether all combinations use the same price book; reports it if not.
fn has_one_price_book(root: &Section<'_>, combinations: &[Combination]) -> bool {
    let plans = combinations.iter().filter_map(|one| one.plan.as_ref().ok());
    let mut books: Vec<_> = plans.map(|plan| plan.cost.prices.as_str()).collect();
    // Only neighbors are removed, which shortens the list enough: all that matters is whether two differ.
    books.dedup();
    let is_one = books.iter().all(|book| Some(book) == books.first());
    if !is_one {
        let problem = Problem::new(
            "`cost.prices` varies, but costs of different price books cannot be compared",
        );
        let problem = problem.expected("one price book");
        root.complain(&["vary"], problem.help("set it once, under [set]"));
    }
    is_one
}

fn sort_out(axes: &[Axis], combinations: Vec<Combination>) -> (Vec<Setup>, Vec<LeftOut>) {
    let mut setups = Vec::new();
    let mut left_out = Vec::new();
    for combination in combinations {
        let name = name(axes, &combination.places);
        match combination.plan {
            Ok(plan) => setups.push(Setup {
                name,
                places: combination.places,
                plan,
            }),
            Err(diagnostics) => left_out.push(LeftOut {
                name,
                reason: diagnostics
                    .problems()
                    .first()
                    .map_or_else(String::new, |problem| problem.message.clone()),
            }),
        }
    }
    (setups, left_out)
}

/// Returns the name of a configuration: its values, without keys that have only one.
fn name(axes: &[Axis], places: &[usize]) -> String {
    let parts = axes.iter().zip(places);
    let distinguishing = parts.filter(|(axis, _)| axis.values.len() > 1);
    let words =
        distinguishing.map(|(axis, place)| format!("{} = {}", axis.key, axis.values[*place]));
    let words: Vec<_> = words.collect();
    if words.is_empty() {
        return "the only configuration".to_owned();
    }
    words.join(", ")
}
