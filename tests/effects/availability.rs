//! The keys that say what a year brings: how each is changed, and what that moves.

use super::keys::Moves::{self, Verdicts};
use super::sales::Change::{self, Busy, Set};

/// These keys.
pub(crate) const AVAILABILITY_KEYS: &[(&str, Change, Moves)] = &[
    ("availability.maintenances_per_year", Set("12"), Verdicts),
    (
        "availability.maintenance",
        Busy(
            "availability = { ",
            "availability = { maintenance = \"1h\", ",
        ),
        Verdicts,
    ),
    (
        "availability.faults[].action",
        Busy(
            "{ action = \"pause-primary\"",
            "{ action = \"pause-instances\"",
        ),
        Verdicts,
    ),
    (
        "availability.faults[].per_year",
        Busy("per_year = 2", "per_year = 3"),
        Verdicts,
    ),
    (
        "availability.faults[].lasts",
        Busy("lasts = \"as-run\"", "lasts = \"1h\""),
        Verdicts,
    ),
    (
        "availability.faults[].detection",
        Busy("detection = \"0s\"", "detection = \"1m\""),
        Verdicts,
    ),
];
