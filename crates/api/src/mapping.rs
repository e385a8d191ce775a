//! A compiled mapping, and how a response is understood with it.

use std::borrow::Cow;
use std::time::Duration;

use tiketi_core::names;

use crate::host::Host;
use crate::id::IdText;
use crate::pick::{Pick, Picked};
use crate::place::{Place, PlaceIn};
use crate::push::{Push, Stream};
use crate::reader::{Pointers, Slots};
use crate::row::{Facts, Meaning, Row, Want};
use crate::scalar::Scalar;
use crate::sign::Sign;
use crate::template::{Nobody, Template, Values, Variable};
use crate::wait::{PollAfter, Source};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {
    /// Creates the buyer's account, once.
    Register,
    /// Logs the buyer in, once.
    Login,
    /// Prepares the buyer otherwise, once, such as by topping up an account.
    Setup,
    /// Lists the shows.
    ShowList,
    /// Shows the details of the show.
    ShowDetail,
    /// Enters the queue.
    QueueEnter,
    /// Asks for the place in the queue.
    QueueStatus,
    /// Says that a waiting buyer is still there.
    Heartbeat,
    /// Leaves the queue, or the sale.
    QueueLeave,
    /// Loads the seat map.
    SeatList,
    /// Holds a seat.
    SeatReserve,
    /// Pays, or starts to.
    Payment,
    /// Confirms a payment.
    Confirm,
    /// Gives a held seat back.
    Cancel,
}

names!(RoleName {
    Register = "register",
    Login = "login",
    Setup = "setup",
    ShowList = "show_list",
    ShowDetail = "show_detail",
    QueueEnter = "queue_enter",
    QueueStatus = "queue_status",
    Heartbeat = "heartbeat",
    QueueLeave = "queue_leave",
    SeatList = "seat_list",
    SeatReserve = "seat_reserve",
    Payment = "payment",
    Confirm = "confirm",
    Cancel = "cancel",
});

/// When an extra step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the buyer enters the queue.
    BeforeQueue,
    /// Before each poll of the queue.
    WhileWaiting,
    /// Before each look at the seats: the levels between a show and its seats.
    BeforeSeats,
    /// Before each attempt to hold a seat.
    BeforeReserving,
    /// Before the payment.
    BeforePaying,
}

names!(Moment {
    BeforeQueue = "before_queue",
    WhileWaiting = "while_waiting",
    BeforeSeats = "before_seats",
    BeforeReserving = "before_reserving",
    BeforePaying = "before_paying",
});

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

names!(Method {
    Get = "GET",
    Post = "POST",
    Put = "PUT",
    Patch = "PATCH",
    Delete = "DELETE",
});

/// A mapping that has passed all checks.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its name and version, for reports.
    pub name: String,
    /// How the back end reaches waiting buyers.
    pub push: Push,
    /// How the channel of [`Self::push`] is opened and what its messages mean; `None` without a channel, and with Socket.IO if the
    /// messages are those of TIKETI.
    pub stream: Option<Box<Stream>>,
    /// What generated tokens claim, and where given ones name their user.
    pub tokens: Tokens,
    /// The hosts besides the target.
    pub hosts: Vec<Host>,
    /// The program that adds to requests; `None` if nothing is added.
    pub sign: Option<Sign>,
    /// The columns that the file of users must have.
    pub columns: Vec<String>,
    /// The names of variables that are kept from responses.
    pub kept: Vec<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) places: Places,
}

/// Which roles and steps there are, by their places in the list of roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) named: [Option<usize>; RoleName::ALL.len()],
    pub(crate) extra: [Vec<usize>; Moment::ALL.len()],
}

/// The tokens of buyers.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// Claims of a generated token besides `iat` and `exp`: names and values.
    pub claims: Vec<(String, Template)>,
    /// Where the claims of a given token name its user, as a JSON pointer; `None` if tokens are not read.
    pub user: Option<String>,
}

/// One request of the mapping and what its responses mean.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name, for people: that of the role, or of the extra step.
    pub name: String,
    /// The host that is asked, by its place in [`Mapping::hosts`]; `None` for the target itself.
    pub host: Option<u8>,
    /// Whether [`Mapping::sign`] adds to its requests.
    pub is_signed: bool,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// Headers besides those of HTTP itself.
    pub headers: Vec<Header>,
    /// The JSON body; empty if there is none.
    pub body: Template,
    /// Where the elements of its list are, as written; `None` without a list.
    pub each: Option<String>,
    /// Whether several buyers can have one element of its list, such as a kind of tickets.
    pub is_shared: bool,
    /// The request that asks for the result of one that was accepted.
    pub poll: Option<Box<Self>>,
    pub(crate) pointers: Pointers,
    pub(crate) rows: Vec<Row>,
    pub(crate) keeps: Vec<Keep>,
    /// Where each element of the list has its id.
    pub(crate) element_id: Option<u8>,
    /// Where each element of the list has its title.
    pub(crate) element_title: Option<u8>,
    /// What an element has to be for a buyer to want it.
    pub(crate) free: Vec<(u8, Want)>,
    /// What an element is that others hold.
    pub(crate) held: Vec<(u8, Want)>,
    pub(crate) poll_after: Option<PollAfter>,
    /// How an element of its list is picked; only extra steps do.
    pub(crate) pick: Option<Pick>,
    /// Where a response about the queue has the buyer's place.
    pub(crate) place: Option<PlaceIn>,
}

/// A header of a request.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: Template,
    /// Whether the request is sent without it as long as a variable in it has no value: before the login there is no token.
    pub is_optional: bool,
}

/// A value that is kept from a response.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    pub(crate) variable: Variable,
    pub(crate) source: Source,
}

/// A response, as far as a mapping looks at it.
#[derive(Clone, Copy)]
pub struct Response<'b> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'b [u8],
    /// Returns a header by its name in lower case.
    pub header: &'b dyn Fn(&str) -> Option<&'b str>,
    /// Returns all values of `set-cookie`.
    pub cookies: &'b dyn Fn() -> Vec<&'b str>,
    /// The time now, in seconds since 1970.
    pub now_unix_s: u64,
}

impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// An element of a list.
#[derive(Debug)]
pub struct Element<'s> {
    /// Its id.
    pub id: IdText<'s>,
    /// Its title; `None` if the mapping or the response does not name it.
    pub title: Option<&'s str>,
    /// Whether it is what a buyer wants.
    pub is_free: bool,
    /// Whether others hold it.
    pub is_held: bool,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood<'b> {
    /// What it means; `None` if no row matches, or something that is to be kept is not there.
    pub meaning: Option<Meaning>,
    /// The variables that are kept from it.
    pub kept: Vec<(Variable, Kept<'b>)>,
    /// How long to wait before asking again; `None` if it does not say.
    pub poll_after: Option<Duration>,
}

/// A value that is kept.
pub type Kept<'b> = IdText<'b>;

impl Mapping {
    /// Returns the role; `None` if this back end has none.
    pub fn role(&self, name: RoleName) -> Option<&Role> {
        self.place(name).map(|place| &self.roles[place])
    }

    /// Returns the place of a role in [`Self::roles`]; `None` if this back end has none.
    pub fn place(&self, name: RoleName) -> Option<usize> {
        self.places.named[name as usize]
    }

    /// Returns the places of the extra steps at a moment, in the order of the file.
    pub fn extra(&self, moment: Moment) -> &[usize] {
        &self.places.extra[moment as usize]
    }

    /// Returns all roles and extra steps.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Returns whether some request names this variable.
    pub fn uses(&self, variable: Variable) -> bool {
        fn names(role: &Role, variable: Variable) -> bool {
            let headers = role.headers.iter().map(|header| &header.value);
            let mut templates = [&role.path, &role.body].into_iter().chain(headers);
            templates.any(|template| template.variables().any(|one| one == variable))
                || role
                    .poll
                    .as_deref()
                    .is_some_and(|poll| names(poll, variable))
        }
        let stream = self.stream.as_deref();
        self.roles.iter().any(|role| names(role, variable))
            || stream.is_some_and(|stream| {
                names(&stream.role, variable)
                    || stream
                        .sent()
                        .any(|text| text.variables().any(|one| one == variable))
            })
    }

    /// Returns whether a response gives this variable its value.
    pub fn keeps(&self, variable: Variable) -> bool {
        let stream = self.stream.as_deref();
        // The seat of a message is that of somebody else.
        let in_message = stream.filter(|_| variable != Variable::Seat);
        self.roles.iter().any(|role| role.keeps_variable(variable))
            || in_message.is_some_and(|stream| stream.role.keeps_variable(variable))
    }
}

impl Role {
    fn keeps_variable(&self, variable: Variable) -> bool {
        let poll = self.poll.as_deref();
        self.keeps.iter().any(|keep| keep.variable == variable)
            || poll.is_some_and(|poll| poll.keeps_variable(variable))
    }

    /// Understands a response of which it does not matter whose it is.
    pub fn understand<'b>(
        &self,
        response: &Response<'b>,
        each: Option<&mut dyn FnMut(Element<'_>)>,
    ) -> Understood<'b> {
        self.understand_for(&Nobody, response, each)
    }

    /// Understands a response to a buyer. Each element of its list goes to `each`; without it, nobody needs the list.
    pub fn understand_for<'b>(
        &self,
        buyer: &dyn Values,
        response: &Response<'b>,
        each: Option<&mut dyn FnMut(Element<'_>)>,
    ) -> Understood<'b> {
        let mut slots = Slots::default();
        let wants_list = self.element_id.is_some() && each.is_some();
        let is_needed = wants_list || !self.pointers.is_empty();
        let picked = self.pick.as_ref();
        let picked = picked.map(|pick| pick.read(&self.pointers, response.body, &mut slots, buyer));
        let is_json = match &picked {
            Some(picked) => !matches!(picked, Picked::NotJson),
            None => is_needed && self.read(response.body, &mut slots, each),
        };
        let facts = Facts {
            status: response.status,
            slots: is_json.then_some(&slots),
            body: response.body,
            header: response.header,
            event: None,
            buyer,
        };
        let row = self.rows.iter().find(|row| row.matches(&facts));
        let mut meaning = row.map(|row| row.meaning);
        // A list that cannot be read has no elements to choose from.
        let is_unread = matches!(picked, Some(Picked::NotJson | Picked::Unread));
        if (wants_list && !is_json) || is_unread {
            meaning = meaning.filter(|meaning| *meaning != Meaning::Done);
        }
        let mut kept = Vec::new();
        match picked {
            Some(Picked::Element(values)) => kept = values,
            Some(Picked::Nothing) if meaning == Some(Meaning::Done) => {
                meaning = Some(Meaning::SoldOut);
            }
            Some(Picked::Nothing | Picked::NotJson | Picked::Unread) | None => {}
        }
        for keep in &self.keeps {
            match kept_value(&keep.source, &slots, response) {
                Some(value) => kept.push((keep.variable, value)),
                // Without it, the next request could not be sent.
                None if meaning == Some(Meaning::Done) => meaning = None,
                None if meaning == Some(Meaning::Held)
                    && keep.variable == Variable::Reservation =>
                {
                    meaning = None;
                }
                None => {}
            }
        }
        let poll_after = self
            .poll_after
            .as_ref()
            .and_then(|after| after.read(&slots, response.header, response.now_unix_s));
        Understood {
            meaning,
            kept,
            poll_after,
        }
    }

    /// Returns what a response about the queue says of the buyer's place: a second look, for those who want to know.
    pub fn place(&self, body: &[u8]) -> Place {
        let place = self.place.as_ref();
        place.map_or_else(Place::default, |place| place.read(body))
    }

    /// Returns whether a response about the queue has the buyer's position.
    pub fn states_position(&self) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.position.is_some())
    }

    /// Returns whether the mapping tells seats on hold from sold ones.
    pub const fn knows_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns the variables that a request names, also in headers that it can do without.
    pub fn variables(&self) -> impl Iterator<Item = Variable> {
        let headers = self.headers.iter().map(|header| &header.value);
        let templates = [&self.path, &self.body].into_iter().chain(headers);
        templates.flat_map(Template::variables)
    }

    fn title_in<'s>(&self, element: &'s Slots<'_>) -> Option<&'s str> {
        match &element[usize::from(self.element_title?)] {
            Scalar::Text(text) => Some(text.as_ref()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    fn read<'b>(
        &self,
        body: &'b [u8],
        slots: &mut Slots<'b>,
        each: Option<&mut dyn FnMut(Element<'_>)>,
    ) -> bool {
        let (Some(id), Some(each)) = (self.element_id, each) else {
            return self.pointers.read(body, slots, &mut |_| {});
        };
        let mut is_complete = true;
        let is_json = self.pointers.read(body, slots, &mut |element| {
            let fits = |wants: &[(u8, Want)]| {
                wants
                    .iter()
                    .all(|(slot, want)| want.accepts(&element[usize::from(*slot)], Some(element)))
            };
            match element[usize::from(id)].id() {
                Some(id) => each(Element {
                    id,
                    title: self.title_in(element),
                    is_free: fits(&self.free),
                    is_held: !self.held.is_empty() && fits(&self.held),
                }),
                None => is_complete = false,
            }
        });
        is_json && is_complete
    }
}

pub(crate) fn kept_value<'b>(
    source: &Source,
    slots: &Slots<'b>,
    response: &Response<'b>,
) -> Option<Kept<'b>> {
    let (text, is_number) = match source {
        Source::Json(slot) => match &slots[usize::from(*slot)] {
            Scalar::Text(text) => (text.clone(), false),
            other => {
                let id = other.id()?;
                (Cow::Owned(id.text.into_owned()), id.is_number)
            }
        },
        Source::Header(name) => (Cow::Borrowed((response.header)(name)?), false),
        Source::Cookie(name) => {
            let cookies = (response.cookies)();
            let value = cookies.iter().find_map(|cookie| {
                let (key, value) = cookie.split_once('=')?;
                (key.trim() == name).then(|| value.split(';').next().unwrap_or_default().trim())
            });
            (Cow::Borrowed(value?), false)
        }
    };
    Some(IdText { text, is_number })
}
