//! Composes a mapping: a step for each call that has a role or gives a value that one needs, and the variables between them.

mod extra;
mod fill;
mod listed;
mod shared;
mod variable;

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tiketi_api::{Node, RoleName, Tree};

use crate::draft::{Parts, Step, list, secrets, table, text, tree};
use crate::link::{Links, Slot, slots};
use crate::meaning::{Scene, queue_state};
use crate::role::Roles;
use crate::traffic::{Basis, Call, Exchange, Part, Traffic};
use crate::value::words;
use extra::moment;
use fill::Filled;
use shared::{set_base, share_headers};
use variable::Variables;

/// Characters that a path may have as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The order of a visit.
const ORDER: [RoleName; 14] = [
    RoleName::Register,
    RoleName::Login,
    RoleName::Setup,
    RoleName::ShowList,
    RoleName::ShowDetail,
    RoleName::QueueEnter,
    RoleName::QueueStatus,
    RoleName::Heartbeat,
    RoleName::SeatList,
    RoleName::SeatReserve,
    RoleName::Payment,
    RoleName::Confirm,
    RoleName::Cancel,
    RoleName::QueueLeave,
];

/// What a mapping is composed from.
pub(super) struct Composer<'t> {
    traffic: &'t Traffic,
    roles: &'t Roles,
    links: &'t Links,
    role_of: BTreeMap<usize, RoleName>,
    /// The call that asks for the result of a hold.
    poll: Option<usize>,
    secrets: Vec<String>,
    variables: Variables,
    /// Questions of the step that is composed.
    questions: Vec<String>,
    notes: BTreeSet<String>,
    /// What a recorded token claims that no login gave.
    claims: Option<fill::Claims>,
}

/// Composes a mapping.
pub(crate) fn compose(traffic: &Traffic, roles: &Roles, links: &Links, name: &str) -> Parts {
    let mut composer = Composer {
        traffic,
        roles,
        links,
        role_of: roles.iter().map(|(role, call)| (*call, *role)).collect(),
        poll: None,
        secrets: secrets(traffic),
        variables: Variables::default(),
        questions: Vec::new(),
        notes: BTreeSet::new(),
        claims: None,
    };
    composer.poll = composer.find_poll();
    composer.name_known();
    let mut parts = Parts {
        name: format!("{name} 1"),
        head: traffic.notes.clone(),
        pushes_tiketi: traffic.speaks_tiketi,
        ..Parts::default()
    };
    let extra = composer.extra_calls();
    let queue = queue_state(traffic, roles);
    for role in ORDER {
        for (table, place) in extra
            .iter()
            .filter(|(table, _)| moment(role).is_some_and(|moment| table.starts_with(moment)))
        {
            let mut step = composer.step(table.clone(), *place);
            step.notes.push(format!(
                "{}. Its response gives a value that another request needs.",
                composer.summary(*place)
            ));
            parts.steps.push(step);
        }
        let Some(&place) = roles.get(&role) else {
            continue;
        };
        let step = composer.role_step(role, place, queue.clone());
        parts.steps.push(step);
    }
    composer.complete(&mut parts);
    share_headers(&mut parts);
    set_base(&mut parts);
    composer.mention_rest(&extra, &mut parts);
    parts
}

impl Composer<'_> {
    fn call(&self, place: usize) -> &Call {
        &self.traffic.calls[place]
    }

    /// The request that stands for a call: the last one that succeeded.
    fn take(&self, place: usize) -> &Exchange {
        let takes: Vec<_> = self.traffic.takes(self.call(place)).collect();
        let succeeded = takes
            .iter()
            .rev()
            .find(|take| (200..300).contains(&take.status));
        succeeded.copied().unwrap_or(takes[takes.len() - 1])
    }

    /// A step with its request, and nothing about its responses.
    fn step(&mut self, table: String, place: usize) -> Step {
        let take = self.take(place).clone();
        let path = self.path(place, &take);
        let mut step = Step {
            table,
            place: Some(place),
            call: format!("{} {path}", take.method),
            ..Step::default()
        };
        for (name, value) in &take.query {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~[]".contains(c);
            if name.is_empty()
                || !name.chars().all(is_plain)
                || step.query.iter().any(|(known, _)| known == name)
            {
                self.questions.push(format!("How is the parameter `{name}` of the query sent? It is repeated or has a name that a mapping cannot write."));
                continue;
            }
            if value.is_empty() {
                step.query.push((name.clone(), text("")));
                continue;
            }
            let slot = Slot::Query(name.clone());
            let filled = self.fill(place, &slot, &value.as_str().into());
            step.query
                .extend(written(filled).map(|value| (name.clone(), value)));
        }
        let mut cookies = Vec::new();
        for (slot, value) in slots(self.call(place), &take) {
            match &slot {
                Slot::Header(name) => {
                    let filled = self.fill(place, &slot, &value);
                    let scheme = take.headers.iter().find(|(one, _)| one == name);
                    let scheme = scheme.map_or("", |(_, value)| crate::link::scheme(value).0);
                    let scheme = if name == "authorization" { scheme } else { "" };
                    if let Filled::Template(template) | Filled::Typed(template, _) = filled {
                        step.headers
                            .push((name.clone(), text(&format!("{scheme}{template}"))));
                    }
                }
                Slot::Cookie(name) => {
                    if let Filled::Template(template) = self.fill(place, &slot, &value) {
                        cookies.push(format!("{name}={template}"));
                    }
                }
                Slot::Path(_) | Slot::Query(_) | Slot::Body(_) => {}
            }
        }
        if !cookies.is_empty() {
            step.headers
                .push(("cookie".to_owned(), text(&cookies.join("; "))));
        }
        if let Some(body) = &take.body {
            step.body = self.body(place, body, "");
        }
        if let Some(other) = &take.other_body {
            let kind = other.split(';').next().unwrap_or_default();
            self.questions.push(format!(
                "Does the back end take JSON, too? The body is {kind}, and a mapping sends JSON."
            ));
        }
        step.questions = std::mem::take(&mut self.questions);
        step
    }

    fn path(&mut self, place: usize, take: &Exchange) -> String {
        let parts = self.call(place).path.clone();
        let mut path = String::new();
        for (at, part) in parts.iter().enumerate() {
            path.push('/');
            match part {
                Part::Text(text) => path.extend(utf8_percent_encode(text, PATH)),
                Part::Value(_) => {
                    let value = take.path.get(at).cloned().unwrap_or_default();
                    match self.fill(place, &Slot::Path(at), &value.as_str().into()) {
                        Filled::Template(template) | Filled::Typed(template, _) => {
                            path.push_str(&template);
                        }
                        Filled::Literal | Filled::Nothing => {
                            path.extend(utf8_percent_encode(&value, PATH));
                        }
                    }
                }
            }
        }
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    }

    /// The body as a template. What is `null` is left out: TOML has no such value.
    fn body(&mut self, place: usize, value: &Value, pointer: &str) -> Option<Tree> {
        Some(match value {
            Value::Null => return None,
            Value::Array(all) => {
                let mut values = Vec::new();
                for (at, value) in all.iter().enumerate() {
                    values.extend(self.body(place, value, &format!("{pointer}/{at}")));
                }
                list(values)
            }
            Value::Object(map) => {
                let mut entries = Vec::new();
                for (key, value) in map {
                    let pointer = format!("{pointer}/{}", crate::traffic::escaped(key));
                    entries.extend(
                        self.body(place, value, &pointer)
                            .map(|value| (key.clone(), value)),
                    );
                }
                table(entries)
            }
            Value::Bool(flag) => tree(Node::Flag(*flag)),
            Value::Number(_) | Value::String(_) => {
                match self.fill(place, &Slot::Body(pointer.to_owned()), value) {
                    Filled::Template(template) => text(&template),
                    Filled::Typed(template, kind) => {
                        text(&format!("{}:{kind}}}", template.trim_end_matches('}')))
                    }
                    Filled::Literal => match value {
                        Value::String(string) => {
                            text(&string.replace('{', "{{").replace('}', "}}"))
                        }
                        _ => crate::draft::literal(value),
                    },
                    Filled::Nothing => return None,
                }
            }
        })
    }

    /// A step of a role, with what is done with its responses.
    fn role_step(
        &mut self,
        role: RoleName,
        place: usize,
        queue: Option<crate::meaning::QueueState>,
    ) -> Step {
        let mut step = self.step(role.name().to_owned(), place);
        step.notes.push(format!("{}.", self.summary(place)));
        let poll = self.poll.filter(|_| role == RoleName::SeatReserve);
        let scene = Scene {
            traffic: self.traffic,
            roles: self.roles,
            secrets: &self.secrets,
            queue,
        };
        let mut meant = scene.rows(role, place, poll.is_some());
        let result = poll.map(|poll| scene.result_rows(poll));
        step.rows.append(&mut meant.rows);
        step.questions.append(&mut meant.questions);
        if let (Some(poll), Some(result)) = (poll, result) {
            let mut asks = self.step(format!("{}.poll", role.name()), poll);
            asks.rows = result.rows;
            asks.questions.extend(result.questions);
            asks.poll_after = self.poll_after(poll);
            step.poll = Some(Box::new(asks));
        }
        if [RoleName::QueueEnter, RoleName::QueueStatus].contains(&role) {
            step.poll_after = self.poll_after(place);
        }
        match role {
            RoleName::ShowList | RoleName::SeatList => self.describe_list(role, place, &mut step),
            RoleName::Register => {
                let question = "Are the accounts there already? Then remove this table.";
                step.questions.push(question.to_owned());
            }
            _ => {}
        }
        step
    }

    fn summary(&self, place: usize) -> String {
        let call = self.call(place);
        let statuses: Vec<_> = self
            .traffic
            .statuses(call)
            .iter()
            .map(u16::to_string)
            .collect();
        let statuses = statuses.join(", ");
        match (self.traffic.basis, call.takes.len()) {
            (Basis::Recording, 1) => format!("{}, sent once: {statuses}", call.shown()),
            (Basis::Recording, count) => {
                format!("{}, sent {count} times: {statuses}", call.shown())
            }
            (Basis::Document, _) => format!("{}: {statuses}", call.shown()),
        }
    }

    /// Where a response says when to ask again.
    fn poll_after(&self, place: usize) -> Option<Tree> {
        let takes: Vec<_> = self.traffic.takes(self.call(place)).collect();
        let retries = |take: &&Exchange| {
            take.answer_headers
                .iter()
                .any(|(name, _)| name == "retry-after")
        };
        if takes.iter().any(|take| take.status < 300 && retries(take)) {
            return Some(text("header:retry-after"));
        }
        let mut found = None;
        for answer in takes.iter().filter_map(|take| take.answer.as_ref()) {
            crate::traffic::visit(answer, &mut |pointer, value| {
                let words = words(pointer.rsplit('/').next().unwrap_or_default());
                let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
                let asks = has(&["poll", "polling", "retry", "refresh"])
                    && has(&["after", "interval", "in", "delay", "next"]);
                if let Some(number) = value.as_f64().filter(|_| asks && found.is_none()) {
                    let is_ms = has(&["m", "ms", "milli", "millisecond"]) || number >= 200.0;
                    found = Some((pointer.to_owned(), is_ms));
                }
            });
        }
        let (pointer, is_ms) = found?;
        if !is_ms {
            return Some(text(&pointer));
        }
        Some(table([
            ("from".to_owned(), text(&pointer)),
            ("unit".to_owned(), text("ms")),
        ]))
    }

    /// Adds what responses give to other steps, and what no step says.
    fn complete(&mut self, parts: &mut Parts) {
        for (place, name, from) in self.variables.kept() {
            let mut steps = parts.steps.iter_mut().flat_map(|step| {
                let Step {
                    place, keep, poll, ..
                } = step;
                let poll = poll.as_deref_mut().map(|poll| (poll.place, &mut poll.keep));
                std::iter::once((*place, keep)).chain(poll)
            });
            let found = steps.find(|(one, _)| *one == Some(place));
            if let Some((_, keep)) = found
                && !keep.iter().any(|(known, _)| *known == name)
            {
                keep.push((name, text(&from)));
            }
        }
        if !self.roles.contains_key(&RoleName::Payment)
            && !self.roles.contains_key(&RoleName::Confirm)
        {
            parts.steps.push(Step {
                table: RoleName::Payment.name().to_owned(),
                call: "POST /PAYMENT".to_owned(),
                rows: vec![crate::draft::Row {
                    conditions: vec![crate::draft::statuses(&[])],
                    meaning: tiketi_api::Meaning::Paid,
                }],
                questions: vec![
                    "Which request pays? None was found, and this one is a placeholder.".to_owned(),
                ],
                ..Step::default()
            });
        }
        if !self.roles.contains_key(&RoleName::QueueEnter) {
            let question = "Is there a queue? No request of one was found: buyers of this mapping choose a seat at once.";
            parts.questions.push(question.to_owned());
        }
        if self.variables.uses_show() && !self.roles.contains_key(&RoleName::ShowList) {
            let question = "Which request lists the shows? None was found: name the show as `target.show` in the scenario.";
            parts.questions.push(question.to_owned());
        }
        if let Some(claims) = self.claims.take().filter(|claims| claims.user.is_some()) {
            if !claims.others.is_empty() {
                let others = claims.others.join(", ");
                parts.questions.push(format!(
                    "Does a generated token need these claims of the recorded one, too: {others}?"
                ));
            }
            parts.claims = claims.stated;
            parts.user_claim = claims.user;
        }
        parts.questions.extend(std::mem::take(&mut self.notes));
    }

    /// Names the calls that are in no step.
    fn mention_rest(&self, extra: &[(String, usize)], parts: &mut Parts) {
        /// More would hide the mapping.
        const MENTIONED_MAX: usize = 24;
        let Some(origin) = self
            .roles
            .values()
            .next()
            .map(|place| &self.call(*place).origin)
        else {
            return;
        };
        let is_used = |place: &usize| {
            self.role_of.contains_key(place)
                || Some(*place) == self.poll
                || extra.iter().any(|(_, one)| one == place)
        };
        let rest = (0..self.traffic.calls.len()).filter(|place| !is_used(place));
        let rest = rest.filter(|place| self.call(*place).origin == *origin);
        let rest: Vec<_> = rest.map(|place| self.summary(place)).collect();
        if rest.is_empty() {
            return;
        }
        parts.head.push("Not in the mapping. A request that buyers need becomes a step such as `[before_queue.terms]`:".to_owned());
        let more = rest.len().saturating_sub(MENTIONED_MAX);
        parts.head.extend(
            rest.iter()
                .take(MENTIONED_MAX)
                .map(|line| format!("  {line}")),
        );
        if more > 0 {
            parts.head.push(format!("  and {more} more"));
        }
    }
}

/// A value of a query.
fn written(filled: Filled) -> Option<Tree> {
    match filled {
        Filled::Template(template) | Filled::Typed(template, _) => Some(text(&template)),
        Filled::Literal | Filled::Nothing => None,
    }
}
