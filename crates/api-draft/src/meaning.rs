//! What responses mean: which value tells a waiting buyer from an admitted one, which status is a refusal.

use serde_json::Value;
use tiketi_api::{Meaning, RoleName};

use crate::draft::{Row, literal, one_or_list, shown, statuses};
use crate::list;
use crate::role::Roles;
use crate::traffic::{Basis, Call, Traffic, visit};
use crate::value::{any, is_opaque, words};

/// Longest text that can be a state.
const STATE_CHARACTERS_MAX: usize = 24;

/// A placeholder that no response has, where the right pointer is unknown.
pub(crate) const UNKNOWN: &str = "/ADMITTED";

const WAITING: &[&str] = &["wait", "waiting", "queue", "queued", "pending", "standby"];
const ADMITTED: &[&str] = &[
    "active", "admit", "admitted", "allow", "allowed", "pas", "pass", "passed", "ready", "enter",
    "entered", "granted", "turn", "eligible", "proceed",
];
const PAID: &[&str] = &[
    "paid",
    "success",
    "succeeded",
    "complete",
    "completed",
    "confirmed",
    "approved",
    "done",
    "captured",
];

/// What tells a waiting buyer from an admitted one.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueueState {
    pub(crate) pointer: String,
    pub(crate) admitted: Vec<Value>,
    pub(crate) queued: Vec<Value>,
    /// A place in the queue: 0 when admitted.
    pub(crate) is_position: bool,
}

/// Rows of a role, and what is not known about them.
#[derive(Debug, Default)]
pub(crate) struct Meant {
    pub(crate) rows: Vec<Row>,
    pub(crate) questions: Vec<String>,
}

/// A view of the traffic for questions.
pub(crate) struct Scene<'t> {
    pub(crate) traffic: &'t Traffic,
    pub(crate) roles: &'t Roles,
    pub(crate) secrets: &'t [String],
    pub(crate) queue: Option<QueueState>,
}

/// Whether a value says that the buyer is admitted, as far as words tell.
fn reads(key: &str, value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => {
            let key = words(key);
            if any(&key, WAITING) {
                Some(!flag)
            } else {
                any(&key, ADMITTED).then_some(*flag)
            }
        }
        Value::String(text) => {
            let text = words(&text.to_lowercase());
            if any(&text, WAITING) {
                Some(false)
            } else {
                any(&text, ADMITTED).then_some(true)
            }
        }
        _ => None,
    }
}

fn is_state(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::String(text) => {
            text.chars().count() <= STATE_CHARACTERS_MAX
                && !is_opaque(text)
                && text.chars().all(|c| c.is_alphabetic() || " _-".contains(c))
        }
        _ => false,
    }
}

fn is_position(key: &str, value: &Value) -> bool {
    let names = ["position", "rank", "ahead", "order", "remaining", "place"];
    value.is_number() && any(&words(key), &names)
}

fn key_of(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or_default()
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn answers<'t>(traffic: &'t Traffic, call: &'t Call) -> Vec<&'t Value> {
    let takes = traffic.takes(call).filter(|take| is_success(take.status));
    takes.filter_map(|take| take.answer.as_ref()).collect()
}

/// Finds what tells a waiting buyer from an admitted one.
pub(crate) fn queue_state(traffic: &Traffic, roles: &Roles) -> Option<QueueState> {
    let of = |role| {
        let call = roles.get(&role).map(|place| &traffic.calls[*place]);
        call.map_or_else(Vec::new, |call| answers(traffic, call))
    };
    let (polls, entries) = (of(RoleName::QueueStatus), of(RoleName::QueueEnter));
    let from_sequence = match traffic.basis {
        Basis::Recording => last_differs(&polls),
        Basis::Document => None,
    };
    from_sequence
        .or_else(|| by_words(&polls))
        .or_else(|| by_words(&entries))
}

/// The value of the last poll that no earlier one had: after it, the buyer went on.
fn last_differs(polls: &[&Value]) -> Option<QueueState> {
    let (last, earlier) = polls.split_last()?;
    if earlier.is_empty() {
        return None;
    }
    let mut best: Option<(u32, QueueState)> = None;
    visit(last, &mut |pointer, value| {
        let key = key_of(pointer);
        let is_position = is_position(key, value);
        if !is_position && !is_state(value) {
            return;
        }
        let mut before: Vec<Value> = Vec::new();
        for poll in earlier {
            match poll.pointer(pointer) {
                Some(one) if !before.contains(one) => before.push(one.clone()),
                _ => {}
            }
        }
        // Without it, the earlier polls have another form, and cannot be compared.
        if before.is_empty() || before.contains(value) || reads(key, value) == Some(false) {
            return;
        }
        let is_zero = value.as_f64().is_some_and(|number| number <= 0.0);
        if is_position && !is_zero {
            return;
        }
        let score = if is_position {
            1
        } else {
            2 + 2 * u32::from(reads(key, value).is_some())
        };
        if score > best.as_ref().map_or(0, |(score, _)| *score) {
            let state = QueueState {
                pointer: pointer.to_owned(),
                admitted: vec![value.clone()],
                queued: before,
                is_position,
            };
            best = Some((score, state));
        }
    });
    best.map(|(_, state)| state)
}

/// The value whose name or words say whether the buyer waits.
fn by_words(answers: &[&Value]) -> Option<QueueState> {
    let mut found: Vec<QueueState> = Vec::new();
    for answer in answers {
        visit(answer, &mut |pointer, value| {
            let Some(is_admitted) = is_state(value)
                .then(|| reads(key_of(pointer), value))
                .flatten()
            else {
                return;
            };
            let place = found.iter().position(|state| state.pointer == pointer);
            let place = place.unwrap_or_else(|| {
                let pointer = pointer.to_owned();
                found.push(QueueState {
                    pointer,
                    ..QueueState::default()
                });
                found.len() - 1
            });
            let state = &mut found[place];
            let values = if is_admitted {
                &mut state.admitted
            } else {
                &mut state.queued
            };
            if !values.contains(value) {
                values.push(value.clone());
            }
        });
    }
    let known = |state: &QueueState| {
        usize::from(!state.admitted.is_empty()) + usize::from(!state.queued.is_empty())
    };
    let best = found.iter().map(known).max()?;
    let mut state = found.into_iter().find(|state| known(state) == best)?;
    // Of a flag, the other value is the other meaning.
    for (one, other) in [(true, false), (false, true)] {
        if state.queued.is_empty() && state.admitted == [Value::Bool(one)] {
            state.queued.push(Value::Bool(other));
        }
        if state.admitted.is_empty() && state.queued == [Value::Bool(one)] {
            state.admitted.push(Value::Bool(other));
        }
    }
    Some(state)
}

impl Scene<'_> {
    fn call(&self, place: usize) -> &Call {
        &self.traffic.calls[place]
    }

    fn seen(&self, call: &Call, fits: impl Fn(u16) -> bool) -> Vec<u16> {
        let statuses = self.traffic.statuses(call);
        statuses
            .into_iter()
            .filter(|status| fits(*status))
            .collect()
    }

    /// The responses of a call as they may be shown, each form once.
    fn examples(&self, call: &Call, fits: impl Fn(u16) -> bool) -> String {
        const EXAMPLES_MAX: usize = 3;
        let mut shown_ones: Vec<String> = Vec::new();
        // The last ones: by then the buyer may have been admitted.
        for take in call
            .takes
            .iter()
            .rev()
            .map(|take| &self.traffic.exchanges[*take])
            .filter(|take| fits(take.status))
        {
            let example = shown(take.status, take.answer.as_ref(), self.secrets);
            if shown_ones.len() < EXAMPLES_MAX && !shown_ones.contains(&example) {
                shown_ones.push(example);
            }
        }
        shown_ones.reverse();
        let word = match self.traffic.basis {
            Basis::Recording => "Seen",
            Basis::Document => "Documented",
        };
        format!("{word}: {}", shown_ones.join(" · "))
    }

    /// Returns the rows of a role.
    pub(crate) fn rows(&self, role: RoleName, place: usize, polls_later: bool) -> Meant {
        let call = self.call(place);
        let mut meant = match role {
            RoleName::QueueEnter | RoleName::QueueStatus => self.queue_rows(role, call),
            RoleName::SeatReserve => self.hold_rows(call, polls_later),
            RoleName::Payment if self.roles.contains_key(&RoleName::Confirm) => {
                let done = row([statuses(&self.seen(call, is_success))], Meaning::Done);
                self.with_refusals(
                    Meant {
                        rows: vec![done],
                        questions: Vec::new(),
                    },
                    call,
                    "the payment cannot start",
                )
            }
            RoleName::Payment | RoleName::Confirm => {
                let paid = self.paid_row(call);
                self.with_refusals(
                    Meant {
                        rows: vec![paid],
                        questions: Vec::new(),
                    },
                    call,
                    "the payment is refused",
                )
            }
            RoleName::Register
            | RoleName::Login
            | RoleName::Setup
            | RoleName::ShowList
            | RoleName::ShowDetail
            | RoleName::Heartbeat
            | RoleName::QueueLeave
            | RoleName::SeatList
            | RoleName::Cancel => Meant::default(),
        };
        if !meant.rows.is_empty() && self.traffic.statuses(call).contains(&429) {
            meant.rows.push(row([statuses(&[429])], Meaning::ComeBack));
        }
        meant
    }

    fn queue_rows(&self, role: RoleName, call: &Call) -> Meant {
        let mut meant = Meant::default();
        let ok = self.seen(call, is_success);
        let answers = answers(self.traffic, call);
        let has = |pointer: &str| {
            answers
                .iter()
                .any(|answer| list::at(answer, pointer).is_some())
        };
        let state = self.queue.as_ref().filter(|state| has(&state.pointer));
        let can_wait =
            self.roles.contains_key(&RoleName::QueueStatus) || self.traffic.speaks_tiketi;
        let condition = |values: &[Value], state: &QueueState| {
            let value = if state.is_position {
                crate::draft::table([("at_most".to_owned(), literal(&values[0]))])
            } else {
                one_or_list(values)
            };
            (state.pointer.clone(), value)
        };
        match state {
            Some(state) if !state.admitted.is_empty() => {
                meant.rows.push(row(
                    [statuses(&ok), condition(&state.admitted, state)],
                    Meaning::Admitted,
                ));
                if state.is_position {
                    meant.rows.push(row([statuses(&ok)], Meaning::Queued));
                } else if state.queued.is_empty() {
                    meant.rows.push(row([statuses(&ok)], Meaning::Queued));
                    let question = "Which response means that the buyer waits? None was seen: any other success is taken as that.";
                    meant.questions.push(question.to_owned());
                } else {
                    let queued = (state.pointer.clone(), one_or_list(&state.queued));
                    meant
                        .rows
                        .push(row([statuses(&ok), queued], Meaning::Queued));
                }
            }
            _ if role == RoleName::QueueEnter && self.queue.is_some() && can_wait => {
                meant.rows.push(row([statuses(&ok)], Meaning::Queued));
                let question = "Can this response mean that the buyer is admitted at once? It is taken as queued.";
                meant
                    .questions
                    .push(format!("{question} {}", self.examples(call, is_success)));
            }
            _ => {
                let question = format!(
                    "Which response means that the buyer is admitted? {}",
                    self.examples(call, is_success)
                );
                meant.questions.push(question);
                let unknown = "Replace the placeholder in the row for `admitted` with a condition on such a response.";
                meant.questions.push(unknown.to_owned());
                let placeholder = (UNKNOWN.to_owned(), literal(&Value::Bool(true)));
                meant
                    .rows
                    .push(row([statuses(&ok), placeholder], Meaning::Admitted));
                meant.rows.push(row([statuses(&ok)], Meaning::Queued));
            }
        }
        if role == RoleName::QueueEnter && !can_wait {
            // Nothing would ever admit a buyer who waits.
            meant.rows.retain(|row| row.meaning != Meaning::Queued);
            if self.queue.is_none() {
                meant.rows = vec![row([statuses(&ok)], Meaning::Admitted)];
            }
            let question = "How does a waiting buyer learn of the admission? No request asks for the place in the queue.";
            meant.questions.push(question.to_owned());
        }
        let gone = self.seen(call, |status| [401, 403, 404, 410].contains(&status));
        if role == RoleName::QueueStatus && !gone.is_empty() {
            meant.rows.push(row([statuses(&gone)], Meaning::Dropped));
            meant
                .questions
                .push("Does this status mean that the place in the queue is lost?".to_owned());
        }
        meant
    }

    fn hold_rows(&self, call: &Call, polls_later: bool) -> Meant {
        let mut meant = Meant::default();
        let held = self.seen(call, |status| {
            is_success(status) && !(polls_later && status == 202)
        });
        if polls_later {
            meant
                .rows
                .push(row([statuses(&[202])], Meaning::AcceptedPollLater));
        }
        if !polls_later || !held.is_empty() {
            meant.rows.insert(0, row([statuses(&held)], Meaning::Held));
        }
        let refused = self.seen(call, |status| {
            (400..500).contains(&status) && ![401, 429].contains(&status)
        });
        if refused.is_empty() {
            let question = "Which response means that another buyer has the seat? None was seen; 409 is assumed.";
            meant.questions.push(question.to_owned());
            meant.rows.push(row([statuses(&[409])], Meaning::Taken));
        } else {
            meant.rows.push(row([statuses(&refused)], Meaning::Taken));
            meant.questions.push(format!(
                "Does one of these mean that everything is sold, or something else than \"taken\"? {}",
                self.examples(call, |status| refused.contains(&status))
            ));
        }
        meant
    }

    fn paid_row(&self, call: &Call) -> Row {
        let mut conditions = vec![statuses(&self.seen(call, is_success))];
        let mut found: Option<(u32, (String, tiketi_api::Tree))> = None;
        for answer in answers(self.traffic, call) {
            visit(answer, &mut |pointer, value| {
                let key = words(key_of(pointer));
                let score = match value {
                    Value::Bool(true) if any(&key, PAID) => 2,
                    Value::String(text)
                        if any(&key, &["status", "state", "result"])
                            && any(&words(&text.to_lowercase()), PAID) =>
                    {
                        1
                    }
                    _ => 0,
                };
                let is_near = pointer.matches('/').count() <= 2;
                if is_near && score > found.as_ref().map_or(0, |(score, _)| *score) {
                    found = Some((score, (pointer.to_owned(), literal(value))));
                }
            });
        }
        conditions.extend(found.map(|(_, condition)| condition));
        row(conditions, Meaning::Paid)
    }

    fn with_refusals(&self, mut meant: Meant, call: &Call, what: &str) -> Meant {
        let refused = self.seen(call, |status| {
            (400..500).contains(&status) && ![401, 429].contains(&status)
        });
        if refused.is_empty() {
            meant.questions.push(format!(
                "Which response means that {what}? None was seen; 402 and 409 are assumed."
            ));
            meant
                .rows
                .push(row([statuses(&[402, 409])], Meaning::Refused));
        } else {
            meant.rows.push(row([statuses(&refused)], Meaning::Refused));
        }
        meant
    }

    /// Returns the rows of the request that asks for the result of a hold.
    pub(crate) fn result_rows(&self, place: usize) -> Meant {
        let call = self.call(place);
        let ok = self.seen(call, is_success);
        let answers = answers(self.traffic, call);
        let mut meant = Meant::default();
        match last_differs(&answers) {
            Some(state) if !state.is_position => {
                let held = (state.pointer.clone(), one_or_list(&state.admitted));
                let pending = (state.pointer.clone(), one_or_list(&state.queued));
                meant.rows.push(row([statuses(&ok), held], Meaning::Held));
                meant
                    .rows
                    .push(row([statuses(&ok), pending], Meaning::AcceptedPollLater));
            }
            _ => {
                meant.questions.push(format!(
                    "Which response means that the seat is held? {}",
                    self.examples(call, is_success)
                ));
                meant.rows.push(row([statuses(&ok)], Meaning::Held));
            }
        }
        let refused = self.seen(call, |status| {
            (400..500).contains(&status) && ![401, 429].contains(&status)
        });
        if !refused.is_empty() {
            meant.rows.push(row([statuses(&refused)], Meaning::SoldOut));
        }
        meant
            .questions
            .push("Which response means that there is nothing left?".to_owned());
        meant
    }
}

fn row(conditions: impl IntoIterator<Item = (String, tiketi_api::Tree)>, meaning: Meaning) -> Row {
    Row {
        conditions: conditions.into_iter().collect(),
        meaning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_poll_differs_in_the_value_that_counts() {
        let polls = [
            json!({"queued": true, "position": 7, "note": "hang on"}),
            json!({"queued": true, "position": 2, "note": "hang on"}),
            json!({"queued": false, "position": 0, "note": "go"}),
        ];
        let state = last_differs(&polls.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(state.pointer, "/queued");
        assert_eq!(
            (state.admitted, state.queued),
            (vec![json!(false)], vec![json!(true)])
        );
        let polls = [json!({"ahead": 3}), json!({"ahead": 0})];
        assert!(
            last_differs(&polls.iter().collect::<Vec<_>>())
                .unwrap()
                .is_position
        );
    }

    #[test]
    fn words_tell_without_a_sequence() {
        let state = by_words(&[&json!({"data": {"status": "WAITING"}})]).unwrap();
        assert_eq!(state.queued, [json!("WAITING")]);
        assert!(state.admitted.is_empty());
        let state = by_words(&[&json!({"canEnter": false})]).unwrap();
        assert_eq!(
            (state.admitted, state.queued),
            (vec![json!(true)], vec![json!(false)])
        );
        assert!(by_words(&[&json!({"message": "hello"})]).is_none());
    }
}
