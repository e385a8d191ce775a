//! How buyers behave, and distributions of lengths of time.

mod access;
mod habits;

use std::time::Duration;

pub(super) use habits::check;

use super::limits;
use super::topology::LIVE;
use crate::diagnostic::Problem;
use crate::distribution::{Distribution, DistributionKind};
use crate::duration::Written;
use crate::keys::kind::{Kind, Length, Number, Or, Seconds, Shares, Truth, Whole};
use crate::keys::{Describing, Form, Keys, field, key};
use crate::page::Page;
use crate::plan::{Poll, Retry, Temperament};
use crate::value::Value;

pub(super) fn temperament(keys: &mut Keys<'_, '_, Temperament>) -> Option<Temperament> {
    let browse = keys.value(
        key(
            "browse",
            "Pause between two steps on the page, such as opening the list and opening the show.",
        ),
        Distributions,
        |buyers| buyers.browse,
    );
    let patience = keys.value(
        key(
            "patience",
            "How long a buyer waits in the queue before leaving.",
        ),
        Distributions,
        |buyers| buyers.patience,
    );
    let seat_pick = keys.value(
        key("seat_pick", "Time to pick a seat on the map."),
        Distributions,
        |buyers| buyers.seat_pick,
    );
    let seat_repick = keys.value(
        key(
            "seat_repick",
            "Time to pick another seat when the first one was taken.",
        ),
        Distributions,
        |buyers| buyers.seat_repick,
    );
    let conflicts_max = keys.value(
        key("conflicts_max", "Taken seats after which a buyer gives up."),
        Whole(limits::CONFLICTS),
        |buyers| buyers.conflicts_max,
    );
    let payment = keys.value(
        key("payment", "Time from holding the seat to the payment."),
        Distributions,
        |buyers| buyers.payment,
    );
    let pays = keys.value(
        key(
            "pays",
            "Share of buyers with a held seat who pay; the others leave and the hold expires.",
        ),
        Shares::Any,
        |buyers| buyers.pays,
    );
    let poll = keys.table(
        key("poll", "How buyers poll their place in the queue."),
        |buyers| &buyers.poll,
        poll,
    );
    let steps = keys.list(
        key(
            "poll_by_position",
            "Buyers far back in the queue poll at other intervals, if the response says where they are. The last entry that applies replaces `poll.connected` and `poll.disconnected`; this does not apply to bots. Each has:",
        ),
        limits::POLL_STEPS,
        None,
        |buyers| &buyers.poll_by_position,
        habits::poll_step,
    );
    if let Some(steps) = &steps.values {
        habits::check_ascending(keys, steps);
    }
    let poll_by_position = steps.values;
    let retry_of_calls = keys.table(
        key(
            "retry",
            "How a failed request is retried, with exponential backoff.",
        ),
        |buyers| &buyers.retry,
        retry,
    );
    let reconnect = keys.table(
        key(
            "reconnect",
            "How a lost socket is reopened, with exponential backoff.",
        ),
        |buyers| &buyers.reconnect,
        retry,
    );
    let call_timeout = keys.value(
        key(
            "call_timeout",
            "How long a buyer waits for a response before the request counts as failed.",
        ),
        Length(limits::TIMEOUT),
        |buyers| buyers.call_timeout,
    );
    let connect_timeout = keys.value(
        key(
            "connect_timeout",
            "How long a browser waits for a connection before it tries the next address of the load balancer.",
        ),
        Length(limits::TIMEOUT),
        |buyers| buyers.connect_timeout,
    );
    let connect_tries_max = keys.value(
        key(
            "connect_tries_max",
            "Failed attempts to open the first socket after which the page does without one; `none` to go on as `reconnect` says.",
        ),
        Or("none", Whole(limits::TRIES)),
        |buyers| buyers.connect_tries_max,
    );
    let returns_after_disconnect = keys.value(
        key(
            "returns_after_disconnect",
            "Whether the page opens its socket again after the server has closed it with a disconnect packet; for live runs.",
        ),
        Truth,
        |buyers| buyers.returns_after_disconnect,
    );
    let login = keys.table(
        key(
            "login",
            "How buyers register, log in and set up their accounts, on a target whose API mapping has requests for that.",
        ),
        |buyers| &buyers.login,
        habits::login,
    );
    let reload = keys.table(
        key(
            "reload",
            "Waiting buyers who reload the page: it loads again, asks for its place in the queue, and opens a new socket.",
        ),
        |buyers| &buyers.reload,
        habits::reload,
    );
    let second_tab = keys.value(
        key(
            "second_tab",
            "Share of the waiting buyers who open the show in a second tab: it has the user and the cookies of the first, enters the queue too, polls, has a socket of its own, and is closed when its turn comes.",
        )
        .only(&LIVE),
        Shares::Any,
        |buyers| buyers.second_tab,
    );
    let second_device = keys.value(
        key(
            "second_device",
            "Share of the waiting buyers who open the show on a second device: as a second tab, but without the cookies.",
        )
        .only(&LIVE),
        Shares::Any,
        |buyers| buyers.second_device,
    );
    let checks_admission = keys.value(
        key(
            "checks_admission",
            "Whether the page looks who a message about an admission is for. If not, a waiting buyer goes on to the seats with the first such message.",
        )
        .only(&LIVE),
        Truth,
        |buyers| buyers.checks_admission,
    );
    let joins_event_room = keys.value(
        key(
            "joins_event_room",
            "Whether the page joins the room of the show (`join-event`) when its socket opens. Everybody in it gets messages about each other.",
        )
        .only(&LIVE),
        Truth,
        |buyers| buyers.joins_event_room,
    );
    let bots = keys.table(
        key(
            "bots",
            "Buyers who are programs: they do not read, look for a seat or type, so that only the system takes time.",
        ),
        |buyers| &buyers.bots,
        habits::bots,
    );
    let network = keys.table(
        key(
            "network",
            "The network between buyers and the testbed, or a target on this machine. Loopback takes no time; this delays what buyers send and receive, in both engines, and response times include it. A target elsewhere has a network of its own.",
        ),
        |buyers| &buyers.network,
        access::network,
    );
    Some(Temperament {
        browse: browse?,
        patience: patience?,
        seat_pick: seat_pick?,
        seat_repick: seat_repick?,
        conflicts_max: conflicts_max?,
        payment: payment?,
        pays: pays?,
        poll: poll?,
        poll_by_position: poll_by_position?,
        retry: retry_of_calls?,
        reconnect: reconnect?,
        call_timeout: call_timeout?,
        connect_timeout: connect_timeout?,
        connect_tries_max: connect_tries_max?,
        returns_after_disconnect: returns_after_disconnect?,
        login: login?,
        reload: reload?,
        second_tab: second_tab?,
        second_device: second_device?,
        checks_admission: checks_admission?,
        joins_event_room: joins_event_room?,
        bots: bots?,
        network: network?,
    })
}

fn poll(keys: &mut Keys<'_, '_, Poll>) -> Option<Poll> {
    let connected = keys.value(
        key(
            "connected",
            "Time between two polls while the socket is connected.",
        ),
        Length(limits::PAUSE),
        |poll| poll.connected,
    );
    let disconnected = keys.value(
        key("disconnected", "Time between two polls while it is not."),
        Length(limits::PAUSE),
        |poll| poll.disconnected,
    );
    let on_update = keys.value(
        key(
            "on_update",
            "Whether each `queue-updated` message triggers a poll, as in the browser.",
        ),
        Truth,
        |poll| poll.on_update,
    );
    Some(Poll {
        connected: connected?,
        disconnected: disconnected?,
        on_update: on_update?,
    })
}

fn retry(keys: &mut Keys<'_, '_, Retry>) -> Option<Retry> {
    let first = keys.value(
        key("first", "First pause; it doubles with each attempt."),
        Length(limits::PAUSE),
        |retry| retry.first,
    );
    let max = keys.value(
        key("max", "Longest pause, before jitter."),
        Length(limits::PAUSE),
        |retry| retry.max,
    );
    let jitter = keys.value(
        key(
            "jitter",
            "Random variation of each pause, as a share of it, in both directions.",
        ),
        Shares::Any,
        |retry| retry.jitter,
    );
    let tries_max = keys.value(
        key(
            "tries_max",
            "Failed attempts in a row after which the buyer gives up; `none` for never.",
        ),
        Or("none", Whole(limits::TRIES)),
        |retry| retry.tries_max,
    );
    if let (Some(first), Some(max)) = (first, max)
        && first > max
    {
        let (first, max) = (Written(first), Written(max));
        let message = format!("the `first` pause ({first}) is longer than the longest ({max})");
        let problem = Problem::new(message).expected(format!("a `first` pause up to {max}"));
        let problem = problem.help("raise `max` or lower `first`");
        keys.complain(&["first", "max"], problem);
    }
    Some(Retry {
        first: first?,
        max: max?,
        jitter: jitter?,
        tries_max: tries_max?,
    })
}

/// A distribution of lengths of time: a table, or a single length for a constant one.
pub(super) struct Distributions;

impl Kind for Distributions {
    type Value = Distribution;

    fn form(&self) -> Form {
        let mut table = Describing::standalone();
        distribution(&mut Keys::describing(&mut table));
        Form::Either(vec![
            Form::Length(limits::DELAY),
            Form::Table(table.into_table()),
        ])
    }

    fn read(&self, value: &Value<'_>) -> Option<Distribution> {
        if value.is_table() {
            return distribution(&mut Keys::reading(value.section()?));
        }
        let value = Seconds(limits::DELAY).read(value)?;
        Some(Distribution::Constant { value })
    }

    fn write(&self, value: &Distribution) -> String {
        let mut page = Page::default();
        distribution(&mut Keys::writing(value, &mut page));
        page.inline()
    }
}

fn distribution(keys: &mut Keys<'_, '_, Distribution>) -> Option<Distribution> {
    keys.variants(
        key("distribution", "The family of the distribution."),
        |distribution| distribution.kind(),
        parameters,
    )
}

fn parameters(
    keys: &mut Keys<'_, '_, Distribution>,
    kind: DistributionKind,
) -> Option<Distribution> {
    match kind {
        DistributionKind::Constant => {
            let value = keys.field(
                key("value", "The length."),
                Seconds(limits::DELAY),
                field!(Distribution::Constant { value }),
            );
            Some(Distribution::Constant { value: value? })
        }
        DistributionKind::Uniform => uniform(keys),
        DistributionKind::Exponential => {
            let mean = keys.field(
                key("mean", "The mean."),
                Seconds(limits::DELAY),
                field!(Distribution::Exponential { mean }),
            );
            Some(Distribution::Exponential { mean: mean? })
        }
        DistributionKind::Lognormal => {
            let median = keys.field(
                key("median", "The median: half of all draws are shorter."),
                Seconds(limits::DELAY),
                field!(Distribution::Lognormal { median }),
            );
            let sigma = keys.field(
                key("sigma", "Standard deviation of the natural logarithm."),
                Number(limits::SIGMA),
                field!(Distribution::Lognormal { sigma }),
            );
            Some(Distribution::Lognormal {
                median: median?,
                sigma: sigma?,
            })
        }
        DistributionKind::Weibull => {
            let shape = keys.field(
                key(
                    "shape",
                    "Shape k; below 1, many draws are short and a few very long.",
                ),
                Number(limits::SHAPE),
                field!(Distribution::Weibull { shape }),
            );
            let mean = keys.field(
                key("mean", "The mean."),
                Seconds(limits::DELAY),
                field!(Distribution::Weibull { mean }),
            );
            Some(Distribution::Weibull {
                shape: shape?,
                mean: mean?,
            })
        }
    }
}

fn uniform(keys: &mut Keys<'_, '_, Distribution>) -> Option<Distribution> {
    let from = keys.field(
        key("from", "The shortest length."),
        Seconds(limits::DELAY),
        field!(Distribution::Uniform { from }),
    );
    let to = keys.field(
        key("to", "The longest length."),
        Seconds(limits::DELAY),
        field!(Distribution::Uniform { to }),
    );
    let (from, to) = (from?, to?);
    if from > to {
        let [shortest, longest] =
            [from, to].map(|seconds| Written(Duration::from_secs_f64(seconds)));
        let message = format!("`from` ({shortest}) is longer than `to` ({longest})");
        let problem = Problem::new(message).expected(format!("a `from` up to {longest}"));
        keys.complain(&["from", "to"], problem.help("exchange `from` and `to`"));
        return None;
    }
    Some(Distribution::Uniform { from, to })
}
