//! What a response says of the queue besides its meaning: the buyer's place, and when to ask again.

use super::role::{Kind, slot, source};
use crate::mapping::RoleName;
use crate::place::PlaceIn;
use crate::problem::{Problems, one_of};
use crate::reader::Pointers;
use crate::table::{Table, named};
use crate::wait::PollAfter;

/// Where a response about the queue has the buyer's place.
pub(super) fn place(table: &mut Table<'_>, kind: Kind, problems: &mut Problems) -> Option<PlaceIn> {
    const EXPECTED: &str = "a JSON pointer such as \"/position\"";
    if !matches!(
        kind,
        Kind::Role(RoleName::QueueEnter | RoleName::QueueStatus) | Kind::Push
    ) {
        return None;
    }
    let (at, tree) = table.find("place")?;
    let mut inner = Table::open(at, tree, problems)?;
    let mut pointers = Pointers::default();
    let mut read = |key: &'static str| {
        let (at, pointer) = inner.text(key, EXPECTED, problems)?;
        slot(&at, pointer, &mut pointers, problems)
    };
    let (position, taken, of) = (read("position"), read("taken"), read("of"));
    let place = PlaceIn {
        pointers,
        position,
        taken,
        of,
    };
    let at = inner.at.clone();
    inner.finish(problems);
    if place.taken.is_some() != place.of.is_some() {
        let message = format!("`{}` has only one of `taken` and `of`", at.path);
        let help = "they are compared: how many places are taken, and how many there are";
        problems.report(&at, message, "both, or none of them", help);
    }
    Some(place)
}

/// When a response says to ask again.
pub(super) fn poll_after(
    table: &mut Table<'_>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<PollAfter> {
    const UNITS: [(&str, f64); 2] = [("s", 1.0), ("ms", 0.001)];
    let (at, tree) = table.find("poll_after")?;
    if tree.text().is_some() {
        let from = source(&at, tree, pointers, problems)?;
        return Some(PollAfter { from, unit_s: 1.0 });
    }
    let mut inner = Table::open(at, tree, problems)?;
    let from = inner.find("from");
    let unit = inner.text("unit", &one_of(&["s", "ms"]), problems);
    let unit_s = match unit {
        Some((at, unit)) => named(&at, unit, &UNITS, problems)?,
        None => 1.0,
    };
    let at = inner.at.clone();
    inner.finish(problems);
    let Some((from_at, from)) = from else {
        let message = format!("`from` is missing in `{}`", at.path);
        problems.report(&at, message, "\"/pointer\" or \"header:name\"", "add it");
        return None;
    };
    let from = source(&from_at, from, pointers, problems)?;
    Some(PollAfter { from, unit_s })
}
