//! The keys of faults: how each is changed, and what that moves.

use super::keys::LIVE;
use super::keys::Moves::{self, Figures, Nothing};
use super::sales::Change::{self, Busy, Replace};

/// The start of a fault, before which others are added.
const FIRST: &str = "{ at = \"75s\", action = \"replace-route\"";

/// These keys.
pub(crate) const FAULT_KEYS: &[(&str, Change, Moves)] = &[
    (
        "faults[].at",
        Replace("at = \"150s\"", "at = \"140s\""),
        Figures,
    ),
    (
        "faults[].lasts",
        Replace("lasts = \"30s\", action", "lasts = \"25s\", action"),
        Figures,
    ),
    (
        "faults[].action",
        Replace(
            "\"lose-primary\", part = \"redis\"",
            "\"pause-primary\", part = \"redis\"",
        ),
        Figures,
    ),
    (
        "faults[].zone",
        Replace(
            "\"terminate-instances\", zone = \"a\"",
            "\"terminate-instances\", zone = \"b\"",
        ),
        Figures,
    ),
    (
        "faults[].connections",
        Replace(
            "\"az-power-interruption\", zone = \"b\"",
            "\"az-power-interruption\", zone = \"b\", connections = \"reset\"",
        ),
        Figures,
    ),
    (
        "faults[].count",
        Replace("zone = \"a\", count = 1", "zone = \"a\", count = 2"),
        Figures,
    ),
    (
        "faults[].part",
        Replace(
            "\"lose-primary\", part = \"redis\"",
            "\"lose-primary\", part = \"database\"",
        ),
        Figures,
    ),
    (
        "faults[].lag",
        Replace("lag = \"4s\"", "lag = \"2s\""),
        Figures,
    ),
    (
        "faults[].share",
        Busy("share = 0.9", "share = 0.6"),
        Figures,
    ),
    (
        "faults[].load",
        Replace("load = 0.9", "load = 0.6"),
        Figures,
    ),
    (
        "faults[].peer",
        Replace("peer = \"buyers\"", "peer = \"other-zones\""),
        Figures,
    ),
    (
        "faults[].jitter",
        Replace("jitter = \"9ms\"", "jitter = \"20ms\""),
        Figures,
    ),
    (
        "faults[].loss",
        Replace("loss = 0.2", "loss = 0.4"),
        Figures,
    ),
    (
        "faults[].gateway",
        Replace(
            "zone = \"a\", gateway = \"b\"",
            "zone = \"a\", gateway = \"a\"",
        ),
        Figures,
    ),
    (
        "faults[].delay",
        Replace("delay = \"300ms\"", "delay = \"900ms\""),
        Figures,
    ),
    (
        "faults[].unanswered",
        Replace("unanswered = 0.2", "unanswered = 0.7"),
        Figures,
    ),
    (
        "faults[].run",
        Replace(
            FIRST,
            "{ at = \"75s\", action = \"exec\", run = [\"true\"] }, { at = \"75s\", action = \"replace-route\"",
        ),
        Nothing(LIVE),
    ),
    (
        "faults[].end",
        Replace(
            FIRST,
            "{ at = \"75s\", action = \"exec\", run = [\"true\"], end = [\"true\"] }, { at = \"75s\", action = \"replace-route\"",
        ),
        Nothing(LIVE),
    ),
    (
        "faults[].name",
        Replace(
            FIRST,
            "{ at = \"75s\", action = \"exec\", run = [\"true\"], name = \"x\" }, { at = \"75s\", action = \"replace-route\"",
        ),
        Nothing(LIVE),
    ),
    (
        "faults[].timeout",
        Replace(
            FIRST,
            "{ at = \"75s\", action = \"exec\", run = [\"true\"], timeout = \"9s\" }, { at = \"75s\", action = \"replace-route\"",
        ),
        Nothing(LIVE),
    ),
    (
        "faults[].template",
        Replace(
            FIRST,
            "{ at = \"75s\", lasts = \"5s\", action = \"fis\", template = \"EXT1\" }, { at = \"75s\", action = \"replace-route\"",
        ),
        Nothing(LIVE),
    ),
];
