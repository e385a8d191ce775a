//! What a buyer is known by, and has learned from responses.

use std::rc::Rc;

use http::HeaderValue;
use uuid::Uuid;

use super::api::{Api, NO_ID};
use super::credential::{Credential, Users, bearer, email_of};
use super::http::{Identity, Received};
use tiketi_api::{IdText, Values, Variable};
use tiketi_buyer::Request;
use tiketi_core::units::BuyerId;

/// A buyer, as the back end knows it.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) buyer: BuyerId,
    pub(super) user: Uuid,
    pub(super) identity: Identity,
    /// `None` if the mapping keeps nothing: thousands of buyers wait.
    notes: Option<Box<Notes>>,
}

/// What a buyer has learned.
#[derive(Clone, Debug, Default)]
struct Notes {
    kept: Vec<Option<(Box<str>, bool)>>,
    users: Option<Rc<Users>>,
    seat: Option<Uuid>,
    reservation: Option<Uuid>,
    is_holding: bool,
    prepared: u8,
}

impl Visitor {
    pub(super) fn new(
        buyer: BuyerId,
        credential: Credential,
        api: &Api,
        users: Option<&Rc<Users>>,
    ) -> Self {
        let has_notes = api.keeps_variables() || users.is_some();
        let notes = has_notes.then(|| {
            Box::new(Notes {
                kept: vec![None; api.mapping().kept.len()],
                users: users.cloned(),
                ..Notes::default()
            })
        });
        Self {
            buyer,
            user: api.ids.intern(&credential.user),
            identity: Identity {
                authorization: credential.authorization,
                cookie: None,
                pass: None,
            },
            notes,
        }
    }

    /// Who asks a host: cookies are those of the target, and a browser shows them to no other host.
    pub(super) fn identity_for(&self, host: Option<u8>) -> Identity {
        match host {
            None => self.identity.clone(),
            Some(_) => Identity {
                authorization: self.identity.authorization.clone(),
                cookie: None,
                pass: None,
            },
        }
    }

    /// Keeps a value that has no key.
    pub(super) fn keep(&mut self, variable: Variable, value: &IdText<'_>) {
        match (variable, &mut self.notes) {
            (Variable::Token, _) => {
                if let Ok(token) = bearer(&value.text) {
                    self.identity.authorization = Some(token);
                }
            }
            (Variable::Kept(place), Some(notes)) => {
                let text = value.text.as_ref().into();
                notes.kept[usize::from(place)] = Some((text, value.is_number));
            }
            _ => {}
        }
    }

    /// Keeps a value whose key is known.
    pub(super) fn keep_key(&mut self, variable: Variable, key: Uuid) {
        if variable == Variable::User {
            self.user = key;
        }
        let Some(notes) = &mut self.notes else { return };
        match variable {
            Variable::Seat => notes.seat = Some(key),
            Variable::Reservation => notes.reservation = Some(key),
            _ => {}
        }
    }

    /// Keeps the load balancer's cookie of a response, and the pass of a waiting room.
    pub(super) fn take_cookies(&mut self, received: &Received) {
        if received.pass.is_some() {
            self.identity.pass.clone_from(&received.pass);
        }
        if received.cookie.is_some() && received.cookie != self.identity.cookie {
            self.identity.cookie.clone_from(&received.cookie);
        }
    }

    /// Returns the reservation; a key of nothing if the back end has not named one.
    pub(super) fn reservation(&self) -> Uuid {
        let known = self.notes.as_ref().and_then(|notes| notes.reservation);
        known.unwrap_or(NO_ID)
    }

    pub(super) fn handle_held(&mut self, reservation: Uuid) {
        if let Some(notes) = &mut self.notes {
            notes.reservation = Some(reservation);
            notes.is_holding = true;
        }
    }

    pub(super) fn handle_paid(&mut self) {
        if let Some(notes) = &mut self.notes {
            notes.is_holding = false;
        }
    }

    /// Returns whether a seat is held that is not paid.
    pub(super) fn is_holding(&self) -> bool {
        self.notes.as_ref().is_some_and(|notes| notes.is_holding)
    }

    /// Returns how many of the steps that prepare a buyer are done.
    pub(super) fn prepared(&self) -> usize {
        self.notes
            .as_ref()
            .map_or(0, |notes| usize::from(notes.prepared))
    }

    /// Notes that one more of them is done.
    pub(super) fn handle_prepared(&mut self) {
        if let Some(notes) = &mut self.notes {
            notes.prepared += 1;
        }
    }

    /// Returns the texts that must not be shown.
    pub(super) fn secrets(&self) -> Vec<String> {
        let token = token_of(self.identity.authorization.as_ref());
        let columns = self.notes.as_ref().and_then(|notes| notes.users.as_ref());
        let secrets = columns.map(|users| users.secrets(self.buyer));
        token
            .map(str::to_owned)
            .into_iter()
            .chain(secrets.into_iter().flatten())
            .collect()
    }
}

/// Returns a text without the secrets in it.
pub(super) fn hidden(text: &str, secrets: &[String]) -> String {
    let long = secrets.iter().filter(|secret| secret.len() >= 4);
    long.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

fn token_of(authorization: Option<&HeaderValue>) -> Option<&str> {
    authorization?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The values of variables while a request is built.
pub(super) struct Scope<'s> {
    pub(super) api: &'s Api,
    pub(super) visitor: &'s Visitor,
    pub(super) request: Request,
}

impl<'s> Scope<'s> {
    pub(super) const fn new(api: &'s Api, visitor: &'s Visitor, request: Request) -> Self {
        Self {
            api,
            visitor,
            request,
        }
    }
}

impl Values for Scope<'_> {
    fn choice(&self) -> u64 {
        u64::from(self.visitor.buyer.0)
    }

    fn value(&self, variable: Variable) -> Option<IdText<'_>> {
        let notes = self.visitor.notes.as_deref();
        let text = |text: String| IdText {
            text: text.into(),
            is_number: false,
        };
        match variable {
            Variable::Show => self.api.show().cloned(),
            Variable::Seat => match self.request {
                Request::SeatReserve { seat } => Some(seat),
                _ => notes?.seat,
            }
            .map(|seat| self.api.ids.text(seat)),
            Variable::Reservation => {
                let stated = match self.request {
                    Request::PaymentProcess { reservation } if reservation != NO_ID => {
                        Some(reservation)
                    }
                    _ => notes?.reservation.filter(|known| *known != NO_ID),
                };
                stated.map(|key| self.api.ids.text(key))
            }
            Variable::User => Some(self.api.ids.text(self.visitor.user)),
            Variable::Email => Some(text(email_of(self.visitor.buyer))),
            Variable::Token => {
                let token = token_of(self.visitor.identity.authorization.as_ref())?;
                Some(IdText {
                    text: token.into(),
                    is_number: false,
                })
            }
            Variable::Column(place) => {
                let users = notes?.users.as_ref()?;
                let value = users.value(self.visitor.buyer, usize::from(place))?;
                Some(IdText {
                    text: value.into(),
                    is_number: false,
                })
            }
            Variable::Kept(place) => {
                let (value, is_number) = notes?.kept[usize::from(place)].as_ref()?;
                Some(IdText {
                    text: value.as_ref().into(),
                    is_number: *is_number,
                })
            }
        }
    }
}
