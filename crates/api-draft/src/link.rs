//! Correlations: which value of a response comes back in a later request.
//!
//! In a recording, values are compared. A number such as 7 is everywhere, so what is not distinctive needs names that fit, too.
//! In a document there are only names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tiketi_api::RoleName;

use crate::role::Roles;
use crate::traffic::{Basis, Call, Exchange, Part, Traffic, general, text_of, unescaped, visit};
use crate::value::{
    RESERVATION, SHOW, USER, any, is_distinctive, is_identifying, is_opaque, is_secret, telling,
    words,
};

/// Most places where the same value is looked at: the first ones count.
const ORIGINS_MAX: usize = 256;

/// Words of headers and cookies that name what a login gives.
const LOGIN: [&str; 7] = [
    "authorization",
    "auth",
    "access",
    "session",
    "jwt",
    "bearer",
    "user",
];

/// A place of a request where a value goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// A segment of the path, by its place.
    Path(usize),
    Query(String),
    /// A header, by its name in lower case.
    Header(String),
    Cookie(String),
    /// A value of the JSON body, by its pointer.
    Body(String),
}

/// A place of a response where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A value of the JSON body, by its pointer with `*`.
    Json(String),
    Header(String),
    Cookie(String),
}

/// Where the value of a slot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The call whose response has it.
    pub(crate) call: usize,
    pub(crate) from: Origin,
    /// Whether it is a number there; `None` if it is no JSON.
    pub(crate) is_number: Option<bool>,
}

/// The links of all calls, by the slot that they fill.
pub(crate) type Links = BTreeMap<(usize, Slot), Link>;

/// Headers that browsers and proxies set, which say nothing of the API.
pub(crate) fn is_of_browser(name: &str) -> bool {
    const NAMES: [&str; 27] = [
        "host",
        "connection",
        "user-agent",
        "referer",
        "origin",
        "dnt",
        "te",
        "priority",
        "pragma",
        "cache-control",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "upgrade",
        "if-none-match",
        "if-modified-since",
        "traceparent",
        "tracestate",
        "baggage",
        "sentry-trace",
        "newrelic",
        "expires",
        "date",
        "server",
        "etag",
        "last-modified",
    ];
    const BEGINNINGS: [&str; 9] = [
        "accept",
        "sec-",
        ":",
        "proxy-",
        "x-datadog-",
        "x-forwarded-",
        "access-control-",
        "cf-",
        "x-newrelic-",
    ];
    NAMES.contains(&name)
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// Cookies of load balancers and proxies. Buyers return that of a sticky session anyway.
fn is_of_load_balancer(name: &str) -> bool {
    const BEGINNINGS: [&str; 7] = [
        "awsalb",
        "awselb",
        "__cf",
        "cf_",
        "incap_",
        "visid_incap",
        "serverid",
    ];
    let name = name.to_lowercase();
    BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning))
}

/// The scheme before a credential, such as `Bearer `, and the credential.
pub(crate) fn scheme(value: &str) -> (&str, &str) {
    match value.split_once(' ') {
        Some((scheme, rest))
            if scheme.chars().all(char::is_alphanumeric) && !rest.contains(' ') =>
        {
            (&value[..=scheme.len()], rest)
        }
        _ => ("", value),
    }
}

/// Returns the values of a request that may come from elsewhere.
pub(crate) fn slots(call: &Call, exchange: &Exchange) -> Vec<(Slot, Value)> {
    let mut slots = Vec::new();
    for (place, part) in call.path.iter().enumerate() {
        if let (Part::Value(_), Some(text)) = (part, exchange.path.get(place)) {
            slots.push((Slot::Path(place), text.as_str().into()));
        }
    }
    for (name, value) in &exchange.query {
        slots.push((Slot::Query(name.clone()), value.as_str().into()));
    }
    for (name, value) in &exchange.headers {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_known = slots
            .iter()
            .any(|(slot, _)| *slot == Slot::Header(name.clone()));
        if !is_of_browser(name) && !is_known && !name.is_empty() && name.chars().all(is_token) {
            let value = if name == "authorization" {
                scheme(value).1
            } else {
                value
            };
            slots.push((Slot::Header(name.clone()), value.into()));
        }
    }
    for (name, value) in exchange
        .cookies
        .iter()
        .filter(|(name, _)| !is_of_load_balancer(name))
    {
        slots.push((Slot::Cookie(name.clone()), value.as_str().into()));
    }
    if let Some(body) = &exchange.body {
        visit(body, &mut |pointer, value| {
            slots.push((Slot::Body(pointer.to_owned()), value.clone()));
        });
    }
    slots
}

/// Returns the name of a slot.
pub(crate) fn name(call: &Call, slot: &Slot) -> String {
    match slot {
        Slot::Path(place) => match &call.path[*place] {
            Part::Value(name) | Part::Text(name) => name.clone(),
        },
        Slot::Query(name) | Slot::Header(name) | Slot::Cookie(name) => name.clone(),
        Slot::Body(pointer) => {
            let mut segments = pointer.rsplit('/');
            let key = segments.find(|segment| !crate::value::is_number(segment));
            unescaped(key.unwrap_or_default())
        }
    }
}

/// Finds where the values of requests come from.
pub(crate) fn find(traffic: &Traffic, roles: &Roles) -> Links {
    let with_role: BTreeMap<usize, RoleName> =
        roles.iter().map(|(role, call)| (*call, *role)).collect();
    match traffic.basis {
        Basis::Recording => by_value(traffic, &with_role),
        Basis::Document => by_name(traffic, &with_role),
    }
}

/// A place where a value was seen.
struct Seen {
    exchange: usize,
    from: Origin,
    is_number: Option<bool>,
}

/// The places where the values of a slot may come from.
type Candidates = BTreeMap<(usize, Origin), Support>;

/// What speaks for a candidate.
struct Support {
    /// How many requests sent a value that was there before.
    requests: usize,
    /// The first exchange that has it.
    first: usize,
    is_number: Option<bool>,
}

fn by_value(traffic: &Traffic, with_role: &BTreeMap<usize, RoleName>) -> Links {
    let seen = origins(traffic);
    let mut call_of = vec![0; traffic.exchanges.len()];
    for (place, call) in traffic.calls.iter().enumerate() {
        for take in &call.takes {
            call_of[*take] = place;
        }
    }
    let mut links = Links::new();
    for (place, call) in traffic.calls.iter().enumerate() {
        let mut support: BTreeMap<Slot, Candidates> = BTreeMap::new();
        let mut distinctive: BTreeSet<Slot> = BTreeSet::new();
        for take in &call.takes {
            for (slot, value) in slots(call, &traffic.exchanges[*take]) {
                let Some(text) = text_of(&value) else {
                    continue;
                };
                // Two equal prices are a coincidence, two equal ids of six digits are not.
                let takes_ids = !matches!(slot, Slot::Query(_) | Slot::Body(_))
                    || is_identifying(&name(call, &slot));
                if is_opaque(&text) || (takes_ids && is_distinctive(&text)) {
                    distinctive.insert(slot.clone());
                }
                let mut counted = BTreeSet::new();
                let all = seen.get(&text).into_iter().flatten();
                for one in all.filter(|one| one.exchange < *take) {
                    let source = (call_of[one.exchange], one.from.clone());
                    if source.0 == place || !counted.insert(source.clone()) {
                        continue;
                    }
                    let of_slot = support.entry(slot.clone()).or_default();
                    let known = of_slot.entry(source).or_insert(Support {
                        requests: 0,
                        first: one.exchange,
                        is_number: one.is_number,
                    });
                    known.requests += 1;
                }
            }
        }
        for (slot, candidates) in support {
            let best = candidates
                .into_iter()
                .filter_map(|((source, from), support)| {
                    let relation = relation(traffic, (call, &slot), (source, &from), with_role);
                    let is_certain = distinctive.contains(&slot);
                    let is_cookie =
                        matches!((&slot, &from), (Slot::Cookie(a), Origin::Cookie(b)) if a == b);
                    let score = relation + if is_certain || is_cookie { 10 } else { 0 };
                    let rank = (support.requests, score, Reverse(support.first));
                    let is_number = support.is_number;
                    (score > 0).then_some((
                        rank,
                        Link {
                            call: source,
                            from,
                            is_number,
                        },
                    ))
                })
                .max_by_key(|(rank, _)| *rank);
            if let Some((_, link)) = best {
                links.insert((place, slot), link);
            }
        }
    }
    links
}

/// Where each value that a request sends was seen in responses, in their order.
fn origins(traffic: &Traffic) -> BTreeMap<String, Vec<Seen>> {
    let mut seen: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for call in &traffic.calls {
        for take in traffic.takes(call) {
            let texts = slots(call, take)
                .into_iter()
                .filter_map(|(_, value)| text_of(&value));
            seen.extend(texts.map(|text| (text, Vec::new())));
        }
    }
    for (exchange, one) in traffic.exchanges.iter().enumerate() {
        let mut add = |text: &str, from: Origin, is_number: Option<bool>| {
            if let Some(known) = seen.get_mut(text)
                && known.len() < ORIGINS_MAX
            {
                known.push(Seen {
                    exchange,
                    from,
                    is_number,
                });
            }
        };
        if let Some(answer) = &one.answer {
            visit(answer, &mut |pointer, value| {
                if let Some(text) = text_of(value) {
                    add(
                        &text,
                        Origin::Json(general(pointer)),
                        Some(value.is_number()),
                    );
                }
            });
        }
        for (name, value) in &one.answer_headers {
            if !is_of_browser(name) {
                add(scheme(value).1, Origin::Header(name.clone()), None);
            }
        }
        for (name, value) in &one.set_cookies {
            add(value, Origin::Cookie(name.clone()), None);
        }
    }
    seen
}

/// How well the names of a slot and of an origin fit; 0 if they do not.
fn relation(
    traffic: &Traffic,
    (call, slot): (&Call, &Slot),
    (source, from): (usize, &Origin),
    with_role: &BTreeMap<usize, RoleName>,
) -> u32 {
    let slot_name = name(call, slot);
    let (pointer, key) = match from {
        Origin::Json(pointer) => {
            let key = pointer.rsplit('/').find(|segment| *segment != "*");
            (pointer.as_str(), key.unwrap_or_default())
        }
        Origin::Header(name) | Origin::Cookie(name) => (name.as_str(), name.as_str()),
    };
    let is_path = matches!(slot, Slot::Path(_));
    let is_header = matches!(slot, Slot::Header(_));
    let is_credential = matches!(slot, Slot::Header(_) | Slot::Cookie(_)) && is_secret(&slot_name);
    let source_words: Vec<_> = [words(pointer), traffic.calls[source].words()].concat();
    let slot_words = words(&slot_name);
    let is_same = words(key) == slot_words;
    let identifies = is_identifying(key);
    let role = with_role.get(&source);
    let logs_in = matches!(role, Some(RoleName::Login | RoleName::Register));
    // Back ends name the same thing differently in different places.
    let (synonyms, is_meant) = match role {
        Some(RoleName::ShowList) => (SHOW, true),
        Some(RoleName::SeatReserve) => (RESERVATION, true),
        _ => (USER, logs_in && any(&words(pointer), USER)),
    };
    let is_synonym = is_meant && any(&slot_words, synonyms);
    let fits = is_synonym || telling(&slot_words).any(|word| source_words.contains(word));
    let lists = matches!(role, Some(RoleName::ShowList | RoleName::SeatList))
        && pointer.contains('*')
        && identifies;
    // A method of payment that is also an element of some list is a choice, and no id.
    let takes_ids =
        is_path || is_header || is_credential || is_identifying(&slot_name) || (lists && fits);
    if !takes_ids {
        return 0;
    }
    let is_issued = is_secret(key) && !key.to_lowercase().contains("refresh");
    let mut score = 0;
    if fits && (identifies || is_same) {
        score += 20;
    }
    // Of the ids of an event, that of its artist is not the one that is meant.
    let is_of_other =
        |word: &String| !slot_words.contains(word) && !synonyms.contains(&word.as_str());
    if telling(&words(key)).any(is_of_other) {
        score = u32::max(score, 6) - 6;
    }
    if is_same && (telling(&slot_words).next().is_some() || traffic.basis == Basis::Recording) {
        score += 10;
    }
    if lists && (is_path || fits) {
        score += 5;
    }
    // The same secret in a response and in a header is no coincidence. In a document, a login is for what names nothing else.
    let names_login = telling(&slot_words).all(|word| LOGIN.contains(&word.as_str()));
    if is_credential && is_issued && (traffic.basis == Basis::Recording || (logs_in && names_login))
    {
        score += 20;
    }
    // What entering the queue returns as a token is what later requests call so.
    if is_same && role == Some(&RoleName::QueueEnter) {
        score += 8;
    }
    if score > 0 && role.is_some() {
        score += 2;
    }
    score
}

/// Finds links by names alone: from the responses of roles that come earlier in a visit.
fn by_name(traffic: &Traffic, with_role: &BTreeMap<usize, RoleName>) -> Links {
    let mut links = Links::new();
    for (&place, &role) in with_role {
        let call = &traffic.calls[place];
        let Some(take) = traffic.takes(call).next() else {
            continue;
        };
        for (slot, _) in slots(call, take) {
            let mut best: Option<(u32, Link)> = None;
            for (&source, _) in with_role.iter().filter(|(_, earlier)| **earlier < role) {
                for answer in traffic
                    .takes(&traffic.calls[source])
                    .filter_map(|take| take.answer.as_ref())
                {
                    visit(answer, &mut |pointer, value| {
                        let from = Origin::Json(general(pointer));
                        let score = relation(traffic, (call, &slot), (source, &from), with_role);
                        let score = score * u32::from(kinds_fit(call, &slot, pointer));
                        if text_of(value).is_some()
                            && score > best.as_ref().map_or(0, |(score, _)| *score)
                        {
                            let is_number = Some(value.is_number());
                            best = Some((
                                score,
                                Link {
                                    call: source,
                                    from,
                                    is_number,
                                },
                            ));
                        }
                    });
                }
            }
            if let Some((_, link)) = best {
                links.insert((place, slot), link);
            }
        }
    }
    links
}

/// Whether both are tokens, or neither is: an id of a session is no token of a queue.
fn kinds_fit(call: &Call, slot: &Slot, pointer: &str) -> bool {
    let is_token = |name: &str| {
        words(name)
            .iter()
            .any(|word| ["token", "jwt", "authorization"].contains(&word.as_str()))
    };
    let key = pointer.rsplit('/').next().unwrap_or_default();
    is_token(&name(call, slot)) == is_token(key)
}
