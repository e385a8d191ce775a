//! Keys that say how buyers behave.

use super::keys::LIVE;
use super::keys::Moves::{self, Figures, Nothing};
use super::sales::Change::{self, Replace, Set};

/// Every key of `[buyers]`.
pub(crate) const BUYER_KEYS: &[(&str, Change, Moves)] = &[
    (
        "buyers.browse",
        Replace(
            "median = \"1s\", sigma = 0.5",
            "median = \"2s\", sigma = 0.5",
        ),
        Figures,
    ),
    (
        "buyers.patience",
        Replace("mean = \"90s\"", "mean = \"40s\""),
        Figures,
    ),
    (
        "buyers.seat_pick",
        Replace(
            "median = \"2s\", sigma = 0.7",
            "median = \"3s\", sigma = 0.7",
        ),
        Figures,
    ),
    (
        "buyers.seat_repick",
        Replace("mean = \"1s\" }\nconf", "mean = \"3s\" }\nconf"),
        Figures,
    ),
    (
        "buyers.conflicts_max",
        Replace("conflicts_max = 3", "conflicts_max = 1"),
        Figures,
    ),
    (
        "buyers.payment",
        Replace("median = \"10s\"", "median = \"7s\""),
        Figures,
    ),
    ("buyers.pays", Replace("pays = 0.6", "pays = 0.9"), Figures),
    ("buyers.poll.connected", Set("\"2s\""), Figures),
    ("buyers.poll.disconnected", Set("\"1s\""), Figures),
    ("buyers.poll.on_update", Set("false"), Figures),
    ("buyers.connect_tries_max", Set("1"), Figures),
    (
        "buyers.returns_after_disconnect",
        Set("false"),
        Nothing("the simulated servers send no disconnect packet"),
    ),
    ("buyers.login.window", Set("\"2s\""), Nothing(LIVE)),
    ("buyers.login.expired", Set("\"leaves\""), Nothing(LIVE)),
    (
        "buyers.reload.share",
        Replace("reload = { share = 0.1", "reload = { share = 0.3"),
        Figures,
    ),
    (
        "buyers.reload.every",
        Replace("every = \"15s\"", "every = \"16s\""),
        Figures,
    ),
    ("buyers.second_tab", Set("0.5"), Nothing(LIVE)),
    ("buyers.second_device", Set("0.5"), Nothing(LIVE)),
    ("buyers.checks_admission", Set("false"), Nothing(LIVE)),
    ("buyers.joins_event_room", Set("true"), Nothing(LIVE)),
    (
        "buyers.bots.share",
        Replace("bots = { share = 0.02", "bots = { share = 0.2"),
        Figures,
    ),
    (
        "buyers.bots.poll",
        Replace("poll = \"700ms\"", "poll = \"600ms\""),
        Figures,
    ),
    (
        "buyers.retry.first",
        Replace("tries_max = 4", "tries_max = 4, first = \"2s\""),
        Figures,
    ),
    (
        "buyers.retry.max",
        Replace("tries_max = 4", "tries_max = 4, max = \"2s\""),
        Figures,
    ),
    (
        "buyers.retry.jitter",
        Replace("tries_max = 4", "tries_max = 4, jitter = 0.1"),
        Figures,
    ),
    (
        "buyers.retry.tries_max",
        Replace("tries_max = 4", "tries_max = 1"),
        Figures,
    ),
    ("buyers.reconnect.first", Set("\"3s\""), Figures),
    ("buyers.reconnect.max", Set("\"1s\""), Figures),
    ("buyers.reconnect.jitter", Set("0.1"), Figures),
    ("buyers.reconnect.tries_max", Set("0"), Figures),
    (
        "buyers.call_timeout",
        Replace("call_timeout = \"8s\"", "call_timeout = \"4s\""),
        Figures,
    ),
    ("buyers.connect_timeout", Set("\"1s\""), Figures),
    // The sale has no network: of each figure it is shown that this one alone moves something.
    ("buyers.network.profile", Set("\"cable\""), Figures),
    (
        "buyers.network.delay",
        Replace(
            "bots = {",
            "network = { profile = \"fiber\", delay = \"9ms\", jitter = \"0s\", bandwidth = \"none\" }\nbots = {",
        ),
        Figures,
    ),
    (
        "buyers.network.jitter",
        Replace(
            "bots = {",
            "network = { profile = \"fiber\", delay = \"0s\", jitter = \"9ms\", bandwidth = \"none\" }\nbots = {",
        ),
        Figures,
    ),
    (
        "buyers.network.loss",
        Replace(
            "bots = {",
            "network = { profile = \"fiber\", delay = \"0s\", jitter = \"0s\", loss = 0.02, bandwidth = \"none\" }\nbots = {",
        ),
        Figures,
    ),
    (
        "buyers.network.bandwidth",
        Replace(
            "bots = {",
            "network = { profile = \"fiber\", delay = \"0s\", jitter = \"0s\", bandwidth = 2 }\nbots = {",
        ),
        Figures,
    ),
    (
        "buyers.poll_by_position[].beyond",
        Replace(
            "[waiting_room]",
            "[[buyers.poll_by_position]]\nbeyond = 20\nevery = \"9s\"\n[waiting_room]",
        ),
        Figures,
    ),
    (
        "buyers.poll_by_position[].every",
        Replace(
            "[waiting_room]",
            "[[buyers.poll_by_position]]\nbeyond = 0\nevery = \"2s\"\n[waiting_room]",
        ),
        Figures,
    ),
];
