//! The roles whose responses are lists: where the elements are, and which of them a buyer wants.

use serde_json::Value;
use tiketi_api::RoleName;

use super::Composer;
use crate::draft::{Step, literal, one_or_list, table, text};
use crate::link::{Origin, slots};
use crate::list::{self, List, State};
use crate::traffic::{Basis, escaped, text_of};
use crate::value::{SEAT, SHOW, any, words};

const FREE: &[&str] = &[
    "available",
    "open",
    "free",
    "a",
    "sale",
    "onsale",
    "active",
    "selling",
];
const HELD: &[&str] = &[
    "lock",
    "locked",
    "hold",
    "held",
    "pending",
    "temp",
    "temporary",
    "selected",
    "reserving",
    "h",
];

impl Composer<'_> {
    /// Where the elements of a list are, and the pointer to the id within one.
    pub(super) fn list_place(&self, role: RoleName, place: usize) -> Option<(String, String)> {
        let found = self.lists(role, place).next_back()?;
        let id = format!("/{}", escaped(&found.id));
        Some((found.each, id))
    }

    /// The lists in the responses of a role.
    fn lists(&self, role: RoleName, place: usize) -> impl DoubleEndedIterator<Item = List<'_>> {
        let takes = self
            .call(place)
            .takes
            .iter()
            .map(|take| &self.traffic.exchanges[*take]);
        let takes = takes.filter(|take| (200..300).contains(&take.status));
        takes.filter_map(move |take| list::find(take.answer.as_ref()?, about(role)))
    }

    /// Describes the list of a role.
    pub(super) fn describe_list(&self, role: RoleName, place: usize, step: &mut Step) {
        let Some((each, id)) = self.list_place(role, place) else {
            return;
        };
        let element = if role == RoleName::ShowList {
            "show"
        } else {
            "seat"
        };
        step.keep.push((element.to_owned(), text(&id)));
        let picked = self.picked(place, &each, &id);
        let state = self.state(role, place, picked.as_deref());
        step.each = Some(each);
        let tells = state.as_ref().is_some_and(|state| state.values.len() > 1);
        if role == RoleName::ShowList && !tells {
            self.prefer_number(role, place, picked.as_deref(), step);
            return;
        }
        let Some(state) = state else {
            if role == RoleName::SeatList {
                let question = "Which value of a seat says that it is free? None was found: all of them are taken as free.";
                step.questions.push(question.to_owned());
            }
            return;
        };
        let pointer = format!("/{}", escaped(&state.key));
        let reads = |value: &Value, of: &[&str]| match value {
            Value::String(text) => any(&words(&text.to_lowercase()), of),
            _ => false,
        };
        let by_words = || {
            let free = state.values.iter().find(|value| reads(value, FREE));
            free.cloned().or_else(|| flag_of_free(&state))
        };
        let wanted = state.of_picked.clone().or_else(by_words);
        if role == RoleName::ShowList {
            step.prefer
                .extend(wanted.map(|wanted| (pointer, literal(&wanted))));
            return;
        }
        match wanted {
            Some(wanted) => step.free.push((pointer.clone(), literal(&wanted))),
            None => {
                let values: Vec<_> = state.values.iter().map(Value::to_string).collect();
                let values = values.join(", ");
                step.questions.push(format!(
                    "Which of these means that a seat is free: `{}` = {values}?",
                    state.key
                ));
            }
        }
        let held: Vec<_> = state
            .values
            .iter()
            .filter(|value| reads(value, HELD))
            .cloned()
            .collect();
        if !held.is_empty() {
            step.held.push((pointer, one_or_list(&held)));
        }
    }

    /// Prefers elements of which something is left.
    fn prefer_number(&self, role: RoleName, place: usize, picked: Option<&str>, step: &mut Step) {
        const LEFT: [&str; 7] = [
            "left",
            "remaining",
            "remain",
            "available",
            "stock",
            "vacant",
            "vacancy",
        ];
        let Some(found) = self.lists(role, place).next_back() else {
            return;
        };
        let has_id = |element: &&&serde_json::Map<String, Value>| {
            element.get(&found.id).and_then(text_of).as_deref() == picked
        };
        let chosen = found
            .elements
            .iter()
            .find(has_id)
            .or(found.elements.first());
        let left = chosen.and_then(|element| {
            let mut numbers = element
                .iter()
                .filter(|(_, value)| value.as_f64().is_some_and(|number| number > 0.0));
            numbers.find(|(key, _)| any(&words(key), &LEFT))
        });
        if let Some((key, _)) = left {
            let above = table([("above".to_owned(), literal(&0.into()))]);
            step.prefer.push((format!("/{}", escaped(key)), above));
        } else if picked.is_some() && found.elements.first().is_some_and(|first| !has_id(&first)) {
            let question = "Which show do buyers want? The recorded visit did not take the first: name it as `target.show`.";
            step.questions.push(question.to_owned());
        }
    }

    /// The id of the element that a later request names; `None` if there was no visit.
    fn picked(&self, place: usize, each: &str, id: &str) -> Option<String> {
        if self.traffic.basis == Basis::Document {
            return None;
        }
        let from = Origin::Json(format!("{each}{id}"));
        let linked = self
            .links
            .iter()
            .filter(|(_, link)| link.call == place && link.from == from);
        let mut picked = linked.filter_map(|((call, slot), _)| {
            let take = self.take(*call);
            let all = slots(self.call(*call), take);
            let value = all.into_iter().find(|(one, _)| one == slot)?.1;
            Some((call, text_of(&value)?))
        });
        let first = picked.next();
        first.map(|(_, text)| text)
    }

    /// What says whether an element is free, with that of the element that was picked when it was picked.
    fn state(&self, role: RoleName, place: usize, picked: Option<&str>) -> Option<State> {
        let mut all: Option<State> = None;
        for found in self.lists(role, place) {
            let Some(state) = list::state_key(&found, picked) else {
                continue;
            };
            match &mut all {
                Some(all) if all.key == state.key => {
                    for value in state.values {
                        if !all.values.contains(&value) {
                            all.values.push(value);
                        }
                    }
                    if all.of_picked.is_none() {
                        all.of_picked = state.of_picked;
                    }
                }
                Some(_) => {}
                None => all = Some(state),
            }
        }
        all
    }
}

/// What the elements of a list are called.
const fn about(role: RoleName) -> &'static [&'static str] {
    match role {
        RoleName::SeatList => SEAT,
        _ => SHOW,
    }
}

/// The flag that says that something is free, by the name of its key.
fn flag_of_free(state: &State) -> Option<Value> {
    if !state.values.iter().all(Value::is_boolean) {
        return None;
    }
    let says_free = any(&words(&state.key), &["available", "free", "open"]);
    Some(Value::Bool(says_free))
}
