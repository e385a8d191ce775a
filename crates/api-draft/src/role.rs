//! Guesses what each call is for, from its method, the words of its path, and the names in its bodies.

use std::collections::BTreeMap;

use serde_json::Value;
use tiketi_api::RoleName;

use crate::list;
use crate::traffic::{Call, Traffic, visit};
use crate::value::{SEAT, SHOW, USER, any, is_password, words};

const QUEUE: &[&str] = &[
    "queue",
    "waiting",
    "waitingroom",
    "lobby",
    "line",
    "waitlist",
    "standby",
];
const QUEUE_ENTRY: &[&str] = &["enter", "join", "entry"];
const QUEUE_STATUS: &[&str] = &[
    "status",
    "position",
    "me",
    "my",
    "rank",
    "state",
    "validate",
    "poll",
    "order",
    "remaining",
];
const QUEUE_LEAVE: &[&str] = &["leave", "exit", "quit", "cancel", "abandon"];
const HEARTBEAT: &[&str] = &["heartbeat", "ping", "keepalive", "alive", "beat"];
const RESERVE: &[&str] = &[
    "reserve",
    "reservation",
    "hold",
    "booking",
    "book",
    "lock",
    "select",
    "preempt",
    "occupy",
];
const PAY: &[&str] = &["payment", "pay", "checkout", "purchase", "order", "billing"];
const CONFIRM: &[&str] = &[
    "confirm", "approve", "complete", "capture", "verify", "finalize",
];
const CANCEL: &[&str] = &["cancel", "release", "refund", "unlock"];
const SETUP: &[&str] = &[
    "point", "topup", "charge", "balance", "wallet", "credit", "deposit", "cash",
];
const NOT_A_BUYERS: &[&str] = &[
    "admin",
    "metric",
    "health",
    "log",
    "analytic",
    "telemetry",
    "webhook",
    "method",
    "layout",
];

/// Places of the calls that have a role.
pub(crate) type Roles = BTreeMap<RoleName, usize>;

/// Gives each role the call of this host that fits best.
pub(crate) fn assign(traffic: &Traffic, origin: &str) -> Roles {
    let mut best: BTreeMap<RoleName, (u32, usize)> = BTreeMap::new();
    let calls = traffic.calls.iter().enumerate();
    for (place, call) in calls.filter(|(_, call)| call.origin == origin) {
        let Some((role, score)) = guess(traffic, call) else {
            continue;
        };
        let known = best.get(&role);
        if known.is_none_or(|(known, _)| *known < score) {
            best.insert(role, (score, place));
        }
    }
    best.into_iter()
        .map(|(role, (_, place))| (role, place))
        .collect()
}

/// What a guess is based on.
struct Seen<'t> {
    call: &'t Call,
    words: Vec<String>,
    last: Vec<String>,
    /// The path in one word, for names such as `sign-in`.
    squeezed: String,
    has_password: bool,
    body_words: Vec<String>,
    answer_words: Vec<String>,
    answers: Vec<&'t Value>,
}

impl Seen<'_> {
    fn writes(&self) -> bool {
        ["POST", "PUT", "PATCH"].contains(&self.call.method.as_str())
    }

    fn has(&self, of: &[&str]) -> bool {
        any(&self.words, of)
    }

    fn ends_in(&self, of: &[&str]) -> bool {
        any(&self.last, of)
    }

    fn squeezes(&self, of: &[&str]) -> bool {
        of.iter().any(|word| self.squeezed.contains(word))
    }

    /// How well its responses fit a list of these; 0 if they are none.
    fn lists(&self, of: &[&str]) -> u32 {
        let lists = self
            .answers
            .iter()
            .filter_map(|answer| list::find(answer, of));
        let best = lists.max_by_key(|list| list.elements.len());
        best.map_or(0, |list| {
            let has_state = list::state_key(&list, None).is_some();
            1 + u32::from(list.elements.len() > 1) + 2 * u32::from(has_state)
        })
    }
}

/// Guesses the role of a call, with a score that decides between several calls for one role.
fn guess(traffic: &Traffic, call: &Call) -> Option<(RoleName, u32)> {
    let is_success = |status: u16| (200..300).contains(&status);
    let takes: Vec<_> = traffic.takes(call).collect();
    let answers: Vec<_> = takes
        .iter()
        .filter(|take| is_success(take.status))
        .filter_map(|take| take.answer.as_ref())
        .collect();
    let bodies = takes.iter().filter_map(|take| take.body.as_ref());
    let mut body_keys = Vec::new();
    for body in bodies {
        keys(body, &mut body_keys);
    }
    let mut answer_keys = Vec::new();
    for answer in answers.iter().take(4) {
        keys(answer, &mut answer_keys);
    }
    let seen = Seen {
        call,
        words: call.words(),
        last: call.last_words(),
        squeezed: call
            .texts()
            .collect::<String>()
            .to_lowercase()
            .replace(['-', '_'], ""),
        has_password: body_keys.iter().any(|key| is_password(key)),
        body_words: body_keys.iter().flat_map(|key| words(key)).collect(),
        answer_words: answer_keys.iter().flat_map(|key| words(key)).collect(),
        answers,
    };
    if seen.has(NOT_A_BUYERS) && !seen.squeezes(&["login"]) {
        return None;
    }
    let (role, score) = account(&seen)
        .or_else(|| queue(&seen))
        .or_else(|| sale(&seen))
        .or_else(|| browse(&seen))?;
    // A call that succeeded says more than one that did not, and one that was repeated more than one that was not.
    let succeeded = takes.iter().any(|take| is_success(take.status));
    let repeated = u32::try_from(takes.len().min(5)).unwrap_or(5);
    let sends_form = u32::from(takes.iter().any(|take| take.other_body.is_some()));
    Some((
        role,
        score * 10 + 40 * u32::from(succeeded) + repeated - sends_form,
    ))
}

fn keys(value: &Value, out: &mut Vec<String>) {
    visit(value, &mut |pointer, _| {
        let keys = pointer.split('/').skip(1).map(str::to_owned);
        for key in keys {
            if !out.contains(&key) {
                out.push(key);
            }
        }
    });
}

fn account(seen: &Seen<'_>) -> Option<(RoleName, u32)> {
    if !seen.writes() {
        return None;
    }
    let registers = seen.squeezes(&["register", "signup", "registration"]);
    let logs_in = seen.squeezes(&["login", "signin", "authenticate"]);
    if seen.has_password {
        let creates = registers || (seen.has(USER) && !logs_in);
        return Some(if creates {
            (RoleName::Register, 100)
        } else {
            (RoleName::Login, 100)
        });
    }
    if registers {
        return Some((RoleName::Register, 80));
    }
    logs_in.then_some((RoleName::Login, 80))
}

fn queue(seen: &Seen<'_>) -> Option<(RoleName, u32)> {
    // Some back ends call the place in the queue a token.
    let says_where = any(
        &seen.answer_words,
        &["position", "rank", "waiting", "status", "state", "order"],
    );
    let gives_token = seen.ends_in(&["token"]) && says_where && !seen.has(SEAT);
    if !seen.has(QUEUE) && !seen.squeezes(&["waitingroom"]) && !gives_token {
        return None;
    }
    if seen.has(HEARTBEAT) {
        return Some((RoleName::Heartbeat, 90));
    }
    if seen.ends_in(QUEUE_LEAVE) || seen.call.method == "DELETE" {
        return Some((RoleName::QueueLeave, 90));
    }
    if seen.writes() {
        return Some(if seen.ends_in(QUEUE_STATUS) {
            (RoleName::QueueStatus, 70)
        } else {
            (RoleName::QueueEnter, 90)
        });
    }
    Some(if seen.ends_in(QUEUE_ENTRY) {
        (RoleName::QueueEnter, 60)
    } else {
        (RoleName::QueueStatus, 80 + u32::from(says_where))
    })
}

fn sale(seen: &Seen<'_>) -> Option<(RoleName, u32)> {
    let deletes = seen.call.method == "DELETE";
    let reserves = seen.has(RESERVE) || seen.has(SEAT);
    if (deletes && reserves) || (seen.writes() && seen.has(CANCEL)) {
        return Some((RoleName::Cancel, 80));
    }
    if !seen.writes() {
        return None;
    }
    if seen.has(PAY) {
        let only_orders = !seen.has(&["payment", "pay", "checkout", "purchase", "billing"]);
        let chooses = any(&seen.body_words, &["seat", "quantity", "tier", "item"]);
        return Some(if seen.ends_in(CONFIRM) {
            (RoleName::Confirm, 90)
        } else if only_orders && chooses {
            (RoleName::SeatReserve, 50)
        } else {
            (RoleName::Payment, 80)
        });
    }
    if reserves && seen.ends_in(CONFIRM) {
        return Some((RoleName::Confirm, 60));
    }
    if reserves {
        return Some((RoleName::SeatReserve, 80));
    }
    seen.has(SETUP).then_some((RoleName::Setup, 70))
}

fn browse(seen: &Seen<'_>) -> Option<(RoleName, u32)> {
    if seen.call.method != "GET" {
        return None;
    }
    let seats = seen.lists(SEAT);
    if seen.has(SEAT) && seats > 0 {
        return Some((
            RoleName::SeatList,
            70 + seats + 5 * u32::from(seen.ends_in(SEAT)),
        ));
    }
    if !seen.has(SHOW) || seen.has(RESERVE) {
        return None;
    }
    if seen.call.ends_with_value() {
        return Some((RoleName::ShowDetail, 70 + u32::from(seen.ends_in(SHOW))));
    }
    let shows = seen.lists(SHOW);
    let is_within = seen.call.path.len() > seen.call.texts().count();
    (shows > 0 && seen.ends_in(SHOW) && !is_within).then_some((RoleName::ShowList, 80))
}
