//! Asks the back end as the mapping says: builds requests, and turns responses into what the journey understands.
//!
//! Everything that is the same for all buyers is built once. A response is read in one pass (see `tiketi_api`).

mod lists;
mod messages;
mod prepared;
mod step;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, SET_COOKIE};
use http::{Method, Uri};
use uuid::Uuid;

pub(super) use lists::{SeatStatus, SeatStatuses, Show};
use prepared::{Prepared, Scripts, base_of, keeps_variables, parse_path};
pub(super) use step::Step;

use super::http::{Outgoing, Received};
use super::seats::SeatMap;
use super::setup::SetupError;
use super::socket_io::PATH;
use super::visitor::{Scope, Visitor};
use tiketi_api::{IdText, Ids, Kept, Mapping, Meaning, Response, Role, RoleName, Variable, mask};
use tiketi_buyer::observation::{Failure, Outcome};
use tiketi_buyer::{Answer, Request};

/// Buyers that are admitted without a seat map ask for this seat.
const ANY_SEAT: &str = "any";

/// The API of one show.
#[derive(Debug)]
pub(super) struct Api {
    mapping: Mapping,
    page: Option<Uri>,
    roles: Vec<Prepared>,
    polls: Vec<Option<Prepared>>,
    push: Option<Prepared>,
    scripts: Scripts,
    pub(super) ids: Rc<Ids>,
    show: Option<IdText<'static>>,
    keeps_variables: bool,
    /// In front of every path on the target itself.
    base: String,
}

/// What a response says to a journey.
pub(super) struct Understood<'a> {
    pub(super) outcome: Outcome,
    pub(super) answer: Answer<'a>,
    /// What it means; `None` if it was not understood.
    pub(super) meaning: Option<Meaning>,
    /// When to ask again; `None` if it does not say.
    pub(super) poll_after: Option<Duration>,
}

impl Api {
    /// Builds the API for buyers of `show` (`None` before it is known); `page` is the path of the web page, `None` if the system
    /// under test serves none, and `base` is in front of all other paths.
    pub(super) fn new(
        mapping: Mapping,
        show: Option<IdText<'static>>,
        page: Option<&str>,
        base: &str,
    ) -> Result<Self, SetupError> {
        let prepare = |role: &Role| Prepared::new(role, show.as_ref(), base);
        let roles = mapping.roles().iter().map(prepare);
        let roles = roles.collect::<Result<_, _>>()?;
        let polls = mapping.roles().iter();
        let polls = polls.map(|role| role.poll.as_deref().map(prepare).transpose());
        let polls = polls.collect::<Result<_, _>>()?;
        let stream = mapping.stream.as_deref();
        let push = stream.map(|stream| prepare(&stream.role)).transpose()?;
        let page = page.map(parse_path).transpose()?;
        let ids = Rc::<Ids>::default();
        if let Some(show) = &show {
            ids.intern(show);
        }
        Ok(Self {
            scripts: Scripts::of(&mapping),
            keeps_variables: keeps_variables(&mapping),
            roles,
            polls,
            push,
            page,
            ids,
            show,
            mapping,
            base: base.to_owned(),
        })
    }

    /// Sets the show, once it is known.
    pub(super) fn set_show(&mut self, show: IdText<'static>) -> Result<(), SetupError> {
        let prepare = |role: &Role| Prepared::new(role, Some(&show), &self.base);
        let roles = self.mapping.roles();
        self.roles = roles.iter().map(prepare).collect::<Result<_, _>>()?;
        let polls = roles.iter();
        let polls = polls.map(|role| role.poll.as_deref().map(prepare).transpose());
        self.polls = polls.collect::<Result<_, _>>()?;
        let stream = self.mapping.stream.as_deref();
        self.push = stream.map(|stream| prepare(&stream.role)).transpose()?;
        self.show = Some(show);
        Ok(())
    }

    /// Leaves out the page of a system that serves none.
    pub(super) fn leave_out_page(&mut self) {
        self.page = None;
    }

    /// Returns the path of TIKETI's socket, below the path of the target's URL.
    pub(super) fn socket_path(&self) -> String {
        format!("{}{PATH}", self.base)
    }

    /// Returns the mapping.
    pub(super) const fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Returns whether each buyer keeps variables, or steps that are taken once.
    pub(super) const fn keeps_variables(&self) -> bool {
        self.keeps_variables
    }

    /// Returns the show; `None` before it is known.
    pub(super) const fn show(&self) -> Option<&IdText<'static>> {
        self.show.as_ref()
    }

    /// Returns whether the system under test serves the page.
    pub(super) const fn has_page(&self) -> bool {
        self.page.is_some()
    }

    /// Returns how many steps of the first script prepare the buyer, once.
    pub(super) const fn setup_steps(&self) -> usize {
        self.scripts.setup
    }

    /// Returns whether a step prepares the buyer and is taken once.
    pub(super) fn is_setup(&self, step: Step) -> bool {
        let step = match step {
            Step::Poll(place) => Step::Role(place),
            Step::Page | Step::Push | Step::Role(_) => step,
        };
        self.scripts.show_list[..self.scripts.setup].contains(&step)
    }

    /// Returns the steps that a request of a journey takes; none if this back end has nothing like it.
    pub(super) fn steps(&self, request: Request) -> &[Step] {
        match request {
            Request::LogIn => &self.scripts.show_list[..self.scripts.setup],
            Request::LogInAgain => &self.scripts.login,
            Request::PageLoad if self.page.is_some() => &[Step::Page],
            Request::PageLoad => &[],
            Request::ShowList => &self.scripts.show_list,
            Request::ShowDetail => &self.scripts.show_detail,
            Request::QueueCheck => &self.scripts.queue_check,
            Request::QueueStatus => &self.scripts.queue_status,
            Request::QueueLeave => &self.scripts.queue_leave,
            Request::SeatList => &self.scripts.seat_list,
            Request::SeatReserve { .. } => &self.scripts.seat_reserve,
            Request::PaymentProcess { .. } => &self.scripts.payment,
        }
    }

    /// Returns the place of the step that gives a held seat back; `None` if there is none.
    pub(super) fn cancel(&self) -> Option<Step> {
        self.mapping.place(RoleName::Cancel).map(Step::Role)
    }

    /// Returns whether the response to this step must be looked at before it is known what follows.
    pub(super) fn may_continue(&self, step: Step) -> bool {
        match step {
            Step::Page => false,
            Step::Role(place) => self.polls[place].is_some(),
            Step::Poll(_) => true,
            Step::Push => false,
        }
    }

    /// Returns the HTTP request of a step, or the name of a variable that has no value yet.
    pub(super) fn outgoing(
        &self,
        step: Step,
        request: Request,
        visitor: &Visitor,
    ) -> Result<Outgoing, String> {
        let (role, prepared) = match step {
            Step::Page => {
                return Ok(Outgoing {
                    method: Method::GET,
                    uri: self.page.clone().ok_or("the path of the page")?,
                    host: None,
                    body: Bytes::new(),
                    headers: Vec::new(),
                    has_bearer: true,
                    is_idempotent: true,
                });
            }
            Step::Role(place) => (&self.mapping.roles()[place], &self.roles[place]),
            Step::Poll(place) => {
                let role = self.mapping.roles()[place].poll.as_deref();
                let prepared = self.polls[place].as_ref();
                role.zip(prepared).expect("only such steps are taken")
            }
            Step::Push => {
                let prepared = self.push.as_ref();
                let role = self.role(step);
                role.zip(prepared).expect("only if there is a channel")
            }
        };
        let scope = Scope::new(self, visitor, request);
        let unset = |variable| self.mapping.variable_name(variable);
        let uri = match &prepared.uri {
            Some(uri) => uri.clone(),
            None => {
                let mut path = base_of(role, &self.base).to_owned();
                role.path.render(&scope, &mut path).map_err(unset)?;
                parse_path(&path).map_err(|_| "a valid path".to_owned())?
            }
        };
        let body = match &prepared.body {
            Some(body) => body.clone(),
            None => {
                let mut body = String::with_capacity(128);
                role.body.render(&scope, &mut body).map_err(unset)?;
                body.into()
            }
        };
        let mut headers = Vec::new();
        for (name, place) in &prepared.headers {
            let header = &role.headers[*place];
            let mut value = String::new();
            match header.value.render(&scope, &mut value) {
                Ok(()) => {}
                Err(_) if header.is_optional => continue,
                Err(variable) => return Err(unset(variable)),
            }
            let Ok(mut value) = HeaderValue::try_from(value) else {
                return Err(format!("a valid header `{name}`"));
            };
            value.set_sensitive(mask::is_secret(name.as_str()));
            headers.push((name.clone(), value));
        }
        let is_safe = prepared.method == Method::GET;
        let is_main = self.steps(request).last() == Some(&step);
        Ok(Outgoing {
            method: prepared.method.clone(),
            uri,
            host: role.host,
            body,
            headers,
            has_bearer: prepared.has_bearer,
            is_idempotent: is_safe || (is_main && request.is_idempotent()),
        })
    }

    /// Keeps a value for the buyer. Returns its key if it is kept with one.
    fn keep(&self, variable: Variable, value: &Kept<'_>, visitor: &mut Visitor) -> Option<Uuid> {
        match variable {
            Variable::Seat | Variable::Reservation | Variable::User => {
                let key = self.ids.intern(value);
                visitor.keep_key(variable, key);
                Some(key)
            }
            Variable::Token | Variable::Kept(_) => {
                visitor.keep(variable, value);
                None
            }
            // They are known before the first request.
            Variable::Show | Variable::Email | Variable::Column(_) => None,
        }
    }

    /// Understands a response for what follows it within a script.
    pub(super) fn peek(
        &self,
        step: Step,
        received: &Received,
        visitor: &mut Visitor,
    ) -> (Option<Meaning>, Option<Duration>) {
        let Some(role) = self.role(step) else {
            return (None, None);
        };
        let understood = with_response(received, |response| {
            // Only a seat or a reservation would be that of the request, and by then the buyer has noted both.
            let buyer = Scope::new(self, visitor, Request::ShowList);
            let understood = role.understand_for(&buyer, response, None);
            for (variable, value) in &understood.kept {
                let _key = self.keep(*variable, value, visitor);
            }
            (understood.meaning, understood.poll_after)
        });
        (understood.0, understood.1.or(received.retry_after))
    }

    /// Understands the response that ends the script of a request. The free seats are left in `seats`.
    pub(super) fn understand<'a>(
        &self,
        step: Step,
        request: Request,
        received: &Received,
        seats: &'a mut SeatMap,
        visitor: &mut Visitor,
    ) -> Understood<'a> {
        let Some(role) = self.role(step) else {
            return if received.status.is_success() {
                ok(Answer::Done, Meaning::Done)
            } else {
                failed(received, None, None)
            };
        };
        let is_seat_map = self.mapping.place(RoleName::SeatList).map(Step::Role) == Some(step);
        let mut locked = 0;
        let mut reservation = None;
        let (meaning, poll_after) = with_response(received, |response| {
            let buyer = Scope::new(self, visitor, request);
            let understood = if is_seat_map {
                seats.clear();
                let mut each = |element: tiketi_api::Element<'_>| {
                    if element.is_free {
                        seats.push(&element.id);
                    } else if element.is_held {
                        locked += 1;
                    }
                };
                role.understand_for(&buyer, response, Some(&mut each))
            } else {
                role.understand_for(&buyer, response, None)
            };
            for (variable, value) in &understood.kept {
                let key = self.keep(*variable, value, visitor);
                if *variable == Variable::Reservation {
                    reservation = key;
                }
            }
            (understood.meaning, understood.poll_after)
        });
        let Some(meaning) = meaning else {
            return failed(received, None, None);
        };
        match meaning {
            Meaning::Done if is_seat_map => {
                let available = &*seats;
                ok(Answer::Seats { available, locked }, meaning)
            }
            Meaning::Done if self.steps(request).last() != Some(&step) => ok(Answer::Done, meaning),
            Meaning::Done => ok(self.done(request, seats, visitor), meaning),
            Meaning::Queued => ok(queued(poll_after), meaning),
            Meaning::Admitted if request == Request::QueueCheck => ok(Answer::Admitted, meaning),
            Meaning::Admitted => ok(
                Answer::NotQueued {
                    admitted: Some(true),
                },
                meaning,
            ),
            Meaning::NoLongerQueued => ok(Answer::NotQueued { admitted: None }, meaning),
            // Who is no longer in the queue cannot hold a seat.
            Meaning::Dropped if !matches!(request, Request::QueueCheck | Request::QueueStatus) => {
                failed(received, poll_after, Some(meaning))
            }
            Meaning::Dropped => ok(
                Answer::NotQueued {
                    admitted: Some(false),
                },
                meaning,
            ),
            Meaning::SoldOut => refused(Answer::SoldOut, meaning),
            Meaning::Taken | Meaning::Refused => refused(Answer::Refused, meaning),
            Meaning::Held => {
                let reservation = reservation.unwrap_or_else(|| visitor.reservation());
                visitor.handle_held(reservation);
                ok(Answer::Held { reservation }, meaning)
            }
            Meaning::Paid => {
                visitor.handle_paid();
                ok(Answer::Paid, meaning)
            }
            // Only messages mean the last two.
            Meaning::ComeBack
            | Meaning::AcceptedPollLater
            | Meaning::Updated
            | Meaning::Released => failed(received, poll_after, Some(meaning)),
        }
    }

    /// Returns the place in the queue that a response states; `None` if it states none.
    pub(super) fn position(
        &self,
        step: Step,
        request: Request,
        received: &Received,
    ) -> Option<u32> {
        match request {
            Request::QueueCheck | Request::QueueStatus => {
                self.role(step)?.place(&received.body).position
            }
            Request::LogIn
            | Request::LogInAgain
            | Request::PageLoad
            | Request::ShowList
            | Request::ShowDetail
            | Request::QueueLeave
            | Request::SeatList
            | Request::SeatReserve { .. }
            | Request::PaymentProcess { .. } => None,
        }
    }

    /// Returns the answer to a request for which this back end has nothing more to ask.
    pub(super) fn done<'a>(
        &self,
        request: Request,
        seats: &'a mut SeatMap,
        visitor: &mut Visitor,
    ) -> Answer<'a> {
        match request {
            Request::LogIn
            | Request::LogInAgain
            | Request::PageLoad
            | Request::ShowList
            | Request::ShowDetail
            | Request::QueueLeave => Answer::Done,
            // To open the channel is to enter the queue.
            Request::QueueCheck if self.channel().queue && self.steps(request).is_empty() => {
                Answer::Queued
            }
            Request::QueueCheck => Answer::Admitted,
            Request::QueueStatus => Answer::Queued,
            Request::SeatList => {
                seats.clear();
                seats.push(&IdText {
                    text: ANY_SEAT.into(),
                    is_number: false,
                });
                Answer::Seats {
                    available: &*seats,
                    locked: 0,
                }
            }
            Request::SeatReserve { .. } => {
                let reservation = visitor.reservation();
                visitor.handle_held(reservation);
                Answer::Held { reservation }
            }
            Request::PaymentProcess { .. } => {
                visitor.handle_paid();
                Answer::Paid
            }
        }
    }
}

fn with_response<T>(received: &Received, read: impl FnOnce(&Response<'_>) -> T) -> T {
    let header = |name: &str| received.headers.get(name)?.to_str().ok();
    let cookies = || {
        let values = received.headers.get_all(SET_COOKIE).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .collect::<Vec<_>>()
    };
    read(&Response {
        status: received.status.as_u16(),
        body: &received.body,
        header: &header,
        cookies: &cookies,
        now_unix_s: received.received_at_unix_s,
    })
}

const fn queued(poll_after: Option<Duration>) -> Answer<'static> {
    match poll_after {
        Some(pause) => Answer::QueuedPollAfter { pause },
        None => Answer::Queued,
    }
}

const fn ok(answer: Answer<'_>, meaning: Meaning) -> Understood<'_> {
    Understood {
        outcome: Outcome::Ok,
        answer,
        meaning: Some(meaning),
        poll_after: None,
    }
}

const fn refused(answer: Answer<'_>, meaning: Meaning) -> Understood<'_> {
    Understood {
        outcome: Outcome::Refused,
        answer,
        meaning: Some(meaning),
        poll_after: None,
    }
}

/// A status of an error is the failure; a success that means nothing known is a bad answer.
fn failed(
    received: &Received,
    poll_after: Option<Duration>,
    meaning: Option<Meaning>,
) -> Understood<'static> {
    let failure = if received.status.is_success() {
        Failure::BadAnswer
    } else {
        Failure::Status(received.status.as_u16())
    };
    Understood {
        outcome: Outcome::Failed(failure),
        answer: Answer::Failed {
            failure,
            retry_after: poll_after.or(received.retry_after),
        },
        meaning,
        poll_after,
    }
}

/// The key of an id that is not known.
pub(super) const NO_ID: Uuid = Uuid::nil();
