//! Variables of a mapping: which value of which response each one keeps.

use std::collections::BTreeMap;

use tiketi_api::RoleName;

use super::Composer;
use crate::link::Origin;
use crate::list;
use crate::traffic::unescaped;
use crate::value::{RESERVATION, any, is_identifying, is_secret, snake, telling, words};

/// Names that have a meaning of their own.
const BUILTIN: [&str; 6] = ["show", "seat", "reservation", "user", "email", "token"];

/// The variables so far.
#[derive(Debug, Default)]
pub(super) struct Variables {
    names: BTreeMap<(usize, Origin), String>,
    uses_show: bool,
}

impl Variables {
    /// Returns the values to keep: the call, the name, and where the value is.
    pub(super) fn kept(&self) -> Vec<(usize, String, String)> {
        let kept = self.names.iter().map(|((call, from), name)| {
            let from = match from {
                Origin::Json(pointer) => pointer.clone(),
                Origin::Header(name) => format!("header:{name}"),
                Origin::Cookie(name) => format!("cookie:{name}"),
            };
            (*call, name.clone(), from)
        });
        kept.collect()
    }

    pub(super) const fn uses_show(&self) -> bool {
        self.uses_show
    }

    pub(super) fn note_show(&mut self) {
        self.uses_show = true;
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.values().any(|known| known == name)
    }

    fn insert(&mut self, call: usize, from: Origin, name: &str) {
        self.names.insert((call, from), name.to_owned());
    }
}

impl Composer<'_> {
    /// Names what every mapping needs: the reservation of a hold, the token of a login.
    pub(super) fn name_known(&mut self) {
        let holds: Vec<_> = self
            .roles
            .get(&RoleName::SeatReserve)
            .copied()
            .into_iter()
            .chain(self.poll)
            .collect();
        // What a later request names is the reservation; else the id that its name tells.
        let later = [RoleName::Payment, RoleName::Confirm, RoleName::Cancel];
        let later: Vec<_> = later
            .iter()
            .filter_map(|role| self.roles.get(role).copied())
            .collect();
        let linked = self
            .links
            .iter()
            .filter(|((call, _), link)| later.contains(call) && holds.contains(&link.call));
        let linked = linked
            .filter(|(_, link)| matches!(&link.from, Origin::Json(pointer) if !is_secret(pointer)));
        let linked = linked.max_by_key(|((call, _), link)| {
            (names_reservation(&link.from), std::cmp::Reverse(*call))
        });
        let found = linked.map(|(_, link)| (link.call, link.from.clone()));
        let found = found.or_else(|| {
            holds
                .iter()
                .rev()
                .find_map(|place| Some((*place, self.reservation_of(*place)?)))
        });
        if let Some((call, from)) = found {
            self.variables.insert(call, from, "reservation");
        }
    }

    /// The id of a reservation in the response to a hold.
    fn reservation_of(&self, place: usize) -> Option<Origin> {
        let mut best: Option<(u32, String)> = None;
        crate::traffic::visit(self.take(place).answer.as_ref()?, &mut |pointer, value| {
            let pointer = crate::traffic::general(pointer);
            let key = pointer.rsplit('/').next().unwrap_or_default();
            let is_id = words(key).last().is_some_and(|word| word == "id");
            if !is_id || crate::traffic::text_of(value).is_none() || pointer.contains('*') {
                return;
            }
            let score = 2 + 4 * u32::from(names_reservation(&Origin::Json(pointer.clone())))
                - u32::from(pointer.matches('/').count() > 1);
            if score > best.as_ref().map_or(0, |(score, _)| *score) {
                best = Some((score, pointer));
            }
        });
        best.map(|(_, pointer)| Origin::Json(pointer))
    }

    /// Returns the name of the variable that keeps a value.
    pub(super) fn variable(&mut self, call: usize, from: &Origin) -> String {
        if let Some(name) = self.element_name(call, from) {
            if name == "show" {
                self.variables.note_show();
            }
            return name.to_owned();
        }
        if let Some(known) = self.variables.names.get(&(call, from.clone())) {
            return known.clone();
        }
        let name = self.name_for(call, from);
        let mut unique = name.clone();
        let mut number = 1;
        while self.variables.has(&unique) {
            number += 1;
            unique = format!("{name}_{number}");
        }
        self.variables.insert(call, from.clone(), &unique);
        unique
    }

    /// The variable of an element of a list: the show, or the seat.
    fn element_name(&self, call: usize, from: &Origin) -> Option<&'static str> {
        let Origin::Json(pointer) = from else {
            return None;
        };
        let role = *self.role_of.get(&call)?;
        let name = match role {
            RoleName::ShowList => "show",
            RoleName::SeatList => "seat",
            _ => return None,
        };
        let (each, id) = self.list_place(role, call)?;
        (list::within(&each, pointer) == Some(id.as_str())).then_some(name)
    }

    fn name_for(&self, call: usize, from: &Origin) -> String {
        let (key, parents) = match from {
            Origin::Json(pointer) => {
                let mut segments = pointer
                    .split('/')
                    .filter(|segment| *segment != "*")
                    .map(unescaped);
                let key = segments.next_back().unwrap_or_default();
                (key, segments.collect::<Vec<_>>())
            }
            Origin::Header(name) | Origin::Cookie(name) => (name.clone(), Vec::new()),
        };
        let role = self.role_of.get(&call);
        let logs_in = matches!(role, Some(RoleName::Login | RoleName::Register));
        if logs_in && matches!(from, Origin::Json(_) | Origin::Header(_)) {
            if is_secret(&key)
                && !key.to_lowercase().contains("csrf")
                && !self.variables.has("token")
            {
                return "token".to_owned();
            }
            let is_user = is_identifying(&key) && !is_secret(&key);
            if is_user && !self.variables.has("user") {
                return "user".to_owned();
            }
        }
        let own = words(&key);
        let name = if telling(&own).next().is_some() {
            snake(&key)
        } else {
            let parent = parents
                .iter()
                .rev()
                .find(|parent| telling(&words(parent)).next().is_some());
            let before = match (parent, role) {
                (Some(parent), _) => words(parent).join("_"),
                (None, Some(RoleName::QueueEnter | RoleName::QueueStatus)) => "queue".to_owned(),
                (None, _) => self.call(call).last_words().join("_"),
            };
            format!("{before}_{}", snake(&key))
        };
        let name = name.strip_prefix("x_").map_or(name.clone(), str::to_owned);
        if BUILTIN.contains(&name.as_str()) {
            return format!("{name}_value");
        }
        name
    }
}

fn names_reservation(from: &Origin) -> bool {
    let Origin::Json(pointer) = from else {
        return false;
    };
    any(&words(pointer), RESERVATION)
}
