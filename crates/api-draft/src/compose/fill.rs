//! What goes into a place of a request: a variable, the value that was seen, or nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tiketi_api::RoleName;

use super::Composer;
use crate::link::{Slot, name};
use crate::traffic::{Basis, Call, text_of};
use crate::value::{
    RESERVATION, SHOW, USER, any, is_distinctive, is_identifying, is_jwt, is_made_up, is_password,
    is_personal, is_secret, snake, words,
};

/// What goes into a slot.
#[derive(Debug, PartialEq)]
pub(super) enum Filled {
    /// A text with variables.
    Template(String),
    /// One variable, as a value of this type.
    Typed(String, &'static str),
    /// The value that was seen.
    Literal,
    /// Nothing: it is a secret, or belongs to the browser.
    Nothing,
}

fn variable(name: &str) -> Filled {
    Filled::Template(format!("{{{name}}}"))
}

impl Composer<'_> {
    /// Decides what goes into a slot.
    pub(super) fn fill(&mut self, place: usize, slot: &Slot, value: &Value) -> Filled {
        let Some(seen) = text_of(value) else {
            return Filled::Literal;
        };
        if let Some(filled) = self.linked(place, slot, value) {
            return filled;
        }
        let slot_name = name(self.call(place), slot);
        let filled = match slot {
            Slot::Cookie(_) => self.unknown_cookie(&slot_name),
            Slot::Header(_) if slot_name == "authorization" => {
                self.unknown_credential(place, &seen)
            }
            _ => self.by_name(place, slot, &slot_name, value, &seen),
        };
        // A query and a header have no literals of their own.
        match (filled, slot) {
            (Filled::Literal, Slot::Query(_) | Slot::Header(_)) => {
                Filled::Template(seen.replace('{', "{{").replace('}', "}}"))
            }
            (filled, _) => filled,
        }
    }

    /// The variable that keeps the value from an earlier response.
    fn linked(&mut self, place: usize, slot: &Slot, value: &Value) -> Option<Filled> {
        let link = self.links.get(&(place, slot.clone()))?;
        if self.call(link.call).origin != self.call(place).origin {
            return None;
        }
        // What ends a visit gives nothing to it.
        let ends = [RoleName::QueueLeave, RoleName::Cancel, RoleName::Heartbeat];
        if self
            .role_of
            .get(&link.call)
            .is_some_and(|role| ends.contains(role))
        {
            return None;
        }
        let (call, from, was_number) = (link.call, link.from.clone(), link.is_number);
        let name = self.variable(call, &from);
        let template = format!("{{{name}}}");
        Some(match (slot, was_number, value.is_number()) {
            (Slot::Body(_), Some(false) | None, true) => Filled::Typed(template, "number"),
            (Slot::Body(_), Some(true), false) => Filled::Typed(template, "text"),
            _ => Filled::Template(template),
        })
    }

    fn by_name(
        &mut self,
        place: usize,
        slot: &Slot,
        slot_name: &str,
        value: &Value,
        seen: &str,
    ) -> Filled {
        let role = self.role_of.get(&place).copied();
        let own = words(slot_name);
        let has = |of: &[&str]| any(&own, of);
        let column = |name: &str| match (slot, value.is_number()) {
            (Slot::Body(_), true) => Filled::Typed(format!("{{user.{name}}}"), "number"),
            _ => variable(&format!("user.{name}")),
        };
        let is_trace = matches!(slot, Slot::Header(_))
            && has(&["request", "correlation", "trace"])
            && is_made_up(seen);
        // A time in milliseconds, so that no cache responds.
        let is_time = matches!(slot, Slot::Query(_))
            && crate::value::is_number(seen)
            && (12..=14).contains(&seen.len());
        if is_trace || is_time {
            return Filled::Nothing;
        }
        let has_account = matches!(role, Some(RoleName::Login | RoleName::Register));
        if is_password(slot_name) || (has_account && matches!(slot, Slot::Body(_))) {
            return column(&snake(slot_name));
        }
        if has(&["idempotency", "idempotent"])
            || (self.is_sent_once(place, seen) && !is_secret(slot_name))
        {
            return self.idempotency_key(place, slot_name, seen);
        }
        let identifies = is_identifying(slot_name) || matches!(slot, Slot::Path(_));
        if identifies && has(USER) && !is_secret(slot_name) {
            if value.is_number()
                || (crate::value::is_number(seen) && self.traffic.basis == Basis::Recording)
            {
                self.ask(format!(
                    "Which users are there? `{slot_name}` comes from the column `id` of --users."
                ));
                return column("id");
            }
            return variable("user");
        }
        if is_personal(slot_name) && !matches!(slot, Slot::Query(_)) {
            return column(&snake(slot_name));
        }
        if is_secret(slot_name) || is_jwt(seen) {
            return self.unknown_secret(slot, slot_name);
        }
        let names_it = identifies || own.len() == 1;
        if names_it && has(&["seat"]) && self.roles.contains_key(&RoleName::SeatList) {
            return variable("seat");
        }
        if names_it && has(RESERVATION) && self.has_reservation(place) {
            return variable("reservation");
        }
        if names_it && has(SHOW) {
            self.variables.note_show();
            return variable("show");
        }
        if matches!(slot, Slot::Path(_)) {
            return self.unknown_segment(place, role, slot_name);
        }
        let is_document = self.traffic.basis == Basis::Document;
        if crate::value::is_opaque(seen) || (identifies && (is_document || is_distinctive(seen))) {
            self.questions.push(format!(
                "Where does `{slot_name}` come from? No earlier response has it: it is the column `{}` of --users.",
                snake(slot_name)
            ));
            return column(&snake(slot_name));
        }
        if is_document {
            self.questions.push(format!(
                "What is sent as `{slot_name}`? The value is an example of the document."
            ));
        }
        Filled::Literal
    }

    /// A text that is the same for the repetitions of one request, and for no other request.
    fn idempotency_key(&mut self, place: usize, slot_name: &str, seen: &str) -> Filled {
        if crate::value::is_uuid(seen) {
            self.questions.push(format!(
                "Does `{slot_name}` have to be a UUID? The browser made one up; a mapping can only put other values together."
            ));
        }
        let template = if self.has_reservation(place) {
            "{user}-{reservation}"
        } else if self.roles.contains_key(&RoleName::SeatList)
            && self.role_of.get(&place) == Some(&RoleName::SeatReserve)
        {
            "{user}-{seat}"
        } else {
            "{user}-{show}"
        };
        if template.contains("show") {
            self.variables.note_show();
        }
        Filled::Template(template.to_owned())
    }

    /// Whether the browser made the value up for this request.
    fn is_sent_once(&self, place: usize, seen: &str) -> bool {
        if !is_made_up(seen)
            || self.traffic.basis == Basis::Document
            || self.call(place).method == "GET"
        {
            return false;
        }
        let sends = |call: &Call| {
            let takes = self.traffic.takes(call);
            let mut slots = takes.flat_map(|take| crate::link::slots(call, take));
            slots.any(|(_, value)| text_of(&value).as_deref() == Some(seen))
        };
        let others = self
            .traffic
            .calls
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        let count = others.filter(|(_, call)| sends(call)).count();
        count == 0
    }

    /// Whether the reservation is known when this request is sent.
    fn has_reservation(&self, place: usize) -> bool {
        let after = [RoleName::Payment, RoleName::Confirm, RoleName::Cancel];
        self.variables.has("reservation")
            && self
                .role_of
                .get(&place)
                .is_some_and(|role| after.contains(role))
    }

    fn unknown_segment(&mut self, place: usize, role: Option<RoleName>, slot_name: &str) -> Filled {
        match role {
            _ if self.has_reservation(place) => variable("reservation"),
            Some(RoleName::SeatReserve) if self.roles.contains_key(&RoleName::SeatList) => {
                variable("seat")
            }
            Some(_) => {
                self.questions.push(format!(
                    "Is the `{slot_name}` of the path the id of the show?"
                ));
                self.variables.note_show();
                variable("show")
            }
            None => Filled::Literal,
        }
    }

    fn unknown_cookie(&mut self, slot_name: &str) -> Filled {
        const OF_OTHERS: [&str; 9] = [
            "_ga",
            "_gid",
            "_fb",
            "_gcl",
            "amp",
            "ajs_",
            "_hj",
            "intercom",
            "optimizely",
        ];
        let is_of_others = OF_OTHERS
            .iter()
            .any(|begin| slot_name.to_lowercase().starts_with(begin));
        if !is_of_others {
            self.ask(format!("Does a buyer need the cookie `{slot_name}`? No response of the API set it, and no request sends it."));
        }
        Filled::Nothing
    }

    fn unknown_credential(&mut self, place: usize, seen: &str) -> Filled {
        let header = self
            .take(place)
            .headers
            .iter()
            .find(|(name, _)| name == "authorization");
        let is_bearer = header.is_none_or(|(_, value)| value.to_lowercase().starts_with("bearer "));
        if is_bearer {
            self.ask("Who logs in? No login gives the token: pass --tokens or --token-secret-file, or add `[login]`.".to_owned());
            self.claims = claims(seen).or(self.claims.take());
            return variable("token");
        }
        self.ask("What is sent as `authorization`? No response gives it a value, and it is no bearer token.".to_owned());
        Filled::Nothing
    }

    fn unknown_secret(&mut self, slot: &Slot, slot_name: &str) -> Filled {
        let column = snake(slot_name);
        if matches!(slot, Slot::Header(_)) {
            self.ask(format!(
                "Which `{slot_name}` may be sent? It is a secret that no response gave, and is left out: add it to `headers`."
            ));
            return Filled::Nothing;
        }
        self.questions.push(format!(
            "Where does `{slot_name}` come from? No earlier response has this secret: it is the column `{column}` of --users."
        ));
        variable(&format!("user.{column}"))
    }

    /// Asks something about the whole mapping, once.
    fn ask(&mut self, question: String) {
        self.notes.insert(question);
    }
}

/// What a token of a buyer claims, with variables for what differs between buyers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// Names and values.
    pub(super) stated: Vec<(String, String)>,
    /// Where a token names its user.
    pub(super) user: Option<String>,
    /// The names of claims whose values are not copied.
    pub(super) others: Vec<String>,
}

/// Reads the names of a token's claims; `None` if it is no JWT.
fn claims(token: &str) -> Option<Claims> {
    /// Set when a token is signed, such as its expiry.
    const OF_ISSUER: [&str; 4] = ["iat", "exp", "nbf", "jti"];
    let payload = token.split('.').nth(1).filter(|_| is_jwt(token))?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let Value::Object(map) = serde_json::from_slice(&payload).ok()? else {
        return None;
    };
    let mut claims = Claims::default();
    for (name, value) in map
        .iter()
        .filter(|(name, _)| !OF_ISSUER.contains(&name.as_str()))
    {
        let own = words(name);
        let has = |of: &[&str]| any(&own, of);
        let is_user = name == "sub" || (has(USER) && is_identifying(name));
        if is_user && claims.user.is_none() {
            claims.user = Some(format!("/{}", crate::traffic::escaped(name)));
            claims.stated.push((name.clone(), "{user}".to_owned()));
        } else if has(&["email", "mail"]) {
            claims.stated.push((name.clone(), "{email}".to_owned()));
        } else if let Some(role) = value
            .as_str()
            .filter(|role| has(&["role"]) && !role.contains(['{', '}']))
        {
            claims.stated.push((name.clone(), role.to_owned()));
        } else {
            claims.others.push(name.clone());
        }
    }
    Some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_a_token_are_named_without_their_values() {
        let payload = serde_json::json!({"sub": "kim", "email": "kim@a.example", "role": "user", "tenant": "t1", "iat": 1});
        let token = format!(
            "eyJhbGciOiJIUzI1NiJ9.{}.c2ln",
            URL_SAFE_NO_PAD.encode(payload.to_string())
        );
        let claims = claims(&token).unwrap();
        assert_eq!(claims.user.as_deref(), Some("/sub"));
        let stated = [("email", "{email}"), ("role", "user"), ("sub", "{user}")];
        assert_eq!(
            claims.stated,
            stated.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(claims.others, ["tenant"]);
        assert_eq!(super::claims("opaque"), None);
    }
}
